"""Rotated regions of interest: what part of a frame the face mesh looks at.

Follows MediaPipe's graph (google-ai-edge/mediapipe, `face_landmarks_detector_graph.cc` and the
calculators it names), in pixels instead of normalised coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_MARGIN = 1.5  # `RectTransformationCalculator.scale_x` and `scale_y` of both graphs
_EYE_RIGHT, _EYE_LEFT = 33, 263  # outer eye corners in the mesh; "right" is the subject's right


class Roi(NamedTuple):
    """A rotated rectangle: centre and size in px, rotation in radians, clockwise as seen on screen."""

    x: float
    y: float
    width: float
    height: float
    rotation: float

    def to_image(self, side: int) -> NDArray[np.float64]:
        """(2, 3) map from a `side` x `side` crop to the image, corner to corner (no half-pixel shift).

        This is the geometry of `image_to_tensor_converter_opencv.cc`.
        """
        cos, sin = math.cos(self.rotation), math.sin(self.rotation)
        a, b = self.width * cos / side, -self.height * sin / side
        c, d = self.width * sin / side, self.height * cos / side
        half = side / 2
        return np.array([[a, b, self.x - (a + b) * half], [c, d, self.y - (c + d) * half]])


def project(
    points: NDArray[np.float32], roi: Roi, *, side: int, image_size: tuple[int, int]
) -> NDArray[np.float32]:
    """(N, 3) mesh output in crop px to image px; `image_size` is (width, height).

    z is scaled as `LandmarkProjectionCalculator` does: by the length of the region's upper edge in
    normalised coordinates, then here by the image width, so that z is in the scale of x.
    """
    width, height = image_size
    placed = np.empty_like(points)
    matrix = roi.to_image(side)
    placed[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    edge = math.hypot(math.cos(roi.rotation), math.sin(roi.rotation) * width / height)
    placed[:, 2] = points[:, 2] * (roi.width * edge / side)
    return placed


def around_eyes(
    box: NDArray[np.floating], eye_right: NDArray[np.floating], eye_left: NDArray[np.floating]
) -> Roi:
    """Region of a detected box (x0, y0, x1, y1), 1.5 times its size, turned so that the eyes are level."""
    x0, y0, x1, y1 = map(float, box)
    rotation = math.atan2(float(eye_left[1] - eye_right[1]), float(eye_left[0] - eye_right[0]))
    return Roi((x0 + x1) / 2, (y0 + y1) / 2, (x1 - x0) * _MARGIN, (y1 - y0) * _MARGIN, rotation)


def squared(roi: Roi) -> Roi:
    """The same region as wide and as high as its longer side."""
    side = max(roi.width, roi.height)
    return roi._replace(width=side, height=side)


def scaled_by(roi: Roi, factor: float) -> Roi:
    """The region made `factor` times as wide and high about its centre."""
    return roi._replace(width=roi.width * factor, height=roi.height * factor)


def around_landmarks(landmarks: NDArray[np.float32]) -> Roi:
    """Square region for the next frame: 1.5 times the longer side of the landmarks' bounding box."""
    box = np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])
    return squared(around_eyes(box, landmarks[_EYE_RIGHT], landmarks[_EYE_LEFT]))


def overlap(one: Roi, other: Roi) -> float:
    """Intersection over union, rotation ignored as `AssociationNormRectCalculator` ignores it."""
    width = min(one.x + one.width / 2, other.x + other.width / 2) - max(
        one.x - one.width / 2, other.x - other.width / 2
    )
    height = min(one.y + one.height / 2, other.y + other.height / 2) - max(
        one.y - one.height / 2, other.y - other.height / 2
    )
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (one.width * one.height + other.width * other.height - shared)


def without_duplicates(rois: Iterable[Roi], *, max_overlap: float) -> list[Roi]:
    """Regions that overlap no later one by more than `max_overlap`: the later one of a pair is kept."""
    kept: list[Roi] = []
    for roi in rois:
        kept = [old for old in kept if overlap(roi, old) <= max_overlap]
        kept.append(roi)
    return kept
