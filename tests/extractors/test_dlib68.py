"""Against dlib's own frontal detector and predictor, on speakers that the box's two numbers never saw."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from extractors.dlib68 import Dlib68, dlib_box
from extractors.landmarks import IBUG68_FROM_MESH, make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe

dlib = pytest.importorskip("dlib")


@pytest.fixture(scope="module")
def predictor_path() -> str:
    package = importlib.util.find_spec("face_recognition_models")
    if package is None or not package.submodule_search_locations:
        pytest.skip("face-recognition-models is not installed: it carries dlib's predictor")
    folder = Path(package.submodule_search_locations[0])
    return str(folder / "models" / "shape_predictor_68_face_landmarks.dat")


@pytest.fixture(scope="module")
def predictor(predictor_path: str) -> Dlib68:
    return Dlib68(predictor_path)


def test_points_from_a_mesh_are_those_from_dlibs_own_detector(
    media: Path, models: Path, predictor: Dlib68, predictor_path: str
) -> None:
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    detector, reference = dlib.get_frontal_face_detector(), dlib.shape_predictor(predictor_path)
    errors, stand_in_errors = [], []
    for clip in ("grid_lbbc2a", "grid_lrwp9a", "grid_pwij3p", "grid_sbwe5n"):
        path = str(media / "video" / f"{clip}.mpg")
        video = probe(path).video
        assert video is not None
        with VideoReader(path, stream_index=video.index) as reader:
            images = [frame.image for frame in reader.frames()][10:61:50]
        landmarker.reset()
        for t, image in enumerate(images):
            mesh = landmarker(image, 2000 * t)[0].landmarks
            ours = predictor(image, dlib_box(mesh))
            theirs = np.array([(p.x, p.y) for p in reference(image, detector(image, 0)[0]).parts()])
            eyes_px = np.linalg.norm(theirs[36:42].mean(axis=0) - theirs[42:48].mean(axis=0))
            stand_in = mesh[list(IBUG68_FROM_MESH), :2]
            errors.append(np.linalg.norm(ours - theirs, axis=1) / eyes_px)
            stand_in_errors.append(np.linalg.norm(stand_in - theirs, axis=1) / eyes_px)
            assert predictor(image, dlib_box(mesh)).tobytes() == ours.tobytes()
    # the predictor's own error on 300-W is 6 % of the distance between the eyes
    assert np.mean(errors) < 0.02, np.mean(errors)
    assert np.mean(errors) < 0.5 * np.mean(stand_in_errors), "else the exact mode would buy nothing"


def test_a_box_may_leave_the_image_and_other_images_are_refused(predictor: Dlib68) -> None:
    image = np.zeros((60, 80, 3), np.uint8)
    assert predictor(image, np.array([-30.0, -20, 70, 80])).shape == (68, 2)
    with pytest.raises(ValueError, match="uint8"):
        predictor(image[:, :, 0], np.array([0.0, 0, 50, 50]))
