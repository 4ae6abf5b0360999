"""What is mixed into a clip, decided beforehand: plans are plain numbers, and a plan gives the same bytes.

Every draw comes from a digest of what it is for, never from a generator that something else has advanced.
Leave the SNR out of those parts, and a clip meets the same noise at every SNR (a paired design).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Literal, get_args

import numpy as np

from manifests.ids import digest
from synth.levels import Spans, check_spans

PLAN_VERSION = 1
"""Raised when the same plan would give other bytes."""
MAX_ABS_DB = 200.0
Kind = Literal["clean", "noisy", "noise_only"]
Over = Literal["active_speech", "full_band"]
InterfererKind = Literal["speech", "babble", "noise", "music", "white", "pink"]
MADE_HERE: tuple[InterfererKind, ...] = ("white", "pink")


class Fault(StrEnum):
    """Why a mix cannot be made, or (the first) why it is not what was asked for."""

    SNR_UNREACHABLE_INT16 = "snr_unreachable_int16"
    TARGET_SILENT = "target_silent"
    NO_ACTIVE_SPEECH = "no_active_speech"
    NO_OVERLAP = "no_overlap"
    INTERFERER_EMPTY = "interferer_empty"
    INTERFERER_SILENT = "interferer_silent"
    NOT_FINITE = "not_finite"
    CHANNELS_DIFFER = "channels_differ"
    LENGTH_DIFFERS = "length_differs"
    NO_INTERFERER = "no_interferer"
    NO_DISJOINT_SPEAKER = "no_disjoint_speaker"
    NO_ROOM = "no_room"
    ROOM_SILENT = "room_silent"
    ROOM_UNREACHABLE = "room_unreachable"


class MixError(Exception):
    """An expected fault of the input: `reason` and a sentence for the user in `detail`."""

    def __init__(self, reason: Fault, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True)
class InterfererPlan:
    """One interferer: what it is, how loud, where.

    `sources` name its recordings: one, or as many as babble has voices, or none for what is made here from
    `seed` (white, pink); the seed also places the voices of babble. `spans`: where in the clip it is heard.
    Sample t of the clip meets sample `offset` + t of the interferer, looped with a cross-fade of
    `crossfade` samples where it is shorter. It swells and dies over `fade` samples inside a span, except at
    the clip's ends. `channels`: those of the clip that it goes into; None: all. `room`: name of its impulse
    response.
    Exactly one of `snr_db` (any number, 0 too) and, in a plan that is noise only, `level_dbfs` is set.
    """

    kind: InterfererKind
    spans: Spans
    sources: tuple[str, ...] = ()
    seed: int = 0
    snr_db: float | None = None
    level_dbfs: float | None = None
    offset: int = 0
    crossfade: int = 0
    fade: int = 0
    channels: tuple[int, ...] | None = None
    room: str | None = None

    def __post_init__(self) -> None:
        _one_of(self.kind, InterfererKind, "kind of interferer")
        least = 0 if self.kind in MADE_HERE else 1
        if not least <= len(self.sources) <= (len(self.sources) if self.kind == "babble" else least):
            raise ValueError(f"{self.kind} is not made of {len(self.sources)} sources")
        for name in ("snr_db", "level_dbfs"):
            _check_db(getattr(self, name), name)
        for name in ("seed", "offset", "crossfade", "fade"):
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name}={value!r} is not a whole number from 0")
        if not self.spans:
            raise ValueError("an interferer without spans is not heard: leave it out")


@dataclass(frozen=True)
class MixPlan:
    """One clip in one condition, `n_samples` at `rate_hz`.

    `kind`: a clean clip and noise alone are kinds of their own, never a number. `over`: whether the SNR is
    that over `active_speech` of the target (`active`, its spans), or over all samples that target and
    interferer share. `room`: name of the target's impulse response.
    """

    key: str
    kind: Kind
    n_samples: int
    rate_hz: int
    over: Over = "active_speech"
    active: Spans = ()
    interferers: tuple[InterfererPlan, ...] = ()
    room: str | None = None
    version: int = PLAN_VERSION

    def __post_init__(self) -> None:
        _one_of(self.kind, Kind, "kind of plan")
        _one_of(self.over, Over, "`over`")
        if self.version != PLAN_VERSION:
            raise ValueError(f"a plan of version {self.version}; this code mixes version {PLAN_VERSION}")
        if (self.kind == "clean") == bool(self.interferers):
            raise ValueError(f"a {self.kind} plan with {len(self.interferers)} interferers")
        check_spans(self.active, self.n_samples)
        wanted, other = ("level_dbfs", "snr_db") if self.kind == "noise_only" else ("snr_db", "level_dbfs")
        for one in self.interferers:
            check_spans(one.spans, self.n_samples)
            if getattr(one, wanted) is None or getattr(one, other) is not None:
                raise ValueError(f"an interferer of a {self.kind} plan needs {wanted} and no {other}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; numbers survive exactly."""
        plain = _plain(asdict(self))
        assert isinstance(plain, dict)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> MixPlan:
        """The plan that `to_json` gave. Raises ValueError for fields that are unknown or out of range."""
        interferers = tuple(_from_plain(InterfererPlan, one) for one in plain.get("interferers", ()))
        made = _from_plain(cls, {**plain, "interferers": interferers})
        assert isinstance(made, cls)
        return made


