"""The pose solver on a canonical face that the test itself turned and projected."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from extractors.face_geometry import PoseSolver, protobuf_fields, read_canonical_face
from extractors.landmarks import IBUG68_FROM_MESH

# iBUG-68: which point is the mirror image of which.
_PAIRS = [(i, 16 - i) for i in range(9)] + [(17 + i, 26 - i) for i in range(5)] + [(31, 35), (32, 34)]
_PAIRS += [(36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)]
_PAIRS += [(48, 54), (49, 53), (50, 52), (59, 55), (58, 56), (60, 64), (61, 63), (67, 65)]
_MIDDLE = (8, 27, 28, 29, 30, 33, 51, 57, 62, 66)


def test_protobuf_fields() -> None:
    message = b"\x08\x96\x01" + b"\x12\x03abc" + b"\x1d\x00\x00\x80\x3f"  # the encoding guide's 150
    assert list(protobuf_fields(message)) == [(1, 150), (2, b"abc"), (3, b"\x00\x00\x80\x3f")]
    with pytest.raises(ValueError, match="wire type"):
        list(protobuf_fields(b"\x0b"))


def test_canonical_face_is_a_symmetric_face_in_cm(models: Path) -> None:
    vertices, weights = read_canonical_face(str(models / "face_landmarker.task"))
    width, height, depth = np.ptp(vertices, axis=0)
    assert 13 < width < 17
    assert 14 < height < 20
    assert 6 < depth < 14
    assert 0 < np.count_nonzero(weights) < 100
    # The 68-point subset, held against the geometry: mirrored points are mirrored vertices.
    points = vertices[list(IBUG68_FROM_MESH)]
    for left, right in _PAIRS:
        np.testing.assert_allclose(points[left] * [-1, 1, 1], points[right], atol=0.02)
        assert points[left][0] < 0 or left == right
    assert np.abs(points[list(_MIDDLE), 0]).max() < 0.02
    assert len(set(IBUG68_FROM_MESH)) == 68


@pytest.mark.parametrize("angles", [(0, 0, 0), (35, -10, 5), (-40, 15, -30), (5, 25, 60)])
@pytest.mark.parametrize("place", [(0.0, 0.0, -45.0), (-9.0, 4.0, -60.0)])
def test_pose_of_a_projected_face(
    models: Path, angles: tuple[int, int, int], place: tuple[float, float, float]
) -> None:
    task_path = str(models / "face_landmarker.task")
    vertices, _ = read_canonical_face(task_path)
    width, height = 640, 360
    rotation = Rotation.from_euler("YXZ", angles, degrees=True)
    camera = rotation.apply(vertices) + place
    focal_px = height / 2 / math.tan(math.radians(63.0) / 2)
    depth = -camera[:, 2]
    landmarks = np.zeros((478, 3), dtype=np.float32)
    landmarks[:468, 0] = width / 2 + focal_px * camera[:, 0] / depth
    landmarks[:468, 1] = height / 2 - focal_px * camera[:, 1] / depth
    landmarks[:468, 2] = focal_px * (depth - depth.mean()) / depth.mean()  # weak perspective, as the mesh
    pose = PoseSolver(task_path)(landmarks, (width, height))
    scale = np.cbrt(np.linalg.det(pose[:3, :3]))
    error = Rotation.from_matrix(pose[:3, :3] / scale) * rotation.inv()
    assert math.degrees(error.magnitude()) < 1.0
    assert scale == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose(pose[:3, 3], place, atol=1.0)
