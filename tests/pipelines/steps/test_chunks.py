from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.steps.chunks import even_spans, face_runs, snap

TICK = Fraction(1, 25)
times = st.fractions(min_value=-2, max_value=4000, max_denominator=90_000)


lengths = st.fractions(min_value=0, max_value=100, max_denominator=90_000)
shares = st.fractions(min_value=0, max_value=1)


@given(low=times, length=lengths, offset=shares, start=st.floats(-3, 4100), duration=st.floats(0.001, 60))
def test_spans_lie_on_the_grid_and_inside_the_media(
    low: Fraction, length: Fraction, offset: Fraction, start: float, duration: float
) -> None:
    anchor, high = low - offset, low + length
    span = snap(start, start + duration, anchor=anchor, low=low, high=high, max_s=15.0)
    if span is None:
        return
    assert low <= span.start < span.stop <= high
    assert span.start == anchor + span.tick * TICK
    frames = (span.stop - span.start) / (2 * TICK)
    assert frames.denominator == 1 and frames >= 1 and span.duration_s <= 15


def test_a_span_covers_what_was_asked_for() -> None:
    span = snap(1.01, 2.0, anchor=Fraction(0), low=Fraction(0), high=Fraction(10), max_s=15)
    assert span is not None
    assert (span.start, span.stop, span.tick) == (Fraction(1), Fraction("2.04"), 25)


@given(st.integers(0, 100_000), st.sampled_from([Fraction(1, 25), Fraction(1001, 30_000), Fraction(1, 12)]))
def test_a_frame_time_that_went_through_a_float_is_not_a_tick_early(number: int, step: Fraction) -> None:
    exact = number * step
    span = snap(float(exact), float(exact) + 1, anchor=Fraction(0), low=Fraction(0), high=exact + 9, max_s=15)
    assert span is not None and span.tick == exact * 25 // 1


def test_nothing_is_left_of_a_span_outside_the_media() -> None:
    assert snap(5, 6, anchor=Fraction(0), low=Fraction(0), high=Fraction(4), max_s=15) is None
    assert snap(0, 0.05, anchor=Fraction(0), low=Fraction(0), high=Fraction(1, 20), max_s=15) is None


def test_face_runs_break_at_gaps_and_at_the_limit() -> None:
    seen = np.concatenate([np.arange(0, 2, 0.04), np.arange(3, 23, 0.04)])
    runs = face_runs(seen, max_gap_s=0.4, max_chunk_s=15)
    assert [(round(start, 2), round(stop, 2)) for start, stop in runs] == [
        (0.0, 1.96),
        (3.0, 12.98),
        (12.98, 22.96),
    ]
    assert face_runs(np.zeros(0), max_gap_s=1, max_chunk_s=1) == []


@given(low=times, length=lengths, offset=shares, max_s=st.floats(1, 60))
def test_even_spans_take_all_of_the_media_in_the_fewest_pieces(
    low: Fraction, length: Fraction, offset: Fraction, max_s: float
) -> None:
    anchor, high = low - offset, low + length
    spans = even_spans(low, high, anchor=anchor, max_s=max_s)
    frame = 2 * TICK
    if not spans:
        assert length < TICK + frame
        return
    assert all(one.start == anchor + one.tick * TICK for one in spans)
    assert all(one.stop == later.start for one, later in pairwise(spans)), "no gap and no overlap"
    assert 0 <= spans[0].start - low < TICK and 0 <= high - spans[-1].stop < frame
    sizes = [(one.stop - one.start) / frame for one in spans]
    assert all(size.denominator == 1 for size in sizes) and max(sizes) - min(sizes) <= 1
    most = Fraction(max_s).limit_denominator(100_000) // frame
    assert max(sizes) <= most and sum(sizes) > most * (len(spans) - 1), "one piece less would not do"
