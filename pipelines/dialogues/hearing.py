"""What hears made speech: DNSMOS, the aligner, and a recogniser, an emotion model and a comparison of voices
where they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipelines.dialogues.sections import SpeakConfig
from synth.voices.judging import Judges
from synth.voices.voice import Pcm

if TYPE_CHECKING:
    from extractors.words import Word


def make_judges(config: SpeakConfig) -> Judges:
    """Loads the networks. Raises WeightsError for a recogniser and EmotionModelError for an emotion model
    that is not there."""
    from extractors.words import word_error_rate

    recognise = _recogniser(config.asr_model) if config.asr_model else None
    return Judges(
        recognise=recognise,
        error_rate=word_error_rate if recognise else None,
        opinion=_opinion(),
        embed=_embedder() if config.clone else None,
        feel=_feeling(config.emotion_scorer, config.emotion_labels) if config.emotion_scorer else None,
        align=_aligner(),
        spell_out=_spelled,
    )


def _embedder() -> Callable[[Pcm], NDArray[np.float32]]:
    """All of a sound as one window, as the threshold was measured."""
    from extractors.voice_embedding import ResemblyzerVoice
    from extractors.weights import locate

    network = ResemblyzerVoice(str(locate("resemblyzer").path))
    return lambda pcm: network(pcm, np.array([[0, len(pcm)]]))[0]


def _feeling(model: str, labels: tuple[str, ...]) -> Callable[[Pcm, str], tuple[float | None, str]]:
    from synth.rewriting.emotions import load_scorer, score_of

    scorer = load_scorer(model, labels)

    def feel(pcm: Pcm, emotion: str) -> tuple[float | None, str]:
        scores = scorer(pcm)
        return score_of(scores, emotion), max(sorted(scores), key=lambda label: scores[label])

    return feel


def _opinion() -> Callable[[Pcm], float | None]:
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
