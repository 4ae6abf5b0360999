"""Mergeable summaries: what a worker keeps of a million rows, and how two workers' summaries become one.

Every summary is exact under merging: counts are integers, sums are whole millionths, quantiles are counts in
fixed logarithmic bins and the worst examples have a total order. So the order in which bundles are merged
cannot change a digit (random sketches such as KLL, and sums of floats, can).
"""

from __future__ import annotations

import bisect
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.quantiles import LogBins

N_WORST = 25
"""Examples kept of each check."""
MICRO = 1_000_000
LARGEST = 1e7
"""Values beyond enter a mean as this: whole millionths of 900 000 rows then fit 64 bits."""


class Sketch(Protocol):
    """A summary that can take in another of its kind."""

    def merge(self, other: Self) -> None:
        """Add what the other has seen."""

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""


@dataclass(frozen=True, order=True)
class Example:
    """One row worth looking at. Ordered: the worst first, then by name."""

    rank: float  # minus how bad it is
    key: str
    detail: str = ""
    value: float | None = field(default=None, compare=False)
    shard: str = field(default="", compare=False)
    bad: bool = field(default=True, compare=False)

    def facts(self) -> dict[str, Any]:
        """As plain JSON; a value that is no number is null."""
        value = self.value if self.value is not None and math.isfinite(self.value) else None
        return {
            "key": self.key,
            "shard": self.shard or None,
            "value": value,
            "detail": self.detail or None,
            "bad": self.bad,
        }


@dataclass
class Worst:
    """The `N_WORST` first examples in their order."""

    examples: list[Example] = field(default_factory=list)

    def may_take(self, rank: float) -> bool:
        """Whether an example of this rank can be among the worst."""
        return len(self.examples) < N_WORST or rank <= self.examples[-1].rank

    def add(self, example: Example) -> None:
        """Keep it, if it is among the worst."""
        if len(self.examples) < N_WORST or example < self.examples[-1]:
            bisect.insort(self.examples, example)
            del self.examples[N_WORST:]

    def merge(self, other: Worst) -> None:
        """The worst of both."""
        for example in other.examples:
            self.add(example)

    def facts(self) -> list[dict[str, Any]]:
        """As plain JSON."""
        return [example.facts() for example in self.examples]


@dataclass(frozen=True)
class Limits:
    """What a value must lie between, both ends allowed; None: no limit. `low_first`: low ones are worse."""

    low: float | None = None
    high: float | None = None
    low_first: bool = False

    def bad(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) bool: outside the limits, or no number."""
        bad = np.isnan(values)
        if self.low is not None:
            bad |= values < self.low
        if self.high is not None:
            bad |= values > self.high
        return bad

    def badness(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n,): larger is worse; NaN is worst of all."""
        if self.low is not None and self.high is not None:
            found = np.maximum(self.low - values, values - self.high)
        else:
            found = -values if self.low_first or self.low is not None else values
        return np.where(np.isnan(values), np.inf, found)


