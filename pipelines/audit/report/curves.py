"""Curves of a sample over time, as short SVG paths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.sample_series import series_of

MAX_POINTS = 150
"""Points of a curve: a page of a hundred samples stays small, and a phone has no more pixels."""
SHOWN = ("level", "speaking score", "jawOpen", "head yaw", "mouth occlusion")
"""Of the series that a sample has: a page of a hundred samples shows what is looked at first."""
_TOP, _BOTTOM = 4.0, 96.0


@dataclass(frozen=True)
class Curve:
    """A curve in a box of `n_points` x 100: `low` is at 96, `high` at 4; gaps were not measured."""

    name: str
    unit: str
    low: float
    high: float
    n_points: int
    path: str
    side: str = ""

    @property
    def is_empty(self) -> bool:
        """Nothing was measured."""
        return not self.path


def draw(name: str, unit: str, values: NDArray[Any], limits: tuple[float, float], *, side: str = "") -> Curve:
    """`values` (T,) on equal steps over the clip, NaN where not measured; means of at most `MAX_POINTS`."""
    low, high = limits
    known = np.asarray(values, np.float64)
    parts = np.array_split(known, min(len(known), MAX_POINTS)) if len(known) else []
    means = [float(np.mean(part[~np.isnan(part)])) if (~np.isnan(part)).any() else None for part in parts]
    path, pen_up = [], True
    for number, mean in enumerate(means):
        if mean is None:
            pen_up = True
            continue
        share = (min(max(mean, low), high) - low) / (high - low)
        path.append(f"{'M' if pen_up else 'L'}{number}.5 {_BOTTOM - (_BOTTOM - _TOP) * share:.0f}")
        if pen_up:
            path.append("h.01")  # a lone value is a dot
        pen_up = False
    return Curve(name, unit, low, high, max(1, len(means)), "".join(path), side)


def curves_of(header: Mapping[str, Any], members: Mapping[str, bytes]) -> tuple[list[Curve], list[str]]:
    """The curves that a sample has members for, of both people; and the members that cannot be read."""
    drawn: list[Curve] = []
    notes: set[str] = set()
    named = header.get("channels")
    channels = named if isinstance(named, dict) else {}
    for side in ("", "main", "other"):

        def told(member: str, error: Exception, side: str = side) -> None:
            where = f"{side}.{member}" if side else member
            notes.add(f"{where} cannot be read: {type(error).__name__}")

        for one in series_of({"channels": _of_side(channels, side)}, _of_side(members, side), told):
            if one.name in SHOWN and one.limits is not None:
                drawn.append(draw(one.name, one.unit, one.values, one.limits, side=side))
    return [one for one in drawn if not one.is_empty], sorted(notes)


def _of_side(named: Mapping[str, Any], side: str) -> dict[str, Any]:
    """Entries of one person, without the prefix; without a side, those of samples of one stream."""
    prefix = f"{side}."
    return dict(_stripped(named, prefix)) if side else dict(named)


def _stripped(named: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in named.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), value


def header_of(members: Mapping[str, bytes]) -> dict[str, Any]:
    """KEY.json; empty where it is no JSON object."""
    try:
        found = json.loads(members.get("json", b"{}"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
