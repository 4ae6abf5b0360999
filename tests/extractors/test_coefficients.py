from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from extractors.coefficients import (
    ARKIT52_NAMES,
    FACE61_NAMES,
    LIVELINK61_MEASURED,
    LIVELINK61_NAMES,
    coefficients,
    livelink61,
    zero_translation,
)
from extractors.pose import euler_deg, to_six


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


def face(rotation: Rotation, **shapes: float) -> np.ndarray:
    """`face61` (1, 61) of a head turned so, with these blendshapes."""
    values = np.zeros((1, 61))
    values[0, 52:58] = to_six(rotation.as_matrix())
    for name, value in shapes.items():
        values[0, ARKIT52_NAMES.index(name)] = value
    return values


def column(live: np.ndarray, name: str) -> float:
    return float(live[0, LIVELINK61_NAMES.index(name)])


def test_livelink_names_are_the_columns_of_the_app() -> None:
    """The header of a take, less `Timecode` and `BlendShapeCount`; right comes before left in three pairs."""
    assert len(LIVELINK61_NAMES) == len(set(LIVELINK61_NAMES)) == 61
    assert LIVELINK61_NAMES[:2] == ("EyeBlinkLeft", "EyeLookDownLeft") and LIVELINK61_NAMES[51] == "TongueOut"
    assert [LIVELINK61_NAMES.index(name) for name in ("JawRight", "JawLeft", "MouthRight", "MouthLeft")] == [
        15, 16, 21, 22,
    ]  # fmt: skip
    assert LIVELINK61_NAMES[52:55] == ("HeadYaw", "HeadPitch", "HeadRoll")
    assert LIVELINK61_NAMES[55:58] == ("LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll")
    measured = {name[0].lower() + name[1:] for name in LIVELINK61_NAMES[:51]}
    assert measured == set(ARKIT52_NAMES) - {"_neutral"}


def test_shapes_go_to_their_own_columns_and_nothing_is_made_up() -> None:
    values = np.random.default_rng(0).random((5, 61))
    live = livelink61(values)
    for name in ("EyeBlinkLeft", "JawRight", "MouthLeft", "BrowInnerUp", "NoseSneerRight"):
        source = values[:, ARKIT52_NAMES.index(name[0].lower() + name[1:])]
        assert (live[:, LIVELINK61_NAMES.index(name)] == source).all()
    unmeasured = [
        name for name, is_it in zip(LIVELINK61_NAMES, LIVELINK61_MEASURED, strict=True) if not is_it
    ]
    assert unmeasured == ["TongueOut", "LeftEyeRoll", "RightEyeRoll"]
    assert not live[:, [LIVELINK61_NAMES.index(name) for name in unmeasured]].any()
    assert np.isfinite(live).all()


def test_head_angles_in_radians_with_the_signs_of_the_app() -> None:
    """20 degrees about one axis: the nose to the image's right, then down; the crown to the image's left."""
    for axis, name, sign in (("y", "HeadYaw", 1), ("x", "HeadPitch", -1), ("z", "HeadRoll", 1)):
        turned = Rotation.from_euler(axis, 20, degrees=True)
        live = livelink61(face(turned))
        angles = [column(live, one) for one in ("HeadYaw", "HeadPitch", "HeadRoll")]
        assert np.isclose(column(live, name), sign * 0.3490659)
        assert np.count_nonzero(np.abs(angles) > 1e-9) == 1
    mixed = Rotation.from_euler("ZXY", [10, -15, 30], degrees=True)
    live = livelink61(face(mixed))
    assert np.allclose(np.degrees(live[0, 52:55]) * [1, -1, 1], euler_deg(mixed.as_matrix()))


def test_eye_angles_are_those_of_a_take_of_the_app() -> None:
    """There, a look of 1 is 0.61 rad: the left eye outwards -, the right eye outwards +, down +."""
    still = Rotation.identity()
    for shape, name, angle_rad in (
        ("eyeLookOutLeft", "LeftEyeYaw", -0.61),
        ("eyeLookInLeft", "LeftEyeYaw", 0.61),
        ("eyeLookOutRight", "RightEyeYaw", 0.61),
        ("eyeLookDownLeft", "LeftEyePitch", 0.61),
        ("eyeLookUpRight", "RightEyePitch", -0.61),
    ):
        live = livelink61(face(still, **{shape: 1.0}))
        assert abs(column(live, name) - angle_rad) < 0.01, name
        assert np.count_nonzero(live[0, 52:]) == 1


def test_all_layouts_of_25_hz_are_of_one_measurement() -> None:
    times, shapes, poses, yaw = track()
    found = coefficients(times, shapes, poses, times, max_gap_s=0.2)
    assert found.face61_25hz.shape == found.livelink61.shape == (100, 61)
    assert (found.face61_25hz[:, :52] == found.arkit52).all()
    head_yaw = found.livelink61[:, LIVELINK61_NAMES.index("HeadYaw")]
    assert np.abs(np.degrees(head_yaw) - yaw).max() < 1e-3
    assert (found.livelink61[:, 0] == shapes[:, ARKIT52_NAMES.index("eyeBlinkLeft")]).all()


def test_translation_is_zeroed_in_a_copy() -> None:
    times, shapes, poses, _ = track()
    found = coefficients(times, shapes, poses, times, max_gap_s=0.2).face61
    zeroed = zero_translation(found)
    assert found[:, 58:].any() and not zeroed[:, 58:].any()
    assert (zeroed[:, :58] == found[:, :58]).all() and zeroed.dtype == np.float32
