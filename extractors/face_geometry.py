"""Head pose from the face mesh: MediaPipe's `facial_transformation_matrix`, computed with numpy.

The procedure is that of google-ai-edge/mediapipe `face_geometry/libs/geometry_pipeline.cc` and
`procrustes_solver.cc` (weighted orthogonal Procrustes: Akca, "Generalized Procrustes analysis and its
applications in photogrammetry", 2003). The canonical mesh and the weights are read from the bundle.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

N_MESH = 468  # without the two irises
_VERTICAL_FOV_DEG = 63.0  # `face_geometry_from_landmarks_graph.cc`; its near plane is 1 cm
_METADATA = "geometry_pipeline_metadata_landmarks.binarypb"
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def protobuf_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(field number, value) of a protobuf message: ints for varints, raw bytes for everything else.

    The wire format is that of protobuf.dev/programming-guides/encoding. Raises `ValueError` on groups.
    """
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"unsupported protobuf wire type {kind}")
        yield tag >> 3, data[at : at + length]
        at += length


def read_canonical_face(task_path: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Canonical mesh (468, 3) in cm and Procrustes weights (468,) from a `face_landmarker.task`.

    Field numbers are those of `geometry_pipeline_metadata.proto` and `mesh_3d.proto`; a vertex is
    x, y, z, u, v. Raises `ValueError` when the mesh has another size.
    """
    with zipfile.ZipFile(task_path) as bundle:
        metadata = list(protobuf_fields(bundle.read(_METADATA)))
    mesh = b"".join(bytes(value) for field, value in metadata if field == 1)
    floats = b"".join(bytes(value) for field, value in protobuf_fields(mesh) if field == 3)
    vertices = np.frombuffer(floats, dtype="<f4").reshape(-1, 5)[:, :3].astype(np.float64)
    if len(vertices) != N_MESH:
        raise ValueError(f"{task_path}: the canonical mesh has {len(vertices)} vertices, not {N_MESH}")
    weights = np.zeros(N_MESH)
    for field, value in metadata:
        if field == 2:
            entry = dict(protobuf_fields(bytes(value)))
            weights[int(entry.get(1, 0))] = np.frombuffer(bytes(entry[2]), dtype="<f4")[0]
    return vertices, weights


class PoseSolver:
    """Turns 478 landmarks in px into the (4, 4) pose of the canonical face before the camera, in cm."""

    def __init__(self, task_path: str) -> None:
        vertices, weights = read_canonical_face(task_path)
        self._basis = np.flatnonzero(weights)  # the other vertices have no say in the pose
        self._weights = weights[self._basis] / weights.sum()
        source = vertices[self._basis].T
        self._centre = source @ self._weights
        self._centred = (source - self._centre[:, None]) * self._weights
        self._spread = float((self._centred * source).sum())

    def __call__(self, landmarks: NDArray[np.float32], image_size: tuple[int, int]) -> NDArray[np.float32]:
        """Pose of `landmarks` (478, 3) in px in an image of `image_size` (width, height)."""
        width, height = image_size
        cm_per_px = 2 * math.tan(math.radians(_VERTICAL_FOV_DEG) / 2) / height  # on the near plane
        points = landmarks[self._basis].astype(np.float64)
        x = (points[:, 0] - width / 2) * cm_per_px
        y = (height / 2 - points[:, 1]) * cm_per_px
        z = points[:, 2] * cm_per_px
        depth_offset = float(landmarks[:N_MESH, 2].mean(dtype=np.float64)) * cm_per_px

        scale = self._solve(np.stack([x, y, -z]))[0]
        scale *= self._solve(_unproject(x, y, (z - depth_offset + 1) / scale))[0]
        scale, rotation, translation = self._solve(_unproject(x, y, (z - depth_offset + 1) / scale))
        pose = np.eye(4, dtype=np.float32)
        pose[:3, :3] = scale * rotation
        pose[:3, 3] = translation
        return pose

    def _solve(self, target: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Scale, rotation and translation that best take the canonical basis to `target` (3, n)."""
        left, _, right = np.linalg.svd(target @ self._centred.T)
        rotation = left @ right
        if np.linalg.det(rotation) < 0:  # a reflection is no pose: turn the weakest axis round
            left[:, 2] *= -1
            rotation = left @ right
        scale = float(((rotation @ self._centred) * target).sum()) / self._spread
        return scale, rotation, target @ self._weights - scale * rotation @ self._centre


def _unproject(
    x: NDArray[np.float64], y: NDArray[np.float64], depth: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Points on the near plane pushed out to `depth`; z turns from left-handed to right-handed."""
    return np.stack([x * depth, y * depth, -depth])
