"""What hears made speech: DNSMOS, the aligner, and a recogniser where one is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from synth.voices.judging import Judges
from synth.voices.voice import Pcm

if TYPE_CHECKING:
    from extractors.words import Word


def make_judges(asr_model: str | None) -> Judges:
    """Loads the networks. Raises WeightsError for a recogniser that is not there."""
    from extractors.words import word_error_rate

    recognise = _recogniser(asr_model) if asr_model else None
    return Judges(
        recognise=recognise,
        error_rate=word_error_rate if recognise else None,
        opinion=_opinion(),
        align=_aligner(),
        spell_out=_spelled,
    )


def _opinion() -> Callable[[Pcm], float | None]:
    import numpy as np

    from extractors.dnsmos import RATE_HZ, Dnsmos, opinion_over
    from extractors.weights import locate

    network = Dnsmos(str(locate("dnsmos").path))

    def opinion(pcm: Pcm) -> float | None:
        network.reset()
        rows = np.concatenate([network.feed(pcm), network.flush()])
        found = opinion_over(rows, 0.0, len(pcm) / RATE_HZ)
        return found["ovrl"] if found else None

    return opinion


def _aligner() -> Callable[[Pcm, str], Sequence[Word] | None]:
    from extractors.alignment import AlignmentError, ForcedAligner

    aligner = ForcedAligner()

    def align(pcm: Pcm, text: str) -> Sequence[Word] | None:
        try:
            return aligner(pcm, text)
        except AlignmentError:
            return None

    return align


def _recogniser(model: str) -> Callable[[Pcm], str]:
    from extractors.asr import Recogniser
    from extractors.whisper_weights import find_whisper

    whisper = Recogniser(str(find_whisper(model).folder))
    return lambda pcm: whisper(pcm, language="en").text


def _spelled(word: str) -> list[str]:
    from extractors.spelling import spoken_tokens

    return [part for token in spoken_tokens(word) for part in token.spoken]
