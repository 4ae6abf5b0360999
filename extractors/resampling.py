"""From a source's own frame times to the fixed grids of a clip.

Output frame i of a 25 Hz grid is the instant `start + i * 40 ms` and stands for [40 i, 40 (i+1)) ms.
Pictures take the nearest source frame; numbers are filtered and interpolated. Frame k of the 12.5 Hz grid
(Mimi's) stands for [80 k, 80 (k+1)) ms: the 25 Hz frames 2k and 2k+1.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

MIMI_TAPS = np.array([1.0, 3.0, 3.0, 1.0]) / 8
"""Symmetric, so without delay about the middle of the frame. |H(f)| = cos^3(pi f / 25 Hz): -1.3 dB at 3 Hz,
-9 dB at the new Nyquist rate of 6.25 Hz, a triple zero at 12.5 Hz."""


def nearest_indices(
    times: Sequence[Fraction], grid: Sequence[Fraction], *, lookahead: Fraction | None = None
) -> list[int]:
    """For each instant of `grid` the index of the nearest of `times` (ascending); ties go to the earlier.

    `lookahead` (s) forbids times later than that after the instant. Exact: no float ever rounds a time.
    Raises ValueError when there is no time to choose.
    """
    if not times:
        raise ValueError("no frame times to choose from")
    found = []
    for instant in grid:
        after = bisect_left(times, instant)
        before = max(0, after - 1)
        after = min(after, len(times) - 1)
        closer = times[after] - instant < instant - times[before]
        choice = after if closer or before == after else before
        if lookahead is not None and times[choice] > instant + lookahead:
            choice = before
            if times[choice] > instant + lookahead:
                raise ValueError(f"no frame may be shown at {instant} s: the first is at {times[0]} s")
        found.append(choice)
    return found


def interpolate(
    times_s: NDArray[np.float64],
    values: NDArray[np.float64],
    grid_s: NDArray[np.float64],
    *,
    max_gap_s: float,
    lookahead_s: float | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values (N, D) measured at `times_s` (N,) ascending, at the instants `grid_s` (T,).

    Linear between neighbours, so the identity where the grid meets a measurement; the ends repeat the
    nearest value. Where measurements come faster than the grid, they first pass a triangular kernel two
    grid steps wide, which keeps what the grid cannot hold from folding back (-8 dB at the grid's Nyquist
    rate, zeros at multiples of its rate) and leaves data on the grid as it is. The kernel fits a line, so
    uneven frame times delay nothing; inside a gap of a grid step or more the plain line stands.
    Returns (T, D) and (T,) validity: true between two measurements no more than `max_gap_s` apart, or
    on one. Raises ValueError when there are no measurements.

    `lookahead_s` bounds what an instant may see: measurements later than that after it do not exist for it.
    The kernel then needs a bound of a grid step, else the line stands. After the latest measurement it may
    see, the value is held, valid for `max_gap_s`; before the first one it is 0 and invalid.
    """
    if not len(times_s):
        raise ValueError("no measurements to interpolate")
    step_s = float(np.median(np.diff(grid_s))) if len(grid_s) > 1 else 0.0
    if lookahead_s is None:
        return _between(times_s, values, grid_s, max_gap_s, step_s if _dense(times_s, step_s) else 0.0)
    result, valid = np.zeros((len(grid_s), values.shape[1])), np.zeros(len(grid_s), bool)
    kernel_s = step_s if lookahead_s > step_s - 1e-9 else 0.0
    for row, instant_s in enumerate(grid_s):
        stop = int(np.searchsorted(times_s, instant_s + lookahead_s + 1e-9, side="right"))
        if stop == 0:
            continue
        start = max(0, int(np.searchsorted(times_s[:stop], instant_s - step_s)) - 1)
        width_s = kernel_s if _dense(times_s[:stop], kernel_s) else 0.0
        part = slice(start, stop)
        found, ok = _between(times_s[part], values[part], grid_s[row : row + 1], max_gap_s, width_s)
        held = -1e-9 < instant_s - times_s[stop - 1] <= max_gap_s + 1e-9
        result[row], valid[row] = found[0], ok[0] or held
    return result, valid


