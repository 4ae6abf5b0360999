"""YuNet, a small face detector that finds faces of ten pixels.

Wu et al., "YuNet: A Tiny Millisecond-level Face Detector" (Machine Intelligence Research, 2023). Its boxes
are read as opencv/opencv `modules/objdetect/src/face_detect.cpp` (`cv2.FaceDetectorYN`) reads them; OpenVINO
runs the network 2.4 times as fast as OpenCV does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.detectors import BUDGET_PX, Detection, best_detections, cell_corners, scale_to_budget
from extractors.onnx_network import OnnxNetwork

_STRIDES = (8, 16, 32)
_HEADS = ("cls", "obj", "bbox", "kps")
_MAX_OVERLAP = 0.3  # default `nms_threshold` of `cv2.FaceDetectorYN`
# GRID and stills: faces shrunk to 12..60 px score 0.66 and more, the frames with painted-over faces 0.41
# and less; upside down 0.89, lying on a side 0.6 to 0.85.
MIN_SCORE = 0.6


class YuNet:
    """`FaceDetector`. It draws upright points on a face that is upside down: roll is not to be trusted."""

    def __init__(self, path: str, *, min_score: float = MIN_SCORE, budget_px: int = BUDGET_PX) -> None:
        self._network = OnnxNetwork(path, bgr=True)
        self._min_score = min_score
        self._budget_px = budget_px
        names = self._network.output_names
        wanted = [[f"{head}_{stride}" for head in _HEADS] for stride in _STRIDES]
        if set(names) != {name for row in wanted for name in row}:
            raise ValueError(f"{path} is no YuNet: its outputs are {', '.join(names)}")
        self._order = [[names.index(name) for name in row] for row in wanted]

    def __call__(self, image: NDArray[np.uint8], *, max_faces: int) -> list[Detection]:
        """At most `max_faces` faces of `image` (H, W, 3) RGB, best score first."""
        scaled = scale_to_budget(image, self._budget_px)
        outputs = self._network(scaled.image)
        size = scaled.image.shape[1], scaled.image.shape[0]
        candidates = np.concatenate(
            [
                self._candidates([outputs[i][0] for i in order], cell_corners(size, stride), stride)
                for order, stride in zip(self._order, _STRIDES, strict=True)
            ]
        )
        # `cv2.FaceDetectorYN` compares boxes of whole pixels
        whole = np.trunc(np.concatenate([candidates[:, :2], candidates[:, 2:4] - candidates[:, :2]], axis=1))
        return best_detections(candidates, whole, scaled, max_overlap=_MAX_OVERLAP, max_faces=max_faces)

    def _candidates(
        self, heads: list[NDArray[np.float32]], corners: NDArray[np.float32], stride: int
    ) -> NDArray[np.float32]:
        """(n, 15) corners, points and score of the cells of one stride that may hold a face."""
        classes, objects, boxes, points = heads
        scores = np.sqrt(np.clip(classes, 0, 1) * np.clip(objects, 0, 1))
        chosen = np.flatnonzero(scores[:, 0] >= self._min_score)
        corner = corners[chosen]
        centre = boxes[chosen, :2] * stride + corner
        half = np.exp(boxes[chosen, 2:]) * np.float32(stride / 2)
        placed = points[chosen] * stride + np.tile(corner, 5)
        return np.concatenate([centre - half, centre + half, placed, scores[chosen]], axis=1)
