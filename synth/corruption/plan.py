"""What is done to a clip's pictures, decided beforehand: plans are plain numbers, and give the same bytes.

As in `synth/noise_plan.py`, draws come from digests of what they are for: see `draw.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from typing import Any, get_args

from synth.corruption.kinds import KINDS, N_SEVERITIES, Kind, KindSpec, Parameter, Region
from synth.levels import Spans, check_spans

PLAN_VERSION = 1
"""Raised when the same plan would give other bytes."""
DRAWN = "drawn"
"""The name of the occluder that is painted here, whatever its category: no folder is needed for it."""


class Fault(StrEnum):
    """Why a clip cannot be corrupted as planned."""

    LANDMARKS_MISSING = "landmarks_missing"
    NO_OCCLUDER = "no_occluder"
    OCCLUDER_UNREADABLE = "occluder_unreadable"
    LENGTH_DIFFERS = "length_differs"
    FRAME_UNSUITABLE = "frame_unsuitable"


class CorruptError(Exception):
    """An expected fault of the input: `reason` and a sentence for the user in `detail`."""

    def __init__(self, reason: Fault, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Corruption:
    """One thing done to the frames of `spans`.

    `parameters`: (name, value) of every parameter that `KINDS[kind]` names, so that a plan says all without
    the table of severities; `severity` tells which of them were taken from there, or None. `region` keeps a
    kind that is `regional` to a part of the face. `occluder` names a picture; `seed` is that of noise and of
    which frames are dropped.
    """

    kind: Kind
    spans: Spans
    parameters: tuple[tuple[str, float], ...]
    severity: int | None = None
    region: Region = "frame"
    occluder: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no corruption {self.kind!r}; there are {', '.join(KINDS)}")
        if self.severity is not None and self.severity not in range(1, N_SEVERITIES + 1):
            raise ValueError(f"severity {self.severity!r} is not a whole number from 1 to {N_SEVERITIES}")
        if self.region not in get_args(Region):
            raise ValueError(f"no region {self.region!r}; there are {', '.join(get_args(Region))}")
        if self.region != "frame" and not self.spec.regional:
            raise ValueError(f"{self.kind} cannot be kept to a region")
        if (self.occluder is None) != (self.spec.occluder is None):
            raise ValueError(f"{self.kind} with occluder {self.occluder!r}")
        if type(self.seed) is not int or self.seed < 0:
            raise ValueError(f"seed={self.seed!r} is not a whole number from 0")
        if not self.spans:
            raise ValueError("a corruption without spans is not seen: leave it out")
        _check_parameters(self.kind, self.parameters)

    @property
    def spec(self) -> KindSpec:
        """What its kind is."""
        return KINDS[self.kind]

    @property
    def values(self) -> dict[str, float]:
        """Parameters by name."""
        return dict(self.parameters)

    @property
    def needs_landmarks(self) -> bool:
        """Whether a frame without landmarks cannot be corrupted."""
        return self.spec.on_face or self.region != "frame"

    def covers(self, tick: int) -> bool:
        """Whether a frame lies in the spans."""
        return any(start <= tick < stop for start, stop in self.spans)


@dataclass(frozen=True)
class CorruptionPlan:
    """One clip in one condition: `n_frames` at `rate_hz`, and what is done to them, in this order.

    Spans count frames of the clip. Without corruptions the clip is clean.
    """

    key: str
    n_frames: int
    corruptions: tuple[Corruption, ...] = ()
    rate_hz: Fraction = Fraction(25)
    version: int = PLAN_VERSION

    def __post_init__(self) -> None:
        if self.version != PLAN_VERSION:
            raise ValueError(f"a plan of version {self.version}; this code corrupts version {PLAN_VERSION}")
        if type(self.n_frames) is not int or self.n_frames < 1:
            raise ValueError(f"n_frames={self.n_frames!r} is not a whole number from 1")
        if not isinstance(self.rate_hz, Fraction) or self.rate_hz <= 0:
            raise ValueError(f"rate_hz={self.rate_hz!r} is not a Fraction above 0")
        for one in self.corruptions:
            check_spans(one.spans, self.n_frames)

    @property
    def is_clean(self) -> bool:
        """Whether nothing is done."""
        return not self.corruptions

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; numbers survive exactly."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        corruptions = [
            {field.name: getattr(one, field.name) for field in fields(one)}
            | {"spans": [list(span) for span in one.spans], "parameters": one.values}
            for one in self.corruptions
        ]
        rate = f"{self.rate_hz.numerator}/{self.rate_hz.denominator}"
        return plain | {"rate_hz": rate, "corruptions": [_without_none(one) for one in corruptions]}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> CorruptionPlan:
        """The plan that `to_json` gave. Raises ValueError for fields that are unknown or out of range."""
        corruptions = tuple(_corruption(one) for one in plain.get("corruptions", ()))
        rate = {"rate_hz": Fraction(plain["rate_hz"])} if "rate_hz" in plain else {}
        made: CorruptionPlan = _made(cls, {**plain, **rate, "corruptions": corruptions})
        return made


def _check_parameters(kind: Kind, parameters: tuple[tuple[str, float], ...]) -> None:
    known, given = KINDS[kind].parameters, dict(parameters)
    if set(given) != set(known) or len(given) != len(parameters):
        named = ", ".join(name for name, _ in parameters)
        raise ValueError(f"{kind} has the parameters {', '.join(known)}, not {named or 'none'}")
    for name, value in given.items():
        _check_value(f"{name} of {kind}", value, known[name])


def _check_value(name: str, value: object, parameter: Parameter) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r} is not a number")
    if not parameter.low <= value <= parameter.high or (parameter.whole and value != int(value)):
        kind = "a whole number" if parameter.whole else "a number"
        raise ValueError(f"{name}={value!r} is not {kind} from {parameter.low:g} to {parameter.high:g}")


def _corruption(plain: Mapping[str, Any]) -> Corruption:
    spans = tuple(tuple(span) for span in plain.get("spans", ()))
    parameters = tuple(plain.get("parameters", {}).items())
    made: Corruption = _made(Corruption, {**plain, "spans": spans, "parameters": parameters})
    return made


def _without_none(plain: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in plain.items() if value is not None}


def _made(cls: Any, plain: Mapping[str, Any]) -> Any:
    unknown = sorted(set(plain) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")
    try:
        return cls(**plain)
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error
