from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extractors.jitter import LONGEST_WINDOW_S, interocular, landmark_jitter
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe

Landmarks = np.ndarray
STILL_HEADS = ("grid_brbk7n.mpg", "grid_lbax4n.mpg")
IN_THE_DARK = "lowlight_grid_lbax4n.mp4"  # the second, darkened and grainy


def rendered_head(times_s: np.ndarray, seed: int = 0, n_points: int = 478) -> Landmarks:
    """A rigid head, 60 px between the eyes, that nods, turns and drifts as heads do: (T, n_points, 2) px."""
    points = np.random.default_rng(seed).normal(scale=45, size=(n_points, 3))
    yaw, pitch = 0.5 * np.sin(2 * np.pi * 0.5 * times_s), 0.15 * np.sin(2 * np.pi * 1.5 * times_s)
    x = np.outer(np.cos(yaw), points[:, 0]) + np.outer(np.sin(yaw), points[:, 2])
    z = np.outer(-np.sin(yaw), points[:, 0]) + np.outer(np.cos(yaw), points[:, 2])
    y = np.cos(pitch)[:, None] * points[:, 1] - np.sin(pitch)[:, None] * z
    return np.stack([x + 300 + 40 * times_s[:, None], y + 200], axis=2)


def noisy(landmarks: Landmarks, sigma_px: float, seed: int = 1) -> Landmarks:
    return landmarks + np.random.default_rng(seed).normal(scale=sigma_px, size=landmarks.shape)


def sizes(n: int, size_px: float = 60.0) -> np.ndarray:
    return np.full(n, size_px)


@pytest.fixture(scope="module")
def heads(media: Path, models: Path) -> dict[str, tuple[Landmarks, np.ndarray]]:
    """Landmarks (T, 478, 3) and times of heads that speak and hardly move."""
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    found = {}
    for name in (*STILL_HEADS, IN_THE_DARK):
        video = probe(str(media / "video" / name)).video
        assert video is not None
        landmarker.reset()
        with VideoReader(str(media / "video" / name), stream_index=video.index) as reader:
            frames = [frame for _, frame in zip(range(40), reader.frames(), strict=False)]
        faces = [landmarker(frame.image, 40 * number)[0] for number, frame in enumerate(frames)]
        landmarks = np.array([face.landmarks for face in faces], np.float64)
        found[name] = landmarks, np.array([float(frame.pts) for frame in frames])
    return found


@pytest.mark.parametrize("rate_hz", [12.5, 25.0, 60.0])
@pytest.mark.parametrize("sigma_px", [0.3, 1.0, 4.0])
def test_known_noise_is_found(rate_hz: float, sigma_px: float) -> None:
    times_s = np.arange(200) / rate_hz
    jitter = landmark_jitter(noisy(rendered_head(times_s), sigma_px), times_s, sizes(200))
    assert np.isnan(jitter[[0, 1, -2, -1]]).all() and np.isfinite(jitter[2:-2]).all()
    allowed = 0.5 if rate_hz < 20 and sigma_px < 1 else 0.1  # at 12.5 Hz the nod itself is a bit rough
    assert np.median(jitter[2:-2]) * 60 == pytest.approx(sigma_px, rel=allowed)
    spread = np.percentile(jitter[2:-2] * 60, [5, 95])
    assert sigma_px * 0.85 < spread[0] and spread[1] < sigma_px * (1.15 + allowed)


def test_uneven_frames_are_no_noise() -> None:
    """An accelerating head at uneven times is a parabola only if the times are used."""
    steps_s = np.random.default_rng(2).choice([1 / 30, 1 / 24, 2 / 30], size=100)
    times_s = np.cumsum(steps_s)
    head = np.zeros((100, 478, 2)) + (200 * times_s**2)[:, None, None]
    assert np.nanmax(landmark_jitter(head, times_s, sizes(100))) < 1e-9
    shaken = landmark_jitter(noisy(head, 1.0), times_s, sizes(100))
    assert np.nanmedian(shaken) * 60 == pytest.approx(1.0, rel=0.05)


def test_smooth_fast_motion_is_not_jitter() -> None:
    """A head that crosses the picture at ten eye distances a second and shakes 'no' twice a second."""
    times_s = np.arange(100) / 25
    head = rendered_head(times_s) + (600 * times_s + 30 * np.sin(2 * np.pi * 2 * times_s))[:, None, None]
    assert np.nanmax(landmark_jitter(head, times_s, sizes(100))) < 0.015
    assert np.nanmin(landmark_jitter(noisy(head, 3.0), times_s, sizes(100))) > 0.03


