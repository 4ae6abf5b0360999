"""What happens between turns and inside them: pauses, gaps, overlaps, interruptions, who hands over."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise
from statistics import median

from synth.turns.model import Annotation, Event, EventKind, Transfer, Turn, TurnKind
from synth.turns.parameters import TurnParameters
from synth.turns.times import Span, common, united


def find_transfers(turns: Sequence[Turn]) -> tuple[Transfer, ...]:
    """Every passing of the floor from one speaker to another, with its offset (FTO)."""
    floor = [number for number, turn in enumerate(turns) if turn.kind is TurnKind.TURN]
    return tuple(
        Transfer(before, after, turns[after].start - turns[before].stop)
        for before, after in pairwise(floor)
        if turns[before].speaker != turns[after].speaker
    )


def find_events(
    turns: Sequence[Turn], transfers: Sequence[Transfer], parameters: TurnParameters
) -> tuple[Event, ...]:
    """All events, by start."""
    found = [*_silences(turns), *_overlaps(turns, transfers)]
    for one in transfers:
        before, after = turns[one.before], turns[one.after]
        if one.fto > 0:
            found.append(Event(EventKind.GAP, before.stop, after.start, before.speaker, after.speaker))
        elif -one.fto >= parameters.interruption_overlap_s and one.fto < 0:
            found.append(
                Event(EventKind.INTERRUPTION, after.start, before.stop, before.speaker, after.speaker)
            )
    return tuple(sorted(found, key=lambda event: (event.start, event.stop, event.kind)))


def _silences(turns: Sequence[Turn]) -> list[Event]:
    found = [
        Event(EventKind.PAUSE, before[1], after[0], turn.speaker)
        for turn in turns
        if turn.kind is not TurnKind.BACKCHANNEL
        for before, after in pairwise(turn.ipus)
    ]
    floor = [turn for turn in turns if turn.kind is TurnKind.TURN]
    return found + [
        Event(EventKind.LAPSE, before.stop, after.start, before.speaker)
        for before, after in pairwise(floor)
        if before.speaker == after.speaker
    ]


def _overlaps(turns: Sequence[Turn], transfers: Sequence[Transfer]) -> list[Event]:
    """Where two speak at once; of more than two, for each two of them."""
    handed = {(one.before, one.after) for one in transfers}
    by_speaker: dict[int, list[tuple[Span, int]]] = {}
    for number, turn in enumerate(turns):
        by_speaker.setdefault(turn.speaker, []).extend((ipu, number) for ipu in turn.ipus)
    for ipus in by_speaker.values():
        ipus.sort()
    found = []
    for one, other in combinations(sorted(by_speaker), 2):
        for start, stop in common(
            united(ipu for ipu, _ in by_speaker[one]), united(ipu for ipu, _ in by_speaker[other])
        ):
            first, second = sorted((_turn_at(by_speaker[one], start), _turn_at(by_speaker[other], start)))
            kind = EventKind.OVERLAP_BETWEEN if (first, second) in handed else EventKind.OVERLAP_WITHIN
            found.append(Event(kind, start, stop, turns[first].speaker, turns[second].speaker))
    return found


def _turn_at(ipus: Sequence[tuple[Span, int]], time: Fraction) -> int:
    return ipus[bisect_right(ipus, time, key=lambda one: one[0][0]) - 1][1]


@dataclass(frozen=True)
class FtoStatistics:
    """Of the floor transfer offsets, in seconds, with the threshold without which they mean nothing.

    None where there is no transfer.
    """

    parameters: str
    ipu_merge_s: Fraction
    n: int
    mean_s: float | None = None
    median_s: float | None = None
    overlap_share: float | None = None
    failure_share: float | None = None
    fto_failure_s: Fraction = Fraction(3)


def fto_statistics(*annotations: Annotation) -> FtoStatistics:
    """Over one conversation or many. Raises ValueError unless all were made with the same parameters."""
    if len({one.parameters for one in annotations}) != 1:
        raise ValueError("offsets that were found with different parameters do not go into one number")
    used = annotations[0].parameters
    offsets = [one.fto for annotation in annotations for one in annotation.transfers]
    if not offsets:
        return FtoStatistics(used.name, used.ipu_merge_s, 0, fto_failure_s=used.fto_failure_s)
    return FtoStatistics(
        parameters=used.name,
        ipu_merge_s=used.ipu_merge_s,
        n=len(offsets),
        mean_s=float(sum(offsets) / len(offsets)),
        median_s=float(median(offsets)),
        overlap_share=sum(offset < 0 for offset in offsets) / len(offsets),
        failure_share=sum(offset > used.fto_failure_s for offset in offsets) / len(offsets),
        fto_failure_s=used.fto_failure_s,
    )
