"""SCRFD, insightface's face detector, from a file of the user's.

Guo et al., "Sample and Computation Redistribution for Efficient Face Detection" (arXiv 2105.04714). Boxes are
read as deepinsight/insightface `python-package/insightface/model_zoo/scrfd.py` reads them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.detectors import BUDGET_PX, Detection, best_detections, cell_corners, scale_to_budget
from extractors.onnx_network import OnnxNetwork

_STRIDES = (8, 16, 32)
_ANCHORS = 2  # a cell
_MAX_OVERLAP = 0.4
_MEAN, _SCALE = 127.5, 1 / 128


class Scrfd:
    """`FaceDetector` of a file with key points (`*_bnkps.onnx`, `det_500m.onnx`, `det_10g.onnx`, …)."""

    def __init__(self, path: str, *, min_score: float = 0.5, budget_px: int = BUDGET_PX) -> None:
        self._network = OnnxNetwork(path, mean=_MEAN, scale=_SCALE)
        self._min_score = min_score
        self._budget_px = budget_px
        n_outputs = len(self._network.output_names)
        if n_outputs != 3 * len(_STRIDES):
            raise ValueError(f"{path} is no SCRFD with key points: it has {n_outputs} outputs, not 9")

    def __call__(self, image: NDArray[np.uint8], *, max_faces: int) -> list[Detection]:
        """At most `max_faces` faces of `image` (H, W, 3) RGB, best score first."""
        scaled = scale_to_budget(image, self._budget_px)
        outputs = self._network(scaled.image)
        size = scaled.image.shape[1], scaled.image.shape[0]
        n = len(_STRIDES)
        candidates = np.concatenate(
            [
                # scores of all strides come first, then boxes, then points
                self._candidates(outputs[i], outputs[i + n], outputs[i + 2 * n], size, stride)
                for i, stride in enumerate(_STRIDES)
            ]
        )
        # insightface counts the last pixel of a box into it
        sides = candidates[:, 2:4] - candidates[:, :2] + 1
        rectangles = np.concatenate([candidates[:, :2], sides], axis=1)
        return best_detections(candidates, rectangles, scaled, max_overlap=_MAX_OVERLAP, max_faces=max_faces)

    def _candidates(
        self,
        scores: NDArray[np.float32],
        boxes: NDArray[np.float32],
        points: NDArray[np.float32],
        size: tuple[int, int],
        stride: int,
    ) -> NDArray[np.float32]:
        """(n, 15) corners, points and score of the anchors of one stride that may hold a face."""
        scores = scores.reshape(-1, 1)  # some files have a batch axis, some have none
        chosen = np.flatnonzero(scores[:, 0] >= self._min_score)
        centre = np.repeat(cell_corners(size, stride), _ANCHORS, axis=0)[chosen]
        box = boxes.reshape(-1, 4)[chosen] * stride
        placed = points.reshape(-1, 10)[chosen] * stride + np.tile(centre, 5)
        return np.concatenate([centre - box[:, :2], centre + box[:, 2:], placed, scores[chosen]], axis=1)
