"""Where a long dialogue is cut: in a gap between turns if there is one, else in a pause, else in speech."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from pipelines.dialogues.real.timeline import FRAME_S
from synth.turns.times import Span, Spans, united

End = Literal["end", "gap", "pause", "speech"]


@dataclass(frozen=True)
class Window:
    """[start, stop) s of a dialogue, whole frames; `cut`: what the stop lies in (`end`: the dialogue's)."""

    start: Fraction
    stop: Fraction
    cut: End


def cut_windows(
    duration: Fraction, speech: Sequence[Span], turns: Sequence[Span], *, max_s: Fraction
) -> list[Window]:
    """Windows that cover [0, duration), each of at most `max_s` and, but for the last, at least half of that.

    `speech`: of anybody; `turns`: [start, stop) of each. Of the silences in reach the longest is cut, in its
    middle; one that no turn goes over comes first. `duration` is a whole number of frames.
    """
    n_frames, longest = duration // FRAME_S, max(2, max_s // FRAME_S)
    found: list[Window] = []
    at = 0
    while n_frames - at > longest:
        low, high = (at + (longest + 1) // 2) * FRAME_S, (at + longest) * FRAME_S
        stop, cut = _best(low, high, united(speech), united(turns))
        found.append(Window(at * FRAME_S, stop * FRAME_S, cut))
        at = stop
    found.append(Window(at * FRAME_S, n_frames * FRAME_S, "end"))
    return found


def _best(low: Fraction, high: Fraction, speech: Spans, turns: Spans) -> tuple[int, End]:
    """A frame's begin in [low, high]."""
    kinds: tuple[tuple[End, Spans], ...] = (("gap", turns), ("pause", speech))
    for kind, busy in kinds:
        places = [
            (high_s - low_s, -low_s, frame)
            for low_s, high_s in _free(busy, low, high)
            if (frame := _middle_frame(low_s, high_s)) is not None
        ]
        if places:
            return max(places)[2], kind
    return int(high // FRAME_S), "speech"


def _free(busy: Spans, low: Fraction, high: Fraction) -> list[Span]:
    """What of [low, high] is not busy."""
    edges = [low]
    for start, stop in busy:
        if stop > low and start < high:
            edges += [max(start, low), min(stop, high)]
    edges.append(high)
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]


def _middle_frame(start: Fraction, stop: Fraction) -> int | None:
    """The begin of a frame nearest to the middle of [start, stop], inside it."""
    frame = math.floor((start + stop) / 2 / FRAME_S + Fraction(1, 2))
    for one in (frame, frame - 1, frame + 1):
        if start <= one * FRAME_S <= stop:
            return one
    return None
