"""What corruption did to a clip's face, on its 25 Hz grid: frames lost, and how far landmarks moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import IBUG68_FROM_MESH
from pipelines.steps.numbers import on_frames
from pipelines.steps.series import Series
from synth.corruption.apply import spans_of

_EYES = (slice(36, 42), slice(42, 48))
_MOUTH = slice(48, 68)


@dataclass(frozen=True)
class Watched:
    """Of each frame of the series: which frame it shows (-1: not looked at), whether it is corrupted, and
    whether it should be and nobody knew where the face was."""

    shown: NDArray[np.int64]
    corrupted: NDArray[np.bool_]
    landmarks_missing: NDArray[np.bool_]


def measured(clean: Series, again: Series, chosen: Sequence[int], watched: Watched) -> dict[str, Any]:
    """Plain JSON. `spans`: corrupted frames [start, stop) of the clip, by what was done.

    `n_seen_clean`, `n_seen`, `n_lost`: frames with the face before, after, and before but not after;
    `face_miss_rate`: the share of those seen before that is lost, of the clip and of its corrupted frames.
    `landmark_error`, `mouth_error`: mean distance of the 68 points and of the lips' 20 from the clean ones of
    the frame that is shown, in distances between the eyes' middles, over corrupted frames with the face.
    What there is nothing to take it over is null.
    """
    at = np.asarray(chosen)
    corrupted = watched.corrupted[at]
    before = on_frames(clean.landmarks[:, IBUG68_FROM_MESH, :2], clean, watched.shown[at].tolist())
    after = on_frames(again.landmarks[:, IBUG68_FROM_MESH, :2], again, list(chosen))
    was_seen, is_seen = (~np.isnan(points).any(axis=(1, 2)) for points in (before, after))
    lost = was_seen & ~is_seen
    both = corrupted & was_seen & is_seen
    right, left = (before[both][:, eye].mean(axis=1) for eye in _EYES)
    apart = np.linalg.norm(left - right, axis=1)
    away = np.linalg.norm(after[both] - before[both], axis=2) / np.maximum(apart, 1e-6)[:, None]
    return {
        "spans": [list(span) for span in spans_of(corrupted)],
        "n_frames": len(at),
        "n_corrupted": int(corrupted.sum()),
        "n_landmarks_missing": int(watched.landmarks_missing[at].sum()),
        "n_seen_clean": int(was_seen.sum()),
        "n_seen": int(is_seen.sum()),
        "n_lost": int(lost.sum()),
        "face_miss_rate": _share(lost, was_seen),
        "face_miss_rate_corrupted": _share(lost & corrupted, was_seen & corrupted),
        "landmark_error": round(float(away.mean()), 4) if away.size else None,
        "mouth_error": round(float(away[:, _MOUTH].mean()), 4) if away.size else None,
    }


def _share(some: NDArray[np.bool_], every: NDArray[np.bool_]) -> float | None:
    return round(float(some.sum() / every.sum()), 4) if every.any() else None
