"""Whose words are whose, and whether the labels put them where they are heard."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from manifests.reasons import ItemError, Reason
from manifests.store import Store
from synth.turns.model import Word
from synth.turns.times import Span, Spans, common, exact

NEAR_S = Fraction(1, 2)
"""A word no further from a side's speech than this may be its; an aligner's times are that loose."""


@dataclass(frozen=True)
class Said:
    """A word as it was found: seconds on the dialogue's clock, who says it and in which channel it was heard,
    if that was told."""

    text: str
    start: Fraction
    stop: Fraction
    speaker: str | None
    channel: int | None = None


@dataclass(frozen=True)
class Attached:
    """Words of both sides; names of the sides as the transcript has them; and what was not clear.

    `ambiguous`: words while both speak, given to who began first; `unplaced`: words where nobody is heard.
    """

    words: tuple[tuple[Word, ...], tuple[Word, ...]]
    names: tuple[str | None, str | None] = (None, None)
    ambiguous: int = 0
    unplaced: tuple[str, ...] = ()


def read_said(store: Store, facts: dict[str, Any], zero: Fraction, duration: Fraction) -> list[Said] | None:
    """Words of a recording whose dialogue begins at `zero` on its time line; None where nobody told any."""
    if facts["words"] is None:
        return None
    with store.open(facts["words"]) as handle:
        rows = pq.read_table(handle).to_pylist()
    return said_in(rows, Fraction(facts["listen"]["start"]) - zero, duration)


def said_in(rows: Sequence[dict[str, object]], shift: Fraction, duration: Fraction) -> list[Said]:
    """Rows of `words` of which the middle lies in the dialogue, cut at its ends."""
    found = []
    for row in rows:
        start, stop = (exact(float(str(row[edge]))) + shift for edge in ("start_s", "stop_s"))
        if 0 <= (start + stop) / 2 < duration:
            speaker = row.get("speaker")
            told = str(speaker) if speaker is not None else None
            channel = row.get("channel")
            where = int(str(channel)) if channel is not None else None
            found.append(Said(str(row["word"]), max(start, Fraction(0)), min(stop, duration), told, where))
    return found


def by_side(
    first: Sequence[Said],
    second: Sequence[Said],
    activity: tuple[Spans, Spans],
    *,
    recognised: tuple[bool, bool],
) -> Attached:
    """Each side has a sound, and so words, of its own. A transcript is believed; what was recognised while
    only the other side speaks is cross-talk, and `unplaced` as is what lies far from where anybody does.
    """
    kept: tuple[list[Said], list[Said]] = ([], [])
    unplaced = []
    for side, said in enumerate((first, second)):
        own, other = activity[side], activity[1 - side]
        for one in said:
            near = _distance(one, own) <= NEAR_S and not _covered(one, other)
            if near or _covered(one, own) or not recognised[side]:
                kept[side].append(one)
            else:
                unplaced.append(one.text)
    return Attached((_plain(kept[0]), _plain(kept[1])), unplaced=tuple(unplaced))


def by_speaker(
    said: Sequence[Said], activity: tuple[Spans, Spans], labelled: tuple[str, str] | None
) -> Attached:
    """Words that name their speakers. Who is which side is labelled, or told by when each is heard.

    Raises ItemError: CHANNELS_SWAPPED where the labels say the opposite of what is heard, NOT_A_DYAD for more
    than two speakers.
    """
    from extractors.channels import swapped

    names = sorted({one.speaker for one in said if one.speaker is not None})
    if len(names) > 2:
        raise ItemError(Reason.NOT_A_DYAD, f"the transcript has {len(names)} speakers: {', '.join(names)}")
    if labelled is None:
        order = _order(names, said, activity)
    else:
        if not set(names) <= set(labelled):
            told = f"the transcript has {', '.join(names)}, the channels {', '.join(labelled)}"
            raise ItemError(Reason.SIDECAR_MALFORMED, told)
        if len(names) == 2 and swapped(_heard_share(labelled, said, activity)):
            detail = (
                f"{labelled[0]}'s words are heard where {labelled[1]} should speak, and the other way round"
            )
            raise ItemError(Reason.CHANNELS_SWAPPED, detail)
        order = labelled
    named = [[one for one in said if one.speaker == name] for name in order]
    rest = by_activity([one for one in said if one.speaker is None], activity)
    sides = [_plain([*own, *_said(more)]) for own, more in zip(named, rest.words, strict=True)]
    return Attached((sides[0], sides[1]), (order[0], order[1]), rest.ambiguous, rest.unplaced)


def by_activity(said: Sequence[Said], activity: tuple[Spans, Spans]) -> Attached:
    """Words of nobody in particular: each to the side that is heard most while it is said."""
    sides: tuple[list[Said], list[Said]] = ([], [])
    ambiguous, unplaced = 0, []
    for one in said:
        covered = [_covered(one, own) for own in activity]
        away = [_distance(one, own) for own in activity]
        if covered[0] != covered[1]:
            side = int(covered[1] > covered[0])
        elif covered[0]:
            ambiguous += 1
            side = int(_begun(one, activity[1]) < _begun(one, activity[0]))
        elif min(away) <= NEAR_S:
            side = int(away[1] < away[0])
        else:
            unplaced.append(one.text)
            continue
        sides[side].append(one)
    return Attached((_plain(sides[0]), _plain(sides[1])), ambiguous=ambiguous, unplaced=tuple(unplaced))


def _order(
    names: Sequence[str], said: Sequence[Said], activity: tuple[Spans, Spans]
) -> tuple[str | None, str | None]:
    if not names:
        return None, None
    padded = (*names, *([None] * (2 - len(names))))
    share = _heard_share(padded, said, activity)
    straight, crossed = share[0, 0] + share[1, 1], share[0, 1] + share[1, 0]
    first, second = padded if straight >= crossed else padded[::-1]
    return first, second


def _heard_share(
    names: Sequence[str | None], said: Sequence[Said], activity: tuple[Spans, Spans]
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """(side, name): of the time of that name's words, the share in which that side is heard."""
    share = np.zeros((2, 2))
    for column, name in enumerate(names):
        spans = [(one.start, one.stop) for one in said if one.speaker == name and _long(one)]
        total = sum(float(stop - start) for start, stop in spans)
        for side in (0, 1) if name is not None and total else ():
            heard = sum(float(_seconds(common((span,), activity[side]))) for span in spans)
            share[side, column] = heard / total
    return share


def _plain(said: Sequence[Said]) -> tuple[Word, ...]:
    ordered = sorted(said, key=lambda one: (one.start, one.stop))
    return tuple(Word(one.text, one.start, one.stop) for one in ordered)


def _said(words: Sequence[Word]) -> list[Said]:
    return [Said(one.text, one.start, one.stop, None) for one in words]


def _covered(one: Said, spans: Spans) -> Fraction:
    return _seconds(common(((one.start, one.stop),), spans)) if _long(one) else Fraction(0)


def _long(one: Said) -> bool:
    return one.start < one.stop


def _seconds(spans: Sequence[Span]) -> Fraction:
    return sum((stop - start for start, stop in spans), Fraction(0))


def _distance(one: Said, spans: Spans) -> float:
    """Seconds to the nearest speech; 0 inside it."""
    away = (max(start - one.stop, one.start - stop, Fraction(0)) for start, stop in spans)
    return min(map(float, away), default=math.inf)


def _begun(one: Said, spans: Spans) -> float:
    """Where the speech that a word lies in began."""
    return max((float(start) for start, stop in spans if start <= one.start < stop), default=math.inf)
