"""Where in another's turn a backchannel may be given, so that it is heard as one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from synth.dialogue.layout import Layout
from synth.dialogue.plan import Utterance
from synth.levels import Span
from synth.turns.parameters import TurnParameters
from synth.turns.times import heard_in

_STEP_S = Fraction(1, 10)
"""Between places to try where the host's words are not known."""


@dataclass(frozen=True)
class Place:
    """Sample at which a backchannel begins, and how many words of the host later (negative: earlier) that is
    than was asked; None where nothing was asked, or the host's words are not known."""

    start: int
    moved_words: int | None


def place_backchannel(
    layout: Layout,
    host: Utterance,
    own: Sequence[Span],
    parameters: TurnParameters,
    rate_hz: int,
    *,
    after_word: int | None,
    order: Callable[[int], float],
    clearance_s: Fraction,
) -> Place | str:
    """Where a word of the host ends: the nearest to the end of its word `after_word` (counted from 1) that
    fits, of equally near ones, or where none is asked for, the first in `order`. A word that the host was
    cut before counts as its last one.

    `own`: speech of the same side. The backchannel must be short, of few words, away from its speaker's other
    speech, with the host heard shortly before and after it. A string says why no place is like that.
    """
    if Fraction(layout.length, rate_hz) > parameters.backchannel_max_s - clearance_s:
        return "longer than a backchannel is"
    most = parameters.backchannel_max_words
    if most is not None and len(layout.words) > most:
        return "of more words than a backchannel has"
    clear = round(clearance_s * rate_hz)
    away = round(max(parameters.backchannel_before_s, parameters.backchannel_after_s) * rate_hz) + clear
    free = [
        start
        for start in _places(host, rate_hz)
        if host.start + clear <= start <= host.stop - layout.length - clear
    ]
    if not free:
        return "the turn before it is too short for it"
    alone = [
        start
        for start in free
        if all(stop + away <= start or first >= start + layout.length + away for first, stop in own)
    ]
    if not alone:
        return "too near to its own speaker's other speech"
    asked = _asked(host, after_word)
    wanted = None if asked is None else host.words[asked].stop
    context_s = parameters.backchannel_context_s
    reach = None if context_s is None else round((context_s - clearance_s) * rate_hz)
    for start in sorted(alone, key=lambda one: (0 if wanted is None else abs(one - wanted), order(one))):
        if reach is None or _in_context((start, start + layout.length), host, reach):
            return Place(start, None if asked is None else _number(host, start) - asked)
    return "the other speaker is not heard on both sides of it"


def _asked(host: Utterance, after_word: int | None) -> int | None:
    """The asked word's number, from 0."""
    if after_word is None or not host.words:
        return None
    return min(after_word, len(host.words)) - 1


def _number(host: Utterance, stop: int) -> int:
    return next(number for number, word in enumerate(host.words) if word.stop == stop)


def _places(host: Utterance, rate_hz: int) -> list[int]:
    if host.words:
        return [word.stop for word in host.words]
    return list(range(host.start, host.stop, round(_STEP_S * rate_hz)))


def _in_context(span: Span, host: Utterance, reach: int) -> bool:
    """Whether the host is heard within `reach` samples before and after it."""
    spoken = [(Fraction(first), Fraction(last)) for first, last in host.active]
    start, stop = Fraction(span[0]), Fraction(span[1])
    return heard_in(spoken, start - reach, start) and heard_in(spoken, stop, stop + reach)
