"""MediaPipe's short-range face detector (BlazeFace).

Steps and constants are those of google-ai-edge/mediapipe `face_detector_graph.cc`,
`tensors_to_detections_calculator.cc` and `non_max_suppression_calculator.cc`; the network is described
in Bazarevsky et al., "BlazeFace" (arXiv 1907.05047).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.detectors import Detection
from extractors.face_crop import Cropper
from extractors.face_roi import Roi, around_eyes
from extractors.tflite import Network

_SIDE = 128
_GRIDS = ((16, 2), (8, 6))  # (cells a side, anchors a cell); strides 8 and three times 16 share a grid
_MAX_OVERLAP = 0.5  # default `min_suppression_threshold`
_LOGIT_CLIP = 80.0  # MediaPipe clips at 100, where exp leaves float32; the scores are the same


def anchors() -> NDArray[np.float32]:
    """(896, 2) anchor centres, x and y in [0, 1], row by row (`ssd_anchors_calculator.cc`, fixed size)."""
    layers = []
    for cells, repeats in _GRIDS:
        centres = (np.arange(cells, dtype=np.float32) + np.float32(0.5)) / np.float32(cells)
        y, x = np.meshgrid(centres, centres, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), repeats, axis=0))
    return np.concatenate(layers)


class BlazeFace:
    """`FaceDetector` of faces larger than about an eighth of the frame's longer side.

    It knows the middle of the mouth but not its corners: those two points are NaN.
    """

    def __init__(self, task_path: str, *, min_score: float = 0.5) -> None:
        self._network = Network(
            task_path,
            "face_detector.tflite",
            input_shape=(1, _SIDE, _SIDE, 3),
            pixel_scale=1 / 127.5,
            pixel_offset=-1.0,
        )
        self._crop = Cropper(self._network.input[0], border=cv2.BORDER_CONSTANT)
        self._anchors = np.tile(anchors(), 8)  # the 16 numbers of a box are 8 (x, y) pairs
        self._anchors[:, 2:4] = 0.0  # of which the second is a size
        self._min_score = min_score

    def __call__(self, image: NDArray[np.uint8], *, max_faces: int) -> list[Detection]:
        """At most `max_faces` faces of `image` (H, W, 3) RGB, best score first."""
        height, width = image.shape[:2]
        side = max(width, height)
        frame = Roi(width / 2, height / 2, side, side, 0.0)
        self._crop(image, frame)
        self._network.infer()
        values, scores = self._candidates()
        offset = np.array([(width - side) / 2, (height - side) / 2], dtype=np.float32)
        found = []
        for value, score in weighted_nms(values, scores)[:max_faces]:
            pairs = value.reshape(8, 2) * side + offset
            points = np.full((5, 2), np.nan, dtype=np.float32)
            points[:3] = pairs[2:5]
            box = pairs[:2].reshape(4)
            found.append(Detection(box, score, points, around_eyes(box, points[0], points[1])))
        return found

    def _candidates(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(n, 16) boxes as x0, y0, x1, y1 and six key points in [0, 1] of the letterbox, and (n,) scores."""
        logits = np.clip(self._network.output(1).ravel(), -_LOGIT_CLIP, _LOGIT_CLIP)
        scores = 1 / (1 + np.exp(-logits))
        chosen = np.flatnonzero(scores >= self._min_score)
        values = self._network.output(0)[0, chosen] / np.float32(_SIDE) + self._anchors[chosen]
        centre, size = values[:, :2].copy(), values[:, 2:4].copy()
        values[:, :2], values[:, 2:4] = centre - size / 2, centre + size / 2
        real = (size >= 0).all(axis=1)
        return values[real], scores[chosen][real]


def weighted_nms(
    values: NDArray[np.float32], scores: NDArray[np.float32]
) -> list[tuple[NDArray[np.float32], float]]:
    """Boxes that overlap the best remaining one become their mean, weighted by score; best first.

    `values` is (n, 16) with x0, y0, x1, y1 first, `scores` (n,). With each mean comes its best score.
    """
    order = np.argsort(-scores, kind="stable")
    merged = []
    while order.size:
        boxes = values[order, :4]
        near = _iou(boxes, boxes[0]) > _MAX_OVERLAP
        near[0] = True  # a box without area overlaps nothing, not even itself
        group = order[near]
        weights = scores[group]
        mean = (values[group] * weights[:, None]).sum(axis=0) / weights.sum()
        merged.append((mean, float(scores[order[0]])))
        order = order[~near]
    return merged


def _iou(boxes: NDArray[np.float32], box: NDArray[np.float32]) -> NDArray[np.float32]:
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    shared = np.prod(np.maximum(sides, 0), axis=1)
    union = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - shared
    overlap: NDArray[np.float32] = np.where(shared > 0, shared / np.where(union > 0, union, 1), 0)
    return overlap
