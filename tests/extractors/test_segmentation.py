from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.segmentation import chunk_speech, chunk_units, chunk_words
from extractors.words import Word

MAX_S, SILENCE_S = 15.0, 0.4

lengths = st.floats(0.01, 20.0)
gaps = st.floats(-0.3, 2.0)  # below zero: spoken at once


@st.composite
def unit_lists(draw: st.DrawFn) -> list[tuple[float, float]]:
    units, at = [], draw(st.floats(0, 5))
    for length, gap in draw(st.lists(st.tuples(lengths, gaps), max_size=60)):
        start = max(at + gap, units[-1][0] if units else 0.0)
        units.append((start, start + length))
        at = start + length
    return units


@given(unit_lists(), st.sampled_from([0.0, 0.2]), st.sampled_from([None, 1.0]))
def test_nothing_lost_nothing_cut(
    units: list[tuple[float, float]], pad_s: float, pause_s: float | None
) -> None:
    found = chunk_units(units, max_chunk_s=MAX_S, min_silence_s=SILENCE_S, max_pause_s=pause_s, pad_s=pad_s)
    told = sorted([n for one in found.chunks for n in range(one.first, one.stop)] + found.too_long)
    assert told == list(range(len(units)))
    for one in found.chunks:
        assert one.stop_s - one.start_s <= MAX_S + 1e-9
        assert all(
            one.start_s <= units[n][0] and units[n][1] <= one.stop_s for n in range(one.first, one.stop)
        )
        others = [unit for n, unit in enumerate(units) if not one.first <= n < one.stop]
        assert not any(start < one.stop_s - 1e-9 and one.start_s + 1e-9 < stop for start, stop in others)
    for one, after in pairwise(found.chunks):
        assert one.stop <= after.first
        assert one.stop_s <= after.start_s + 1e-9


@st.composite
def short_lists(draw: st.DrawFn) -> list[tuple[float, float]]:
    units, at = [], 0.0
    pairs = st.tuples(st.floats(0.5, 9.0), st.sampled_from([0.0, 0.1, 0.2, 0.4, 0.6]))
    for length, gap in draw(st.lists(pairs, min_size=1, max_size=7)):
        units.append((at, at + length))
        at += length + gap
    return units


@given(short_lists())
def test_no_other_way_of_cutting_is_better(units: list[tuple[float, float]]) -> None:
    def cost(cuts: tuple[int, ...]) -> tuple[int, int]:
        pauses = [units[cut][0] - units[cut - 1][1] for cut in cuts]
        return sum(max(0, round(1000 * (SILENCE_S - pause))) for pause in pauses), len(cuts)

    def fits(cuts: tuple[int, ...]) -> bool:
        edges = [0, *cuts, len(units)]
        return all(units[b - 1][1] - units[a][0] <= MAX_S for a, b in pairwise(edges))

    places = range(1, len(units))
    ways = [cuts for n in range(len(units)) for cuts in combinations(places, n) if fits(cuts)]
    found = chunk_units(units, max_chunk_s=MAX_S, min_silence_s=SILENCE_S)
    assert not found.too_long
    assert cost(tuple(one.first for one in found.chunks[1:])) == min(map(cost, ways))
    for one, after in pairwise(found.chunks):
        assert one.forced == (after.start_s - one.stop_s < SILENCE_S)


def test_short_speech_stays_whole_whatever_its_pauses() -> None:
    found = chunk_units([(0.0, 3.0), (5.0, 8.0), (8.5, 15.0)])
    assert [(one.start_s, one.stop_s) for one in found.chunks] == [(0.0, 15.0)]


def test_long_speech_is_cut_at_a_silence_not_at_a_shorter_gap() -> None:
    units = [(0.0, 6.0), (6.4, 9.0), (9.3, 14.0), (14.1, 18.0)]
    found = chunk_units(units)
    assert [(one.first, one.stop, one.forced) for one in found.chunks] == [(0, 1, False), (1, 4, False)]


def test_without_a_silence_the_longest_gap_is_taken_and_told() -> None:
    units = [(0.0, 6.0), (6.3, 9.0), (9.1, 14.0), (14.1, 18.0)]
    found = chunk_units(units)
    assert [(one.first, one.stop, one.forced) for one in found.chunks] == [(0, 1, True), (1, 4, False)]


def test_a_word_longer_than_the_limit_is_named() -> None:
    words = [Word("so", 0, 1), Word("hmmm", 2, 20), Word("yes", 21, 22)]
    found = chunk_words(words)
    assert found.too_long == [1]
    assert [(one.first, one.stop) for one in found.chunks] == [(0, 1), (2, 3)]


def test_padding_stops_half_way_and_at_zero() -> None:
    found = chunk_units([(0.1, 10.0), (10.4, 20.0)], pad_s=0.3)
    assert [(one.start_s, one.stop_s) for one in found.chunks] == [
        pytest.approx((0.0, 10.2)),
        pytest.approx((10.2, 20.3)),
    ]


def test_units_must_be_sorted() -> None:
    with pytest.raises(ValueError, match="sort"):
        chunk_units([(1, 2), (0, 1)])
    with pytest.raises(ValueError, match="before it starts"):
        chunk_units([(2, 1)])


def test_a_long_stretch_of_speech_is_cut_where_speech_is_least_likely() -> None:
    speech = np.full(1000, 0.9, np.float32)  # 20 s in hops of 20 ms
    speech[600] = 0.3
    found = chunk_speech([(0.0, 20.0)], speech, hop_s=0.02)
    assert [(one.start_s, one.stop_s) for one in found.chunks] == [(0.0, 12.0), (12.0, 20.0)]
    assert found.chunks[0].forced
