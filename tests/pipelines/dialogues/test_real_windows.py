"""Windows of a long dialogue: nothing lost, nothing twice, and cut where it hurts least."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.reasons import ItemError, Reason
from pipelines.dialogues.real.timeline import FRAME_S, shared_time
from pipelines.dialogues.real.windows import cut_windows
from synth.turns.times import Spans, united

TICKS = st.integers(0, 2000).map(lambda tick: Fraction(tick, 100))
SPANS = st.lists(
    st.tuples(TICKS, TICKS).map(sorted).filter(lambda span: span[0] < span[1]).map(tuple), max_size=12
)


@given(n_frames=st.integers(1, 400), speech=SPANS, turns=SPANS, max_frames=st.integers(25, 200))
def test_windows_cover_a_dialogue_once(
    n_frames: int,
    speech: list[tuple[Fraction, Fraction]],
    turns: list[tuple[Fraction, Fraction]],
    max_frames: int,
) -> None:
    found = cut_windows(n_frames * FRAME_S, speech, [*speech, *turns], max_s=max_frames * FRAME_S)
    assert found[0].start == 0 and found[-1].stop == n_frames * FRAME_S and found[-1].cut == "end"
    assert all(before.stop == after.start for before, after in pairwise(found))
    assert all(0 < one.stop - one.start <= max_frames * FRAME_S for one in found)
    assert all(one.stop % FRAME_S == 0 for one in found)
    said, held = united(speech), united([*speech, *turns])
    for one in found[:-1]:
        first = int(one.start / FRAME_S)
        reach = range(first + (max_frames + 1) // 2, first + max_frames + 1)
        if one.cut == "gap":
            assert not any(low < one.stop < high for low, high in held)
            continue
        assert all(_touched(at * FRAME_S, held) for at in reach), "there is no gap in reach"
        if one.cut == "pause":
            assert not any(low < one.stop < high for low, high in said)
        else:
            assert all(_touched(at * FRAME_S, said) for at in reach), "nor a pause"


def _touched(time: Fraction, spans: Spans) -> bool:
    return any(low <= time <= high for low, high in spans)


def test_the_longest_gap_in_reach_is_cut_in_its_middle() -> None:
    """By hand: gaps at 6.0-6.4 and 7.2-8.8 s; a longer pause inside a turn, at 9.0-9.9 s, is left alone."""
    speech = [(Fraction(0), Fraction(6)), (Fraction(32, 5), Fraction(36, 5)), (Fraction(44, 5), Fraction(9))]
    speech += [(Fraction(99, 10), Fraction(20))]
    turns = [*speech[:2], (Fraction(44, 5), Fraction(20))]
    first, second, third = cut_windows(Fraction(20), speech, turns, max_s=Fraction(10))
    assert (first.stop, first.cut) == (Fraction(8), "gap")
    assert (second.stop, second.cut) == (Fraction(18), "speech")
    assert (third.stop, third.cut) == (Fraction(20), "end")


def _facts(path: str, start: str, sound_s: float, video: tuple[str, str] | None = None) -> dict[str, object]:
    first, last = video or (None, None)
    recording = {"path": path, "video_start": first, "video_stop": last}
    return {"recording": recording, "listen": {"start": start, "duration_s": sound_s}}


def test_two_recordings_share_the_time_in_which_both_are_there() -> None:
    """One has its sound 0.5 s after its picture began, on a clock that begins at 1.4 s."""
    first = _facts("a.ts", "19/10", 10.0, ("7/5", "12"))
    shared = shared_time([first, _facts("b.wav", "0", 10.0)], max_difference_s=2.0)
    assert shared.zeros == (Fraction(19, 10), Fraction(1, 2))
    assert shared.duration == 118 * FRAME_S  # 9.5 s, whole frames


def test_recordings_of_other_lengths_are_refused() -> None:
    pair = [_facts("a.wav", "0", 10.0), _facts("b.wav", "0", 13.0)]
    with pytest.raises(ItemError) as told:
        shared_time(pair, max_difference_s=2.0)
    assert told.value.reason is Reason.SIDES_UNEQUAL
    assert shared_time(pair, max_difference_s=3.5).duration == 125 * FRAME_S


def test_a_picture_of_a_part_leaves_the_sound_whole() -> None:
    nearly = shared_time([_facts("a.mp4", "0", 10.0, ("0", "97/10"))], max_difference_s=2.0)
    part = shared_time([_facts("a.mp4", "0", 10.0, ("0", "4"))], max_difference_s=2.0)
    assert (nearly.duration, part.duration) == (121 * FRAME_S, 125 * FRAME_S)
