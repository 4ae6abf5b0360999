"""dlib's face recognition network, run by OpenVINO: 128 numbers from an aligned face of 150x150 px.

The weights are read from dlib's own file; the layers are those of `dnn_face_recognition_ex.cpp`
(davisking/dlib, public domain). dlib itself gives the same numbers and takes ten times as long.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.tflite import ONE_THREAD

SIDE = 150
DIMS = 128
_MEAN_RGB = (122.782, 117.001, 104.298)  # `input_rgb_image_sized`, which then divides by 256
_STEM = 32
# (filters, first of its level halves the picture), from the picture to the descriptor: alevel4 … alevel0
_BLOCKS = (
    *((32, False),) * 3,
    *((64, True), *((64, False),) * 3),
    *((128, True), *((128, False),) * 2),
    *((256, True), *((256, False),) * 2),
    (256, True),
)
# How the records of dlib's layers begin: the length of the name, the name, and for the last the sizes
_CONVOLUTION = b"\x01\x05con_4"
_AFFINE = b"\x01\x07affine_"
_FULLY_CONNECTED = b"\x01\x04fc_2" + b"\x01\x80" + b"\x02\x00\x01"  # 128 outputs, 256 inputs


class DlibNetwork:
    """`path` names `dlib_face_recognition_resnet_model_v1.dat`. Raises `ValueError` for another file."""

    def __init__(self, path: str) -> None:
        import openvino

        compiled = openvino.Core().compile_model(_graph(Path(path).read_bytes()), "CPU", ONE_THREAD)
        self._request = compiled.create_infer_request()

    def __call__(self, face: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(128,) float32 of a face (150, 150, 3) RGB aligned as dlib aligns it."""
        picture = (face - np.array(_MEAN_RGB, np.float32)) / np.float32(256)
        self._request.infer([np.ascontiguousarray(picture.transpose(2, 0, 1)[None])])
        return np.array(self._request.get_output_tensor().data, np.float32).reshape(DIMS)


class _Weights:
    """Parameters in the order in which dlib writes them: from the picture to the descriptor."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self, layer: bytes, size: int) -> NDArray[np.float32]:
        """Parameters of the next layer whose record begins with `layer`."""
        found = self._data.find(layer, self._at)
        self._at = found + len(layer)
        version, *shape = [self._integer() for _ in range(5)]
        stop = self._at + 4 * size
        if found < 0 or version != 2 or int(np.prod(shape)) != size or stop > len(self._data):
            raise ValueError("this is not dlib_face_recognition_resnet_model_v1.dat")
        values = np.frombuffer(self._data[self._at : stop], "<f4")
        self._at = stop
        return values.astype(np.float32)

    def _integer(self) -> int:
        """dlib's packed integer: a byte that tells how many follow, the least significant first."""
        start = self._at + 1
        self._at = start + (self._data[start - 1] & 0x0F if start <= len(self._data) else 0)
        return int.from_bytes(self._data[start : self._at], "little")


def _graph(data: bytes) -> Any:
    from openvino import Model
    from openvino import opset13 as ops

    weights = _Weights(data)
    picture = ops.parameter([1, 3, SIDE, SIDE], np.float32)
    x = ops.relu(_convolution(picture, weights, shape=(_STEM, 3, 7, 7), stride=2))
    x = ops.max_pool(x, [2, 2], [1, 1], [0, 0], [0, 0], [3, 3]).output(0)
    n_in = _STEM
    for filters, halves in _BLOCKS:
        x = _block(x, weights, n_in=n_in, filters=filters, halves=halves)
        n_in = filters
    pooled = ops.reshape(ops.reduce_mean(x, [2, 3]), [1, n_in], special_zero=False)
    table = weights.next(_FULLY_CONNECTED, n_in * DIMS).reshape(n_in, DIMS)
    return Model([ops.matmul(pooled, table, False, False)], [picture], "dlib_face_recognition")


def _block(x: Any, weights: _Weights, *, n_in: int, filters: int, halves: bool) -> Any:
    """Two convolutions and the way round them. Where sizes differ, dlib adds as if zeros were there."""
    from openvino import opset13 as ops

    y = ops.relu(_convolution(x, weights, shape=(filters, n_in, 3, 3), stride=2 if halves else 1))
    y = _convolution(y, weights, shape=(filters, filters, 3, 3), stride=1)
    if halves:
        x = ops.avg_pool(x, [2, 2], [0, 0], [0, 0], [2, 2], True)
        largest = np.maximum(list(x.output(0).shape), list(y.output(0).shape))
        x, y = _widened(x, largest), _widened(y, largest)
    return ops.relu(ops.add(x, y))


def _widened(x: Any, shape: NDArray[np.int64]) -> Any:
    from openvino import opset13 as ops

    missing = shape - np.array(list(x.output(0).shape))
    return ops.pad(x, np.zeros(4, np.int64), missing, "constant", np.float32(0)) if missing.any() else x


def _convolution(x: Any, weights: _Weights, *, shape: tuple[int, int, int, int], stride: int) -> Any:
    """A convolution and the scale and shift after it (`affine_`), as one. It pads only at stride 1."""
    from openvino import opset13 as ops

    filters = shape[0]
    values = weights.next(_CONVOLUTION, int(np.prod(shape)) + filters)
    scale, shift = weights.next(_AFFINE, 2 * filters).reshape(2, filters, 1, 1, 1)
    kernel, bias = (
        values[:-filters].reshape(shape) * scale,
        values[-filters:].reshape(scale.shape) * scale + shift,
    )
    pad = [shape[2] // 2] * 2 if stride == 1 else [0, 0]
    y = ops.convolution(x, kernel, [stride] * 2, pad, pad, [1, 1])
    return ops.add(y, bias.reshape(1, filters, 1, 1))
