from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import transform as sk

from extractors.landmarks import IBUG68_FROM_MESH, make_landmarker
from extractors.lips import (
    AUTO_AVSR,
    AVHUBERT,
    LIP_PX,
    MEAN_FACE,
    PRESETS,
    LipPreset,
    fill_gaps,
    lip_crop,
    plan_lips,
    similarity,
)
from extractors.media import VideoReader
from extractors.probe import probe
from manifests.reasons import ItemError, Reason

Landmarks = np.ndarray

TARGET = np.array([MEAN_FACE[point] for point in AVHUBERT.stable])

# The references themselves, run once on `waves(30)` without the frames of WAVES_MISSING: mpc001/auto_avsr
# `detectors/retinaface/video_process.py` and facebookresearch/av_hubert `align_mouth.py`; frame -> the
# matrix that takes the image to the crop they cut.
WAVES_MISSING = [0, 9, 10, 29]
GOLDEN = {
    "auto_avsr": {
        0: [[1.634966, 0.008218, -250.196983], [-0.008218, 1.634966, -209.591075]],
        4: [[1.639533, 0.054728, -262.49855], [-0.054728, 1.639533, -203.782384]],
        10: [[1.614836, 0.056895, -268.045637], [-0.056895, 1.614836, -205.265796]],
        17: [[1.577825, -0.015547, -261.487297], [0.015547, 1.577825, -218.381651]],
        29: [[1.516588, -0.051646, -260.531315], [0.051646, 1.516588, -225.352117]],
    },
    "avhubert": {
        0: [[1.635797, 0.065683, -258.833725], [-0.065683, 1.635797, -199.390197]],
        4: [[1.623019, 0.063966, -261.750784], [-0.063966, 1.623019, -199.677596]],
        10: [[1.586202, 0.008689, -255.278207], [-0.008689, 1.586202, -209.655753]],
        17: [[1.551919, -0.062107, -248.918798], [0.062107, 1.551919, -223.25813]],
        29: [[1.543701, -0.063238, -264.45171], [0.063238, 1.543701, -233.0834]],
    },
}


def waves(n: int) -> Landmarks:
    """Landmarks of a head that drifts, turns, grows and trembles: sines only, no generator to change."""
    points, frames = np.arange(68), np.arange(n)
    shape = np.stack([128 + 45 * np.cos(0.37 * points), 120 + 40 * np.sin(0.61 * points)], axis=1)
    angles = 2 * np.pi * np.arange(20) / 20
    shape[48:68] = np.stack([130 + 22 * np.cos(angles), 158 + 9 * np.sin(angles)], axis=1)
    for point, place in MEAN_FACE.items():
        shape[point] = place
    t = frames[:, None]
    tremble = 1.5 * np.sin(np.stack([12.9898 * points + 78.233 * t, 39.3461 * points + 11.135 * t], axis=2))
    turn = 0.05 * np.sin(frames / 5)
    turns = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]).transpose(2, 0, 1)
    size = (0.6 + 0.002 * frames)[:, None, None]
    places = np.stack([180 + frames, 140 + 0.5 * frames], axis=1)[:, None]
    return ((shape - 128 + tremble) @ turns) * size + places


def walk(n: int, seed: int = 0) -> Landmarks:
    """Landmarks of a head that drifts, turns and grows; the shape is random, the size that of a face."""
    rng = np.random.default_rng(seed)
    shape = rng.normal(scale=30, size=(68, 2))
    shape[list(AVHUBERT.stable)] = TARGET - np.array([128, 128])
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
            held = sk.SimilarityTransform.from_estimate(window.mean(axis=0)[list(AVHUBERT.stable)], TARGET)
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


def test_the_constants_are_those_of_the_published_mean_face(models: Path) -> None:
    published = np.load(models / "20words_mean_face.npy", allow_pickle=False)
    assert {*AVHUBERT.stable, *AUTO_AVSR.stable} == set(MEAN_FACE)
    for point, place in MEAN_FACE.items():
        assert np.abs(published[point] - place).max() < 1e-4


