"""Speech recognition with Whisper: words and times, language, N-best, and the times of a known text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.words import Hypothesis, Word, plain_words

RATE_HZ = 16_000
WINDOW_S = 30
"""What Whisper hears at once."""
LIBRARIES = ("faster-whisper", "ctranslate2", "tokenizers")
_FRAMES_A_S = 100
_MOST_TOKENS = 224
"""In a window: openai/whisper's `sample_len`. Twice as many, faster-whisper's bound, is room for loops."""
_UNSPACED = {"zh", "ja", "th", "lo", "my", "yue"}  # as faster-whisper's tokenizer: no spaces between words


@dataclass(frozen=True)
class Recognised:
    """What was heard. `language` is Whisper's code (ISO 639-1 mostly)."""

    words: tuple[Word, ...]
    language: str
    language_probability: float
    """1.0 where the language was given, or the model knows only English."""
    mean_logprob: float
    """Mean natural log probability a token; NaN where nothing was heard."""
    no_speech_probability: float
    """The largest of its segments; 1.0 where nothing was heard."""
    compression_ratio: float
    """How far the text of a segment could be compressed, the largest; Whisper calls more than 2.4 a loop."""

    @property
    def text(self) -> str:
        """The words as one line."""
        space = "" if self.language in _UNSPACED else " "
        return space.join(word.text for word in self.words)