def _dense(times_s: NDArray[np.float64], step_s: float) -> bool:
    """Whether measurements come faster than a grid of this step; never for a step of 0."""
    return step_s > 0 and len(times_s) > 1 and float(np.median(np.diff(times_s))) < 0.95 * step_s


def _between(
    times_s: NDArray[np.float64],
    values: NDArray[np.float64],
    grid_s: NDArray[np.float64],
    max_gap_s: float,
    kernel_s: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`interpolate` without a bound; a `kernel_s` above 0 is the triangular kernel's half width."""
    after = np.clip(np.searchsorted(times_s, grid_s - 1e-9), 0, len(times_s) - 1)
    before = np.clip(np.searchsorted(times_s, grid_s + 1e-9, side="right") - 1, 0, len(times_s) - 1)
    inside = (grid_s >= times_s[0] - 1e-9) & (grid_s <= times_s[-1] + 1e-9)
    gap_s = times_s[after] - times_s[before]
    columns = [np.interp(grid_s, times_s, values[:, column]) for column in range(values.shape[1])]
    result = np.stack(columns, axis=1)
    if kernel_s > 0:
        for index in np.flatnonzero(inside & (gap_s < kernel_s)):
            low, high = np.searchsorted(times_s, [grid_s[index] - kernel_s, grid_s[index] + kernel_s])
            weights = _line_weights((times_s[low:high] - grid_s[index]) / kernel_s)
            result[index] = weights @ values[low:high]
    return result, inside & (gap_s <= max_gap_s)


def _line_weights(offsets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (N,), of sum 1 and first moment 0, of measurements at `offsets` (N,) in -1..1.

    Local linear regression with a triangular kernel: Fan and Gijbels, "Local Polynomial Modelling and Its
    Applications" (1996).
    """
    kernel = 1 - np.abs(offsets)
    first, second = kernel @ offsets, kernel @ offsets**2
    if kernel.sum() * second - first**2 > 1e-9:  # else all that weighs is at one place
        kernel = kernel * (second - first * offsets)
    weights: NDArray[np.float64] = kernel / kernel.sum()
    return weights


def to_mimi_rate(
    values: NDArray[np.float64], valid: NDArray[np.bool_], *, lookahead_frames: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(2n, D) at 25 Hz to (n, D) at 12.5 Hz through `MIMI_TAPS`; invalid frames carry no weight.

    A frame is valid when at least half of the filter's weight was; where none was, the plain filter's
    value stands, marked invalid. Beyond the ends there is no weight either. `lookahead_frames` (of 25 Hz)
    counts from the frame's own last one, 2k+1: the filter sees one beyond it, which a bound of 0 takes
    away (what is left, [1, 3, 3] / 7, lies 9 ms early). Raises ValueError for a negative bound.
    """
    if lookahead_frames is not None and lookahead_frames < 0:
        raise ValueError(f"lookahead_frames={lookahead_frames} must not be negative")
    taps = MIMI_TAPS * [1, 1, 1, lookahead_frames != 0]
    n = len(values) // 2
    positions = 2 * np.arange(n)[:, None] + np.arange(-1, 3)  # (n, 4)
    inside = (positions >= 0) & (positions < 2 * n)
    positions = np.clip(positions, 0, 2 * n - 1)
    present = taps * inside
    seen = present > 0
    weights = present * valid[positions]
    share = weights.sum(axis=1)
    used = np.where(share[:, None] > 0, weights, present)
    used = used / used.sum(axis=1, keepdims=True)
    window = np.where(seen[..., None], values[positions], 0.0)
    return np.einsum("nk,nkd->nd", used, window), share >= 0.5 * present.sum(axis=1)
