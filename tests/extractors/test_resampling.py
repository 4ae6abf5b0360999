from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.resampling import interpolate, nearest_indices, to_mimi_rate

GRID_HZ = 25
times = st.lists(st.fractions(0, 60, max_denominator=90_000), min_size=1, max_size=40, unique=True).map(
    sorted
)


def grid(n: int, start: Fraction = Fraction(0)) -> list[Fraction]:
    return [start + Fraction(i, GRID_HZ) for i in range(n)]


def seconds(instants: list[Fraction]) -> np.ndarray:
    return np.array([float(one) for one in instants])


@given(times, st.lists(st.fractions(-1, 61, max_denominator=1000), min_size=1, max_size=30))
def test_nearest_is_nearest_and_ties_go_to_the_earlier(
    source: list[Fraction], instants: list[Fraction]
) -> None:
    for instant, index in zip(instants, nearest_indices(source, instants), strict=True):
        distances = [abs(time - instant) for time in source]
        assert index == distances.index(min(distances))


def test_an_hour_of_ntsc_does_not_drift() -> None:
    """Frame n of 29.97 fps is at n * 1001/30000 s; a float frame rate would be off by whole frames."""
    source = [Fraction(1001 * n, 30_000) for n in range(108_000)]
    late = grid(50, Fraction(3600))
    for instant, index in zip(late, nearest_indices(source, late), strict=True):
        assert abs(source[index] - instant) <= Fraction(1001, 60_000)


@given(st.integers(-200, 200))
def test_shifting_the_source_shifts_the_pictures(shift: int) -> None:
    source = [Fraction(i, 30) for i in range(300)]
    moved = [time + Fraction(shift, GRID_HZ) for time in source]
    assert nearest_indices(source, grid(100, Fraction(2))) == nearest_indices(
        moved, grid(100, Fraction(2) + Fraction(shift, GRID_HZ))
    )


def test_on_the_grid_nothing_changes() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    instants = seconds(grid(50))
    found, valid = interpolate(instants, values, instants, max_gap_s=0.1)
    assert np.allclose(found, values, atol=1e-12) and valid.all()


@pytest.mark.parametrize("rate_hz", [12, 15, 24, 30, 50, 60])
def test_a_slow_sine_keeps_its_phase_at_any_rate(rate_hz: int) -> None:
    source = np.arange(0, 6, 1 / rate_hz)
    instants = seconds(grid(100, Fraction(1)))
    found, valid = interpolate(source, np.sin(2 * np.pi * source)[:, None], instants, max_gap_s=0.2)
    assert valid.all()
    correlation = np.corrcoef(found[:, 0], np.sin(2 * np.pi * instants))[0, 1]
    assert correlation > 0.999 and np.abs(found[:, 0] - np.sin(2 * np.pi * instants)).max() < 0.05


def test_what_the_grid_cannot_hold_is_filtered_out() -> None:
    source = np.arange(0, 6, 1 / 60)
    fast = np.sin(2 * np.pi * 22 * source)[:, None]  # would fold to 3 Hz at full strength
    found, _ = interpolate(source, fast, seconds(grid(100, Fraction(1))), max_gap_s=0.1)
    assert np.abs(found).max() < 0.1


def test_gaps_are_bridged_and_marked() -> None:
    source = np.delete(seconds(grid(50)), np.r_[10:13, 20:40])
    found, valid = interpolate(source, source[:, None], seconds(grid(60)), max_gap_s=0.2)
    assert list(np.flatnonzero(~valid)) == [*range(20, 40), *range(50, 60)]
    assert np.allclose(found[:50, 0], seconds(grid(50))), "a straight line is bridged exactly"
    assert (found[50:, 0] == found[49, 0]).all()
    with pytest.raises(ValueError, match="no measurements"):
        interpolate(np.zeros(0), np.zeros((0, 1)), seconds(grid(3)), max_gap_s=1)


