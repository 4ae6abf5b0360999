"""A dialogue over time: who is active, what is said, where the floor passes. Boxes in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from synth.turns.model import Annotation, TurnKind
from synth.turns.record import read_turns

SIDES = ("main", "other")
_TOLD = {
    "overlap_between": "overlap, the floor passes",
    "overlap_within": "overlap, the floor stays",
    "gap": "gap, the floor passes",
    "pause": "pause inside a turn",
    "lapse": "lapse, the same speaker again",
    "interruption": "interruption",
}


@dataclass(frozen=True)
class Box:
    """A stretch of time with a name; `kind` decides how it looks, `text` what stands in it."""

    kind: str
    start_s: float
    length_s: float
    text: str
    told: str


@dataclass(frozen=True)
class Lane:
    """One person: spans of activity, turns over them, words under them."""

    side: str
    speaker: str
    activity: tuple[Box, ...]
    turns: tuple[Box, ...]
    words: tuple[Box, ...]


@dataclass(frozen=True)
class Timeline:
    """Both lanes, the events between them, and the offsets with which the floor passes."""

    duration_s: float
    lanes: tuple[Lane, Lane]
    events: tuple[Box, ...]
    offsets: tuple[Box, ...]
    summary: str

    @property
    def table(self) -> list[Box]:
        """Turns and events by time, for who does not see the picture."""
        found = [*self.lanes[0].turns, *self.lanes[1].turns, *self.events]
        return sorted(found, key=lambda one: (one.start_s, one.length_s, one.told))


def timeline(data: bytes) -> Timeline:
    """Of a `turns.json`. Raises RecordError for what is none, and where events do not follow from turns."""
    annotation, origin = read_turns(data)
    events = tuple(
        _box(
            str(one.kind),
            one.start,
            one.stop,
            "",
            f"{_told(str(one.kind))} ({SIDES[one.speaker]} had the floor)",
        )
        for one in annotation.events
    )
    n_turns = sum(turn.kind is TurnKind.TURN for turn in annotation.turns)
    n_backchannels = sum(turn.kind is TurnKind.BACKCHANNEL for turn in annotation.turns)
    return Timeline(
        duration_s=round(float(annotation.duration), 3),
        lanes=(_lane(annotation, 0), _lane(annotation, 1)),
        events=events,
        offsets=_offsets(annotation),
        summary=f"{n_turns} turns, {n_backchannels} backchannels, {len(annotation.transfers)} floor "
        f"transfers; IPUs merged below {float(annotation.parameters.ipu_merge_s):g} s; times from {origin}",
    )


def _lane(annotation: Annotation, number: int) -> Lane:
    side = SIDES[number]
    turns = [turn for turn in annotation.turns if turn.speaker == number]
    return Lane(
        side=side,
        speaker=annotation.speakers[number],
        activity=tuple(_box("ipu", *span, "", f"{side} speaks") for span in annotation.ipus[number]),
        turns=tuple(_box(str(one.kind), one.start, one.stop, "", f"{side}: {one.kind}") for one in turns),
        words=tuple(
            _box("word", word.start, word.stop, word.text, f"{side}: {word.text}")
            for word in annotation.words[number] or ()
        ),
    )


def _offsets(annotation: Annotation) -> tuple[Box, ...]:
    found: list[Box] = []
    for one in annotation.transfers:
        starts: Sequence[Fraction] = sorted(
            (annotation.turns[one.before].stop, annotation.turns[one.after].start)
        )
        told = f"floor transfer offset {float(one.fto):+.3f} s"
        found.append(_box("fto", starts[0], starts[1], f"{float(one.fto):+.2f}", told))
    return tuple(found)


def _box(kind: str, start: Fraction, stop: Fraction, text: str, told: str) -> Box:
    start_s, length_s = round(float(start), 3), round(float(stop - start), 3)
    return Box(kind, start_s, length_s, text, f"{told}, {start_s:.2f}–{start_s + length_s:.2f} s")


def _told(kind: str) -> str:
    return _TOLD.get(kind, kind.replace("_", " "))
