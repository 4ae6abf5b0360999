"""How far the jaw and the lips of a face are open, whatever its size and however the head is turned."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# Vertices of MediaPipe's 478-point mesh. Each feature is the mean length of its segments.
_FEATURES: dict[str, tuple[tuple[int, int], ...]] = {
    "jaw": ((168, 152),),  # bridge of the nose to the chin
    "height": ((0, 17), (37, 84), (267, 314)),  # between the outer rims of the lips
    "width": ((61, 291),),  # between the corners of the mouth
    "gap": ((13, 14), (82, 87), (312, 317)),  # between the inner rims
}
LIP_FEATURES: tuple[str, ...] = tuple(_FEATURES)
_EYE_CORNERS = (33, 263)


def lip_features(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """(T, 4) lengths named by `LIP_FEATURES`, of mesh landmarks (T, 478, 3) px; a missing frame is NaN.

    Distances in three dimensions, divided by that between the outer corners of the eyes: no size, turn or
    shift of the face changes them. Raises `ValueError` for another shape.
    """
    if landmarks.ndim != 3 or landmarks.shape[1:] != (478, 3):
        raise ValueError(f"landmarks must be (T, 478, 3), not {landmarks.shape}")
    points = landmarks.astype(np.float64)
    scale = _length(points, *_EYE_CORNERS)
    means = [np.mean([_length(points, a, b) for a, b in pairs], axis=0) for pairs in _FEATURES.values()]
    with np.errstate(divide="ignore", invalid="ignore"):  # a face of no size is no face
        features = np.stack(means, axis=1) / scale[:, None]
    features[~np.isfinite(features).all(axis=1)] = np.nan
    return features


def _length(points: NDArray[np.float64], first: int, second: int) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(points[:, first] - points[:, second], axis=1), np.float64)
