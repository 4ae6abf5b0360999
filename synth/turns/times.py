"""Exact time: rational seconds, half-open spans, and the frame that an instant falls into."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction

Span = tuple[Fraction, Fraction]
"""[start, stop) in seconds."""
Spans = tuple[Span, ...]
"""Sorted and disjoint; neighbours do not touch."""


class TimeError(ValueError):
    """A time or span that cannot be: it says which."""


def exact(value: Fraction | Decimal | float | str) -> Fraction:
    """Seconds as they are written: 0.58 is 29/50, not the binary number next to it.

    Raises TimeError for what is no finite number.
    """
    try:
        return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)
    except (ValueError, OverflowError, ZeroDivisionError) as error:
        raise TimeError(f"{value!r} is no time in seconds") from error


def frame_of(time: Fraction, rate_hz: Fraction | int) -> int:
    """The frame that an instant falls into: floor(time * rate), without rounding."""
    return math.floor(time * rate_hz)


def frame_count(duration: Fraction, rate_hz: Fraction | int) -> int:
    """Frames that cover a recording; the last one may reach beyond its end."""
    return math.ceil(duration * rate_hz)


def united(spans: Iterable[Span], *, bridge: Fraction | None = None) -> Spans:
    """Sorted spans, joined where they overlap or touch, or where at most `bridge` lies between them.

    Raises TimeError for a span that is empty, negative or runs backwards.
    """
    found: list[Span] = []
    for start, stop in sorted(spans):
        if not 0 <= start < stop:
            raise TimeError(f"[{start}, {stop}) s is no span: it must begin at 0 or later and end after that")
        if found and start - found[-1][1] <= (bridge or 0):
            found[-1] = (found[-1][0], max(found[-1][1], stop))
        else:
            found.append((start, stop))
    return tuple(found)


def common(first: Spans, second: Spans) -> Spans:
    """What both cover."""
    found: list[Span] = []
    a = b = 0
    while a < len(first) and b < len(second):
        start, stop = max(first[a][0], second[b][0]), min(first[a][1], second[b][1])
        if start < stop:
            found.append((start, stop))
        if first[a][1] < second[b][1]:
            a += 1
        else:
            b += 1
    return tuple(found)


def heard_in(spans: Sequence[Span], start: Fraction, stop: Fraction) -> bool:
    """Whether any part of [start, stop) is covered by the sorted, disjoint spans."""
    before = bisect_left(spans, stop, key=lambda span: span[0])
    return start < stop and before > 0 and spans[before - 1][1] > start