@pytest.mark.parametrize("name", ["auto_avsr", "avhubert"])
def test_the_presets_place_lips_where_the_references_did(name: str) -> None:
    landmarks = waves(30)
    landmarks[WAVES_MISSING] = np.nan
    plan = plan_lips(landmarks, preset=PRESETS[name])
    for frame, golden in GOLDEN[name].items():
        # the references read the mean face unrounded; whole pixels of the crop must agree all the same
        assert np.abs(plan.transforms[frame] - golden).max() < 1e-3, frame
    assert list(np.flatnonzero(plan.interpolated)) == WAVES_MISSING


def test_the_robust_fit_needs_no_seed_and_passes_over_an_outlier() -> None:
    landmarks = waves(20)
    plans = []
    for seed in (0, 1, 4711):
        cv2.setRNGSeed(seed)
        plans.append(plan_lips(landmarks, preset=AUTO_AVSR).transforms.tobytes())
    assert len(set(plans)) == 1
    still = np.repeat(waves(1), 20, axis=0)
    outlier = still.copy()
    outlier[:, 28] += 15.0  # one stable point of eight: least squares would move by pixels
    robust = LipPreset(AUTO_AVSR.stable, 12, centred=False, robust=True)
    plain = LipPreset(AUTO_AVSR.stable, 12, centred=False, robust=False)
    moved = {
        preset.robust: np.abs(
            plan_lips(outlier, preset=preset).transforms[0, :, :2]
            - plan_lips(still, preset=preset).transforms[0, :, :2]
        ).max()
        for preset in (robust, plain)
    }
    assert moved[True] < 0.5 * moved[False]


def test_auto_avsr_drops_short_clips_and_mouths_off_the_middle() -> None:
    with pytest.raises(ItemError) as caught:
        plan_lips(waves(11), preset=AUTO_AVSR)
    assert caught.value.reason is Reason.CHUNK_SHORT
    assert plan_lips(waves(12), preset=AUTO_AVSR).transforms.shape == (12, 2, 3)
    astray = waves(12)
    astray[:, 49:54] += 200.0
    with pytest.raises(ItemError) as caught:
        plan_lips(astray, preset=AUTO_AVSR)
    assert caught.value.reason is Reason.FACE_LOST


def test_the_centred_window_follows_the_frame_it_stands_on() -> None:
    landmarks = waves(30)
    changed = landmarks.copy()
    changed[15] += 3.0
    plans = [plan_lips(one, preset=AUTO_AVSR).transforms for one in (landmarks, changed)]
    moved = np.abs(plans[1] - plans[0]).reshape(30, -1).max(axis=1) > 1e-6
    assert moved[15] and not moved[:9].any() and not moved[22:].any()


def test_a_crop_before_the_first_face_is_black_when_the_bound_forbids_to_look() -> None:
    landmarks = waves(30)
    landmarks[:10] = np.nan
    image = np.full((288, 360, 3), 200, np.uint8)
    for preset in PRESETS.values():
        plan = plan_lips(landmarks, preset=preset, lookahead_frames=2)
        assert np.isnan(plan.transforms[:8]).all() and np.isfinite(plan.transforms[8:]).all()
        assert not lip_crop(image, plan, 7).any() and lip_crop(image, plan, 8).any()


def test_a_gap_that_ends_beyond_the_bound_holds_its_last_frame() -> None:
    values = np.arange(10.0)[:, None] ** 2
    missing = np.isin(np.arange(10), [0, 4, 5, 6, 9])
    assert fill_gaps(values, missing)[:, 0].tolist() == [1, 1, 4, 9, 19, 29, 39, 49, 64, 64]
    bounded = fill_gaps(values, missing, lookahead_frames=2)[:, 0]
    assert bounded.tolist() == [1, 1, 4, 9, 9, 29, 39, 49, 64, 64]
    assert np.isnan(fill_gaps(values, missing, lookahead_frames=0)[0]).all()
    with pytest.raises(ValueError, match="negative"):
        fill_gaps(values, missing, lookahead_frames=-1)


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
