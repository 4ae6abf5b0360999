"""Regions and their sampling against OpenCV's rotated rectangles and plain bilinear arithmetic."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from extractors.face_crop import Cropper
from extractors.face_roi import (
    Roi,
    around_eyes,
    around_landmarks,
    overlap,
    project,
    scaled_by,
    squared,
    without_duplicates,
)

TURNED = Roi(x=100.0, y=80.0, width=60.0, height=40.0, rotation=0.4)


def test_corners_are_those_of_opencv() -> None:
    corners = np.array([[0, 16], [0, 0], [16, 0], [16, 16]], dtype=np.float64)
    matrix = TURNED.to_image(16)
    ours = corners @ matrix[:, :2].T + matrix[:, 2]
    theirs = cv2.boxPoints(((TURNED.x, TURNED.y), (60.0, 40.0), math.degrees(0.4)))
    np.testing.assert_allclose(ours, theirs, atol=1e-3)


def test_project_is_the_inverse_of_looking_through_the_region() -> None:
    points = np.array([[128, 128, 10], [256, 128, 0]], dtype=np.float32)
    placed = project(points, TURNED, side=256, image_size=(640, 640))
    np.testing.assert_allclose(placed[0], [100, 80, 10 * 60 / 256], rtol=1e-6)
    np.testing.assert_allclose(placed[1], [100 + 30 * math.cos(0.4), 80 + 30 * math.sin(0.4), 0], rtol=1e-6)


@pytest.mark.parametrize(
    "roi", [TURNED, Roi(10.0, 10.0, 90.0, 90.0, -1.1), Roi(75.5, 60.25, 64.0, 64.0, 0.0)]
)
def test_cropper_interpolates_at_coordinates_rounded_to_a_32nd(roi: Roi) -> None:
    image = np.random.default_rng(3).integers(0, 256, (120, 150, 3), dtype=np.uint8)
    out = np.empty((64, 64, 3), dtype=np.uint8)
    Cropper(out)(image, roi)
    v, u = np.mgrid[0:64, 0:64].astype(np.float64)
    cos, sin = math.cos(roi.rotation), math.sin(roi.rotation)
    dx, dy = (u / 64 - 0.5) * roi.width, (v / 64 - 0.5) * roi.height
    x = np.rint((roi.x + dx * cos - dy * sin) * 32) / 32
    y = np.rint((roi.y + dx * sin + dy * cos) * 32) / 32
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    fx, fy = (x - x0)[..., None], (y - y0)[..., None]

    def pixel(row: np.ndarray, column: np.ndarray) -> np.ndarray:  # the border repeats
        return image[np.clip(row, 0, 119), np.clip(column, 0, 149)].astype(np.float64)

    top = pixel(y0, x0) * (1 - fx) + pixel(y0, x0 + 1) * fx
    bottom = pixel(y0 + 1, x0) * (1 - fx) + pixel(y0 + 1, x0 + 1) * fx
    error = np.abs(out - (top * (1 - fy) + bottom * fy))
    # A coordinate that lies on a rounding boundary may go either way; the rest is rounding to integers.
    assert np.mean(error > 0.6) < 0.002
    assert error.max() < 16


def test_around_eyes_levels_them_and_adds_the_margin() -> None:
    roi = around_eyes(np.array([10, 20, 50, 80.0]), np.array([20.0, 30.0]), np.array([40.0, 50.0]))
    assert roi == pytest.approx((30, 50, 60, 90, math.pi / 4))
    landmarks = np.zeros((478, 3), dtype=np.float32)
    landmarks[33], landmarks[263], landmarks[0] = (10, 10, 0), (50, 10, 0), (30, 90, 5)
    assert around_landmarks(landmarks) == pytest.approx((25, 45, 135, 135, 0))


def test_a_region_is_squared_and_scaled_about_its_centre() -> None:
    assert squared(TURNED) == (100, 80, 60, 60, 0.4)
    assert scaled_by(TURNED, 0.5) == (100, 80, 30, 20, 0.4)


def test_overlap_and_duplicates() -> None:
    one, half, far = Roi(0, 0, 2, 2, 0), Roi(1, 0, 2, 2, 0.7), Roi(9, 9, 2, 2, 0)
    assert overlap(one, one) == 1
    assert overlap(one, half) == pytest.approx(1 / 3)
    assert overlap(one, far) == 0
    assert without_duplicates([one, far, half], max_overlap=0.3) == [far, half]
    assert without_duplicates([one, far, half], max_overlap=0.4) == [one, far, half]