class Recogniser:
    """faster-whisper (MIT) on 16 kHz mono, one thread, without any draw, so that every run reads the same.

    `folder` holds a CTranslate2 conversion of Whisper: `model.bin`, `config.json`, `tokenizer.json`,
    `vocabulary.*`. `compute_type` is CTranslate2's: int8 or float32 on a CPU, float16 on CUDA; it changes the
    scores, and so belongs into a step's key. Raises ValueError for a folder that does not load.
    """

    def __init__(self, folder: str, *, device: str = "cpu", compute_type: str = "int8") -> None:
        from faster_whisper import WhisperModel

        try:
            self._model = WhisperModel(
                folder,
                device=device,
                compute_type=compute_type,
                cpu_threads=1,
                num_workers=1,
                local_files_only=True,
            )
        except RuntimeError as error:  # CTranslate2 has no type of its own for a model it cannot read
            raise ValueError(f"{folder} is no CTranslate2 conversion of Whisper: {error}") from error

    def __call__(self, pcm: NDArray[np.float32], *, language: str | None = None, beam: int = 5) -> Recognised:
        """What is said in `pcm`, (n,) float32, full scale ±1, of any length.

        `language` None: the model tells, from the first 30 s. A word's `confidence` is its mean token
        probability. Whisper invents text where nobody speaks and loops over what it cannot make out: give it
        speech only, and judge the three measures of `Recognised`. Digital silence is not asked about. Raises
        ValueError for sound of another shape.
        """
        _check(pcm)
        if not pcm.any():
            return Recognised((), language or "und", 1.0 if language else 0.0, float("nan"), 1.0, 0.0)
        segments, info = self._model.transcribe(
            pcm,
            language=language,
            beam_size=beam,
            temperature=0.0,  # its fallbacks draw from a distribution: another text on every run
            condition_on_previous_text=False,
            word_timestamps=True,
            max_new_tokens=min(_MOST_TOKENS, 32 + 15 * (len(pcm) // RATE_HZ)),
        )
        kept = list(segments)
        end_s = len(pcm) / RATE_HZ
        found = [word for segment in kept for word in segment.words or ()]
        words = [_word(one.word, one.start, one.end, one.probability, sound_s=end_s) for one in found]
        lengths = [len(segment.tokens) for segment in kept]
        return Recognised(
            tuple(words),
            info.language,
            float(info.language_probability),
            float(np.average([one.avg_logprob for one in kept], weights=lengths)) if kept else float("nan"),
            max((float(one.no_speech_prob) for one in kept), default=1.0),
            max((float(one.compression_ratio) for one in kept), default=0.0),
        )

    def n_best(
        self, pcm: NDArray[np.float32], *, n: int = 5, language: str | None = None, beam: int | None = None
    ) -> list[Hypothesis]:
        """Up to `n` readings that differ in their words, best first, of at most 30 s of sound.

        They are the ends of one beam search over `beam` (by default 2 n) paths; of readings that differ in
        case or punctuation only, the better one is kept. Fewer than `n` where the beam holds no more, none
        for digital silence. Raises ValueError for longer sound.
        """
        if not pcm.any():
            return []
        encoded, tokenizer = self._encode(pcm, language)
        beam = beam or 2 * n
        (result,) = self._model.model.generate(
            encoded,
            [self._model.get_prompt(tokenizer, [], without_timestamps=True)],
            beam_size=beam,
            num_hypotheses=beam,
            length_penalty=1,
            return_scores=True,
            max_length=self._model.max_length,
        )
        best: dict[tuple[str, ...], Hypothesis] = {}
        pairs = zip(result.sequences_ids, result.scores, strict=True)
        for tokens, score in sorted(pairs, key=lambda pair: -pair[1]):
            text = tokenizer.decode(tokens).strip()
            best.setdefault(tuple(plain_words(text)), Hypothesis(text, float(score)))
        return list(best.values())[:n]

    def align(self, pcm: NDArray[np.float32], text: str, *, language: str) -> list[Word]:
        """When the words of a known `text` are said, in any of Whisper's languages, within 30 s of sound.

        From the model's attention, to 20 ms; coarser than `extractors.alignment`, which reads English only.
        `confidence` is the mean probability that the model gives the word's tokens after those before: low
        where the text is not what is said. Raises ValueError for longer sound or text, an unknown language.
        """
        encoded, tokenizer = self._encode(pcm, language)
        tokens = tokenizer.encode(" " + " ".join(text.split()))
        if len(tokens) > self._model.max_length // 2:
            raise ValueError(f"{len(tokens)} tokens are more than Whisper takes: align shorter stretches")
        frames = min(-(-len(pcm) * _FRAMES_A_S // RATE_HZ), WINDOW_S * _FRAMES_A_S)
        (found,) = self._model.find_alignment(tokenizer, [tokens], encoded, frames)
        return _gathered(found, spaced=language not in _UNSPACED, end_s=len(pcm) / RATE_HZ)

    def _encode(self, pcm: NDArray[np.float32], language: str | None) -> tuple[Any, Any]:
        from faster_whisper.audio import pad_or_trim
        from faster_whisper.tokenizer import Tokenizer

        _check(pcm)
        if not 0 < len(pcm) <= WINDOW_S * RATE_HZ:
            raise ValueError(f"{len(pcm) / RATE_HZ:.2f} s of sound: Whisper hears up to {WINDOW_S} s at once")
        encoded = self._model.encode(pad_or_trim(self._model.feature_extractor(pcm)))
        multilingual = self._model.model.is_multilingual
        if multilingual and language is None:
            language = self._model.model.detect_language(encoded)[0][0][0][2:-2]  # "<|en|>"
        known = self._model.supported_languages
        if language is not None and language not in known:
            raise ValueError(f"this Whisper knows no language {language!r}; it knows {', '.join(known)}")
        tokenizer = Tokenizer(
            self._model.hf_tokenizer, multilingual, task="transcribe", language=language or "en"
        )
        return encoded, tokenizer


def _check(pcm: NDArray[np.float32]) -> None:
    if pcm.ndim != 1 or pcm.dtype != np.float32:
        raise ValueError(f"pcm must be mono float32, (n,), not {pcm.shape} {pcm.dtype}")


def _word(text: str, start_s: float, end_s: float, probability: float, *, sound_s: float) -> Word:
    low = min(max(float(start_s), 0.0), sound_s)
    return Word(text.strip(), low, min(max(float(end_s), low), sound_s), float(probability))


def _gathered(found: list[dict[str, Any]], *, spaced: bool, end_s: float) -> list[Word]:
    """Written words of Whisper's pieces: a piece without a space before it belongs to the word in front."""
    groups: list[list[dict[str, Any]]] = []
    for one in found:
        if not one["word"]:
            continue
        joins = groups and not (one["word"].startswith(" ") if spaced else plain_words(one["word"]))
        if joins:
            groups[-1].append(one)
        else:
            groups.append([one])
    words = []
    for group in groups:
        counts = [len(one["tokens"]) for one in group]
        probability = float(np.average([one["probability"] for one in group], weights=counts))
        text = "".join(one["word"] for one in group)
        words.append(_word(text, group[0]["start"], group[-1]["end"], probability, sound_s=end_s))
    return words
