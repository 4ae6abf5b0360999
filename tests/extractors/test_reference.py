"""Spoilt portraits and exclusion masks against hand-made truth."""

from __future__ import annotations

import numpy as np
import pytest

from extractors.reference import degraded, excluded


def test_blur_has_the_sigma_it_names() -> None:
    point = np.zeros((65, 65, 3), np.uint8)
    point[28:37, 28:37] = 255  # a 9 px square: its second moment is known, blurring adds sigma²
    at = np.arange(65) - 32.0
    spoilt = degraded(point)
    for name, sigma in (("blur05", 0.5), ("blur1", 1.0), ("blur2", 2.0)):
        row = spoilt[name][:, :, 0].sum(axis=0, dtype=np.float64)
        spread = (row * at**2).sum() / row.sum()
        assert spread == pytest.approx((9**2 - 1) / 12 + sigma**2, abs=0.12), name


def test_turned_portrait_is_turned_by_30_degrees_clockwise() -> None:
    ramp = np.zeros((201, 201, 3), np.uint8)
    ramp[95:106, 150:161] = 200  # a spot to the right of the middle
    turned = degraded(ramp)["turned30"][:, :, 0].astype(float)
    y, x = np.unravel_index(int(np.argmax(turned)), turned.shape)
    rows, columns = np.nonzero(turned > 100)
    angle = np.degrees(np.arctan2(rows.mean() - 100, columns.mean() - 100))
    assert angle == pytest.approx(30, abs=0.5) and turned[y, x] == 200


def test_each_ground_for_exclusion_alone() -> None:
    n = 12
    boxes = np.tile([100.0, 100.0, 200.0, 220.0], (n, 1))
    euler, hidden, times = np.zeros((n, 3)), np.zeros(n), np.arange(n) / 25
    boxes[2] = np.nan
    euler[4] = (31, 0, 0)
    euler[5] = (0, 0, -31)
    euler[6] = (29, -29, 29)
    hidden[7] = 0.6
    boxes[9:] += 20  # 20 * sqrt(2) px in 40 ms: 707 px/s, 5.9 of its larger side
    mask = excluded(boxes, euler, hidden, times)
    assert np.flatnonzero(mask).tolist() == [2, 4, 5, 7, 9]


def test_speed_is_by_time_not_by_frame() -> None:
    boxes = np.array([[0.0, 0, 100, 100], [9, 0, 109, 100]])
    still, none = np.zeros((2, 3)), np.zeros(2)
    assert not excluded(boxes, still, none, np.array([0, 1 / 20])).any()
    assert excluded(boxes, still, none, np.array([0, 1 / 25])).tolist() == [False, True]
