from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.turns.times import TimeError, common, exact, frame_count, frame_of, heard_in, united

Ticks = list[tuple[int, int]]
SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 15)).map(lambda one: (one[0], one[0] + one[1])), max_size=12
)


def spans(ticks: Ticks) -> list[tuple[Fraction, Fraction]]:
    return [(Fraction(start, 7), Fraction(stop, 7)) for start, stop in ticks]


def covered(ticks: Ticks) -> set[int]:
    return {one for start, stop in ticks for one in range(start, stop)}


def test_times_are_taken_as_they_are_written() -> None:
    """int(0.58 * 50) is 28 and int(0.29 * 100) is 28: both a frame too early."""
    assert exact(0.58) == Fraction(29, 50) and frame_of(exact(0.58), 50) == 29
    assert frame_of(exact("0.29"), 100) == 29 and exact(3) == 3
    with pytest.raises(TimeError, match="nan"):
        exact(float("nan"))
    with pytest.raises(TimeError, match="soon"):
        exact("soon")


def test_frames_of_a_rate_that_is_no_whole_number() -> None:
    rate = Fraction(25, 2)
    assert [frame_of(Fraction(k, 25), rate) for k in range(5)] == [0, 0, 1, 1, 2]
    assert frame_count(Fraction(1), rate) == 13


@given(SPANS, st.integers(0, 6))
def test_united_spans_cover_the_same_and_are_apart(ticks: Ticks, bridge: int) -> None:
    found = united(spans(ticks), bridge=Fraction(bridge, 7))
    cells = covered(ticks)
    for start in sorted(cells):  # fill holes of at most `bridge`, cell by cell
        following = min((one for one in cells if one > start), default=start)
        if following - start - 1 <= bridge:
            cells |= set(range(start, following))
    assert covered([(int(a * 7), int(b * 7)) for a, b in found]) == cells
    assert all(after[0] - before[1] > Fraction(bridge, 7) for before, after in pairwise(found))


@given(SPANS, SPANS)
def test_common_is_what_both_cover(first: Ticks, second: Ticks) -> None:
    found = common(united(spans(first)), united(spans(second)))
    assert covered([(int(a * 7), int(b * 7)) for a, b in found]) == covered(first) & covered(second)


@given(SPANS, st.integers(0, 70), st.integers(0, 20))
def test_heard_in_agrees_with_cells(ticks: Ticks, start: int, length: int) -> None:
    found = heard_in(united(spans(ticks)), Fraction(start, 7), Fraction(start + length, 7))
    assert found == bool(covered(ticks) & set(range(start, start + length)))


@pytest.mark.parametrize("span", [(1, 1), (2, 1), (-1, 1)])
def test_spans_that_cannot_be(span: tuple[int, int]) -> None:
    with pytest.raises(TimeError, match="no span"):
        united([(Fraction(span[0]), Fraction(span[1]))])