def test_lips_and_lids_do_not_count() -> None:
    times_s = np.arange(60) / 25
    head = noisy(rendered_head(times_s), 0.5)
    talking = head.copy()
    talking[::2, :120] += 6.0  # a quarter of the points jumps to and fro
    still, moved = (np.nanmedian(landmark_jitter(each, times_s, sizes(60))) for each in (head, talking))
    assert moved < 1.5 * still


def test_one_jump_shows_where_it_is() -> None:
    times_s = np.arange(40) / 25
    head = noisy(rendered_head(times_s), 0.2)
    head[20] += 5.0
    jitter = landmark_jitter(head, times_s, sizes(40))
    assert np.nanargmax(jitter) == 20 and jitter[20] > 10 * np.nanmedian(jitter)


def test_it_sees_two_frames_and_not_a_third() -> None:
    times_s = np.arange(30) / 25
    head = noisy(rendered_head(times_s), 1.0)
    changed = head.copy()
    changed[15] += 9.0
    differs = landmark_jitter(head, times_s, sizes(30)) != landmark_jitter(changed, times_s, sizes(30))
    assert list(np.flatnonzero(differs[2:-2]) + 2) == [13, 14, 15, 16, 17]


def test_nothing_is_made_up_where_frames_are_missing() -> None:
    times_s = np.arange(40) / 25
    head, size = noisy(rendered_head(times_s), 1.0), sizes(40)
    head[10], size[20] = np.nan, np.nan
    jitter = landmark_jitter(head, times_s, size)
    assert list(np.flatnonzero(np.isnan(jitter))) == [0, 1, 8, 9, 10, 11, 12, 20, 38, 39]
    late = times_s + np.where(
        np.arange(40) >= 30, LONGEST_WINDOW_S, 0
    )  # the recording paused before frame 30
    across = landmark_jitter(noisy(rendered_head(times_s), 1.0), late, sizes(40))
    assert list(np.flatnonzero(np.isnan(across))) == [0, 1, 28, 29, 30, 31, 38, 39]
    clusters = np.array([-0.2, -0.1999, 0, 0.1999, 0.2])  # the fit would pass through the middle frame
    assert np.isnan(landmark_jitter(head[30:35], clusters, sizes(5))).all()


def test_short_and_empty_tracks() -> None:
    for n in (0, 1, 4):
        times_s = np.arange(n) / 25
        jitter = landmark_jitter(rendered_head(times_s), times_s, sizes(n))
        assert jitter.shape == (n,) and np.isnan(jitter).all()


def test_size_makes_faces_comparable() -> None:
    times_s = np.arange(60) / 25
    head = noisy(rendered_head(times_s), 1.0)
    one, other = landmark_jitter(head, times_s, sizes(60)), landmark_jitter(3 * head, times_s, sizes(60, 180))
    assert np.allclose(one, other, equal_nan=True)


@pytest.mark.parametrize("name", STILL_HEADS)
def test_real_heads_are_stiller_than_with_noise(
    heads: dict[str, tuple[Landmarks, np.ndarray]], name: str
) -> None:
    landmarks, times_s = heads[name]
    size = interocular(landmarks)
    jitter = landmark_jitter(landmarks, times_s, size)
    assert np.nanmedian(jitter) < 0.005, "a quarter of a pixel of fifty"
    medians = [
        np.nanmedian(landmark_jitter(noisy(landmarks, share * size.mean()), times_s, size))
        for share in (0.01, 0.02, 0.04)
    ]
    assert np.nanmedian(jitter) < medians[0] < medians[1] < medians[2]
    assert medians[2] == pytest.approx(np.hypot(0.04, np.nanmedian(jitter)), rel=0.1)


def test_the_same_head_trembles_more_in_the_dark(heads: dict[str, tuple[Landmarks, np.ndarray]]) -> None:
    bright, dark = (
        np.nanmedian(landmark_jitter(landmarks, times_s, interocular(landmarks)))
        for landmarks, times_s in (heads[STILL_HEADS[1]], heads[IN_THE_DARK])
    )
    assert dark > 2 * bright


@pytest.mark.parametrize("name", STILL_HEADS)
def test_interocular_is_the_distance_of_the_pupils(
    heads: dict[str, tuple[Landmarks, np.ndarray]], name: str
) -> None:
    """The mesh's own irises (468, 473), found apart from the lids, say where the eyes roughly are."""
    landmarks, _ = heads[name]
    pupils = np.linalg.norm(landmarks[:, 468, :2] - landmarks[:, 473, :2], axis=1)
    assert interocular(landmarks[:, :, :2]) == pytest.approx(pupils, rel=0.08)


def test_interocular_of_68_points() -> None:
    points = np.full((2, 68, 3), 7.0)
    points[0, 36:42], points[0, 42:48] = (10, 20, 0), (13, 20, 4)
    points[1] = np.nan
    distance = interocular(points)
    assert distance[0] == 5.0 and np.isnan(distance[1])
