"""Where a face is in a frame, as far as corruption needs it: mouth, size, tilt, and its parts as polygons.

Points are those of iBUG-68 (`48` is the mouth's corner at the image's left), taken from a mesh of 478 where
that is what there is. A pixel of the canvas is that of the mean face of mpc001/auto_avsr, 256x256.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.kinds import Region

Points = NDArray[np.float64]

# fmt: off
IBUG68_FROM_MESH = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300, 168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 78, 82, 13, 312, 308, 317, 14, 87,
)
"""The mesh's vertices that stand for the 68: those of `extractors.landmarks`, which a test compares."""
# fmt: on
N_MESH, N_POINTS = 478, 68
MAX_GAP_FRAMES = 5
"""A face missed for longer than this may be anywhere: its place is not interpolated."""

_EYES_APART_PX, _EYES_TO_MOUTH_PX = 53.5, 62.2  # on the canvas
_RIGHT_EYE, _LEFT_EYE = slice(36, 42), slice(42, 48)
_CORNERS = [48, 54]
_BROWS = slice(17, 27)
_LOWER_LIP = [48, *range(54, 61), *range(64, 68)]
_FOREHEAD_PX = 35.0
_MOUTH_BOX_PX = (72.0, 52.0)
_LIP_GROWTH = 1.25


@dataclass(frozen=True, eq=False)
class FaceFrame:
    """The head in the picture: `mouth` (2,) px, the middle between its corners, which speech hardly moves;
    `scale` px of the picture a px of the canvas; `angle` radians, clockwise."""

    mouth: Points
    scale: float
    angle: float

    def at(self, right_px: float, down_px: float) -> Points:
        """(2,) px of the picture of a point so far from the mouth: canvas px, the head's own directions."""
        return self.mouth + self.scale * _turned(np.array([right_px, down_px]), self.angle)


def points68(landmarks: NDArray[np.floating]) -> Points:
    """(T, 68, 2) px of landmarks (T, 478 or 68, 2 or 3). Raises ValueError for another shape."""
    if (
        landmarks.ndim != 3
        or landmarks.shape[1] not in (N_MESH, N_POINTS)
        or landmarks.shape[2] not in (2, 3)
    ):
        raise ValueError(f"landmarks must be (frames, 478 or 68, 2 or 3), not {landmarks.shape}")
    rows = list(IBUG68_FROM_MESH) if landmarks.shape[1] == N_MESH else slice(None)
    return np.asarray(landmarks[:, rows, :2], np.float64)


def without_gaps(points: Points) -> tuple[Points, NDArray[np.bool_], NDArray[np.bool_]]:
    """(T, 68, 2) with short gaps filled, (T,) which frames were filled, (T,) which are still missing (NaN).

    Gaps of up to `MAX_GAP_FRAMES` are interpolated linearly; at the ends the nearest frame is repeated.
    """
    missing = np.asarray(np.isnan(points).any(axis=(1, 2)))
    filled = np.zeros(len(points), bool)
    if missing.all() or not missing.any():
        return points, filled, missing
    known = np.flatnonzero(~missing)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], missing, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2).tolist():
        filled[start:stop] = stop - start <= MAX_GAP_FRAMES
    rows = np.flatnonzero(filled)
    after = np.minimum(np.searchsorted(known, rows), len(known) - 1)
    before = np.where(known[after] > rows, np.maximum(after - 1, 0), after)
    first, last = known[before], known[after]
    share = np.clip((rows - first) / np.maximum(last - first, 1), 0, 1)[:, None, None]
    complete = points.copy()
    complete[rows] = points[first] * (1 - share) + points[last] * share
    return complete, filled, np.asarray(missing & ~filled)


def face_frame(points: Points) -> FaceFrame:
    """Of one frame's points (68, 2).

    The size is the larger of two, between the eyes and from them to the mouth: a turn of the head shortens
    one of them and leaves the other. Both tell the tilt.
    """
    right, left, mouth = (
        points[_RIGHT_EYE].mean(axis=0),
        points[_LEFT_EYE].mean(axis=0),
        points[_CORNERS].mean(axis=0),
    )
    across = (left - right) / _EYES_APART_PX
    down = (mouth - (right + left) / 2) / _EYES_TO_MOUTH_PX
    upright = across + np.array([down[1], -down[0]])
    scale = max(float(np.hypot(*across)), float(np.hypot(*down)), 1e-3)
    return FaceFrame(mouth, scale, float(np.arctan2(upright[1], upright[0])))


def usual_scale(points: Points) -> float:
    """Median size of the faces of (T, 68, 2), px a px of the canvas; 1.0 where there is no face at all."""
    scales = [face_frame(one).scale for one in points[~np.isnan(points).any(axis=(1, 2))]]
    return float(np.median(scales)) if scales else 1.0


def region_polygon(points: Points, region: Region) -> Points:
    """(K, 2) px, convex, of a part of a face (68, 2). Raises ValueError for the whole frame."""
    head = face_frame(points)
    if region == "mouth":
        right, down = (side / 2 for side in _MOUTH_BOX_PX)
        return np.stack(
            [head.at(x, y) for x, y in ((-right, -down), (right, -down), (right, down), (-right, down))]
        )
    if region == "lower_lip":
        lip = points[_LOWER_LIP]
        return _hull(lip.mean(axis=0) + _LIP_GROWTH * (lip - lip.mean(axis=0)))
    if region == "face":
        brows = points[_BROWS] + head.scale * _turned(np.array([0.0, -_FOREHEAD_PX]), head.angle)
        return _hull(np.concatenate([points, brows]))
    raise ValueError(f"{region} is no part of a face")


def _turned(vector: Points, angle: float) -> Points:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])


def _hull(points: Points) -> Points:
    return np.asarray(cv2.convexHull(points.astype(np.float32))[:, 0], np.float64)
