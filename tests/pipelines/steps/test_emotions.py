from __future__ import annotations

import json
from fractions import Fraction

import pytest

from pipelines.config import ConfigError, load_config
from pipelines.steps.emotions import clip_emotion, emotions_inside

TURNS = [["sad", 0.0, 2.0, "a"], ["angry", 2.0, 4.5, "b"], ["angry", 6.0, 7.0, "a"]]
SOURCE = {"audio_start": "1/2", "video_start": "0/1", "emotions": json.dumps(TURNS), "emotion": None}


def test_times_count_from_the_first_audio_sample_and_then_from_the_clip() -> None:
    """The clip [3/2, 9/2) of the source is [1, 4) s of its sound."""
    inside = emotions_inside(SOURCE, Fraction(3, 2), Fraction(9, 2))
    assert inside == [["sad", 0.0, 1.0, "a"], ["angry", 1.0, 3.0, "b"]]


@pytest.mark.parametrize(
    ("start", "stop", "emotion"),
    [
        (Fraction(1, 2), Fraction(5, 2), "sad"),
        (Fraction(5, 2), Fraction(15, 2), "angry"),  # two turns that agree
        (Fraction(1), Fraction(4), None),  # two that do not
        (Fraction(5), Fraction(6), None),  # between turns
    ],
)
def test_a_clip_has_the_emotion_on_which_its_turns_agree(
    start: Fraction, stop: Fraction, emotion: str | None
) -> None:
    assert clip_emotion(SOURCE, start, stop) == emotion
    labelled = SOURCE | {"emotion": "neutral"}
    assert clip_emotion(labelled, start, stop) == (emotion or "neutral")
    whole = {"audio_start": "0/1", "emotions": None, "emotion": "happy"}
    assert clip_emotion(whole, start, stop) == "happy"


def test_the_paper_s_four() -> None:
    """AVLM keeps Happy, Sad, Angry (Frustrated counts as it) and Neutral of IEMOCAP's labels."""
    select = load_config(preset="avlm").select
    kept = {one: select.kept_emotion(one) for one in ("happy", "SAD", "Frustrated", " angry ", "neutral")}
    wanted = ["Happy", "Sad", "Angry", "Angry", "Neutral"]
    assert list(kept.values()) == wanted
    for label in ("excited", "surprised", "disgusted", "fearful", "other", "", None):
        assert select.kept_emotion(label) is None
    assert load_config(preset="talking-face").select.kept_emotion("excited") == "excited"


def test_a_label_counts_as_one_emotion_only() -> None:
    with pytest.raises(ConfigError, match="cannot count as two"):
        load_config(overrides=["select.emotions={Angry: [mad], Sad: [Mad]}"])
