"""The time that two sides of a dialogue share, on a clock of the dialogue's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from manifests.reasons import ItemError, Reason

FRAME_S = Fraction(2, 25)
"""A frame of Mimi's: samples are whole numbers of them long."""
PICTURE_S = Fraction(1)
"""Picture and sound begin or end within this of each other, or the picture is only of a part."""
RATE_HZ = 16_000


@dataclass(frozen=True)
class Shared:
    """`zeros`: where the dialogue begins on each recording's own time line; its length, in whole frames."""

    zeros: tuple[Fraction, ...]
    duration: Fraction


@dataclass(frozen=True)
class _Reach:
    origin: Fraction
    start: Fraction
    stop: Fraction
    sound: Fraction  # its length


def shared_time(recordings: Sequence[dict[str, Any]], *, max_difference_s: float) -> Shared:
    """The span in which all recordings (facts of `ingest` and `listen`) have sound and, where they have it
    nearly throughout, picture.

    Two recordings are taken to have been started at one instant, the first packet of each. Raises ItemError:
    SIDES_UNEQUAL, or NO_SPEECH where nothing is left.
    """
    reaches = [_reach(one) for one in recordings]
    lengths = [float(one.sound) for one in reaches]
    if max(lengths) - min(lengths) > max_difference_s:
        told = " and ".join(
            f"{one['recording']['path']} {length:.2f} s"
            for one, length in zip(recordings, lengths, strict=True)
        )
        raise ItemError(Reason.SIDES_UNEQUAL, told)
    start = max(one.start - one.origin for one in reaches)
    stop = min(one.stop - one.origin for one in reaches)
    n_frames = max(0, (stop - start) // FRAME_S)
    if not n_frames:
        raise ItemError(Reason.NO_SPEECH, f"{float(stop - start):.3f} s are shared by picture and sound")
    return Shared(tuple(one.origin + start for one in reaches), n_frames * FRAME_S)


def _reach(facts: dict[str, Any]) -> _Reach:
    recording, listen = facts["recording"], facts["listen"]
    start = origin = Fraction(listen["start"])
    sound = Fraction(round(listen["duration_s"] * RATE_HZ), RATE_HZ)
    stop = start + sound
    if recording["video_start"] is not None:
        first, last = Fraction(recording["video_start"]), Fraction(recording["video_stop"])
        origin = min(origin, first)
        start = max(start, first) if abs(first - start) <= PICTURE_S else start
        stop = min(stop, last) if abs(last - stop) <= PICTURE_S else stop
    return _Reach(origin, start, stop, sound)
