"""Frames at other times, on frames that carry their own number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from synth.corruption.apply import apply, stream
from synth.corruption.plan import Corruption, CorruptionPlan


def numbered(count: int) -> list[np.ndarray]:
    return [np.full((4, 4), number, np.uint8) for number in range(count)]


def seen(kind: Any, spans: Any, count: int = 20, **values: float) -> list[int]:
    """What is shown at each frame."""
    one = Corruption(kind, spans, tuple(values.items()), seed=7)
    done = apply(CorruptionPlan("a", count, (one,)), numbered(count), masks=True)
    shown = [int(image[0, 0]) for image in done.frames]
    assert shown == done.shown.tolist()
    changed = [number != at for at, number in enumerate(shown)]
    assert done.corrupted.tolist() == changed
    assert done.masks is not None and [bool(mask.all()) for mask in done.masks] == changed
    return shown


def test_a_late_picture_is_that_of_frames_ago_so_the_sound_comes_early() -> None:
    """docs/av-offset.md: positive where the sound is early; a picture that is 3 frames late makes it +3."""
    assert seen("av_shift", ((0, 8),), 8, frames=3, direction=1) == [0, 0, 0, 0, 1, 2, 3, 4]


def test_an_early_picture_is_that_of_frames_to_come() -> None:
    assert seen("av_shift", ((0, 8),), 8, frames=3, direction=-1) == [3, 4, 5, 6, 7, 7, 7, 7]


def test_a_shift_can_be_kept_to_spans() -> None:
    assert seen("av_shift", ((2, 4), (6, 7)), 8, frames=2, direction=1) == [0, 1, 0, 1, 4, 5, 4, 7]
    assert seen("av_shift", ((2, 4),), 8, frames=2, direction=-1) == [0, 1, 4, 5, 4, 5, 6, 7]


@pytest.mark.parametrize("direction", [1, -1])
def test_a_shift_uses_the_frames_beside_the_clip_where_they_are_given(direction: int) -> None:
    one = Corruption("av_shift", ((0, 6),), (("frames", 2), ("direction", direction)))
    frames, ticks = numbered(12), list(range(-3, 9))
    pictures = stream(CorruptionPlan("a", 6, (one,)), frames, ticks=ticks)
    inside = {picture.tick: int(picture.image[0, 0]) for picture in pictures if 0 <= picture.tick < 6}
    assert inside == {tick: tick + 3 - 2 * direction for tick in range(6)}


@pytest.mark.parametrize("direction", [1, -1])
def test_a_shift_lasts_as_long_at_any_frame_rate(direction: int) -> None:
    """Video of 50 Hz has two frames a tick: a shift of 3 ticks is one of 6 frames."""
    one = Corruption("av_shift", ((0, 20),), (("frames", 3), ("direction", direction)))
    ticks = [frame // 2 for frame in range(40)]
    pictures = list(stream(CorruptionPlan("a", 20, (one,)), numbered(40), ticks=ticks))
    assert [picture.number for picture in pictures] == list(range(40))
    for picture in pictures[8:-8]:
        assert ticks[picture.shown] == picture.tick - 3 * direction


def test_a_freeze_holds_the_frame_before_the_span_for_a_share_of_it() -> None:
    assert seen("freeze", ((4, 8),), 10, share=1.0) == [0, 1, 2, 3, 3, 3, 3, 3, 8, 9]
    assert seen("freeze", ((4, 8),), 10, share=0.5) == [0, 1, 2, 3, 3, 3, 6, 7, 8, 9]
    assert seen("freeze", ((0, 3), (5, 7)), 8, share=1.0) == [0, 0, 0, 3, 4, 4, 4, 7]


def test_dropped_frames_repeat_the_one_before_and_more_are_dropped_at_a_larger_share() -> None:
    few, many = (seen("frame_drop", ((0, 200),), 200, share=share) for share in (0.2, 0.6))
    for shown in (few, many):
        for at in range(1, 200):
            assert shown[at] in (at, shown[at - 1])
    lost_few, lost_many = ({at for at in range(200) if shown[at] != at} for shown in (few, many))
    assert lost_few < lost_many
    assert 25 <= len(lost_few) <= 55 and 100 <= len(lost_many) <= 140
    inside = seen("frame_drop", ((50, 60),), 200, share=1.0)
    assert inside == [*range(50), *[49] * 10, *range(60, 200)]


@pytest.mark.parametrize(
    ("kind", "values", "most"),
    [
        ("freeze", {"share": 1.0}, 2),
        ("frame_drop", {"share": 0.5}, 2),
        ("av_shift", {"frames": 5, "direction": 1}, 7),
        ("av_shift", {"frames": 5, "direction": -1}, 7),
    ],
)
def test_no_more_frames_are_held_than_the_shift_is_long(
    kind: Any, values: dict[str, float], most: int
) -> None:
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for image in numbered(100):
            taken += 1
            yield image

    one = Corruption(kind, ((0, 100),), tuple(values.items()))
    for given, _ in enumerate(stream(CorruptionPlan("a", 100, (one,)), frames()), 1):
        assert taken - given <= most
