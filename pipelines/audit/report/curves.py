"""Curves of a sample over time, as short SVG paths."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.report.samples import UNREADABLE
from pipelines.contact_sheet import Clip, jaw_open, read_audio, yaw_deg

MAX_POINTS = 150
"""Points of a curve: a page of a hundred samples stays small, and a phone has no more pixels."""
LEVEL_STEP_S = 0.04
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


def curves_of(
    key: str, header: Mapping[str, Any], members: Mapping[str, bytes]
) -> tuple[list[Curve], list[str]]:
    """The curves that a sample has members for, of both people; and the members that cannot be read."""
    drawn: list[Curve] = []
    notes: list[str] = []
    for side in ("", "main", "other"):
        own = _of_side(members, side)
        channels = header.get("channels") or {}
        clip = Clip(key, {"channels": _of_side(channels, side), "duration_s": 1.0}, own)
        for member, name, unit, limits in _KINDS:
            if member not in own:
                continue
            try:
                values = _values(clip, name)
            except UNREADABLE as error:
                where = f"{side}.{member}" if side else member
                notes.append(f"{where} cannot be read: {type(error).__name__}")
                continue
            if values is not None:
                drawn.append(draw(name, unit, values, limits, side=side))
    return [one for one in drawn if not one.is_empty], sorted(set(notes))


_KINDS = (
    ("flac", "level", "dBFS", (-70.0, 0.0)),
    ("arkit52.npy", "jawOpen", "", (0.0, 1.0)),
    ("face61.npy", "head yaw", "degrees", (-45.0, 45.0)),
    ("trust.npy", "mouth occlusion", "1: hidden", (0.0, 1.0)),
    ("trust.npy", "speaking score", "above 0: speaks", (-8.0, 8.0)),
)
"""Member, curve, unit and axis; one axis for all samples, so that samples can be compared by eye."""


def _values(clip: Clip, name: str) -> NDArray[Any] | None:
    if name == "level":
        return _level(clip)
    if name == "jawOpen":
        return _valid(clip, jaw_open(clip), "arkit52_valid.npy")
    if name == "head yaw":
        return yaw_deg(clip)
    names = clip.header["channels"].get("trust.npy", [])
    channel = {"mouth occlusion": "mouth_occlusion", "speaking score": "speaking"}[name]
    if channel not in names:
        return None
    trust = np.load(io.BytesIO(clip.members["trust.npy"]), allow_pickle=False)
    return np.asarray(trust[:, names.index(channel)], np.float64)


def _level(clip: Clip) -> NDArray[Any]:
    pcm, rate_hz = read_audio(clip.members["flac"])
    step = max(1, round(rate_hz * LEVEL_STEP_S))
    whole = pcm[: len(pcm) // step * step].reshape(-1, step)
    power = np.mean(np.square(whole, dtype=np.float64), axis=1)
    return np.asarray(10 * np.log10(np.maximum(power, 1e-7)))


def _valid(clip: Clip, values: NDArray[Any], name: str) -> NDArray[Any]:
    if name not in clip.members:
        return values
    valid = np.load(io.BytesIO(clip.members[name]), allow_pickle=False).astype(bool)
    return np.where(valid, values, np.nan)


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
