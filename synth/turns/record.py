"""`KEY.turns.json`: a dyad's words, turns and events with the parameters behind them, exact and versioned.

Every time is a rational number of seconds from the sample's start, written "n/d". `docs/turns.md` describes
the fields. What can be derived is written too, so that a reader needs no code of ours; on reading it is
derived again and must agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from manifests.ids import canonical_json
from synth.turns.events import FtoStatistics, find_events, find_transfers, fto_statistics
from synth.turns.model import Annotation, Event, EventKind, Turn, TurnKind, Word
from synth.turns.parameters import TurnParameters
from synth.turns.streams import require_dyad
from synth.turns.times import Span

FORMAT = "1.0"
"""A reader may rely on everything with the same major number."""
Side = Literal["main", "other"]
SIDES: tuple[Side, Side] = ("main", "other")


class RecordError(ValueError):
    """A `KEY.turns.json` that cannot be read: what is wrong with it."""


def _rational(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('a time is a string "n/d" of whole numbers')
    return Fraction(value)


Time = Annotated[Fraction, BeforeValidator(_rational)]
_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class _Stream:
    __pydantic_config__ = _STRICT
    speaker: str
    ipus: tuple[tuple[Time, Time], ...]
    words: tuple[tuple[str, Time, Time, int | None], ...] | None


@dataclass(frozen=True)
class _Turn:
    __pydantic_config__ = _STRICT
    side: Side
    kind: TurnKind
    start: Time
    stop: Time
    ipus: tuple[tuple[Time, Time], ...]


@dataclass(frozen=True)
class _Event:
    __pydantic_config__ = _STRICT
    kind: EventKind
    start: Time
    stop: Time
    side: Side
    by: Side | None


@dataclass(frozen=True)
class _Transfer:
    __pydantic_config__ = _STRICT
    before: int
    after: int
    fto: Time


@dataclass(frozen=True)
class _Record:
    __pydantic_config__ = _STRICT
    format: str
    origin: str
    duration: Time
    parameters: dict[str, Any]
    streams: dict[Side, _Stream]
    turns: tuple[_Turn, ...]
    events: tuple[_Event, ...]
    transfers: tuple[_Transfer, ...]
    fto: dict[str, Any]


def write_turns(annotation: Annotation, *, main: int = 0, origin: str) -> bytes:
    """The file of one view of a dyad: `main` is the number of the speaker who is main in it.

    `origin` says where activity and words come from: "plan", "audio", "labels" and so on. Raises
    NotADyadError unless there are two speakers.
    """
    require_dyad(annotation)
    seen = annotation if main == 0 else swapped(annotation)
    record = _Record(
        format=FORMAT,
        origin=origin,
        duration=seen.duration,
        parameters=asdict(seen.parameters),
        streams={side: _stream(seen, number) for number, side in enumerate(SIDES)},
        turns=tuple(
            _Turn(SIDES[turn.speaker], turn.kind, turn.start, turn.stop, turn.ipus) for turn in seen.turns
        ),
        events=tuple(_event(event) for event in seen.events),
        transfers=tuple(_Transfer(one.before, one.after, one.fto) for one in seen.transfers),
        fto=asdict(fto_statistics(seen)),
    )
    return canonical_json(asdict(record))


def swapped(annotation: Annotation) -> Annotation:
    """The other view of a dyad: the second speaker first."""
    require_dyad(annotation)
    turns = tuple(replace(turn, speaker=1 - turn.speaker) for turn in annotation.turns)
    return replace(
        annotation,
        speakers=annotation.speakers[::-1],
        ipus=annotation.ipus[::-1],
        words=annotation.words[::-1],
        turns=turns,
        events=tuple(
            replace(event, speaker=1 - event.speaker, by=None if event.by is None else 1 - event.by)
            for event in annotation.events
        ),
    )


def _stream(annotation: Annotation, number: int) -> _Stream:
    words = annotation.words[number]
    return _Stream(
        annotation.speakers[number],
        annotation.ipus[number],
        None if words is None else tuple((one.text, one.start, one.stop, one.turn) for one in words),
    )


def _event(event: Event) -> _Event:
    by = None if event.by is None else SIDES[event.by]
    return _Event(event.kind, event.start, event.stop, SIDES[event.speaker], by)


def read_turns(data: bytes) -> tuple[Annotation, str]:
    """The annotation, main speaker first, and the origin.

    Raises RecordError for what is not such a file, for a newer major format, and for events or offsets that
    do not follow from its turns and parameters.
    """
    try:
        record = TypeAdapter(_Record).validate_json(data)
        if record.format.split(".")[0] != FORMAT.split(".", maxsplit=1)[0]:
            raise RecordError(f"format {record.format}; this code reads {FORMAT}")
        annotation = _annotation(record)
    except (ValidationError, ZeroDivisionError, KeyError, IndexError) as error:
        raise RecordError(f"not a turns.json of format {FORMAT}: {error}") from error
    _check(record, annotation)
    return annotation, record.origin


def _annotation(record: _Record) -> Annotation:
    turns = tuple(Turn(SIDES.index(turn.side), turn.kind, turn.ipus) for turn in record.turns)
    parameters = TypeAdapter(TurnParameters).validate_python(record.parameters)
    transfers = find_transfers(turns)
    streams = [record.streams[side] for side in SIDES]
    return Annotation(
        parameters=parameters,
        duration=record.duration,
        speakers=tuple(stream.speaker for stream in streams),
        ipus=tuple(stream.ipus for stream in streams),
        turns=turns,
        events=find_events(turns, transfers, parameters),
        transfers=transfers,
        words=tuple(_words(stream) for stream in streams),
    )


def _words(stream: _Stream) -> tuple[Word, ...] | None:
    return None if stream.words is None else tuple(Word(*word) for word in stream.words)


def _check(record: _Record, annotation: Annotation) -> None:
    spans: Sequence[Span] = [(turn.start, turn.stop) for turn in record.turns]
    if spans != [(turn.start, turn.stop) for turn in annotation.turns]:
        raise RecordError("a turn's start and stop are not those of its IPUs")
    if record.events != tuple(_event(event) for event in annotation.events):
        raise RecordError("its events do not follow from its turns and parameters")
    written = tuple((one.before, one.after, one.fto) for one in record.transfers)
    if written != tuple((one.before, one.after, one.fto) for one in annotation.transfers):
        raise RecordError("its transfers do not follow from its turns")
    if TypeAdapter(FtoStatistics).validate_python(record.fto) != fto_statistics(annotation):
        raise RecordError("its offset statistics are not those of its transfers")
