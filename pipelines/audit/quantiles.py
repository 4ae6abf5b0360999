"""Quantiles of a column: counts in logarithmic bins, which merge exactly in any order."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

GAMMA = 1.02
"""Ratio of neighbouring quantile bins: a quantile is right to 1 % of its value. The bins are those of
DDSketch (Masson, Rim and Lee, VLDB 2019), without its collapsing, which would make the order of merging
matter."""
_LOG_GAMMA = math.log(GAMMA)
_TINY = 1e-9
"""Sizes below this count as zero in the quantile bins."""


@dataclass
class LogBins:
    """Counts in logarithmic bins of both signs, for quantiles.

    Bins are numbered: 0 for zero, ±(1 + i) for sizes in (1e-9 · GAMMA^(i-1), 1e-9 · GAMMA^i].
    """

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    first: int = 0
    """Number of the bin that `counts` begins with."""

    def add(self, values: NDArray[np.float64]) -> None:
        """Finite values, (n,), at least one."""
        size = np.abs(values)
        np.maximum(size, _TINY, out=size)
        size /= _TINY
        np.log(size, out=size)
        size /= _LOG_GAMMA
        np.ceil(size, out=size)
        index = np.copysign(size, values, out=size).astype(np.int64)
        low = int(index.min())
        index -= low
        self.merge(LogBins(np.bincount(index), low))

    def merge(self, other: LogBins) -> None:
        """Add the counts."""
        if not len(self.counts) or not len(other.counts):
            self.counts, self.first = (self if len(self.counts) else other)._as_pair()
            return
        first = min(self.first, other.first)
        stop = max(one.first + len(one.counts) for one in (self, other))
        counts = np.zeros(stop - first, np.int64)
        for one in (self, other):
            counts[one.first - first : one.first - first + len(one.counts)] += one.counts
        self.counts, self.first = counts, first

    def _as_pair(self) -> tuple[NDArray[np.int64], int]:
        return self.counts.copy(), self.first

    def quantiles(self, shares: Iterable[float]) -> list[float | None]:
        """The value at each share of the rows, right to 1 %; None where there are no rows."""
        order = np.flatnonzero(self.counts)
        if not len(order):
            return [None for _ in shares]
        ends = np.cumsum(self.counts[order])
        places = [int(np.searchsorted(ends, share * (int(ends[-1]) - 1), side="right")) for share in shares]
        return [_middle(int(order[min(place, len(order) - 1)]) + self.first) for place in places]


def _middle(index: int) -> float:
    """The value that stands for a bin: no value in it is more than 1 % away."""
    if index == 0:
        return 0.0
    return math.copysign(_TINY * 2 * GAMMA ** abs(index) / (1 + GAMMA), index)
