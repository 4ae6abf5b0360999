from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import transform as sk

from extractors.landmarks import IBUG68_FROM_MESH, make_landmarker
from extractors.lips import AVHUBERT, LIP_PX, lip_crop, plan_lips, similarity
from extractors.media import VideoReader
from extractors.probe import probe
from manifests.reasons import ItemError, Reason

Landmarks = np.ndarray


def walk(n: int, seed: int = 0) -> Landmarks:
    """Landmarks of a head that drifts, turns and grows; the shape is random, the size that of a face."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(scale=30, size=(68, 2))
    shape[list(AVHUBERT.stable)] = AVHUBERT.mean_face - np.array([128, 128])
    shape[48:68] = rng.normal(loc=(2, 40), scale=10, size=(20, 2))
    frames = []
    for t in range(n):
        angle = 0.02 * np.sin(t / 5)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        frames.append(shape @ turn.T * (0.6 + 0.002 * t) + [180 + t, 140 + 0.5 * t])
    return np.array(frames)


def reference_crops(images: list[np.ndarray], landmarks: Landmarks) -> np.ndarray:
    """The recipe written out with scikit-image: warp each whole frame to 256x256, then slice 96x96."""
    crops, held = [], None
    for t, image in enumerate(images):
        window = landmarks[t : t + 12]
        if len(window) == 12:  # the last eleven frames reuse the last transform
            held = sk.SimilarityTransform.from_estimate(
                window.mean(axis=0)[list(AVHUBERT.stable)], np.array(AVHUBERT.mean_face)
            )
        warped = sk.warp(image, held.inverse, output_shape=(256, 256), preserve_range=True)
        x, y = held(landmarks[t, 48:68]).mean(axis=0)
        x, y = min(max(x, 48), 208), min(max(y, 48), 208)
        patch = warped[round(y) - 48 : round(y) + 48, round(x) - 48 : round(x) + 48]
        crops.append(cv2.cvtColor(np.rint(patch).astype(np.uint8), cv2.COLOR_RGB2GRAY))
    return np.array(crops)


@pytest.fixture(scope="module")
def grid_clip(media: Path, models: Path) -> tuple[list[np.ndarray], Landmarks]:
    path = str(media / "video" / "grid_pwij3p.mpg")
    video = probe(path).video
    assert video is not None
    with VideoReader(path, stream_index=video.index) as reader:
        images = [frame.image for frame in reader.frames()][:40]
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    faces = [landmarker(image, 40 * t)[0] for t, image in enumerate(images)]
    return images, np.array([face.landmarks[list(IBUG68_FROM_MESH), :2] for face in faces], np.float64)


def test_crops_equal_the_recipe_written_with_another_library(
    grid_clip: tuple[list[np.ndarray], Landmarks],
) -> None:
    images, landmarks = grid_clip
    plan = plan_lips(landmarks)
    ours = np.array([lip_crop(image, plan, t) for t, image in enumerate(images)])
    difference = np.abs(ours.astype(int) - reference_crops(images, landmarks))
    assert ours.shape == (40, 96, 96) and difference.mean() < 0.5, difference.mean()


def test_the_mouth_is_in_the_middle(grid_clip: tuple[list[np.ndarray], Landmarks]) -> None:
    _, landmarks = grid_clip
    plan = plan_lips(landmarks)
    for t, transform in enumerate(plan.transforms):
        mouth = landmarks[t, 48:68].mean(axis=0) @ transform[:, :2].T + transform[:, 2]
        assert np.abs(mouth - LIP_PX / 2).max() <= 0.5


def test_the_eight_constants_are_those_of_the_published_mean_face(models: Path) -> None:
    published = np.load(models / "20words_mean_face.npy", allow_pickle=False)
    assert np.abs(published[list(AVHUBERT.stable)] - AVHUBERT.mean_face).max() < 1e-3


def test_similarity_is_found_exactly() -> None:
    known = sk.SimilarityTransform(scale=1.7, rotation=0.4, translation=(12, -5))
    points = np.random.default_rng(1).normal(size=(9, 2))
    assert np.allclose(similarity(points, known(points)), known.params[:2])


def test_the_window_looks_forward_and_its_end_is_held() -> None:
    landmarks = walk(30)
    plan = plan_lips(landmarks)
    changed = landmarks.copy()
    changed[15] += 9.0
    moved = np.abs(plan_lips(changed).transforms - plan.transforms).reshape(30, -1).max(axis=1) > 1e-9
    assert moved[4:16].all() and not moved[:4].any() and not moved[16:].any()
    turns = plan.transforms[:, :, :2]
    assert (turns[18:] == turns[18]).all() and (turns[17] != turns[18]).any()


def test_gaps_are_interpolated_and_marked() -> None:
    landmarks = walk(30)
    broken = landmarks.copy()
    broken[[0, 10, 11]] = np.nan
    plan = plan_lips(broken)
    assert list(np.flatnonzero(plan.interpolated)) == [0, 10, 11]
    assert np.isfinite(plan.transforms).all()
    moved_px = np.abs(plan.transforms - plan_lips(landmarks).transforms).reshape(30, -1).max(axis=1)
    assert moved_px[9:].max() <= 1, "the gap is bridged to within the rounding of the crop"
    assert moved_px[0] < 3, "the first frame stands where its neighbour is, a pixel away"


def test_a_clip_shorter_than_the_window() -> None:
    assert plan_lips(walk(3)).transforms.shape == (3, 2, 3)


def test_no_face_is_no_crop() -> None:
    with pytest.raises(ItemError) as caught:
        plan_lips(np.full((5, 68, 2), np.nan))
    assert caught.value.reason is Reason.NO_FACE
