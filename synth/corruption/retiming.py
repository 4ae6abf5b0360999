"""Frames that are shown at other times: dropped, frozen, late or early. A stream in, a stream out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from synth.corruption.picture import Picture
from synth.corruption.plan import Corruption
from synth.noise_plan import generator


def retimed(pictures: Iterable[Picture], corruption: Corruption) -> Iterator[Picture]:
    """The pictures with `frame_drop`, `freeze` or `av_shift`.

    What is held in memory is one frame, or as many as the shift is long.
    """
    values = corruption.values
    if corruption.kind == "frame_drop":
        return _dropped(pictures, corruption)
    if corruption.kind == "freeze":
        return _frozen(pictures, corruption)
    frames = int(values["frames"])
    if not frames or not values["direction"]:
        return iter(pictures)
    return (_late if values["direction"] > 0 else _early)(pictures, corruption, frames)


def _dropped(pictures: Iterable[Picture], corruption: Corruption) -> Iterator[Picture]:
    """A dropped frame is not seen: a player shows the one before. The first of all cannot be dropped."""
    shown: Picture | None = None
    share = corruption.values["share"]
    for picture in pictures:
        is_lost = corruption.covers(picture.tick) and (
            generator("frame_drop", corruption.seed, picture.number).random() < share
        )
        if shown is None or not is_lost:
            shown = picture
        yield picture.showing(shown)


def _frozen(pictures: Iterable[Picture], corruption: Corruption) -> Iterator[Picture]:
    """The picture stands still for a share of each span, from its begin; it is the last before the span."""
    held = []
    for start, stop in corruption.spans:
        length = round(corruption.values["share"] * (stop - start))
        held.append((start, start + max(1, length)))
    shown: Picture | None = None
    for picture in pictures:
        is_held = any(start <= picture.tick < stop for start, stop in held)
        if shown is None or not is_held:
            shown = picture
        yield picture.showing(shown)


def _late(pictures: Iterable[Picture], corruption: Corruption, frames: int) -> Iterator[Picture]:
    """Each frame is shown `frames` ticks later; before the first of all, the first is shown."""
    past: deque[Picture] = deque()
    for picture in pictures:
        past.append(picture)
        while len(past) > 1 and past[1].tick <= picture.tick - frames:
            past.popleft()
        yield picture.showing(past[0]) if corruption.covers(picture.tick) else picture


def _early(pictures: Iterable[Picture], corruption: Corruption, frames: int) -> Iterator[Picture]:
    """Each frame is shown `frames` ticks sooner; after the last of all, the last is shown."""
    waiting: deque[Picture] = deque()
    latest: Picture | None = None
    for latest in pictures:
        waiting.append(latest)
        while waiting[0].tick + frames <= latest.tick:
            picture = waiting.popleft()
            yield picture.showing(latest) if corruption.covers(picture.tick) else picture
    for picture in waiting:
        assert latest is not None
        yield picture.showing(latest) if corruption.covers(picture.tick) else picture
