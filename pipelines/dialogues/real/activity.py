"""When each side speaks, on the dialogue's own clock, with borders read off the energy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from synth.turns.activity import EnergySettings, refined_activity
from synth.turns.times import Span, Spans, common, united

if TYPE_CHECKING:
    from extractors.speaking import TrackScores

RATE_HZ = 16_000
LEAST_OVERLAP_S = Fraction(1, 5)
"""Lips that move for less beside another voice are no speech of their own (`extractors.speaking.assign`)."""
_GRID = 10_000
Heard = Sequence[tuple[float, float]]


def exact_spans(heard: Heard, shift: Fraction, duration: Fraction) -> Spans:
    """Seconds as they were measured, shifted to the dialogue's clock, as far as they lie in it."""
    moved = ((_rounded(start) + shift, _rounded(stop) + shift) for start, stop in heard)
    return clipped(moved, Fraction(0), duration)


def clipped(spans: Iterable[Span], start: Fraction, stop: Fraction) -> Spans:
    """What of the spans lies in [start, stop)."""
    inside = ((max(low, start), min(high, stop)) for low, high in spans)
    return united((low, high) for low, high in inside if low < high)


def own_activity(pcm: NDArray[np.float32], heard: Spans, duration: Fraction) -> Spans:
    """Of a side with a channel (n,) of its own, 16 kHz."""
    spans = refined_activity(pcm, RATE_HZ, [(float(start), float(stop)) for start, stop in heard])
    return clipped(spans, Fraction(0), duration)


def mixed_activity(
    pcm: NDArray[np.float32],
    voices: tuple[Spans, Spans],
    lips: tuple[Spans, Spans],
    duration: Fraction,
) -> tuple[Spans, Spans]:
    """Of two sides that one channel (n,) holds: by the sound of their voices, which tells nothing where both
    are heard, and by their lips, where those were seen to speak while somebody was heard.

    Where a side begins or ends to speak under the other's voice, the energy says nothing of it and the border
    stays as found.
    """
    anybody = united([*voices[0], *voices[1]])
    sides = tuple(
        united([*own, *(span for span in common(anybody, seen) if _is_news(span, own))])
        for own, seen in zip(voices, lips, strict=True)
    )
    edges = own_activity(pcm, anybody, duration)
    return _snapped(sides[0], sides[1], edges), _snapped(sides[1], sides[0], edges)


def lip_spans(tracks: Sequence[TrackScores], shift: Fraction, duration: Fraction) -> Spans:
    """Where the tracks of one face are seen to speak; their times shifted to the dialogue's clock."""
    from extractors.active_speaker import FPS
    from extractors.speaking import active

    found: list[Span] = []
    for track in tracks:
        on = active(track.scores).astype(np.int8)
        edges = np.flatnonzero(np.diff(on, prepend=0, append=0)).reshape(-1, 2)
        zero = _rounded(track.start_s) + shift
        found += [(zero + Fraction(int(low), FPS), zero + Fraction(int(high), FPS)) for low, high in edges]
    return clipped(found, Fraction(0), duration)


def _is_news(span: Span, own: Spans) -> bool:
    """Whether lips tell of speech that the voice does not, long enough to be believed."""
    start, stop = span
    inside = sum((high - low for low, high in common((span,), own)), Fraction(0))
    return (stop - start) - inside >= LEAST_OVERLAP_S


def _snapped(own: Spans, other: Spans, edges: Spans) -> Spans:
    """Borders moved to those of the sound, except where the other speaks at that instant, too."""
    settings = EnergySettings()
    reach = settings.reach_s + settings.hop_s  # what was heard is on its grid of hops
    found = []
    for start, stop in own:
        low = start if _inside(other, start) else _nearest(start, [edge for edge, _ in edges], reach)
        high = stop if _inside(other, stop) else _nearest(stop, [edge for _, edge in edges], reach)
        found.append((low, high) if low < high else (start, stop))
    return united(found)


def _inside(spans: Spans, time: Fraction) -> bool:
    return any(start < time < stop for start, stop in spans)


def _nearest(time: Fraction, edges: list[Fraction], reach: Fraction) -> Fraction:
    best = min(edges, key=lambda edge: abs(edge - time), default=time)
    return best if abs(best - time) <= reach else time


def _rounded(seconds: float) -> Fraction:
    """Detectors measure to milliseconds at best."""
    return Fraction(round(seconds * _GRID), _GRID)
