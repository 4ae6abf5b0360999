"""Where clips begin and end: spans of speech (or of a face), on the 25 Hz grid, as exact rationals."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from manifests.ids import TICK_HZ

FRAME_TICKS = 2
"""Clips last a whole number of 80 ms frames, so that 25 Hz, 12.5 Hz and audio members end together."""


@dataclass(frozen=True)
class Span:
    """Half-open [start, stop) seconds on the source's own timeline; `tick` counts 1/25 s from the anchor."""

    start: Fraction
    stop: Fraction
    tick: int

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.stop - self.start)


def snap(
    start_s: float, stop_s: float, *, anchor: Fraction, low: Fraction, high: Fraction, max_s: float
) -> Span | None:
    """The span on the grid anchored at `anchor` (the first video frame) that covers [start_s, stop_s).

    Grown outwards to the grid, then kept inside [low, high), where the media is and no earlier clip
    stands, and to at most `max_s`. None when no whole 80 ms frame is left.
    """
    wanted = max(_exact(start_s), low)
    first = floor((wanted - anchor) * TICK_HZ)
    if anchor + Fraction(first, TICK_HZ) < low:
        first += 1
    start = anchor + Fraction(first, TICK_HZ)
    frames = ceil((min(_exact(stop_s), high) - start) * TICK_HZ / FRAME_TICKS)
    room = min((high - start), _exact(max_s))
    frames = min(frames, floor(room * TICK_HZ / FRAME_TICKS))
    if frames < 1:
        return None
    return Span(start, start + Fraction(frames * FRAME_TICKS, TICK_HZ), first)


def even_spans(low: Fraction, high: Fraction, *, anchor: Fraction, max_s: float) -> list[Span]:
    """All of [low, high) on the grid anchored at `anchor`, in the fewest pieces of at most `max_s`.

    They follow each other without a gap, and their lengths differ by one frame of 80 ms at most. What is left
    at either end is less than a tick and a frame.
    """
    first = ceil((low - anchor) * TICK_HZ)
    n_frames = max(0, floor((high - anchor - Fraction(first, TICK_HZ)) * TICK_HZ / FRAME_TICKS))
    n_pieces = ceil(Fraction(n_frames, floor(_exact(max_s) * TICK_HZ / FRAME_TICKS)))
    ticks = [first + FRAME_TICKS * (i * n_frames // n_pieces) for i in range(n_pieces + 1 if n_pieces else 0)]
    return [
        Span(anchor + Fraction(start, TICK_HZ), anchor + Fraction(stop, TICK_HZ), start)
        for start, stop in pairwise(ticks)
    ]


def _exact(time_s: float) -> Fraction:
    """The rational that a float was rounded from: a frame time must not fall a tick early."""
    return Fraction(time_s).limit_denominator(100_000)


def face_runs(
    times_s: NDArray[np.float64], *, max_gap_s: float, max_chunk_s: float
) -> list[tuple[float, float]]:
    """Spans in which a face is seen without a longer gap, cut into equal pieces within the limit."""
    if not len(times_s):
        return []
    breaks = np.flatnonzero(np.diff(times_s) > max_gap_s) + 1
    runs: list[tuple[float, float]] = []
    for group in np.split(times_s, breaks):
        start, stop = float(group[0]), float(group[-1])
        pieces = max(1, ceil((stop - start) / max_chunk_s))
        edges = np.linspace(start, stop, pieces + 1)
        runs.extend((float(a), float(b)) for a, b in pairwise(edges))
    return runs
