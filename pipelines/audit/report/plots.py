"""Plots of a check's numbers: what a template draws, and the same numbers as a table.

Boxes are stretched to the width of the page, so text stands beside the SVG and never in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_SMALLEST = 3.0
"""Height of a bar of one row beside a bar of a million, in percent: one bad row must be seen."""
_N_LEAST_BINS = 10
N_TICKS = 5


@dataclass(frozen=True)
class Mark:
    """A vertical line at a share of the width, in percent."""

    at: float
    told: str


@dataclass(frozen=True)
class Histogram:
    """Bars in a box of `n_bins` x 100, linear and logarithmic; `bad` are drawn over `good`, which are all.

    `rows`: range, rows, and how many of them are bad.
    """

    n_bins: int
    good: str
    bad: str
    good_log: str
    bad_log: str
    before: str
    marks: tuple[Mark, ...]
    ticks: tuple[tuple[float, str], ...]
    data: str
    rows: tuple[tuple[str, int, int], ...]
    unit: str
    spread: tuple[float, float] | None


@dataclass(frozen=True)
class Bar:
    """One horizontal bar of a list, as long as a share (percent) of the longest."""

    name: str
    share: float
    text: str
    kind: str = ""
    told: str = ""


@dataclass(frozen=True)
class Range:
    """A channel's range on its family's axis, in percent of the width."""

    name: str
    low: float
    high: float
    p05: float
    p50: float
    p95: float
    text: str
    still: bool


def histogram(check: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> Histogram | None:
    """The histogram of a column check, cut to where there is something; `before`: of an older audit."""
    facts = check.get("histogram")
    if not facts or not check.get("n"):
        return None
    limits = check.get("thresholds", {})
    bins = _bins(facts, limits)
    edges, counts = [one[0] for one in bins], [one[2] for one in bins]
    edges.append(bins[-1][1])
    bad = _bad_rows(bins, limits, check.get("n_bad", 0) - check.get("n_nan", 0))
    old = _rescaled(before, facts, bins, sum(counts))
    top = max([*counts, *(old or [])]) or 1
    return Histogram(
        n_bins=len(bins),
        good=_bars(counts, top),
        bad=_bars(bad, top),
        good_log=_bars(counts, top, log=True),
        bad_log=_bars(bad, top, log=True),
        before=_outline(old, top) if old else "",
        marks=tuple(_marks(edges, limits, check.get("unit") or "")),
        ticks=tuple(_ticks(edges)),
        data=json.dumps({"e": [_short(edge) for edge in edges], "c": counts}, separators=(",", ":")),
        rows=tuple(
            (f"{_short(low)} to {_short(high)}", n, n_bad)
            for (low, high, n), n_bad in zip(bins, bad, strict=True)
            if n
        ),
        unit=check.get("unit") or "",
        spread=_spread(edges, check.get("quantiles") or {}),
    )


def _bins(facts: Mapping[str, Any], limits: Mapping[str, Any]) -> list[tuple[float, float, int]]:
    """(low, high, rows) from the first to the last bin that has rows or a limit, and one on each side."""
    edges = facts["edges"]
    step = edges[1] - edges[0]
    bins = list(zip(edges, edges[1:], facts["counts"], strict=False))
    if facts.get("below"):
        bins.insert(0, (-math.inf, edges[0], facts["below"]))
    if facts.get("above"):
        bins.append((edges[-1], math.inf, facts["above"]))
    wanted = [limit for name in ("min", "max") if (limit := limits.get(name)) is not None]
    used = [
        number
        for number, (low, high, n) in enumerate(bins)
        if n or any(low - step / 2 <= limit <= high + step / 2 for limit in wanted)
    ]
    first = max(0, used[0] - 1)
    last = min(len(bins), max(used[-1] + 2, first + _N_LEAST_BINS))
    return bins[first:last]


def _bad_rows(bins: Sequence[tuple[float, float, int]], limits: Mapping[str, Any], n_bad: int) -> list[int]:
    """How many rows of each bin are beyond a limit.

    Bins beyond it hold nothing else. Of the bins that hold a limit nobody knows but that all bad rows make
    `n_bad`: what is left is theirs.
    """
    least = -math.inf if limits.get("min") is None else limits["min"]
    most = math.inf if limits.get("max") is None else limits["max"]
    found = [n if high <= least or low > most else 0 for low, high, n in bins]
    left = max(0, n_bad - sum(found))
    for number, (low, high, n) in enumerate(bins):
        if low <= most < high or low < least < high:
            found[number] = min(n, left)
            left -= found[number]
    return found


def _rescaled(
    before: Mapping[str, Any] | None,
    facts: Mapping[str, Any],
    bins: Sequence[tuple[float, float, int]],
    total: int,
) -> list[float] | None:
    """Rows of the older audit in the same bins, as if there had been as many in all."""
    old = (before or {}).get("histogram")
    if not old or old["edges"] != facts["edges"]:
        return None
    counts = dict(zip(old["edges"], old["counts"], strict=False)) | {-math.inf: old["below"]}
    counts[old["edges"][-1]] = old["above"]
    n_old = sum(old["counts"]) + old["below"] + old["above"]
    return [counts.get(low, 0) * total / n_old for low, _, _ in bins] if n_old else None


def _height(n: float, top: float, *, log: bool) -> float:
    if n <= 0:
        return 0.0
    share = math.log1p(n) / math.log1p(top) if log else n / top
    return max(_SMALLEST, 96 * share)


def _bars(counts: Sequence[int], top: float, *, log: bool = False) -> str:
    return "".join(
        f"M{number}.06 100V{100 - _height(n, top, log=log):.1f}h.88V100z"
        for number, n in enumerate(counts)
        if n
    )


def _outline(counts: Sequence[float], top: float) -> str:
    """A stair over the bins."""
    return "M0 100" + "".join(f"V{100 - _height(n, top, log=False):.1f}h1" for n in counts) + "V100"


def _place(value: float, edges: Sequence[float]) -> float | None:
    """Percent of the width at which a value stands; open bins are as wide as any."""
    for number, (low, high) in enumerate(pairwise(edges)):
        if low <= value <= high:
            inside = 0.5 if math.isinf(high - low) else (value - low) / ((high - low) or 1.0)
            return round(100 * (number + inside) / (len(edges) - 1), 2)
    return None


def _marks(edges: Sequence[float], limits: Mapping[str, Any], unit: str) -> list[Mark]:
    told = {"min": "at least", "max": "at most"}
    found = [(name, limit, _place(limit, edges)) for name in told if (limit := limits.get(name)) is not None]
    return [
        Mark(at, f"{told[name]} {limit:g} {unit}".rstrip()) for name, limit, at in found if at is not None
    ]


def _spread(edges: Sequence[float], quantiles: Mapping[str, float]) -> tuple[float, float] | None:
    """Where the 5th and the 95th percentile stand."""
    if quantiles.get("p05") is None or quantiles.get("p95") is None:
        return None
    low, high = (_place(quantiles[name], edges) for name in ("p05", "p95"))
    return (low, high) if low is not None and high is not None else None


def _ticks(edges: Sequence[float]) -> list[tuple[float, str]]:
    step = max(1, math.ceil((len(edges) - 1) / N_TICKS))
    chosen = range(0, len(edges), step)
    return [(round(100 * at / (len(edges) - 1), 2), _short(edges[at])) for at in chosen]


def _short(value: float) -> str:
    return "…" if math.isinf(value) else f"{value:.4g}"


def tally_bars(counts: Mapping[str, int]) -> list[Bar]:
    """How many rows by name; names that say `skipped`, `failed` or `quarantined` are marked."""
    top = max(counts.values(), default=1) or 1
    found = []
    for name, n in counts.items():
        words = name.split(" ")
        kind = next((word for word in words if word in ("skipped", "failed", "quarantined")), "")
        found.append(Bar(name, round(100 * n / top, 2), str(n), kind))
    return found


def group_bars(groups: Sequence[Mapping[str, Any]], total_s: float) -> list[Bar]:
    """The largest groups by duration; where nothing has one there are no bars."""
    if not total_s:
        return []
    top = max(one["seconds"] for one in groups) or 1.0
    return [
        Bar(
            one["name"],
            round(100 * one["seconds"] / top, 2),
            f"{_duration(one['seconds'])}, {100 * one['seconds'] / total_s:.3g} %",
            told=one.get("splits") or "",
        )
        for one in groups
    ]


def code_bars(streams: Mapping[str, Mapping[str, Any]]) -> list[Bar]:
    """How many of its codes each codebook used, and how evenly."""
    return [
        Bar(
            name,
            round(100 * facts["n_used"] / (facts.get("codebook_size") or facts["n_used"] or 1), 2),
            f"{facts['n_used']} of {facts.get('codebook_size') or '?'} codes, "
            f"perplexity {facts['perplexity']:.4g}, {facts['n']} frames",
            "failed" if facts["n_used"] <= 1 else "",
            f"most used: {', '.join(f'{code} ({n}×)' for code, n in facts['most'][:5])}",
        )
        for name, facts in streams.items()
    ]


def channel_ranges(channels: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Range]]:
    """Least, 5th, 50th, 95th percentile and greatest of each channel, by member.

    Channels of one family (`rotation_…`, `translation_…`, all blendshapes) share an axis.
    """
    families: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for name, facts in channels.items():
        member, _, channel = name.rpartition(" ")
        family = channel.partition("_")[0] if not channel.startswith("_") else ""
        known = facts.get("n") and facts.get("min") is not None
        if known:
            families.setdefault((member, family if "_" in channel else ""), []).append((channel, facts))
    found: dict[str, list[Range]] = {}
    for (member, _), family_channels in families.items():
        low = min(0.0, *(facts["min"] for _, facts in family_channels))
        high = max(facts["max"] for _, facts in family_channels)
        span = (high - low) or 1.0
        for channel, facts in family_channels:
            points = (facts["min"], *(facts["quantiles"][q] for q in ("p05", "p50", "p95")), facts["max"])
            least, p05, p50, p95, most = (round(100 * (one - low) / span, 1) for one in points)
            text = f"{facts['min']:.2g} … {facts['quantiles']['p50']:.2g} … {facts['max']:.2g}"
            still = facts["min"] == facts["max"]
            found.setdefault(member, []).append(Range(channel, least, most, p05, p50, p95, text, still))
    return found


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.4g} h"
    return f"{seconds / 60:.3g} min" if seconds >= 120 else f"{seconds:.3g} s"
