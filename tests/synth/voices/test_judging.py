"""What decides and what is only measured; the judges' answers are handed in, so the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from synth.voices.judging import Judgement, Judges, Limits, judge
from synth.voices.trimming import trim
from synth.voices.voice import Fault, Reference, Spoken

RATE_HZ = 16_000


def hum(duration_s: float) -> np.ndarray:
    at = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return (0.1 * np.sin(2 * np.pi * 120 * at)).astype(np.float32)


def judged(duration_s: float, judges: Judges, *, emotion: str | None = None, **limits: float) -> Judgement:
    who = Reference("ann", hum(4.0), RATE_HZ, "", "voice cloning", "CC0-1.0")
    speech = trim(Spoken(hum(duration_s), RATE_HZ))
    text = "x" * round(12 * duration_s)  # at an even pace
    return judge(speech, text, emotion=emotion, reference=who, judges=judges, limits=Limits(**limits))


def at_angle(cosine: float) -> Judges:
    """The reference (4 s) at 0 degrees, all else at the angle of that cosine."""
    other = np.array([cosine, np.sqrt(1 - cosine**2)], np.float32)
    return Judges(embed=lambda pcm: np.array([1, 0], np.float32) if len(pcm) == 4 * RATE_HZ else other)


@pytest.mark.parametrize(("duration_s", "fails"), [(0.5, False), (1.9, False), (2.0, True), (3.0, True)])
def test_short_speech_is_measured_and_not_judged(duration_s: float, fails: bool) -> None:
    found = judged(duration_s, at_angle(0.6))
    assert found.measured["similarity"] == pytest.approx(0.6, abs=1e-6)
    assert (Fault.VOICE_DIFFERS in found.faults) == fails
    assert Fault.VOICE_DIFFERS not in judged(duration_s, at_angle(0.71)).faults
    assert Fault.VOICE_DIFFERS not in judged(duration_s, at_angle(0.6), min_similarity=0.59).faults


@pytest.mark.parametrize(
    ("emotion", "score", "least", "fails"),
    [
        ("Sad", 0.4, 0.5, True),
        ("Sad", 0.5, 0.5, False),
        ("Sad", 0.4, None, False),
        ("Sad", None, 0.5, False),
        (None, 0.0, 0.5, False),
    ],
)
def test_an_emotion_is_held_against_its_limit_where_there_is_one(
    emotion: str | None, score: float | None, least: float | None, fails: bool
) -> None:
    judges = Judges(feel=lambda pcm, asked: (score, "Happy"))
    found = judged(1.0, judges, emotion=emotion, **({} if least is None else {"min_emotion_score": least}))
    assert (Fault.EMOTION_DIFFERS in found.faults) == fails
    assert found.measured.get("emotion_heard") == ("Happy" if emotion else None)
    assert found.measured.get("emotion_score") == (score if emotion else None)
