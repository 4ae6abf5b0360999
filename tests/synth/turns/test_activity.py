from __future__ import annotations

import numpy as np
import pytest

from synth.turns.activity import refined_activity

RATE_HZ = 16_000


def channel(*bursts: tuple[float, float], noise: float = 1e-4, length_s: float = 4.0) -> np.ndarray:
    """Bursts of noise at -20 dBFS on a floor; with a hum and an offset, which are no speech."""
    rng = np.random.default_rng(3)
    pcm = rng.normal(0, noise, round(length_s * RATE_HZ))
    for start_s, stop_s in bursts:
        a, b = round(start_s * RATE_HZ), round(stop_s * RATE_HZ)
        pcm[a:b] += rng.normal(0, 0.1, b - a)
    time_s = np.arange(len(pcm)) / RATE_HZ
    return (pcm + 0.005 * np.sin(2 * np.pi * 20 * time_s) + 0.01).astype(np.float32)


def found(pcm: np.ndarray, *heard: tuple[float, float]) -> list[tuple[float, float]]:
    return [(float(a), float(b)) for a, b in refined_activity(pcm, RATE_HZ, heard)]


def test_borders_move_to_the_energy() -> None:
    pcm = channel((1.0, 2.0))
    for heard in ((0.9, 2.1), (1.1, 1.9), (0.9, 1.9)):
        assert found(pcm, heard) == [pytest.approx((1.0, 2.0), abs=0.01)]


def test_a_pause_that_the_detector_missed_splits_and_a_closure_does_not() -> None:
    assert len(found(channel((1.0, 1.5), (1.75, 2.0)), (0.95, 2.05))) == 2
    assert found(channel((1.0, 1.5), (1.58, 2.0)), (0.95, 2.05)) == [pytest.approx((1.0, 2.0), abs=0.01)]


def test_sound_that_the_detector_did_not_hear_is_no_speech() -> None:
    assert found(channel((0.3, 0.6), (1.0, 2.0)), (0.95, 2.05)) == [pytest.approx((1.0, 2.0), abs=0.01)]


def test_noise_beside_the_speech_is_not_speech_where_the_rest_is_gated() -> None:
    """Digital silence but for 3 s of a noisier recording: the noise of that one counts."""
    pcm = channel((3.0, 4.0), noise=0.003, length_s=7.0)
    pcm[: 2 * RATE_HZ] = pcm[5 * RATE_HZ :] = 0
    assert found(pcm, (2.9, 4.1)) == [pytest.approx((3.0, 4.0), abs=0.011)]


def test_what_the_energy_does_not_show_stays() -> None:
    assert found(np.zeros(RATE_HZ, np.float32), (0.25, 0.5)) == [(0.25, 0.5)]


def test_edges_and_shapes() -> None:
    assert refined_activity(np.zeros(0, np.float32), RATE_HZ, []) == ()
    assert found(channel((0.0, 4.0)), (0.0, 4.0)) == [pytest.approx((0, 4), abs=0.01)]
    with pytest.raises(ValueError, match="one channel"):
        refined_activity(np.zeros((2, 9), np.float32), RATE_HZ, [(0.0, 1.0)])
