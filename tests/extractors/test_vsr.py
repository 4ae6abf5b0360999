from __future__ import annotations

import json
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.vsr import CtcLipReader, VsrError, ctc_n_best, log_softmax, open_vsr
from extractors.words import Hypothesis

UNITS = ["<blank>", "▁a", "▁be", "c"]
LIPS = np.random.default_rng(4).integers(0, 256, (6, 96, 96), dtype=np.uint8)


def by_all_paths(log_probs: NDArray[np.float64]) -> dict[tuple[int, ...], float]:
    """CTC by its definition: the probability of a labelling sums over every path that collapses to it."""
    found: dict[tuple[int, ...], float] = {}
    steps, labels = log_probs.shape
    for path in product(range(labels), repeat=steps):
        kept = [one for n, one in enumerate(path) if one and (n == 0 or path[n - 1] != one)]
        score = sum(log_probs[n, one] for n, one in enumerate(path))
        found[tuple(kept)] = float(np.logaddexp(found.get(tuple(kept), -np.inf), score))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_beam_search_is_exact_when_the_beam_is_wide(seed: int) -> None:
    log_probs = log_softmax(np.random.default_rng(seed).standard_normal((5, 3)).astype(np.float32) * 2)
    expected = sorted(by_all_paths(log_probs).items(), key=lambda item: -item[1])[:8]
    found = ctc_n_best(log_probs, beam=200)[:8]
    assert [labels for labels, _ in found] == [labels for labels, _ in expected]
    np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=1e-9)


def test_repeats_need_a_blank_between_them() -> None:
    sure = np.log(np.array([[0.01, 0.99], [0.99, 0.01], [0.01, 0.99]]))
    assert ctc_n_best(sure, beam=10)[0][0] == (1, 1)
    assert ctc_n_best(sure[[0, 0, 0]], beam=10)[0][0] == (1,)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A lip reader in form only: seeded random weights over the mean of 88 x 88 pixels' rows."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    weights = np.random.default_rng(2).standard_normal((88 * 88, len(UNITS))).astype(np.float32) * 0.03
    tensors = [
        numpy_helper.from_array(weights, "w"),
        numpy_helper.from_array(np.array([1, -1, 88 * 88]), "shape"),
    ]
    nodes = [
        helper.make_node("Reshape", ["lips", "shape"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["out"]),
    ]
    lips = helper.make_tensor_value_info("lips", TensorProto.FLOAT, [1, "frames", 1, 88, 88])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, "frames", len(UNITS)])
    model = helper.make_model(
        helper.make_graph(nodes, "vsr", [lips], [out], tensors),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    path = tmp_path / "lips.onnx"
    save_model(model, str(path))
    (tmp_path / "lips.units.txt").write_text("\n".join(UNITS) + "\n", encoding="utf-8")
    return path


def test_a_network_of_the_users(network: Path) -> None:
    from onnx import load, numpy_helper

    source = open_vsr(f"onnx:{network}")
    found = source("clip", LIPS, n=3)
    weights = numpy_helper.to_array(load(str(network)).graph.initializer[0])
    seen = (LIPS[:, 4:92, 4:92].reshape(len(LIPS), -1) / 255.0 - 0.421) / 0.165
    exact = by_all_paths(log_softmax((seen @ weights).astype(np.float32)))
    best = max(exact, key=lambda labels: exact[labels])
    assert found[0].text == "".join(UNITS[label] for label in best).replace("▁", " ").strip()
    assert found[0].score == pytest.approx(exact[best] / max(len(best), 1), abs=1e-3)
    assert len({one.text for one in found}) == len(found) == 3
    assert source("clip", LIPS, n=3) == found


def test_a_network_needs_its_units(network: Path) -> None:
    network.with_suffix(".units.txt").unlink()
    with pytest.raises(VsrError, match=r"lips\.units\.txt is missing"):
        open_vsr(f"onnx:{network}")
    network.with_suffix(".units.txt").write_text("a\nb\n")
    with pytest.raises(VsrError, match="does not fit 2 units"):
        open_vsr(f"onnx:{network}")("clip", LIPS)
    network.with_suffix(".units.txt").write_text("\n".join(UNITS))
    with pytest.raises(ValueError, match="lips must be"):
        CtcLipReader(str(network), str(network.with_suffix(".units.txt")))("clip", LIPS[..., None])


def test_stored_hypotheses_come_best_first(tmp_path: Path) -> None:
    path = tmp_path / "hyps.json"
    path.write_text(
        json.dumps(
            {"k": [{"text": "b", "score": -2}, {"text": "a", "score": -0.5}, {"text": "a", "score": -3}]}
        )
    )
    source = open_vsr(f"json:{path}")
    assert source("k", LIPS) == [Hypothesis("a", -0.5), Hypothesis("b", -2.0)]
    assert source("k", LIPS, n=1) == [Hypothesis("a", -0.5)]
    with pytest.raises(VsrError, match="no hypotheses for other"):
        source("other", LIPS)


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"k": "a"}', '{"k": [{"text": "a"}]}', '{"k": [{"text": "a", "score": NaN}]}']
)
def test_bad_files_are_told(tmp_path: Path, content: str) -> None:
    path = tmp_path / "hyps.json"
    path.write_text(content)
    with pytest.raises(VsrError, match=r"hyps\.json"):
        open_vsr(f"json:{path}")


@pytest.mark.parametrize("source", [None, "", "auto", "json:", "onnx:/nowhere.onnx"])
def test_without_a_model_nothing_is_read(source: str | None) -> None:
    with pytest.raises(VsrError, match=r"json:FILE|missing"):
        open_vsr(source)
