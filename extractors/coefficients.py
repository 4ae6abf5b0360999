"""Face coefficients on fixed grids: `arkit52` at 25 Hz and `face61` at 12.5 Hz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import BLENDSHAPE_NAMES
from extractors.pose import from_six, rotation_of, to_six
from extractors.resampling import interpolate, to_mimi_rate

ARKIT52_NAMES = BLENDSHAPE_NAMES
"""MediaPipe's published order: `_neutral`, then 51 of ARKit's shapes; `tongueOut` is not measured."""

GRID_HZ = 25.0

FACE61_NAMES = (
    *ARKIT52_NAMES,
    *(f"rotation_{axis}{column}" for column in (0, 1) for axis in "xyz"),
    *(f"translation_{axis}_cm" for axis in "xyz"),
)
"""52 blendshapes; first, then second column of the head's rotation; its place before the camera in cm."""


@dataclass(frozen=True)
class Coefficients:
    """`arkit52` (2n, 52) and `face61` (n, 61) float32, each with a validity a frame."""

    arkit52: NDArray[np.float32]
    arkit52_valid: NDArray[np.bool_]
    face61: NDArray[np.float32]
    face61_valid: NDArray[np.bool_]


def coefficients(
    times_s: NDArray[np.float64],
    blendshapes: NDArray[np.float64],
    poses: NDArray[np.float64],
    grid_s: NDArray[np.float64],
    *,
    max_gap_s: float,
) -> Coefficients:
    """Measurements at `times_s` (N,): blendshapes (N, 52) and poses (N, 4, 4), on the 25 Hz `grid_s` (2n,).

    Measurements before and after the grid are used, so that its ends are filtered like its middle.

    Rotations are averaged as 6-D vectors and made orthonormal again (Gram-Schmidt). The translation is
    MediaPipe's, in cm (x right, y up, z towards the viewer); it depends on the assumed camera.
    """
    six, shift = to_six(rotation_of(poses)), poses[:, :3, 3]
    raw = np.concatenate([blendshapes, six, shift], axis=1)
    edge_s = np.array([1, 2]) / GRID_HZ
    wider_s = np.concatenate([grid_s[0] - edge_s[::-1], grid_s, grid_s[-1] + edge_s])
    fine, valid = interpolate(times_s, raw, wider_s, max_gap_s=max_gap_s)
    fine[:, :52] = np.clip(fine[:, :52], 0, 1)  # a fitted line may overshoot
    coarse, coarse_valid = to_mimi_rate(fine, valid)
    coarse[:, 52:58] = to_six(from_six(coarse[:, 52:58]))
    return Coefficients(
        arkit52=fine[2:-2, :52].astype(np.float32),
        arkit52_valid=valid[2:-2],
        face61=coarse[1:-1].astype(np.float32),
        face61_valid=coarse_valid[1:-1],
    )
