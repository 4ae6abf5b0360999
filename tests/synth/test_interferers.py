from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from scipy.signal import welch

from synth.interferers import (
    Candidate,
    Sound,
    babble,
    choose_recording,
    choose_speech,
    pink,
    render,
    segment,
    white,
    without_mean,
)
from synth.levels import active_speech, level_dbfs, rms
from synth.noise_plan import Fault, InterfererPlan, MixError

RATE_HZ = 16_000


def octave_levels_db(noise: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean power density of the octaves from 62.5 Hz up, by Welch's method (a third party's estimate)."""
    frequency, density = welch(noise.astype(np.float64), rate_hz, nperseg=8192)
    edges = 62.5 * 2.0 ** np.arange(int(math.log2(rate_hz / 2 / 62.5)) + 1)
    bands = [(frequency >= low) & (frequency < high) for low, high in pairwise(edges)]
    return np.array([10 * math.log10(density[band].mean()) for band in bands])


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_pink_falls_three_decibels_an_octave_and_white_does_not_fall(rate_hz: int, seed: int) -> None:
    n_samples = 10 * rate_hz + 3  # no round length
    for noise, slope_db in ((pink(n_samples, seed, rate_hz=rate_hz), -3.0103), (white(n_samples, seed), 0.0)):
        assert noise.shape == (n_samples,) and noise.dtype == np.float32
        steps = np.diff(octave_levels_db(noise, rate_hz))
        assert np.abs(steps - slope_db).max() < 0.5, steps
        assert rms(noise, ((0, n_samples),)) == pytest.approx(1.0, abs=1e-5)
        assert abs(noise.mean()) < 0.02
        kurtosis = float((noise.astype(np.float64) ** 4).mean())
        assert kurtosis == pytest.approx(3.0, abs=0.25), "as peaky as Gaussian noise"


def test_pink_noise_wastes_nothing_below_hearing() -> None:
    noise = pink(160_000, 4, rate_hz=RATE_HZ)
    power = np.abs(np.fft.rfft(noise.astype(np.float64))) ** 2
    below = np.fft.rfftfreq(160_000, 1 / RATE_HZ) < 19.9
    assert power[below].sum() / power.sum() < 1e-3


@pytest.mark.parametrize("n_samples", [1, 2, 3, 100])
def test_made_noise_of_any_length_and_seed(n_samples: int) -> None:
    for make in (white, lambda n, seed: pink(n, seed, rate_hz=RATE_HZ)):
        noise = make(n_samples, 5)
        assert np.isfinite(noise).all() and noise.any()
        assert noise.tobytes() == make(n_samples, 5).tobytes()
    with pytest.raises(ValueError, match="a sample"):
        white(0, 1)


def test_different_seeds_are_unlike() -> None:
    assert abs(np.corrcoef(white(80_000, 1), white(80_000, 2))[0, 1]) < 0.02


def test_a_piece_that_needs_no_loop_is_a_view() -> None:
    source = np.arange(100, dtype=np.int16)
    piece = segment(source, offset=7, n_samples=93, crossfade=10)
    assert np.array_equal(piece, source[7:]) and np.shares_memory(piece, source)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_a_loop_has_no_seam_and_keeps_its_power(dtype: type) -> None:
    source = white(20_000, 3) / 10
    source = np.rint(source * 32768).astype(np.int16) if dtype == np.int16 else source
    loop = segment(source, offset=19_000, n_samples=100_000, crossfade=800)
    scale = 32768 if dtype == np.int16 else 1
    period = 20_000 - 800
    assert np.array_equal(loop[period:], loop[:-period])
    # the part of the recording that no fade touches comes out as it is
    start = period - 19_000
    assert np.allclose(loop[start + 800 : start + period], source[800:period] / scale, atol=1e-7)
    seam = loop[start : start + 800].astype(np.float64)
    assert 10 * math.log10((seam**2).mean() / 0.01) == pytest.approx(0.0, abs=0.5)


def test_a_loop_of_a_tone_does_not_click() -> None:
    """Cut in mid-wave, the tone jumps at the seam without a cross-fade."""
    source = np.sin(2 * np.pi * 441.3 * np.arange(5000) / RATE_HZ).astype(np.float32)
    steps = {
        fade: float(np.abs(np.diff(segment(source, offset=0, n_samples=20_000, crossfade=fade))).max())
        for fade in (0, 400)
    }
    assert steps[0] > 0.5 and steps[400] < 0.3


def test_the_shortest_loops() -> None:
    assert segment(np.array([0.5], np.float32), offset=3, n_samples=4, crossfade=9).tolist() == [0.5] * 4
    assert segment(np.ones((2, 3), np.float32), offset=0, n_samples=7, crossfade=1).shape == (2, 7)
    with pytest.raises(MixError) as caught:
        segment(np.zeros(0, np.float32), offset=0, n_samples=4, crossfade=0)
    assert caught.value.reason is Fault.INTERFERER_EMPTY


def test_an_offset_of_the_microphone_is_removed() -> None:
    tone = np.sin(np.arange(16_000) / 10).astype(np.float32)
    tone -= tone.mean()
    assert np.abs(without_mean(tone + np.float32(0.3)) - tone).max() < 1e-6
    assert not without_mean(np.full(1000, 8000, np.int16)).any()


def test_babble_of_real_voices_is_of_equal_parts(media: Path) -> None:
    voices = []
    for name in ("enrollment_katie.wav", "enrollment_steve.wav", "libri_198-209-0000.ogg"):
        pcm, _ = sf.read(media / "audio" / name, dtype="float32")
        voices.append(Sound(pcm, active_speech(pcm, RATE_HZ)))
    levels = [level_dbfs(voice.pcm, voice.active) for voice in voices]
    assert max(levels) - min(levels) > 3, "they are not equally loud as they come"
    together = babble(voices, 30 * RATE_HZ, seed=1, crossfade=800)
    # the part of each: regress the mix on the voice alone, which the seed lets us have
    for number, voice in enumerate(voices):
        quieter = [
            Sound(v.pcm * np.float32(0.01 if n == number else 1.0), v.active) for n, v in enumerate(voices)
        ]
        assert np.allclose(babble(quieter, 30 * RATE_HZ, seed=1, crossfade=800), together, atol=1e-4), (
            "a voice that is recorded quieter is heard as loud"
        )
        assert level_dbfs(voice.pcm / np.float32(rms(voice.pcm, voice.active)), voice.active) < 0.01
    assert 0.7 < rms(together, ((0, len(together)),)) < 1.0, "pauses take a little off 1"
    assert not np.array_equal(together, babble(voices, 30 * RATE_HZ, seed=2, crossfade=800))


def test_babble_refuses_a_voice_it_cannot_level() -> None:
    good = Sound(white(1000, 1))
    for bad, reason in (
        (Sound(np.zeros(1000, np.float32)), Fault.INTERFERER_SILENT),
        (Sound(white(1000, 2), ()), Fault.INTERFERER_SILENT),
        (Sound(np.full(1000, np.nan, np.float32)), Fault.NOT_FINITE),
        (Sound(np.ones((2, 1000), np.float32)), Fault.CHANNELS_DIFFER),
        (Sound(np.zeros(0, np.float32)), Fault.INTERFERER_EMPTY),
    ):
        with pytest.raises(MixError) as caught:
            babble([good, bad], 500, seed=0, crossfade=0)
        assert caught.value.reason is reason


def test_render_makes_what_the_plan_says() -> None:
    sounds = {"a": Sound(white(2000, 1)), "b": Sound(white(2000, 2))}
    span = ((0, 1000),)
    plans = [
        InterfererPlan("white", span, seed=3, snr_db=0),
        InterfererPlan("pink", span, seed=3, snr_db=0),
        InterfererPlan("noise", span, ("a",), snr_db=0, offset=40),
        InterfererPlan("babble", span, ("a", "b"), seed=3, snr_db=0),
    ]
    made = [render(plan, 1000, RATE_HZ, sounds) for plan in plans]
    assert [len(sound) for sound in made] == [1000] * 4
    assert np.array_equal(made[2], sounds["a"].pcm[40:1040])
    with pytest.raises(MixError) as caught:
        render(InterfererPlan("music", span, ("c",), snr_db=0), 1000, RATE_HZ, sounds)
    assert caught.value.reason is Fault.NO_INTERFERER and "c" in caught.value.detail
    for kind, sources in (
        ("white", ("a",)),
        ("noise", ()),
        ("noise", ("a", "b")),
        ("babble", ()),
        ("hum", ()),
    ):
        with pytest.raises(ValueError, match=r"sources|kind"):
            InterfererPlan(kind, span, sources, snr_db=0)


TARGET = Candidate("t", "tape0", "ann", "test")
POOL = [
    Candidate("same-speaker", "tape1", "ann", "test"),
    Candidate("same-source", "tape0", "bob", "test"),
    Candidate("other-split", "tape2", "cid", "train"),
    Candidate("nobody", "tape3", None, "test"),
    Candidate("dan-1", "tape4", "dan", "test"),
    Candidate("dan-2", "tape5", "dan", "test"),
    Candidate("eve", "tape6", "eve", "test"),
]


def test_other_speakers_of_other_sources_and_the_same_split() -> None:
    drawn = set()
    for seed in range(60):
        two = choose_speech(POOL, TARGET, seed, count=2)
        assert {one.speaker for one in two} == {"dan", "eve"}
        assert two == choose_speech(POOL[::-1], TARGET, seed, count=2), "whatever the order"
        drawn |= {one.key for one in two}
    assert drawn == {"dan-1", "dan-2", "eve"}


def test_two_voices_of_one_tape_are_not_taken_together() -> None:
    pool = [Candidate("x", "tape9", "fay", "test"), Candidate("y", "tape9", "gus", "test")]
    with pytest.raises(MixError):
        choose_speech(pool, TARGET, 0, count=2)


def test_nobody_left_says_why() -> None:
    with pytest.raises(MixError) as caught:
        choose_speech(POOL, TARGET, 0, count=3)
    assert caught.value.reason is Fault.NO_DISJOINT_SPEAKER
    for part in ("3 other speakers", "has 2", "7 candidates", "1 of the same speaker", "1 in another split"):
        assert part in caught.value.detail
    with pytest.raises(MixError, match="target without a speaker"):
        choose_speech(POOL, Candidate("t", "s", None, "test"), 0)
    with pytest.raises(MixError, match="0 candidates, none refused"):
        choose_speech([], TARGET, 0)


def test_recordings_of_a_split_or_of_any() -> None:
    pool = [
        Candidate("any", "a"),
        Candidate("train", "b", split="train"),
        Candidate("test", "c", split="test"),
    ]
    keys = {choose_recording(pool, seed, split="test", kind="noise").key for seed in range(40)}
    assert keys == {"any", "test"}
    for bad, words in (([], "folder has none"), (pool[1:2], "1 files, none of split 'test'")):
        with pytest.raises(MixError, match=words) as caught:
            choose_recording(bad, 0, split="test", kind="music")
        assert caught.value.reason is Fault.NO_INTERFERER and "music" in caught.value.detail


def test_a_candidate_that_is_added_displaces_few() -> None:
    pool = [Candidate(f"n{number}", f"s{number}") for number in range(50)]
    more = [*pool, Candidate("new", "new")]
    changed = [
        seed
        for seed in range(300)
        if choose_recording(pool, seed, split=None, kind="noise")
        != choose_recording(more, seed, split=None, kind="noise")
    ]
    assert 0 < len(changed) < 25, "about one in 51"
