from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from emotion_network import loudness_network

from synth.rewriting.emotions import (
    AVLM_EMOTIONS,
    EmotionModelError,
    EmotionRule,
    load_scorer,
    score_of,
    scorer_digest,
)


@pytest.mark.parametrize(
    ("label", "kept"),
    [
        ("Happy", "Happy"), ("sad", "Sad"), ("Frustrated", "Angry"), ("frustrated ", "Angry"),
        ("ANGRY", "Angry"), ("Neutral", "Neutral"), ("Excited", None), ("Surprised", None), ("", None),
    ],
)  # fmt: skip
def test_four_emotions_are_kept_and_frustration_is_anger(label: str, kept: str | None) -> None:
    assert AVLM_EMOTIONS.merged(label) == kept


def test_a_turn_without_emotion_is_skipped_only_where_one_is_required() -> None:
    assert EmotionRule().problem(None) is None
    assert "no emotion" in str(AVLM_EMOTIONS.problem(None))
    assert "'Excited' is none of Happy, Sad, Angry, Neutral" in str(EmotionRule().problem("Excited"))


def test_input_and_response_agree_after_merging() -> None:
    assert AVLM_EMOTIONS.disagreement("Angry", "Frustrated") is None
    assert AVLM_EMOTIONS.disagreement("Happy", "Sad") is not None
    assert AVLM_EMOTIONS.disagreement("Happy", None) is not None
    assert AVLM_EMOTIONS.disagreement("Excited", "Excited") is not None  # not kept is not agreement
    assert EmotionRule().disagreement("Happy", "Sad") is None


def loudness(pcm: np.ndarray) -> dict[str, float]:
    """A stand-in for a user's function: loud is angry."""
    angry = float(min(1.0, np.abs(pcm).mean()))
    return {"Angry": angry, "Neutral": 1 - angry}


def no_probabilities(pcm: np.ndarray) -> dict[str, float]:
    return {"Angry": 3.0}


def test_a_function_of_the_users(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    score = load_scorer("test_emotions:loudness")
    assert score(np.full(100, 0.25, np.float32)) == {"Angry": 0.25, "Neutral": 0.75}
    with pytest.raises(EmotionModelError, match="no probabilities"):
        load_scorer("test_emotions:no_probabilities")(np.zeros(10, np.float32))


def test_an_onnx_network(tmp_path) -> None:
    """P(loud) = 1 / (1 + exp(-slope (rms - edge))), by hand."""
    path, slope, edge = loudness_network(tmp_path, seed=5)
    scores = load_scorer(str(path), ("Happy", "Sad"))(np.full(1000, 0.08, np.float32))
    assert scores["Happy"] == pytest.approx(1 / (1 + np.exp(-slope * (0.08 - edge))), abs=1e-4)
    assert scores["Happy"] + scores["Sad"] == pytest.approx(1)
    with pytest.raises(EmotionModelError, match="for 3 labels"):
        load_scorer(str(path), ("Happy", "Sad", "Angry"))(np.zeros(10, np.float32))
    with pytest.raises(EmotionModelError, match="needs its labels"):
        load_scorer(str(path))
    fixed, *_ = loudness_network(tmp_path, seed=5, n_samples=16_000)
    with pytest.raises(EmotionModelError, match="sound of any length"):
        load_scorer(str(fixed), ("Happy", "Sad"))


def test_the_score_is_that_of_the_label_or_of_what_it_counts_as() -> None:
    scores = {"angry": 0.6, "Sad": 0.4}
    assert score_of(scores, "Angry") == score_of(scores, "Frustrated") == 0.6
    assert score_of(scores | {"frustrated": 0.1}, "Frustrated") == 0.1  # its own label goes first
    assert score_of(scores, " sad ") == 0.4
    assert score_of(scores, "Happy") is score_of(scores, "Excited") is None


def test_another_model_is_known_by_its_bytes(tmp_path, monkeypatch) -> None:
    first, *_ = loudness_network(tmp_path, seed=1)
    digest = scorer_digest(str(first))
    first.rename(tmp_path / "moved.onnx")
    assert scorer_digest(str(tmp_path / "moved.onnx")) == digest
    other, *_ = loudness_network(tmp_path, seed=2)
    assert scorer_digest(str(other)) != digest
    (tmp_path / "my_scorer.py").write_text("def one(pcm): ...\ndef two(pcm): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    names = [scorer_digest(f"my_scorer:{name}") for name in ("one", "two")]
    (tmp_path / "my_scorer.py").write_text("def one(pcm): return {}\ndef two(pcm): ...\n")
    assert len({*names, scorer_digest("my_scorer:one")}) == 3
    for model, message in (
        ("/nowhere/m.onnx", "no emotion model"),
        ("no_such.module:f", "cannot be imported"),
    ):
        with pytest.raises(EmotionModelError, match=message):
            scorer_digest(model)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("/nowhere/model.onnx", "there is no emotion model"),
        ("no_such_module:score", "cannot be imported"),
        ("json:no_such_function", "cannot be imported"),
        ("model.pt", "neither a .onnx file nor module:function"),
    ],
)
def test_without_a_model_there_is_no_score(model: str, message: str) -> None:
    with pytest.raises(EmotionModelError, match=message):
        load_scorer(model, ("a", "b"))
