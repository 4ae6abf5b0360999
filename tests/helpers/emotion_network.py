"""A speech-emotion network whose answer is known by hand: it tells loud from quiet."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def loudness_network(folder: Path, *, seed: int, n_samples: int | None = None) -> tuple[Path, float, float]:
    """An ONNX file, its slope and its edge, which are drawn.

    P(first label) = 1 / (1 + exp(-slope (rms - edge))), of two. `n_samples`: the only length that it takes;
    None: any.
    """
    import onnx
    from onnx import TensorProto, helper

    rng = np.random.default_rng(seed)
    slope, edge = float(rng.uniform(100, 200)), float(rng.uniform(0.065, 0.075))
    weights = {
        "axes": (TensorProto.INT64, [1], [1]),
        "edge": (TensorProto.FLOAT, [1], [edge]),
        "slope": (TensorProto.FLOAT, [1, 2], [slope, 0.0]),
    }
    nodes = [
        helper.make_node("Mul", ["pcm", "pcm"], ["power"]),
        helper.make_node("ReduceMean", ["power", "axes"], ["mean"], keepdims=1),
        helper.make_node("Sqrt", ["mean"], ["rms"]),
        helper.make_node("Sub", ["rms", "edge"], ["over"]),
        helper.make_node("MatMul", ["over", "slope"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "loudness",
        [helper.make_tensor_value_info("pcm", TensorProto.FLOAT, [1, n_samples])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor(name, kind, shape, values) for name, (kind, shape, values) in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    path = folder / f"loudness-{seed}-{n_samples}.onnx"
    onnx.save(model, path)
    return path, slope, edge