def _one_of(value: str, literal: Any, name: str) -> None:
    if value not in get_args(literal):
        raise ValueError(f"{name} {value!r} is none of {', '.join(get_args(literal))}")


def _check_db(value: object, name: str) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name}={value!r} is not a number (clean and noise only are kinds, not numbers)")
    if not math.isfinite(value) or abs(value) > MAX_ABS_DB:
        raise ValueError(f"{name}={value!r} is not within {MAX_ABS_DB:g} dB of 0")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, tuple | list) else value


def _from_plain(cls: Any, plain: Mapping[str, Any]) -> Any:
    unknown = sorted(set(plain) - {field.name for field in fields(cls)})
    if unknown:
        raise ValueError(f"{cls.__name__} has no field {', '.join(unknown)}")
    try:
        return cls(**{name: _frozen(value) for name, value in plain.items()})
    except TypeError as error:
        raise ValueError(f"{cls.__name__}: {error}") from error


def seed_of(*parts: Any) -> int:
    """Seed for what the parts name, below 2^48: every JSON reader keeps it exactly."""
    return int(digest("noise", *parts, length=12), 16)


def generator(*parts: Any) -> np.random.Generator:
    """A generator of its own for what the parts name."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))


def draw_offset(n_source: int, n_needed: int, crossfade: int, *parts: Any) -> int:
    """Where to start in an interferer of `n_source` samples so that no place is preferred.

    A longer one is cut, so all `n_needed` samples must follow; a shorter one is a loop and may start
    anywhere. Raises MixError(INTERFERER_EMPTY) when there is no sample.
    """
    if n_source < 1:
        raise MixError(Fault.INTERFERER_EMPTY, "the interferer has no samples")
    places = n_source - n_needed + 1
    if places < 1:
        places = n_source - min(crossfade, n_source // 2)
    return seed_of("offset", *parts) % places


def draw_spans(
    n_samples: int, *parts: Any, count: int, min_share: float, max_share: float, grid: int = 1
) -> Spans:
    """`count` spans that together cover a share of the clip, drawn evenly from `min_share` to `max_share`.

    Borders lie on multiples of `grid` samples. CAV2vec (`visual_corruption.py`): one span of 10-50 %, or up
    to three of 30-50 % together. Raises ValueError when the clip is too short for so many.
    """
    n_cells = n_samples // grid
    rng = generator("spans", *parts)
    covered = max(count, round(n_cells * float(rng.uniform(min_share, max_share))))
    free = n_cells - covered
    if count < 1 or not 0 <= min_share <= max_share <= 1 or free < count - 1:
        raise ValueError(f"{count} spans of {min_share:g} to {max_share:g} do not fit into {n_cells} cells")
    cuts = np.sort(rng.choice(covered - 1, count - 1, replace=False)) + 1
    lengths = np.diff([0, *cuts, covered])
    # distinct places among the free cells: a cell at least lies between two spans
    starts = np.sort(rng.choice(free + 1, count, replace=False)) + np.cumsum([0, *lengths[:-1]])
    return tuple((int(a) * grid, int(a + b) * grid) for a, b in zip(starts, lengths, strict=True))
