"""What the turn layer speaks of: words, turns, events and the transfers of the floor."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from synth.turns.parameters import TurnParameters
from synth.turns.times import Spans


class NotADyadError(ValueError):
    """Something that exists for two speakers only was asked of more or fewer of them."""


class TurnKind(StrEnum):
    """What a stretch of one speaker is."""

    TURN = "turn"
    """It takes the floor."""
    WITHIN = "within"
    """It begins and ends while another's turn goes on, and is no backchannel: an attempt, or an aside."""
    BACKCHANNEL = "backchannel"


class EventKind(StrEnum):
    """What happens between turns and inside them."""

    PAUSE = "pause"
    """Silence of the holder inside a turn: a hold."""
    LAPSE = "lapse"
    """Silence longer than a pause may be, after which the same speaker begins another turn."""
    GAP = "gap"
    """Silence in which the floor passes to another: a shift."""
    OVERLAP_BETWEEN = "overlap_between"
    """Both speak, and the floor passes: a shift."""
    OVERLAP_WITHIN = "overlap_within"
    """Both speak, and who had the floor keeps it."""
    INTERRUPTION = "interruption"
    """The part of an overlap between turns that makes the new turn an interruption."""


@dataclass(frozen=True)
class Word:
    """A word said in [start, stop) seconds; `turn`: number of the turn it belongs to, None: of none."""

    text: str
    start: Fraction
    stop: Fraction
    turn: int | None = None


@dataclass(frozen=True)
class Turn:
    """A stretch of one speaker (a number), of one or several IPUs, from the first one's start on."""

    speaker: int
    kind: TurnKind
    ipus: Spans

    @property
    def start(self) -> Fraction:
        """Seconds."""
        return self.ipus[0][0]

    @property
    def stop(self) -> Fraction:
        """Seconds."""
        return self.ipus[-1][1]


@dataclass(frozen=True)
class Event:
    """[start, stop) seconds. `speaker` had the floor before it; `by`: who comes in, in gaps and overlaps."""

    kind: EventKind
    start: Fraction
    stop: Fraction
    speaker: int
    by: int | None = None


@dataclass(frozen=True)
class Transfer:
    """The floor passes from turn number `before` to `after`; `fto`: start of the one - end of the other, s.

    A negative offset is an overlap.
    """

    before: int
    after: int
    fto: Fraction


@dataclass(frozen=True)
class Annotation:
    """All of a conversation of any number of speakers, with the parameters that made it.

    `turns` are sorted by start (the longer first) and hold backchannels too; `words` and `ipus` are tuples
    in the order of `speakers`. `words` is None where nobody knows what was said.
    """

    parameters: TurnParameters
    duration: Fraction
    speakers: tuple[str, ...]
    ipus: tuple[Spans, ...]
    turns: tuple[Turn, ...]
    events: tuple[Event, ...]
    transfers: tuple[Transfer, ...]
    words: tuple[tuple[Word, ...] | None, ...]

    def of_kind(self, kind: EventKind) -> tuple[Event, ...]:
        """Events of one kind."""
        return tuple(event for event in self.events if event.kind == kind)

    def floor(self) -> tuple[int, ...]:
        """Numbers of the turns that take the floor, in order; starts and stops both ascend."""
        return tuple(number for number, turn in enumerate(self.turns) if turn.kind is TurnKind.TURN)
