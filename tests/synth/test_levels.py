from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.levels import (
    Spans,
    active_speech,
    check_spans,
    energy,
    intersect,
    level_dbfs,
    merge,
    n_in,
    rms,
    spans_of_mask,
    spans_of_seconds,
    subtract,
)

RATE_HZ = 16_000
CLIP = 40


def bursts(rate_hz: int, amplitude: float) -> tuple[np.ndarray, Spans]:
    """10 s: three bursts of noise, 6 s in all, and silence."""
    spans = tuple((round(a * rate_hz), round(b * rate_hz)) for a, b in ((0.5, 2.5), (4.0, 6.0), (7.5, 9.5)))
    pcm = np.zeros(10 * rate_hz, np.float32)
    rng = np.random.default_rng(7)
    for start, stop in spans:
        pcm[start:stop] = amplitude * rng.standard_normal(stop - start)
    return pcm, spans


def mask_of(spans: Spans) -> np.ndarray:
    mask = np.zeros(CLIP, bool)
    for start, stop in spans:
        mask[start:stop] = True
    return mask


spans_st = st.lists(st.tuples(st.integers(-5, CLIP + 5), st.integers(-5, CLIP + 5)), max_size=6)


def test_levels_of_known_signals() -> None:
    square = np.tile(np.array([1.0, -1.0], np.float32), 500)
    assert level_dbfs(square) == 0.0
    assert level_dbfs(0.5 * square) == pytest.approx(-6.0206, abs=1e-4)
    assert level_dbfs(np.array([-32768, -32768], np.int16)) == 0.0
    sine = np.sin(2 * np.pi * np.arange(16_000) / 160).astype(np.float32)
    assert level_dbfs(sine) == pytest.approx(-3.0103, abs=1e-4)
    assert level_dbfs(np.zeros(10, np.float32)) == -math.inf
    with pytest.raises(ValueError, match="no sample"):
        rms(square, ())


def test_a_level_is_over_its_spans_only() -> None:
    pcm, spans = bursts(RATE_HZ, 0.1)
    assert rms(pcm, spans) == pytest.approx(0.1, rel=0.01)
    assert level_dbfs(pcm, spans) - level_dbfs(pcm) == pytest.approx(10 * math.log10(10 / 6), abs=1e-4)
    stereo = np.stack([pcm, 0 * pcm])
    assert level_dbfs(stereo, spans) == pytest.approx(level_dbfs(pcm, spans) - 3.0103, abs=1e-3)


def test_float32_sums_are_good_enough_for_the_proof() -> None:
    """Against sums of Python integers; the worst of levels, lengths and shapes is far below 0.05 dB."""
    rng = np.random.default_rng(3)
    worst_db = 0.0
    for n_samples in (1, 100, 8191, 8193, 160_000, 1_600_000):
        for pcm in (
            rng.integers(-32768, 32768, n_samples),
            np.full(n_samples, 32767),
            np.arange(n_samples) % 3 - 1 + 30_000 * (np.arange(n_samples) == n_samples // 2),
        ):
            exact = int((pcm.astype(object) ** 2).sum()) if n_samples < 10_000 else int((pcm**2).sum())
            measured = energy(pcm.astype(np.int16))
            worst_db = max(worst_db, abs(10 * math.log10(measured / exact)) if exact else measured)
    assert worst_db < 1e-4


def test_naive_float32_accumulation_would_not_be() -> None:
    """One float32 accumulator over ten minutes at -50 dBFS: what blocks are for."""
    pcm = np.full(600 * RATE_HZ, 100, np.float32)
    naive = float(np.cumsum(pcm * pcm, dtype=np.float32)[-1])
    exact = 100.0**2 * len(pcm)
    assert abs(10 * math.log10(naive / exact)) > 0.05
    assert abs(10 * math.log10(energy(pcm) / exact)) < 1e-4


@given(spans_st, spans_st)
def test_spans_are_sets_of_samples(first: Spans, second: Spans) -> None:
    a, b = merge(first, CLIP), merge(second, CLIP)
    for spans in (a, b, intersect(a, b), subtract(a, b)):
        check_spans(spans, CLIP)
        assert n_in(spans) == mask_of(spans).sum()
        assert spans_of_mask(mask_of(merge(spans, CLIP))) == merge(spans, CLIP)
    assert np.array_equal(mask_of(intersect(a, b)), mask_of(a) & mask_of(b))
    assert np.array_equal(mask_of(subtract(a, b)), mask_of(a) & ~mask_of(b))


@pytest.mark.parametrize(
    "spans", [((3, 3),), ((5, 4),), ((0, 41),), ((-1, 2),), ((0, 5), (4, 6)), ((0.0, 5),)]
)
def test_spans_that_are_none_are_refused(spans: Spans) -> None:
    with pytest.raises(ValueError, match="span"):
        check_spans(spans, CLIP)


def test_seconds_go_to_the_nearest_sample() -> None:
    assert spans_of_seconds([(0.29, 0.58)], 100, 100) == ((29, 58),)
    assert spans_of_seconds([(1.0, 9.0), (0.2, 1.0), (5.0, 5.0)], 10, 50) == ((2, 50),)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
@pytest.mark.parametrize("amplitude", [0.3, 0.01])
def test_active_speech_by_energy_finds_the_bursts(rate_hz: int, amplitude: float) -> None:
    pcm, truth = bursts(rate_hz, amplitude)
    found = active_speech(pcm, rate_hz)
    assert len(found) == 3
    for (start, stop), (true_start, true_stop) in zip(found, truth, strict=True):
        assert abs(start - true_start) < 0.05 * rate_hz
        # P.56 holds on for 0.2 s, and its envelope takes its time to fall
        assert 0.15 * rate_hz < stop - true_stop < 0.4 * rate_hz
    # ... which costs 0.2 to 0.35 s of silence for every 2 s of speech, in dB:
    assert -0.8 < level_dbfs(pcm, found) - level_dbfs(pcm, truth) < -0.3


def test_active_speech_ignores_an_offset_and_needs_a_signal() -> None:
    pcm, _ = bursts(RATE_HZ, 0.05)
    assert active_speech(pcm + np.float32(0.2), RATE_HZ) == active_speech(pcm, RATE_HZ)
    for nothing in (np.zeros(100, np.float32), np.full(100, 0.25, np.float32), np.zeros(0, np.float32)):
        assert active_speech(nothing, RATE_HZ) == ()
    assert active_speech(np.ones(1, np.float32), RATE_HZ) == ()
    with pytest.raises(ValueError, match="one channel"):
        active_speech(np.zeros((2, 100), np.float32), RATE_HZ)
