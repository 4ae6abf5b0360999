"""Head rotation against rotations that SciPy composed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from extractors.pose import euler_deg, from_six, rotation_of, to_six


@pytest.fixture
def rotations() -> NDArray[np.float64]:
    vectors = np.random.default_rng(7).uniform(-1.0, 1.0, size=(50, 3))
    return np.asarray(Rotation.from_rotvec(vectors).as_matrix())


def test_rotation_of_removes_scale_and_translation(rotations: NDArray[np.float64]) -> None:
    poses = np.tile(np.eye(4), (50, 1, 1))
    poses[:, :3, :3] = rotations * np.linspace(0.2, 5, 50)[:, None, None]
    poses[:, :3, 3] = [3.0, -2.0, -50.0]
    np.testing.assert_allclose(rotation_of(poses), rotations, atol=1e-12)
    np.testing.assert_allclose(rotation_of(poses[0].astype(np.float32)), rotations[0], atol=1e-6)


def test_rotation_of_refuses_a_reflection_and_carries_nan() -> None:
    with pytest.raises(ValueError, match="determinant"):
        rotation_of(np.diag([1.0, 1.0, -1.0, 1.0]))
    assert np.isnan(rotation_of(np.full((2, 4, 4), np.nan))).all()


def test_euler_angles_recompose(rotations: NDArray[np.float64]) -> None:
    yaw, pitch, roll = euler_deg(rotations).T
    # scipy: upper case = intrinsic, so "ZXY" is Rz @ Rx @ Ry.
    again = Rotation.from_euler("ZXY", np.stack([roll, pitch, yaw], axis=1), degrees=True)
    np.testing.assert_allclose(again.as_matrix(), rotations, atol=1e-12)


def test_yaw_is_that_of_the_avlm_filter(rotations: NDArray[np.float64]) -> None:
    yaw = np.degrees(np.arctan2(-rotations[:, 2, 0], rotations[:, 2, 2]))
    np.testing.assert_allclose(euler_deg(rotations)[:, 0], yaw)


@pytest.mark.parametrize(("axis", "column"), [("y", 0), ("x", 1), ("z", 2)])
def test_single_axis_angles(axis: str, column: int) -> None:
    angles = euler_deg(np.asarray(Rotation.from_euler(axis, 25, degrees=True).as_matrix()))
    expected = np.zeros(3)
    expected[column] = 25
    np.testing.assert_allclose(angles, expected, atol=1e-12)


def test_signs_as_documented() -> None:
    nose, crown = np.array([0.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])  # x right, y up, z to the viewer
    turned = Rotation.from_euler("y", 20, degrees=True)
    assert turned.apply(nose)[0] > 0
    assert euler_deg(np.asarray(turned.as_matrix()))[0] > 0
    nodded = Rotation.from_euler("x", 20, degrees=True)
    assert nodded.apply(nose)[1] < 0
    assert euler_deg(np.asarray(nodded.as_matrix()))[1] > 0
    leaned = Rotation.from_euler("z", 20, degrees=True)
    assert leaned.apply(crown)[0] < 0
    assert euler_deg(np.asarray(leaned.as_matrix()))[2] > 0


def test_six_is_the_first_two_columns_and_comes_back(rotations: NDArray[np.float64]) -> None:
    six = to_six(rotations)
    assert six.shape == (50, 6)
    np.testing.assert_array_equal(six[:, :3], rotations[:, :, 0])
    np.testing.assert_array_equal(six[:, 3:], rotations[:, :, 1])
    np.testing.assert_allclose(from_six(six), rotations, atol=1e-12)


def test_from_six_orthonormalises(rotations: NDArray[np.float64]) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=(50, 6))
    made = from_six(3 * to_six(rotations) + noise)
    np.testing.assert_allclose(made @ made.transpose(0, 2, 1), np.tile(np.eye(3), (50, 1, 1)), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(made), 1.0)


@pytest.mark.parametrize("six", [[0, 0, 0, 1, 0, 0], [1, 2, 3, 2, 4, 6]])
def test_from_six_refuses_degenerate_columns(six: list[float]) -> None:
    with pytest.raises(ValueError, match="parallel"):
        from_six(np.array(six, dtype=np.float64))
