"""Speak, listen to what was said, and try again: a text ends with sound that passes, or with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from manifests.ids import digest
from synth.voices.consent import check_consent
from synth.voices.judging import Judgement, Judges, Limits, judge
from synth.voices.trimming import Trimmed, trim
from synth.voices.voice import Fault, Reference, SpokenWord, Voice, VoiceError, speakable

SPEEDS = (1.0, 0.95, 1.05, 0.9, 1.1)
"""Of the tries of a voice that says the same with every seed: `judging.MOST_TRIES` of them."""
ANOTHER_TRY = frozenset(
    {
        *(Fault.SPEECH_SILENT, Fault.NOT_FINITE, Fault.SPEECH_CLIPPED, Fault.PACE_ODD, Fault.WER_HIGH),
        *(Fault.DNSMOS_LOW, Fault.VOICE_DIFFERS, Fault.EMOTION_DIFFERS, Fault.NOT_ALIGNED),
    }
)
"""Faults of one rendering. Others are of the text, or were tried again where they arose (a server)."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be said. `key` names it for the seed: the same key, run seed and try give the same sound."""

    key: str
    text: str
    run_seed: int = 0
    emotion: str | None = None
    reference: Reference | None = None


@dataclass(frozen=True)
class Checked:
    """How a request ended: `speech` and its `words`, or `fault` and `detail`. `row`: plain columns always."""

    speech: Trimmed | None
    words: tuple[SpokenWord, ...] | None
    fault: Fault | None
    detail: str | None
    row: dict[str, Any]


@dataclass
class _Try:
    seed: int
    speed: float
    speech: Trimmed | None = None
    judged: Judgement = field(default_factory=Judgement)


def speak_checked(voice: Voice, request: Request, judges: Judges, limits: Limits | None = None) -> Checked:
    """Speak, judge, and try again with another seed (or pace: `Traits.retry_by`) until a try passes.

    A person is imitated only with consent (`synth.voices.consent`), whose words the row keeps. Nothing that
    is wrong with one text is raised; VoiceSetupError is, since it would meet every text.
    """
    limits = limits or Limits()
    tries: list[_Try] = []
    try:
        if request.reference is not None:
            check_consent(request.reference)
        text = speakable(request.text)
        said = _said(voice, text, judges)
        for number in range(limits.tries):
            one = _Try(*_variation(voice, request, number))
            tries.append(one)
            _attempt(one, voice, request, said)
            if one.speech is not None:
                one.judged = judge(
                    one.speech,
                    text,
                    emotion=request.emotion,
                    reference=request.reference,
                    judges=judges,
                    limits=limits,
                )
            if not ANOTHER_TRY & set(one.judged.faults):
                break
    except VoiceError as error:
        return Checked(None, None, error.fault, error.detail, _row(voice, request, tries))
    row = _row(voice, request, tries)
    faults = one.judged.faults
    if not faults:
        return Checked(one.speech, one.judged.words, None, None, row)
    suffix = f" (try {len(tries)} of {limits.tries})" if len(tries) > 1 else ""
    return Checked(None, None, next(iter(faults)), "; ".join(faults.values()) + suffix, row)


def _variation(voice: Voice, request: Request, number: int) -> tuple[int, float]:
    """(seed below 2^31, which every server takes, speed) of a try."""
    by_seed = voice.traits.retry_by == "seed"
    seed = int(digest("spoken", request.run_seed, request.key, number if by_seed else 0, length=8), 16) >> 1
    return seed, 1.0 if by_seed else SPEEDS[number]


def _said(voice: Voice, text: str, judges: Judges) -> str:
    """The text as this voice is to get it: spelled out only where the voice could not read it."""
    if voice.traits.reads_numbers:
        return text
    if judges.spell_out is None:
        raise ValueError(f"{voice.traits.name} cannot read numbers: `Judges.spell_out` is needed")
    return " ".join(_spelled(word, judges.spell_out) for word in text.split())


def _spelled(word: str, spell_out: Callable[[str], Sequence[str]]) -> str:
    """Digits and signs in words, the punctuation behind them kept: it carries the melody."""
    if word.isalpha() or not any(one.isdigit() or one in "&%@+$£€" for one in word):
        return word
    stop = len(word) - len(word.rstrip(".,;:!?…\"')”’"))
    return " ".join(spell_out(word)) + (word[-stop:] if stop else "")


def _attempt(one: _Try, voice: Voice, request: Request, said: str) -> None:
    try:
        spoken = voice.speak(
            said, seed=one.seed, speed=one.speed, emotion=request.emotion, reference=request.reference
        )
        one.speech = trim(spoken)
    except VoiceError as error:
        one.judged.faults[error.fault] = error.detail


def _row(voice: Voice, request: Request, tries: Sequence[_Try]) -> dict[str, Any]:
    """Who spoke, what was asked, and what was measured at the last try; every try's faults."""
    traits, reference = voice.traits, request.reference
    last = tries[-1] if tries else None
    speech = last.speech if last else None
    judged = last.judged if last else Judgement()
    return {
        "voice": traits.name,
        "voice_identity": reference.speaker if reference else traits.identity,
        "voice_licence": traits.licence,
        "cloned_speaker": reference.speaker if reference else None,
        "cloned_consent": reference.consent if reference else None,
        "cloned_licence": reference.licence if reference else None,
        "text": request.text,
        "emotion": request.emotion,
        "emotion_voiced": bool(request.emotion and traits.takes_emotion),
        "seed": last.seed if last else None,
        "speed": last.speed if last else None,
        "tries": len(tries),
        "tries_faults": [[str(fault) for fault in one.judged.faults] for one in tries],
        **{name: getattr(speech, name) if speech else None for name in _OF_SPEECH},
        **{name: judged.measured.get(name) for name in _OF_JUDGES},
        "words_from": judged.words_from,
    }


_OF_SPEECH = (
    *("rate_hz", "duration_s", "lead_silence_s", "tail_silence_s"),
    *("level_dbfs", "peak_dbfs", "gain_db", "clipped_share"),
)
_OF_JUDGES = (
    *("letters_a_second", "heard", "wer", "dnsmos", "similarity"),
    *("emotion_score", "emotion_heard"),
)
