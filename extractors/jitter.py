"""Jitter: how much landmarks tremble beyond what a head does."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import IBUG68_FROM_MESH, N_LANDMARKS

REACH_FRAMES = 2  # frames seen on either side: as far ahead as `av-dialog` allows
LONGEST_WINDOW_S = 0.5  # over more (five frames below 8 fps, or a hole in time) a head does not move smoothly
MEDIAN_OF_TWO = float(np.sqrt(2 * np.log(2)))  # median length of a vector of two unit normals (Rayleigh)
LEAST_FREEDOM = 0.1  # of the middle frame's noise that the fit must leave; evenly spaced frames leave 18/35
EYES_68 = (list(range(36, 42)), list(range(42, 48)))


def interocular(landmarks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance between the centres of the eyes (T,), in the unit of `landmarks` (T, 478 or 68, 2 or 3).

    With depth (the mesh has one) it does not shrink when the head turns. NaN where an eye is missing.
    """
    is_mesh = landmarks.shape[1] == N_LANDMARKS
    eyes = [[IBUG68_FROM_MESH[point] for point in eye] if is_mesh else eye for eye in EYES_68]
    one, other = (landmarks[:, eye].mean(axis=1) for eye in eyes)
    return np.asarray(np.linalg.norm(other - one, axis=1), np.float64)


def landmark_jitter(
    landmarks: NDArray[np.float64], times_s: NDArray[np.float64], size_px: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Jitter of each frame (T,): the standard deviation of a coordinate in shares of `size_px`.

    `landmarks` (T, N, 2 or 3) px, consecutive frames of one track, NaN where missing (depth is not used);
    `times_s` (T,) growing; `size_px` (T,), such as `interocular`. A parabola in time is fitted to each
    coordinate over the frame and two neighbours on either side (centred: it sees two frames ahead, never
    more); what the frame deviates from it, freed of the share that the fit swallows, is the tremble. The
    median over the points makes lips and lids, which do move that fast, count for little.

    NaN for the first and last two frames, where one of the five frames or the size is missing, and where
    the five span more than half a second or lie too unevenly in time to tell. A shaking camera counts as
    jitter. Landmarks of a network tremble together, so that single values scatter: take a median over a
    clip.
    """
    n_frames = len(landmarks)
    jitter = np.full(n_frames, np.nan)
    points = np.asarray(landmarks[:, :, :2], np.float64)
    for centre in range(REACH_FRAMES, n_frames - REACH_FRAMES):
        window = slice(centre - REACH_FRAMES, centre + REACH_FRAMES + 1)
        times = times_s[window] - times_s[centre]
        if times[-1] - times[0] > LONGEST_WINDOW_S or not size_px[centre] > 0:
            continue
        residual = np.tensordot(_residual_weights(times), points[window], axes=1)
        jitter[centre] = np.median(np.hypot(*residual.T)) / (MEDIAN_OF_TWO * size_px[centre])
    return jitter


def _residual_weights(times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights whose sum over the frames is the residual of the middle one, scaled to the noise's deviation.

    With noise of deviation s in every frame the residual of a least-squares fit has the deviation
    s * sqrt(1 - h), h being the middle of the hat matrix's diagonal. NaN when 1 - h is too small.
    """
    middle = len(times_s) // 2
    powers = np.vander(times_s / np.abs(times_s).max(), 3)
    weights = -(powers @ np.linalg.pinv(powers))[middle]
    weights[middle] += 1.0
    freedom = weights[middle]
    return np.asarray(weights / np.sqrt(freedom if freedom >= LEAST_FREEDOM else np.nan), np.float64)
