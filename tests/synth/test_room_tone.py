from __future__ import annotations

import numpy as np
import pytest
import soundfile

from synth.levels import level_dbfs
from synth.room_tone import RoomToneError, made_tone, quiet_parts, quilted_tone

RATE_HZ = 16_000


def noisy(level: float = 0.01) -> np.ndarray:
    """3 s of noise at -40 dBFS with speech, 20 dB louder, in the middle second."""
    pcm = np.random.default_rng(5).normal(0, level, 3 * RATE_HZ).astype(np.float32)
    pcm[RATE_HZ : 2 * RATE_HZ] *= 10
    return pcm


SPEECH = ((RATE_HZ, 2 * RATE_HZ),)


def test_tone_has_the_level_and_the_spectrum_of_the_room() -> None:
    from scipy.signal import lfilter, welch

    pcm = lfilter([1], [1, -0.9], noisy()).astype(np.float32)
    tone = quilted_tone(pcm, quiet_parts(pcm, RATE_HZ, SPEECH), 40_000, RATE_HZ, "a")
    room = pcm[: RATE_HZ - 800]
    assert level_dbfs(tone) == pytest.approx(level_dbfs(room), abs=0.3)
    _, wanted = welch(room, RATE_HZ, nperseg=512)
    _, found = welch(tone, RATE_HZ, nperseg=512)
    assert np.abs(10 * np.log10(found[2:] / wanted[2:])).mean() < 1.0


def test_tone_is_steady_and_never_repeats() -> None:
    pcm = noisy()
    tone = quilted_tone(pcm, quiet_parts(pcm, RATE_HZ, SPEECH), 80_000, RATE_HZ, "a")
    levels = [level_dbfs(tone[a : a + 1600]) for a in range(0, 80_000, 1600)]
    assert max(levels) - min(levels) < 1.5, "no dips or bumps where the pieces meet"
    power = np.abs(np.fft.rfft(tone, 160_000)) ** 2
    correlation = np.fft.irfft(power)[:80_000] / np.square(tone).sum()
    assert np.abs(correlation[800:]).max() < 0.3


def test_only_the_quiet_is_taken() -> None:
    pcm = noisy()
    pcm[:8000] *= 3  # a breath, 9.5 dB louder
    parts = quiet_parts(pcm, RATE_HZ, ((8000, 9000), *SPEECH))
    assert [span[0] for span in parts] == [9800, 32_800]
    assert all(stop - 960 < span[1] <= stop for span, stop in zip(parts, (15_200, 48_000), strict=True))


def test_draws_are_named() -> None:
    pcm = noisy()
    parts = quiet_parts(pcm, RATE_HZ, SPEECH)
    a, again, b = (quilted_tone(pcm, parts, 5000, RATE_HZ, name) for name in "aab")
    assert a.tobytes() == again.tobytes() != b.tobytes()


def test_without_a_room() -> None:
    with pytest.raises(RoomToneError, match="digital silence"):
        quiet_parts(np.zeros(16_000, np.float32), RATE_HZ, ())
    with pytest.raises(RoomToneError, match=r"lasts for 0.06 s"):
        quiet_parts(noisy(), RATE_HZ, ((0, 48_000),))
    with pytest.raises(RoomToneError, match="no quiet parts"):
        quilted_tone(noisy(), (), 100, RATE_HZ, "a")
    assert level_dbfs(made_tone(32_000, RATE_HZ, -66.0, "a")) == pytest.approx(-66, abs=0.5)
    assert made_tone(0, RATE_HZ, -66.0).shape == (0,)


def test_a_real_room(media) -> None:
    """The phone line of a real dialogue, between its turns."""
    pcm, rate_hz = soundfile.read(media / "audio" / "pyannote_sample.wav", dtype="float32")
    parts = quiet_parts(pcm, rate_hz, ((round(6.6 * rate_hz), len(pcm)),))
    tone = quilted_tone(pcm, parts, 2 * rate_hz, rate_hz, "a")
    usual = np.median([level_dbfs(pcm[a : a + 1600]) for a in range(0, 6 * rate_hz, 1600)])
    assert level_dbfs(tone) == pytest.approx(usual, abs=1.5), "there is a click of -47 dBFS; it is left out"
