"""Head rotation: from MediaPipe's 4x4 pose to a rotation matrix, Euler angles and the 6-D form.

Axes (OpenGL camera, as MediaPipe's face geometry uses them): x to the right of the image, y up, z out of
the image towards the viewer. The identity is a face that looks straight into the camera. All functions
work on stacks `(..., 4, 4)` or `(..., 3, 3)`, in float64, and carry NaN through (frames without a face).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]


def rotation_of(pose: Floats) -> NDArray[np.float64]:
    """Rotation (..., 3, 3) of poses (..., 4, 4), whose upper left is rotation times one positive scale.

    Raises `ValueError` when a determinant is not positive: then it is no scaled rotation.
    """
    scaled = pose[..., :3, :3].astype(np.float64)
    with np.errstate(invalid="ignore"):  # NaN in, NaN out
        determinant = np.linalg.det(scaled)
    if np.any(determinant <= 0):
        raise ValueError("a pose without a positive determinant is no scaled rotation")
    rotation: NDArray[np.float64] = scaled / np.cbrt(determinant)[..., None, None]
    return rotation


def euler_deg(rotation: Floats) -> NDArray[np.float64]:
    """Yaw, pitch and roll (..., 3) in degrees of rotations (..., 3, 3).

    `R = Rz(roll) @ Rx(pitch) @ Ry(yaw)`, so `yaw = atan2(-R31, R33)` as the AVLM yaw filter defines it.
    Signs: yaw > 0, the nose points to the right of the image (subjects turn to their left); pitch > 0,
    the nose points down; roll > 0, the head leans anticlockwise in the image (towards the subject's
    right shoulder). Yaw and roll are in (-180, 180], pitch in [-90, 90]; at +-90 yaw and roll are
    not unique.
    """
    r = np.asarray(rotation, dtype=np.float64)
    yaw = np.arctan2(-r[..., 2, 0], r[..., 2, 2])
    pitch = np.arcsin(np.clip(r[..., 2, 1], -1.0, 1.0))
    roll = np.arctan2(-r[..., 0, 1], r[..., 1, 1])
    degrees: NDArray[np.float64] = np.degrees(np.stack([yaw, pitch, roll], axis=-1))
    return degrees


def to_six(rotation: Floats) -> NDArray[np.float64]:
    """6-D form (..., 6) of rotations (..., 3, 3): the first column, then the second.

    Zhou et al., "On the Continuity of Rotation Representations in Neural Networks" (CVPR 2019).
    """
    r = np.asarray(rotation, dtype=np.float64)
    return np.concatenate([r[..., :, 0], r[..., :, 1]], axis=-1)


def from_six(six: Floats) -> NDArray[np.float64]:
    """Rotations (..., 3, 3) of 6-D forms (..., 6), made orthonormal by Gram-Schmidt.

    Any scale of the two columns is ignored. Raises `ValueError` when they are parallel or zero.
    """
    a, b = np.split(np.asarray(six, dtype=np.float64), 2, axis=-1)
    first = _unit(a)
    second = _unit(b - np.sum(first * b, axis=-1, keepdims=True) * first)
    return np.stack([first, second, np.cross(first, second)], axis=-1)


def _unit(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    if np.any(length < 1e-9):
        raise ValueError("the two columns of a 6-D rotation must not be zero or parallel")
    return np.asarray(vector / length, dtype=np.float64)
