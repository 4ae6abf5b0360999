"""What was said, heard again: words, quality, pace, clipping and voice, measured and held against limits.

What hears (recogniser, embedder, DNSMOS, aligner) is handed in: this folder makes sound and has no ears.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from synth.voices.trimming import Trimmed
from synth.voices.voice import Fault, Pcm, Reference, SpokenWord

HEARING_HZ = 16_000
MOST_TRIES = 5


class TimedWord(Protocol):
    """A word in half-open [start_s, end_s) seconds; `extractors.words.Word` is one."""

    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def start_s(self) -> float: ...  # noqa: D102
    @property
    def end_s(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, kw_only=True)
class Judges:
    """What hears, each (n,) float32 at 16 kHz; None: that is not measured.

    `recognise`: sound to text. `error_rate`: (wanted, heard) to WER. `opinion`: DNSMOS, overall, or None
    where it is silent. `embed`: a voice's embedding. `feel`: sound and the asked emotion to its probability
    (None where the model does not know it) and the emotion that is heard. `align`: sound and text to a word
    for each written word, or None where they do not go together. `spell_out`: a written word to what is said
    for it, for voices that cannot read numbers.
    """

    recognise: Callable[[Pcm], str] | None = None
    error_rate: Callable[[str, str], float] | None = None
    opinion: Callable[[Pcm], float | None] | None = None
    embed: Callable[[Pcm], NDArray[np.float32]] | None = None
    feel: Callable[[Pcm, str], tuple[float | None, str]] | None = None
    align: Callable[[Pcm, str], Sequence[TimedWord] | None] | None = None
    spell_out: Callable[[str], Sequence[str]] | None = None

    def __post_init__(self) -> None:
        if (self.recognise is None) != (self.error_rate is None):
            raise ValueError("recognise and error_rate go together")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a rendering must keep to. How the defaults were chosen, and on which sentences: `docs/voices.md`.

    Texts of fewer than `wer_from_words` words are heard and their WER is kept, but it does not decide: a
    recogniser of speech does not spell `mm-hm` as the script does. Likewise the similarity of speech that is
    shorter than `similarity_from_s`: the threshold was measured on clips of two seconds. `min_emotion_score`:
    None measures and decides nothing.
    """

    tries: int = 3
    max_wer: float = 0.25
    wer_from_words: int = 4
    min_dnsmos: float = 2.3
    min_similarity: float = 0.7
    similarity_from_s: float = 2.0
    min_emotion_score: float | None = None
    max_clipped_share: float = 0.0005
    min_letters_a_second: float = 5.0
    max_letters_a_second: float = 25.0

    def __post_init__(self) -> None:
        if not 1 <= self.tries <= MOST_TRIES:
            raise ValueError(f"tries={self.tries} is not within 1..{MOST_TRIES}")


@dataclass
class Judgement:
    """Of one rendering. `measured`: plain columns. `faults`: every limit that was missed, and how."""

    measured: dict[str, Any] = field(default_factory=dict)
    faults: dict[Fault, str] = field(default_factory=dict)
    words: tuple[SpokenWord, ...] | None = None
    words_from: str | None = None


@dataclass(frozen=True)
class _Case:
    speech: Trimmed
    heard: Pcm  # at HEARING_HZ
    text: str
    emotion: str | None
    reference: Reference | None
    judges: Judges
    limits: Limits


def judge(
    speech: Trimmed,
    text: str,
    *,
    emotion: str | None,
    reference: Reference | None,
    judges: Judges,
    limits: Limits,
) -> Judgement:
    """Everything that the judges can tell of `speech`, which is to say `text` in the voice of `reference`."""
    heard = at_hearing_rate(speech.pcm, speech.rate_hz)
    case = _Case(speech, heard, text, emotion, reference, judges, limits)
    found = Judgement()
    for look in (_clipping, _pace, _quality, _understood, _likeness, _feeling, _words):
        look(case, found)
    return found


def _clipping(case: _Case, found: Judgement) -> None:
    if case.speech.clipped_share > case.limits.max_clipped_share:
        found.faults[Fault.SPEECH_CLIPPED] = f"{case.speech.clipped_share:.2%} of the samples are clipped"


