"""One small network, run by OpenVINO on one thread."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# One thread and one stream: the order of every float addition is then fixed, and N workers use N cores.
# Without pinning off, the single threads of several workers may be pinned to the same core.
ONE_THREAD: dict[str, Any] = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_NUM_THREADS": 1,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
    "EXECUTION_MODE_HINT": "ACCURACY",
}


class Network:
    """A `.tflite` network inside a MediaPipe `.task` bundle (a zip).

    `input_shape` makes the shape static. With `pixel_scale` the `input` is uint8 and the network sees
    `value * pixel_scale + pixel_offset`; without, it is float32. Call `infer()` after filling `input`;
    `output(index)` is then a view that the next call overwrites.
    """

    def __init__(
        self,
        task_path: str,
        member: str,
        *,
        input_shape: Sequence[int],
        pixel_scale: float | None = None,
        pixel_offset: float = 0.0,
    ) -> None:
        import openvino

        core = openvino.Core()
        with zipfile.ZipFile(task_path) as bundle, tempfile.TemporaryDirectory() as folder:
            # OpenVINO reads TFLite from a path only, not from bytes.
            model = core.read_model(Path(bundle.extract(member, folder)))
            model.reshape(list(input_shape))
            compiled = core.compile_model(model, "CPU", ONE_THREAD)
        self._request = compiled.create_infer_request()
        self._outputs = [self._request.get_output_tensor(i).data for i in range(len(model.outputs))]
        self._floats: NDArray[np.float32] = self._request.get_input_tensor().data
        self._pixels = None if pixel_scale is None else np.zeros(input_shape, dtype=np.uint8)
        self._scale, self._offset = np.float32(pixel_scale or 1.0), np.float32(pixel_offset)
        self.input: NDArray[Any] = self._floats if self._pixels is None else self._pixels

    def infer(self) -> None:
        """Run the network on what `input` holds now."""
        if self._pixels is not None:
            # numpy does this faster than the same step inside OpenVINO
            np.multiply(self._pixels, self._scale, out=self._floats)
            if self._offset:
                self._floats += self._offset
        self._request.infer()

    def output(self, index: int) -> NDArray[np.float32]:
        """Output number `index` of the last `infer`, a view."""
        view: NDArray[np.float32] = self._outputs[index]
        return view
