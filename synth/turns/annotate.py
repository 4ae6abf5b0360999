"""Annotation: activity and words of each speaker in, turns and events out. Real or synthetic is all the same.

The rules, in order; every threshold is one of `TurnParameters`:

1. An IPU is activity of one speaker with no silence above `ipu_merge_s` in it (Roddy & Harte 2020).
2. A backchannel is short, has silence of its own speaker round it, and another speaker on both sides.
3. Neighbouring IPUs of one speaker are one turn unless somebody else speaks (other than in a backchannel)
   in the silence between them or begins within `dual_start_s` after it, or it exceeds `turn_max_pause_s`.
4. A turn that begins and ends within another's is `within`; the others pass the floor on, one to the next.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from synth.turns.events import find_events, find_transfers
from synth.turns.model import Annotation, Turn, TurnKind, Word
from synth.turns.parameters import PRESETS, TurnParameters
from synth.turns.times import Span, Spans, TimeError, heard_in, united


def annotate(
    activity: Mapping[str, Sequence[Span]],
    duration: Fraction,
    *,
    words: Mapping[str, Sequence[Word]] | None = None,
    parameters: TurnParameters = PRESETS["duologue"],
) -> Annotation:
    """Turns and events of a recording of `duration` seconds, of one speaker or more, by name.

    `activity`: spans of exact seconds in any order, which may touch and overlap. `words`: of the speakers
    whose words are known; a speaker it lacks is judged by time alone. Raises TimeError for spans and words
    that are empty, run backwards or leave the recording, and for words of somebody without activity.
    """
    speakers = tuple(activity)
    strangers = sorted(set(words or ()) - set(speakers))
    if strangers or not speakers:
        raise TimeError(f"words, but no activity, of {', '.join(strangers) or 'nobody at all'}")
    ipus = tuple(_checked(activity[name], duration, name, parameters.ipu_merge_s) for name in speakers)
    said = tuple(_sorted_words(words, name, duration) for name in speakers)
    short = tuple(
        tuple(
            group
            for group in _groups(ipus[one], parameters)
            if _is_backchannel(group, one, ipus, said, parameters)
        )
        for one in range(len(speakers))
    )
    turns = _turns(ipus, short, parameters)
    transfers = find_transfers(turns)
    return Annotation(
        parameters=parameters,
        duration=duration,
        speakers=speakers,
        ipus=ipus,
        turns=turns,
        events=find_events(turns, transfers, parameters),
        transfers=transfers,
        words=tuple(
            None if some is None else _placed(some, one, turns, parameters.word_reach_s)
            for one, some in enumerate(said)
        ),
    )


def _checked(spans: Sequence[Span], duration: Fraction, name: str, merge_s: Fraction) -> Spans:
    found = united(spans, bridge=merge_s)
    if found and found[-1][1] > duration:
        raise TimeError(f"{name} speaks until {found[-1][1]} s of a recording of {duration} s")
    return found


def _sorted_words(
    words: Mapping[str, Sequence[Word]] | None, name: str, duration: Fraction
) -> tuple[Word, ...] | None:
    if words is None or name not in words:
        return None
    for word in words[name]:
        if not 0 <= word.start <= word.stop <= duration:
            raise TimeError(f"{name}'s word {word.text!r}, [{word.start}, {word.stop}) s, of {duration} s")
    return tuple(sorted(words[name], key=lambda word: (word.start, word.stop)))


def _groups(ipus: Spans, parameters: TurnParameters) -> list[Spans]:
    """IPUs with less silence between them than a backchannel has round it."""
    least = max(parameters.backchannel_before_s, parameters.backchannel_after_s)
    groups: list[list[Span]] = []
    for ipu in ipus:
        if groups and ipu[0] - groups[-1][-1][1] < least:
            groups[-1].append(ipu)
        else:
            groups.append([ipu])
    return [tuple(group) for group in groups]


def _is_backchannel(
    group: Spans,
    speaker: int,
    ipus: Sequence[Spans],
    words: Sequence[tuple[Word, ...] | None],
    parameters: TurnParameters,
) -> bool:
    start, stop = group[0][0], group[-1][1]
    if stop - start > parameters.backchannel_max_s:
        return False
    said = words[speaker]
    if said is not None and parameters.backchannel_max_words is not None:
        spoken = sum(start <= _middle(word) < stop for word in said)
        if spoken > parameters.backchannel_max_words:
            return False
    reach = parameters.backchannel_context_s
    if reach is None:
        return True
    return any(
        heard_in(other, start - reach, start)
        and (not parameters.backchannel_context_after or heard_in(other, stop, stop + reach))
        for number, other in enumerate(ipus)
        if number != speaker
    )


def _turns(
    ipus: Sequence[Spans], short: Sequence[Sequence[Spans]], parameters: TurnParameters
) -> tuple[Turn, ...]:
    aside = [{ipu for group in groups for ipu in group} for groups in short]
    speech = [tuple(ipu for ipu in own if ipu not in left) for own, left in zip(ipus, aside, strict=True)]
    found = [
        Turn(speaker, TurnKind.BACKCHANNEL, group) for speaker, groups in enumerate(short) for group in groups
    ]
    for speaker, own in enumerate(speech):
        others = [other for number, other in enumerate(speech) if number != speaker]
        others.append(
            tuple(ipu for group in short[speaker] for ipu in group)
        )  # nor across an own backchannel
        joined: list[list[Span]] = [[own[0]]] if own else []
        for before, after in pairwise(own):
            if _goes_on(before[1], after[0], others, parameters):
                joined[-1].append(after)
            else:
                joined.append([after])
        found += [Turn(speaker, TurnKind.TURN, tuple(some)) for some in joined]
    return _with_floor(sorted(found, key=lambda turn: (turn.start, -turn.stop, turn.speaker)))


def _goes_on(start: Fraction, stop: Fraction, others: Sequence[Spans], parameters: TurnParameters) -> bool:
    longest = parameters.turn_max_pause_s
    if longest is not None and stop - start > longest:
        return False
    return not any(heard_in(other, start, stop + parameters.dual_start_s) for other in others)


def _with_floor(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """Those that end before the turn that has the floor does, take none."""
    holder: Turn | None = None
    found: list[Turn] = []
    for turn in turns:
        if turn.kind is TurnKind.TURN:
            if holder is not None and turn.stop <= holder.stop:
                found.append(replace(turn, kind=TurnKind.WITHIN))
                continue
            holder = turn
        found.append(turn)
    return tuple(found)


def _placed(words: Sequence[Word], speaker: int, turns: Sequence[Turn], reach: Fraction) -> tuple[Word, ...]:
    """Each word with the number of the turn of its speaker that it shares most time with, or else lies
    nearest to, within `reach`: an aligner's and a recogniser's times are loose, and speech is padded.
    """
    own = [number for number, turn in enumerate(turns) if turn.speaker == speaker]
    starts = [turns[number].start for number in own]
    found = []
    for word in words:
        at = bisect_right(starts, _middle(word))
        near = own[max(0, at - 1) : at + 1]  # a speaker's turns are disjoint: no other one is as near
        best = min(near, key=lambda number: _distance(word, turns[number]), default=None)
        inside = best is not None and _distance(word, turns[best]) <= reach
        found.append(replace(word, turn=best if inside else None))
    return tuple(found)


def _distance(word: Word, turn: Turn) -> Fraction:
    """Seconds between them; negative: how long they overlap."""
    return max(word.start, turn.start) - min(word.stop, turn.stop)


def _middle(word: Word) -> Fraction:
    return (word.start + word.stop) / 2


def n_of(annotation: Annotation) -> Counter[str]:
    """How many there are of each kind of turn and of event."""
    return Counter([*(turn.kind for turn in annotation.turns), *(event.kind for event in annotation.events)])
