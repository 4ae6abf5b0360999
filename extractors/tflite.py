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
_ONE_THREAD: dict[str, Any] = {
    "PERFORMANCE_HINT": "LATENCY",
    "NUM_STREAMS": 1,
    "INFERENCE_NUM_THREADS": 1,
    "ENABLE_CPU_PINNING": False,
    "INFERENCE_PRECISION_HINT": "f32",
    "EXECUTION_MODE_HINT": "ACCURACY",
}


class Network:
    """A `.tflite` network inside a MediaPipe `.task` bundle (a zip).

    `input_shape` makes the shape static. With `pixel_scale` the input is uint8 and the network sees
    `(value - pixel_mean) / pixel_scale`; without, the input is float32. Call `infer()` after filling
    `input`; `output(index)` is then a view that the next call overwrites.
    """

    def __init__(
        self,
        task_path: str,
        member: str,
        *,
        input_shape: Sequence[int],
        pixel_mean: float = 0.0,
        pixel_scale: float | None = None,
    ) -> None:
        import openvino
        from openvino.preprocess import PrePostProcessor

        core = openvino.Core()
        with zipfile.ZipFile(task_path) as bundle, tempfile.TemporaryDirectory() as folder:
            # OpenVINO reads TFLite from a path only, not from bytes.
            model = core.read_model(Path(bundle.extract(member, folder)))
            model.reshape(list(input_shape))
            if pixel_scale is not None:
                build = PrePostProcessor(model)
                build.input().tensor().set_element_type(openvino.Type.u8)
                steps = build.input().preprocess().convert_element_type(openvino.Type.f32)
                steps.mean(pixel_mean).scale(pixel_scale)
                model = build.build()
            compiled = core.compile_model(model, "CPU", _ONE_THREAD)
        self._request = compiled.create_infer_request()
        self._outputs = [self._request.get_output_tensor(i).data for i in range(len(model.outputs))]
        self.input: NDArray[Any] = self._request.get_input_tensor().data

    def infer(self) -> None:
        """Run the network on what `input` holds now."""
        self._request.infer()

    def output(self, index: int) -> NDArray[np.float32]:
        """Output number `index` of the last `infer`, a view."""
        view: NDArray[np.float32] = self._outputs[index]
        return view
