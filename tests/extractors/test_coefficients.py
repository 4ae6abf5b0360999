from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES, coefficients


def track(n: int = 100, rate_hz: float = 25.0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    times = np.arange(n) / rate_hz
    yaw = 25 * np.sin(2 * np.pi * 0.5 * times)
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, :3, :3] = Rotation.from_euler("y", yaw[:, None], degrees=True).as_matrix() * 1.03
    poses[:, :3, 3] = [1.0, -2.0, -40.0]
    shapes = np.zeros((n, 52))
    shapes[40:43, ARKIT52_NAMES.index("eyeBlinkLeft")] = 1.0
    return times, shapes, poses, yaw


def test_names_are_the_published_ones() -> None:
    assert len(ARKIT52_NAMES) == 52 and ARKIT52_NAMES[:2] == ("_neutral", "browDownLeft")
    assert ARKIT52_NAMES[25] == "jawOpen" and "tongueOut" not in ARKIT52_NAMES
    assert len(FACE61_NAMES) == len(set(FACE61_NAMES)) == 61


def test_known_rotation_and_blink_come_out_where_they_were() -> None:
    times, shapes, poses, yaw = track()
    found = coefficients(times, shapes, poses, times, max_gap_s=0.2)
    assert found.arkit52.shape == (100, 52) and found.face61.shape == (50, 61)
    first, second = found.face61[:, 52:55], found.face61[:, 55:58]
    third = np.cross(first, second)
    matrices = np.stack([first, second, third], axis=-1)
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3), atol=1e-5)
    angles = Rotation.from_matrix(matrices).as_euler("yxz", degrees=True)[:, 0]
    assert np.abs(angles - (yaw[0::2] + yaw[1::2]) / 2)[1:-1].max() < 0.5
    blink = found.face61[:, FACE61_NAMES.index("eyeBlinkLeft")]
    assert np.argmax(blink) == 20 and found.arkit52[40:43, 9].min() == 1.0
    assert np.allclose(found.face61[:, 58:], [1, -2, -40], atol=1e-4)
    assert found.arkit52.dtype == found.face61.dtype == np.float32


def test_a_known_shift_of_the_source_shifts_both() -> None:
    times, shapes, poses, _ = track(200)
    grid = times[40:140]
    plain = coefficients(times, shapes, poses, grid, max_gap_s=0.2)
    shifted = coefficients(times + 0.16, shapes, poses, grid, max_gap_s=0.2)
    assert np.allclose(shifted.arkit52[4:], plain.arkit52[:-4], atol=1e-5)
    assert np.allclose(shifted.face61[3:-1], plain.face61[1:-3], atol=1e-5)


def test_missing_frames_are_marked() -> None:
    times, shapes, poses, _ = track()
    keep = np.r_[0:30, 60:100]
    found = coefficients(times[keep], shapes[keep], poses[keep], times, max_gap_s=0.2)
    assert list(np.flatnonzero(~found.arkit52_valid)) == list(range(30, 60))
    assert list(np.flatnonzero(~found.face61_valid)) == list(range(15, 30))
    assert np.isfinite(found.face61).all()


def test_the_ends_of_a_clip_are_filtered_like_its_middle() -> None:
    times, shapes, poses, _ = track(200)
    whole = coefficients(times, shapes, poses, times, max_gap_s=0.2)
    part = coefficients(times, shapes, poses, times[40:80], max_gap_s=0.2)
    assert np.allclose(part.face61, whole.face61[20:40], atol=1e-6)
    assert np.allclose(part.arkit52, whole.arkit52[40:80], atol=1e-6)
