"""Face detectors: a frame in, boxes with five points out. Which one is a choice.

| name        | weights                                      | smallest face              |
|-------------|----------------------------------------------|----------------------------|
| `yunet`     | store name `yunet`                           | 10 px of the scaled frame  |
| `scrfd`     | a file of the user's (`det_10g.onnx`, …)     | 10 px of the scaled frame  |
| `mediapipe` | store name `face_landmarker` (its BlazeFace) | an eighth of the frame     |
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.face_roi import Roi, around_eyes, scaled_by, squared
from extractors.weights import MissingWeightsError, locate

DetectorName = Literal["yunet", "scrfd", "mediapipe"]
BUDGET_PX = 640
_CELL_PX = 32  # both networks halve their input five times
# Region of the landmarks over 1.5 times YuNet's squared box: 0.83 to 0.88 (GRID and stills, faces shrunk to
# 12..60 px). It matters: in a region 1.4 times as large the mesh sees 6 % of faces of 16 px, in this one all.
_TIGHTEN = 0.87


@dataclass(frozen=True)
class Detection:
    """One found face.

    `box` (4,) float32: x0, y0, x1, y1 in px, not clipped to the frame. What it encloses differs a little
    between detectors. `score`: 0..1, comparable within one detector only.
    `points` (5, 2) float32: eye, eye, nose tip, mouth corner, mouth corner in px, the subject's right one
    of a pair first; NaN for a point that the detector does not know.
    `region`: where the face mesh should look.
    """

    box: NDArray[np.float32]
    score: float
    points: NDArray[np.float32]
    region: Roi


class FaceDetector(Protocol):
    """Finds the faces of single frames; keeps nothing from one to the next."""

    def __call__(self, image: NDArray[np.uint8], *, max_faces: int) -> list[Detection]:
        """At most `max_faces` faces of `image` (H, W, 3) RGB, best score first."""


def make_detector(
    name: DetectorName,
    *,
    weights: str | None = None,
    min_score: float | None = None,
    budget_px: int = BUDGET_PX,
) -> FaceDetector:
    """Load a detector.

    `weights` names its file; None asks `extractors.weights`, which knows all but `scrfd`'s. `min_score`:
    None takes the detector's own. A frame whose longer side is above `budget_px` is scaled down to it
    first; frames are never scaled up (`mediapipe` always scales to 128 px and ignores it).

    Raises `extractors.weights.WeightsError` when there are no weights and `ValueError` for another name, for
    a budget below 32 px and for a file that is no such network.
    """
    if name not in get_args(DetectorName) or budget_px < _CELL_PX:
        raise ValueError(f"no detector {name!r} with a budget of {budget_px} px")
    scores = {} if min_score is None else {"min_score": min_score}
    if name == "mediapipe":
        from extractors.blaze import BlazeFace

        return BlazeFace(weights or str(locate("face_landmarker").path), **scores)
    if name == "yunet":
        from extractors.yunet import YuNet

        return YuNet(weights or str(locate("yunet").path), budget_px=budget_px, **scores)
    from extractors.scrfd import Scrfd

    return Scrfd(_users_file(weights), budget_px=budget_px, **scores)


def _users_file(weights: str | None) -> str:
    if weights is None or not Path(weights).is_file():
        raise MissingWeightsError(
            f"scrfd: no file {weights!r}. insightface publishes SCRFD for non-commercial research, so no "
            "store carries it: name your own copy, for example the det_10g.onnx of its pack buffalo_l"
        )
    return weights


@dataclass(frozen=True)
class Scaled:
    """A frame made small enough for a network and filled up with black to whole cells of 32 px."""

    image: NDArray[np.uint8]
    to_frame: NDArray[np.float32]
    """(2,) frame px in one px of `image`, x and y."""


def scale_to_budget(image: NDArray[np.uint8], budget_px: int) -> Scaled:
    """Scale `image` (H, W, 3) down until its longer side is `budget_px`, then pad it right and below."""
    height, width = image.shape[:2]
    shrink = min(1.0, budget_px / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    if size != (width, height):
        # INTER_AREA averages: without it small faces would be sampled, not shrunk
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    bottom, right = -size[1] % _CELL_PX, -size[0] % _CELL_PX
    if bottom or right:
        image = np.asarray(cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_CONSTANT), np.uint8)
    return Scaled(image, np.array([width / size[0], height / size[1]], dtype=np.float32))


def cell_corners(size: tuple[int, int], stride: int) -> NDArray[np.float32]:
    """(n, 2) x and y of the upper left corner of each cell of `size` (width, height) px, row by row."""
    y, x = np.mgrid[0 : size[1] : stride, 0 : size[0] : stride]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


def best_detections(
    candidates: NDArray[np.float32],
    rectangles: NDArray[np.float32],
    scaled: Scaled,
    *,
    max_overlap: float,
    max_faces: int,
) -> list[Detection]:
    """What is left of `candidates` when of overlapping ones only the best is kept, in px of the frame.

    `candidates` (n, 15): x0, y0, x1, y1, five points, score. `rectangles` (n, 4): x, y, width, height whose
    intersection over union counts (detectors round differently).
    """
    if not len(candidates):
        return []
    scores = candidates[:, 14]
    kept = cv2.dnn.NMSBoxes(rectangles.tolist(), scores.tolist(), 0.0, max_overlap)
    chosen = candidates[np.asarray(kept, dtype=np.intp).reshape(-1)[:max_faces]]
    pairs = chosen[:, :14].reshape(-1, 7, 2) * scaled.to_frame
    found = []
    for pair, row in zip(pairs, chosen, strict=True):
        box, points = pair[:2].reshape(4), pair[2:]
        region = scaled_by(squared(around_eyes(box, points[0], points[1])), _TIGHTEN)
        found.append(Detection(box, float(row[14]), points, region))
    return found
