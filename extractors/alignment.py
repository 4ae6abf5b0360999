"""Forced alignment: when each word of a known English text is said (PocketSphinx)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.spelling import Token, guess_sounds, spoken_tokens
from extractors.words import Word

RATE_HZ = 16_000
FRAME_HZ = 100
LIBRARY = "pocketsphinx"
_LEAST_SAMPLES = 512  # its analysis window is 410
_PAD_S = 0.3
_PAD_LEVEL = 1e-4
"""Faint noise (-80 dBFS): digital silence has no spectrum to align to."""
_SUFFIXES = {"'s": "Z", "s'": "Z", "s": "Z", "'ll": "AH L", "'d": "D", "'re": "R", "'ve": "V"}


class AlignmentError(Exception):
    """The text could not be laid over the sound; the message says why."""


class UnknownWordsError(AlignmentError):
    """Words without any pronunciation: `words` names them as they are written."""

    def __init__(self, words: list[str]) -> None:
        super().__init__(
            f"no pronunciation for {', '.join(words)}: the aligner reads English written in Latin letters"
        )
        self.words = words


class ForcedAligner:
    """PocketSphinx with its own en-us model (BSD, inside the package), one thread.

    Its defaults lose some voices: the lattice is left out (`bestpath`) and the beams are wide. What was
    aligned before leaves no trace (`test_order_changes_nothing`).
    """

    def __init__(self, *, beam: float = 1e-64, word_beam: float = 1e-56) -> None:
        from pocketsphinx import Decoder

        self._decoder = Decoder(
            lm=None, bestpath=False, beam=beam, pbeam=beam, wbeam=word_beam, cmn="batch", loglevel="FATAL"
        )

    def __call__(self, pcm: NDArray[np.float32], text: str) -> list[Word]:
        """One `Word` for each written word of `text`, in order, to 10 ms.

        `pcm` is (n,) float32, 16 kHz mono, full scale ±1. `confidence` is how well the sounds fit, 0..1: the
        model's likelihood against its best one, for a second at that level. It is no
        probability: the sentences of GRID have a mean of 0.78 to 0.89, with another's text 0.49 to 0.68.

        Raises UnknownWordsError for words that have no pronunciation (those missing in the dictionary get
        one by their spelling, see `guess_sounds`), AlignmentError where text and sound do not go together
        and ValueError for sound of another shape.
        """
        if pcm.ndim != 1:
            raise ValueError(f"pcm must be mono, (n,), not {pcm.shape}")
        tokens = spoken_tokens(text)
        if not tokens:
            return []
        if not pcm.any():  # the decoder would spread the words over nothing
            raise AlignmentError(f"{len(pcm) / RATE_HZ:.2f} s of digital silence: nothing is said there")
        self._learn(tokens)
        spoken = [word for token in tokens for word in token.spoken]
        # real beginnings first; faint noise round them helps where speech fills the clip to its edges
        for pad_s in (0.0, _PAD_S):
            found = self._decode(_padded(pcm, pad_s), spoken)
            if found is not None:
                return list(_joined(tokens, found, offset=round(pad_s * FRAME_HZ), n_samples=len(pcm)))
        raise AlignmentError(
            f"{len(spoken)} words cannot be laid over {len(pcm) / RATE_HZ:.2f} s of sound: "
            "another text, or too noisy"
        )

    def _learn(self, tokens: list[Token]) -> None:
        """Give the decoder a pronunciation of each word that its dictionary lacks."""
        unknown = []
        for token in tokens:
            for word in token.spoken:
                if self._decoder.lookup_word(word) is not None:
                    continue
                sounds = self._from_stem(word) or guess_sounds(word)
                if sounds is None:
                    unknown.append(token.written)
                else:
                    self._decoder.add_word(word, sounds, update=True)
        if unknown:
            raise UnknownWordsError(list(dict.fromkeys(unknown)))

    def _from_stem(self, word: str) -> str | None:
        for suffix, sound in _SUFFIXES.items():
            stem = word.removesuffix(suffix)
            known = self._decoder.lookup_word(stem) if stem and stem != word else None
            if known is not None:
                return f"{known} {sound}"
        return None

    def _decode(self, pcm: NDArray[np.float32], spoken: list[str]) -> list[tuple[int, int, float]] | None:
        """(first frame, last frame, log likelihood) of each word; None: the text's end was not reached."""
        decoder = self._decoder
        if len(pcm) < _LEAST_SAMPLES:
            return None
        decoder.reinit_feat()  # else what was heard before is left in the noise estimate
        decoder.set_align_text(" ".join(spoken))
        samples = np.clip(np.round(pcm * 32767.0), -32768, 32767).astype("<i2")
        decoder.start_utt()
        decoder.process_raw(samples.tobytes(), full_utt=True)
        decoder.end_utt()
        if decoder.hyp() is None:
            return None
        segments = [one for one in decoder.seg() if not one.word.startswith(("<", "["))]
        if [_base(one) for one in segments] != spoken:
            return None
        return [(one.start_frame, one.end_frame, math.log(max(one.prob, 1e-300))) for one in segments]


def _base(segment: Any) -> str:
    """The word without the number of its pronunciation: white(2)."""
    return str(segment.word).split("(", maxsplit=1)[0]


def _padded(pcm: NDArray[np.float32], pad_s: float) -> NDArray[np.float32]:
    length = round(pad_s * RATE_HZ)
    if not length:
        return pcm
    noise = np.random.default_rng(0).normal(0.0, _PAD_LEVEL, (2, length)).astype(np.float32)
    return np.concatenate([noise[0], pcm, noise[1]])


def _joined(
    tokens: list[Token], found: list[tuple[int, int, float]], *, offset: int, n_samples: int
) -> list[Word]:
    """Spoken words back into written ones, within the sound."""
    end_s = n_samples / RATE_HZ
    words, at = [], 0
    for token in tokens:
        mine = found[at : at + len(token.spoken)]
        at += len(token.spoken)
        first, last = mine[0][0] - offset, mine[-1][1] + 1 - offset
        frames = sum(one[1] + 1 - one[0] for one in mine)
        fit = math.exp(FRAME_HZ * sum(one[2] for one in mine) / frames)
        start_s, stop_s = (min(max(frame / FRAME_HZ, 0.0), end_s) for frame in (first, last))
        words.append(Word(token.written, start_s, stop_s, fit))
    return words
