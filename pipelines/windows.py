"""Planned time windows of long sources, with the context that makes their seams exact."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Window:
    """A planned time window [start, stop) and the wider [context_start, context_stop) to be read for it.

    With the context its step declares, results inside [start, stop) equal those of one whole pass.
    """

    start: Fraction
    stop: Fraction
    context_start: Fraction
    context_stop: Fraction


def windows(start: Fraction, stop: Fraction, *, core: Fraction, context: Fraction) -> list[Window]:
    """Cut [start, stop) into windows of `core` seconds, each with `context` seconds on both sides.

    The context is clipped to the recording, so the first and last windows see its true ends.
    """
    if core <= 0 or context < 0:
        raise ValueError(f"windows need core > 0 and context >= 0, got {core} and {context}")
    found = []
    at = start
    while at < stop:
        end = min(at + core, stop)
        found.append(Window(at, end, max(start, at - context), min(stop, end + context)))
        at = end
    return found
