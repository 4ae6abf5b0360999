from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from synth.rewriting.emotions import AVLM_EMOTIONS, EmotionModelError, EmotionRule, load_scorer


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
    """logits = (mean, -mean) of the samples, so P(first) = 1 / (1 + exp(-2 mean)), by hand."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["pcm", "axes"], ["mean"], keepdims=1),
        helper.make_node("MatMul", ["mean", "signs"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("pcm", TensorProto.FLOAT, [1, None])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [
            helper.make_tensor("axes", TensorProto.INT64, [1], [1]),
            helper.make_tensor("signs", TensorProto.FLOAT, [1, 2], [1.0, -1.0]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = tmp_path / "emotion.onnx"
    onnx.save(model, path)
    scores = load_scorer(str(path), ("Happy", "Sad"))(np.full(1000, 0.5, np.float32))
    assert scores["Happy"] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
    with pytest.raises(EmotionModelError, match="for 3 labels"):
        load_scorer(str(path), ("Happy", "Sad", "Angry"))(np.zeros(10, np.float32))
    with pytest.raises(EmotionModelError, match="needs its labels"):
        load_scorer(str(path))


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
