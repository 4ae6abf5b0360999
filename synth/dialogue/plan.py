"""The plan of a dialogue: who says what from which sample on. Plain numbers, and the truth of its sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from synth.levels import Spans, check_spans

PLAN_VERSION = 1
"""Raised when the same plan would give other bytes."""
Kind = Literal["turn", "backchannel"]
Channel = Annotated[int, Field(ge=0, le=1)]
_STRICT = ConfigDict(extra="forbid")


class PlanError(ValueError):
    """A plan that cannot be made or read: what is wrong, and with which utterance."""


@dataclass(frozen=True)
class Piece:
    """Samples [first, stop) of a sound are heard from sample `at` of the dialogue on."""

    __pydantic_config__ = _STRICT
    first: int
    stop: int
    at: int


@dataclass(frozen=True)
class PlannedWord:
    """Heard in samples [start, stop) of the dialogue."""

    __pydantic_config__ = _STRICT
    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Utterance:
    """One utterance of channel `side`, all in samples of the dialogue.

    `pieces`: parts of `sound`, in order; each swells and dies over `fade` samples. `active`: where speech is
    heard, which is the truth of its activity. `offset`: from the stop of the turn before to its start, None
    for the first turn and for backchannels. `interrupts`: the turn before was cut for it; `n_cut_words`: of
    this one, left unsaid because the next interrupts. `pauses`: silence put in, [start, stop). `moved_words`:
    of a backchannel, how many of the other's words later (negative: earlier) it begins than was asked; None
    where no place was asked for.
    """

    __pydantic_config__ = _STRICT
    key: str
    side: Channel
    kind: Kind
    text: str
    sound: str
    pieces: tuple[Piece, ...]
    active: Spans
    words: tuple[PlannedWord, ...] = ()
    gain_db: float = 0.0
    fade: int = 0
    offset: int | None = None
    interrupts: bool = False
    n_cut_words: int = 0
    pauses: Spans = ()
    moved_words: int | None = None

    @property
    def start(self) -> int:
        """Sample at which speech begins."""
        return self.active[0][0]

    @property
    def stop(self) -> int:
        """Sample at which speech has ended."""
        return self.active[-1][1]


@dataclass(frozen=True)
class Tone:
    """Room tone of a channel: made at `level_dbfs`, all through it; or of the quiet parts of the sound
    `source`, changed by `gain_db`, wherever no utterance brings its own."""

    __pydantic_config__ = _STRICT
    level_dbfs: float | None = -65.0
    source: str | None = None
    gain_db: float = 0.0

    def __post_init__(self) -> None:
        if (self.level_dbfs is None) == (self.source is None):
            raise PlanError("room tone has either a source or a level")


@dataclass(frozen=True)
class Unplaced:
    """What was asked for and found no place: the line's key and why."""

    __pydantic_config__ = _STRICT
    key: str
    reason: str


@dataclass(frozen=True)
class DialoguePlan:
    """A dialogue of two channels of `n_samples` at `rate_hz`; channel 0 is `speakers[0]`.

    `parameters`: name of the turn parameters that it was planned under; `offsets`: of the distribution of
    floor transfer offsets.
    """

    __pydantic_config__ = _STRICT
    key: str
    rate_hz: int
    n_samples: int
    speakers: tuple[str, str]
    utterances: tuple[Utterance, ...]
    tones: tuple[Tone, Tone] = (Tone(), Tone())
    parameters: str = "duologue"
    offsets: str = ""
    unplaced: tuple[Unplaced, ...] = ()
    version: int = PLAN_VERSION

    def __post_init__(self) -> None:
        if self.version != PLAN_VERSION:
            raise PlanError(f"a plan of version {self.version}; this code renders version {PLAN_VERSION}")
        for one in self.utterances:
            self._check(one)
        for side in (0, 1):
            own = sorted((one for one in self.utterances if one.side == side), key=lambda one: one.start)
            for before, after in pairwise(own):
                if after.start < before.stop:
                    raise PlanError(f"{self.key}: {before.key} and {after.key} of one speaker overlap")

    def _check(self, one: Utterance) -> None:
        try:
            check_spans(one.active, self.n_samples)
        except ValueError as error:
            raise PlanError(f"{self.key}, {one.key}: {error}") from error
        if not one.active:
            raise PlanError(f"{self.key}, {one.key}: nothing is heard of it")
        for piece in one.pieces:
            if not (
                0 <= piece.first < piece.stop and 0 <= piece.at <= self.n_samples + piece.first - piece.stop
            ):
                raise PlanError(f"{self.key}, {one.key}: {piece} leaves the dialogue or runs backwards")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; numbers survive exactly."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> DialoguePlan:
        """The plan that `to_json` gave. Raises PlanError for unknown fields and wrong values."""
        try:
            return TypeAdapter(cls).validate_python(plain)
        except ValidationError as error:
            raise PlanError(f"not a dialogue plan of version {PLAN_VERSION}: {error}") from error