@dataclass(frozen=True)
class Bins:
    """`count` equal bins over [low, high); what lies beyond is counted apart."""

    low: float
    high: float
    count: int = 40

    def place(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """(count + 2,) counts: below, the bins, at or above the end."""
        at = values - self.low
        at *= self.count / (self.high - self.low)
        np.floor(at, out=at)
        np.clip(at, -1, self.count, out=at)
        return np.bincount(at.astype(np.int64) + 1, minlength=self.count + 2).astype(np.int64)

    def edges(self) -> list[float]:
        """(count + 1,)."""
        return [round(edge, 12) for edge in np.linspace(self.low, self.high, self.count + 1).tolist()]


@dataclass
class ColumnSummary:
    """All that the audit keeps of one column: counts, sum, extremes, histogram, quantiles, worst rows."""

    bins: Bins
    limits: Limits
    n: int = 0
    n_missing: int = 0
    n_nan: int = 0
    n_bad: int = 0
    micro: int = 0
    low: float = math.inf
    high: float = -math.inf
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    quantiles: LogBins = field(default_factory=LogBins)
    worst: Worst = field(default_factory=Worst)

    def add(self, values: NDArray[np.float64], *, n_missing: int = 0) -> None:
        """(n,) values that are not null; NaN and infinity count as NaN. Worst examples are the caller's."""
        is_finite = np.isfinite(values)
        finite = values if is_finite.all() else values[is_finite]
        n_nan = len(values) - len(finite)
        self.n += len(values)
        self.n_missing += n_missing
        self.n_nan += n_nan
        self.n_bad += n_nan + int(np.count_nonzero(self.limits.bad(finite)))
        if not len(finite):
            return
        low, high = float(finite.min()), float(finite.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.micro += _micro(
            finite if low >= -LARGEST and high <= LARGEST else finite.clip(-LARGEST, LARGEST)
        )
        self.counts = _added(self.counts, self.bins.place(finite))
        self.quantiles.add(finite)

    def merge(self, other: Self) -> None:
        """Add what the other has seen."""
        for name in ("n", "n_missing", "n_nan", "n_bad", "micro"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.counts = _added(self.counts, other.counts)
        self.quantiles.merge(other.quantiles)
        self.worst.merge(other.worst)

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        n_finite = self.n - self.n_nan
        shares = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
        counts = self.counts if len(self.counts) else np.zeros(self.bins.count + 2, np.int64)
        return {
            "n": self.n,
            "n_missing": self.n_missing,
            "n_nan": self.n_nan,
            "n_bad": self.n_bad,
            "mean": self.micro / MICRO / n_finite if n_finite else None,
            "min": self.low if n_finite else None,
            "max": self.high if n_finite else None,
            "quantiles": {f"p{round(100 * share):02d}": self._inside(value) for share, value in zip(
                shares, self.quantiles.quantiles(shares), strict=True)},
            "histogram": {
                "edges": self.bins.edges(),
                "counts": counts[1:-1].tolist(),
                "below": int(counts[0]),
                "above": int(counts[-1]),
            },
            "worst": self.worst.facts(),
        }  # fmt: skip

    def _inside(self, value: float | None) -> float | None:
        """The middle of a bin may lie beyond the largest value in it."""
        return None if value is None else min(max(value, self.low), self.high)


def _micro(values: NDArray[np.float64]) -> int:
    """Their sum in whole millionths."""
    scaled = values * MICRO
    return int(np.rint(scaled, out=scaled).astype(np.int64).sum())


def _added(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    if not len(one) or not len(other):
        return other if len(other) else one
    return one + other


@dataclass
class Tally:
    """How many rows there are of each kind. For what has few kinds: statuses, reasons, splits."""

    counts: Counter[str] = field(default_factory=Counter)

    def merge(self, other: Self) -> None:
        """Add the counts."""
        self.counts.update(other.counts)

    def facts(self) -> dict[str, Any]:
        """As plain JSON, the most frequent first."""
        ordered = sorted(self.counts.items(), key=lambda one: (-one[1], one[0]))
        return {"n": self.counts.total(), "counts": dict(ordered)}


@dataclass
class Faults:
    """Things that are wrong, counted, the worst kept; `n` is how many things were looked at."""

    n: int = 0
    n_bad: int = 0
    worst: Worst = field(default_factory=Worst)

    def add(self, example: Example) -> None:
        """One more fault."""
        self.n_bad += 1
        self.worst.add(example)

    def merge(self, other: Self) -> None:
        """Add what the other has seen."""
        self.n += other.n
        self.n_bad += other.n_bad
        self.worst.merge(other.worst)

    def facts(self) -> dict[str, Any]:
        """As plain JSON."""
        return {"n": self.n, "n_bad": self.n_bad, "worst": self.worst.facts()}