def test_mimi_frames_are_centred_on_their_interval() -> None:
    """A ramp tells where a frame looks: the middle of instants 2k and 2k+1."""
    ramp = np.arange(40, dtype=float)[:, None]
    found, valid = to_mimi_rate(ramp, np.ones(40, bool))
    assert found.shape == (20, 1) and valid.all()
    assert np.allclose(found[1:-1, 0], 2 * np.arange(20)[1:-1] + 0.5)


@given(st.integers(1, 8))
def test_shifting_by_whole_frames_shifts_exactly(shift: int) -> None:
    values = np.random.default_rng(1).normal(size=(80, 2))
    valid = np.ones(80, bool)
    first, _ = to_mimi_rate(values, valid)
    moved, _ = to_mimi_rate(np.roll(values, 2 * shift, axis=0), valid)
    assert np.allclose(moved[shift + 1 : -1], first[1 : -shift - 1])


def test_the_filter_has_the_documented_response() -> None:
    t = np.arange(2000) / GRID_HZ
    for frequency_hz in (1.0, 3.0, 5.0, 6.2, 9.0, 11.0):
        found, _ = to_mimi_rate(np.exp(2j * np.pi * frequency_hz * t).real[:, None], np.ones(2000, bool))
        gain = np.sqrt(2 * np.mean(found[10:-10] ** 2))
        assert gain == pytest.approx(np.cos(np.pi * frequency_hz / GRID_HZ) ** 3, abs=0.02)


def test_invalid_frames_carry_no_weight() -> None:
    values = np.ones((20, 1))
    valid = np.ones(20, bool)
    values[4:8] = 100
    valid[4:8] = False
    found, coarse_valid = to_mimi_rate(values, valid)
    assert list(np.flatnonzero(~coarse_valid)) == [2, 3]
    assert np.allclose(found[[0, 1, 4, 5]], 1)


@given(
    steps=st.lists(st.floats(0.005, 0.3), min_size=60, max_size=60),
    offset_s=st.floats(0, 0.04),
)
def test_a_straight_line_comes_through_at_any_frame_times(steps: list[float], offset_s: float) -> None:
    """Whatever delayed or advanced anything would move a ramp."""
    times_s = np.cumsum(steps)
    grid_s = times_s[0] + offset_s + np.arange(60) / GRID_HZ
    grid_s = grid_s[grid_s <= times_s[-1]]
    result, _ = interpolate(times_s, (3 * times_s + 1)[:, None], grid_s, max_gap_s=1.0)
    np.testing.assert_allclose(result[:, 0], 3 * grid_s + 1, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [12, 25, 30, 60])
def test_a_gap_is_bridged_by_a_line_without_a_jump(rate_hz: int) -> None:
    times_s = np.array([n / rate_hz for n in range(4 * rate_hz) if not 1 < n / rate_hz < 1.4])
    last, first = times_s[times_s <= 1][-1], times_s[times_s > 1][0]
    grid_s = seconds(grid(90))
    inside = (grid_s > last + 1e-6) & (grid_s < first - 1e-6)
    result, _ = interpolate(times_s, np.where(times_s <= 1, 0.0, 1.0)[:, None], grid_s, max_gap_s=0.5)
    np.testing.assert_allclose(result[inside, 0], (grid_s[inside] - last) / (first - last), atol=1e-6)


def test_a_bound_below_a_grid_step_takes_the_filter_away() -> None:
    """Half a filter would lean to one side: the latest measurement stands instead."""
    source = seconds([Fraction(n, 50) for n in range(60)])
    values = np.random.default_rng(0).normal(size=(60, 2))
    instants = seconds(grid(25))
    held, valid = interpolate(source, values, instants, max_gap_s=0.1, lookahead_s=0.0)
    np.testing.assert_array_equal(held, values[0:50:2])
    free, _ = interpolate(source, values, instants, max_gap_s=0.1)
    filtered, _ = interpolate(source, values, instants, max_gap_s=0.1, lookahead_s=0.04)
    np.testing.assert_allclose(filtered, free, atol=1e-12)
    assert valid.all() and np.abs(free - held).max() > 0.1