def _pace(case: _Case, found: Judgement) -> None:
    letters_a_second = sum(one.isalnum() for one in case.text) / case.speech.duration_s
    found.measured["letters_a_second"] = letters_a_second
    if any(one.isdigit() for one in case.text):  # few characters, long words: no pace to judge
        return
    if not case.limits.min_letters_a_second <= letters_a_second <= case.limits.max_letters_a_second:
        found.faults[Fault.PACE_ODD] = f"{letters_a_second:.1f} letters a second"


def _quality(case: _Case, found: Judgement) -> None:
    if case.judges.opinion is None:
        return
    dnsmos = case.judges.opinion(case.heard)
    found.measured["dnsmos"] = dnsmos
    if dnsmos is None or dnsmos < case.limits.min_dnsmos:
        told = "none" if dnsmos is None else f"{dnsmos:.2f}"
        found.faults[Fault.DNSMOS_LOW] = f"DNSMOS {told} where {case.limits.min_dnsmos:g} is asked"


def _understood(case: _Case, found: Judgement) -> None:
    if case.judges.recognise is None or case.judges.error_rate is None:
        return
    heard = case.judges.recognise(case.heard)
    wer = case.judges.error_rate(case.text, heard)
    found.measured |= {"heard": heard, "wer": wer}
    if len(case.text.split()) >= case.limits.wer_from_words and wer > case.limits.max_wer:
        told = f"WER {wer:.2f} where {case.limits.max_wer:g} is allowed: {heard[:80]!r}"
        found.faults[Fault.WER_HIGH] = told


def _likeness(case: _Case, found: Judgement) -> None:
    if case.reference is None or case.judges.embed is None:
        return
    wanted = case.judges.embed(at_hearing_rate(case.reference.pcm, case.reference.rate_hz))
    heard = case.judges.embed(case.heard)
    norms = float(np.linalg.norm(wanted) * np.linalg.norm(heard))
    similarity = float(wanted @ heard) / norms if norms else 0.0
    found.measured["similarity"] = similarity
    is_long = case.speech.duration_s >= case.limits.similarity_from_s
    if is_long and similarity < case.limits.min_similarity:
        told = f"similarity {similarity:.2f} where {case.limits.min_similarity:g} is asked"
        found.faults[Fault.VOICE_DIFFERS] = f"{told}, to {case.reference.speaker}"


def _feeling(case: _Case, found: Judgement) -> None:
    if not case.emotion or case.judges.feel is None:
        return
    score, heard = case.judges.feel(case.heard, case.emotion)
    found.measured |= {"emotion_score": score, "emotion_heard": heard}
    least = case.limits.min_emotion_score
    if score is not None and least is not None and score < least:
        told = f"{case.emotion} has the score {score:.2f} where {least:g} is asked; {heard} is heard"
        found.faults[Fault.EMOTION_DIFFERS] = told


def _words(case: _Case, found: Judgement) -> None:
    speech = case.speech
    if speech.words is not None:
        found.words, found.words_from = speech.words, "engine"
    elif case.judges.align is not None:
        aligned = case.judges.align(case.heard, case.text)
        if aligned is None:
            found.faults[Fault.NOT_ALIGNED] = "the words could not be laid over the sound"
            return
        found.words = tuple(
            SpokenWord(word.text, *(_sample(at_s, speech) for at_s in (word.start_s, word.end_s)))
            for word in aligned
        )
        found.words_from = "aligner"


def _sample(at_s: float, speech: Trimmed) -> int:
    return min(max(round(at_s * speech.rate_hz), 0), len(speech.pcm))


def at_hearing_rate(pcm: Pcm, rate_hz: int) -> Pcm:
    """(n,) at `rate_hz` to (m,) at 16 kHz."""
    import soxr

    if rate_hz == HEARING_HZ:
        return pcm
    return np.asarray(soxr.resample(pcm, rate_hz, HEARING_HZ, quality="HQ"), np.float32)
