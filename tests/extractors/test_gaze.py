"""Gaze on eyes that are rendered as spheres into the lids of a portrait: the truth is the sphere's turn."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from extractors.gaze import GAZE_NAMES, gaze_deg
from extractors.landmarks import BLENDSHAPE_NAMES, FaceLandmarker, make_landmarker

EYE_MM, IRIS_MM, PUPIL_DEG = 12.0, 5.85, 10.0  # radii of an eyeball and its iris; what the pupil covers
# fmt: off
LIDS = {  # iris centre and rim, then the ring of the lids, in MediaPipe's mesh
    "right": (468, (469, 470, 471, 472),
              (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)),
    "left": (473, (474, 475, 476, 477),
             (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)),
}
# fmt: on


@pytest.fixture(scope="module")
def landmarker(models: Path) -> FaceLandmarker:
    return make_landmarker("direct", task_path=str(models / "face_landmarker.task"))


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return cv2.resize(data.astronaut()[:300, 80:400], None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)


def with_eyes(portrait: np.ndarray, mesh: np.ndarray, yaw_deg: float, pitch_deg: float) -> np.ndarray:
    """The portrait with both eyes turned from the camera, yaw to the image's right and pitch down."""
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    axis = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    image = portrait.astype(np.float64)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float64)
    for centre, rim, ring in LIDS.values():
        px_per_mm = np.linalg.norm(mesh[list(rim), :2] - mesh[centre, :2], axis=1).mean() / IRIS_MM
        u, v = ((one - at) / (EYE_MM * px_per_mm) for one, at in zip((x, y), mesh[centre, :2], strict=True))
        depth = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
        off_deg = np.degrees(np.arccos(np.clip(u * axis[0] + v * axis[1] + depth * axis[2], -1, 1)))
        colour = (0.75 + 0.25 * depth)[..., None] * [205.0, 190, 185]
        for radius_deg, paint in (
            (np.degrees(np.arcsin(IRIS_MM / EYE_MM)), (85.0, 62, 48)),
            (PUPIL_DEG, 12.0),
        ):
            cover = np.clip((radius_deg - off_deg) / 3 + 0.5, 0, 1)[..., None]
            colour = colour * (1 - cover) + np.asarray(paint) * cover
        lids = np.zeros(image.shape[:2], np.uint8)
        cv2.fillPoly(lids, [np.rint(mesh[list(ring), :2]).astype(np.int32)], 255)
        inside = cv2.GaussianBlur(lids, (0, 0), 1.0)[..., None] / 255.0
        image = image * (1 - inside) + colour * inside
    return np.ascontiguousarray(np.clip(np.rint(image), 0, 255).astype(np.uint8))


def seen(landmarker: FaceLandmarker, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mesh and gaze once the landmarker has settled on the face."""
    landmarker.reset()
    (face,) = [landmarker(image, 40 * t) for t in range(3)][-1]
    return face.landmarks, gaze_deg(face.blendshapes)


def test_rendered_eyes_are_read_back(landmarker: FaceLandmarker, portrait: np.ndarray) -> None:
    mesh, _ = seen(landmarker, portrait)
    for yaw_deg in (-30.0, -15.0, 0.0, 15.0, 30.0):
        _, gaze = seen(landmarker, with_eyes(portrait, mesh, yaw_deg, 0.0))
        assert np.abs(gaze[[0, 2]] - yaw_deg).max() < 10, (yaw_deg, gaze)
        assert abs(gaze[0] - gaze[2]) < 4, "both eyes look at one thing"
    up, level, down = (
        seen(landmarker, with_eyes(portrait, mesh, 0.0, pitch))[1] for pitch in (-15.0, 0.0, 15.0)
    )
    assert (down[[1, 3]] - level[[1, 3]] > 3).all() and (level[[1, 3]] - up[[1, 3]] > 3).all()


@pytest.mark.parametrize(
    ("shape", "name", "angle_deg"),
    [
        ("eyeLookOutLeft", "left_yaw", 35),  # the subject's left is the image's right
        ("eyeLookInLeft", "left_yaw", -35),
        ("eyeLookOutRight", "right_yaw", -35),
        ("eyeLookInRight", "right_yaw", 35),
        ("eyeLookDownLeft", "left_pitch", 35),
        ("eyeLookUpRight", "right_pitch", -35),
    ],
)
def test_signs_and_scale(shape: str, name: str, angle_deg: float) -> None:
    shapes = np.zeros((2, 52), np.float32)
    shapes[1, BLENDSHAPE_NAMES.index(shape)] = 1.0
    gaze = gaze_deg(shapes)
    assert gaze.shape == (2, 4) and not gaze[0].any()
    assert gaze[1, GAZE_NAMES.index(name)] == angle_deg and np.count_nonzero(gaze) == 1


def test_nan_is_carried() -> None:
    assert np.isnan(gaze_deg(np.full((3, 52), np.nan))).all()
