"""One convolutional network of an ONNX file, run by OpenVINO on one thread on images of any size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.tflite import ONE_THREAD


class OnnxNetwork:
    """A network with one input (1, 3, H, W) float32, which sees `(value - mean) * scale` of the pixels.

    `bgr`: blue is its first channel. Raises `ValueError` for a file that is no such network.
    """

    def __init__(self, path: str, *, mean: float = 0.0, scale: float = 1.0, bgr: bool = False) -> None:
        import openvino

        core = openvino.Core()
        try:
            model = core.read_model(path)
            model.reshape([1, 3, -1, -1])
        except RuntimeError as error:
            raise ValueError(f"{path} is no network over images: {error}") from error
        compiled = core.compile_model(model, "CPU", ONE_THREAD)
        self._request = compiled.create_infer_request()
        self.output_names = tuple(min(port.names) if port.names else "" for port in model.outputs)

        self._mean, self._scale, self._bgr = mean, scale, bgr

    def __call__(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Outputs for `image` (H, W, 3) RGB in the order of `output_names`: views, until the next call."""
        import openvino

        blob = cv2.dnn.blobFromImage(
            image, self._scale, mean=(self._mean, self._mean, self._mean), swapRB=self._bgr
        )
        self._request.set_input_tensor(openvino.Tensor(blob))
        self._request.infer()
        return [self._request.get_output_tensor(i).data for i in range(len(self.output_names))]
