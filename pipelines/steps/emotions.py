"""The emotion of a clip, from the label of its recording or those of the recording's turns."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any


def emotions_inside(source: dict[str, Any], start: Fraction, stop: Fraction) -> list[list[Any]]:
    """`[emotion, start_s, stop_s, speaker]` that reach into [start, stop) of a source, their times from the
    clip's start. Those of the source count from its first audio sample."""
    zero = Fraction(source["audio_start"] or source["video_start"])
    start_s, stop_s = float(start - zero), float(stop - zero)
    return [
        [name, round(max(low, start_s) - start_s, 6), round(min(high, stop_s) - start_s, 6), who]
        for name, low, high, who in json.loads(source.get("emotions") or "[]")
        if low < stop_s and high > start_s
    ]


def clip_emotion(source: dict[str, Any], start: Fraction, stop: Fraction) -> str | None:
    """The one on which the turns inside agree; without labels of turns, that of the recording."""
    if not source.get("emotions"):
        return source.get("emotion")
    names = {one[0] for one in emotions_inside(source, start, stop)}
    return names.pop() if len(names) == 1 else source.get("emotion")
