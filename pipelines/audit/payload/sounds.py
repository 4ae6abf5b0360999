"""Sound: silence, clipping, DC, dead channels, and whether two members hold the same sound."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.payload.asked import is_mixed
from pipelines.audit.payload.sample import Sample

HOP_S = 0.02
SILENT_DBFS = -60.0
_FLOOR = 1e-12
_FLAT = 3
"""A run of so many equal samples at the peak is clipped."""
_FLAT_MIN_PEAK = 0.05
_MAX_DELAY_S = 0.5
_MIN_HOPS = 50
_RANGE_NATS = 8.0
_AGREES = 0.5
"""Correlation of two courses of level from which they are of one sound."""


def measure_sounds(sample: Sample) -> None:
    """A row of `sounds` for each sound."""
    rows = []
    for name in sample.sounds():
        sound = sample.sound(name)
        if sound is not None and sound[0].shape[1]:
            facts = sound_facts(*sound)
            if sample.turns is not None:  # who listens is silent, and rightly so
                facts["silent_share"] = _silent_speech(sample, name, *sound)
            rows.append(sample.row(member=name, **facts))
        elif sound is not None:
            sample.fault("member_readable", f"{name}: no samples")
    sample.found.add_rows("sounds", rows)


def _silent_speech(sample: Sample, name: str, pcm: NDArray[np.float32], rate_hz: int) -> float | None:
    """Of the hops in which the turns have this side speak, the share that is silent; None: it never does."""
    spoken = sample.spoken(name.partition(".")[0], HOP_S)
    if spoken is None:
        return None
    silent = hop_levels_dbfs(pcm, rate_hz).max(axis=0) < SILENT_DBFS
    n = min(len(silent), len(spoken))
    return float(silent[:n][spoken[:n]].mean()) if spoken[:n].any() else None


def sound_facts(pcm: NDArray[np.float32], rate_hz: int) -> dict[str, Any]:
    """Measures of (channels, n) samples, full scale ±1."""
    levels = hop_levels_dbfs(pcm, rate_hz)
    loudest = levels.max(axis=0)
    dead = (levels.max(axis=1) <= SILENT_DBFS) & (levels.max() > SILENT_DBFS)
    return {
        "silent_share": float((loudest < SILENT_DBFS).mean()),
        "dead_channels": int(dead.sum()),
        "clipped_share": max(clipped_share(channel) for channel in pcm),
        "dc": float(np.abs(pcm.mean(axis=1, dtype=np.float64)).max()),
        "gap_s": longest_run((pcm == 0).all(axis=0)) / rate_hz,
    }


def hop_levels_dbfs(pcm: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    """(channels, hops) RMS of each 20 ms without its mean, dB of full scale; a constant is silence."""
    hop = max(1, round(HOP_S * rate_hz))
    whole = max(1, pcm.shape[1] // hop)
    cut = pcm[:, : whole * hop].astype(np.float64).reshape(len(pcm), whole, -1)
    power = np.square(cut - cut.mean(axis=2, keepdims=True)).mean(axis=2)
    return np.asarray(10 * np.log10(power + _FLOOR), np.float64)


def clipped_share(samples: NDArray[np.float32]) -> float:
    """Share of (n,) samples in runs of three or more equal ones at either extreme.

    Flat tops are clipping at any level; a quiet signal has them by rounding alone and is not judged.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak < _FLAT_MIN_PEAK:
        return 0.0
    clipped = 0
    for extreme in (float(samples.max()), float(samples.min())):
        if abs(extreme) >= 0.98 * peak:
            clipped += int(_run_lengths(np.abs(samples - extreme) < 1e-4 * peak, at_least=_FLAT).sum())
    return clipped / len(samples)


def _run_lengths(mask: NDArray[np.bool_], *, at_least: int = 1) -> NDArray[np.int64]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return lengths[lengths >= at_least].astype(np.int64)


def longest_run(mask: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    return int(_run_lengths(mask).max(initial=0))


def agreement(sample: Sample, one: str = "flac", other: str = "native.flac") -> dict[str, float]:
    """Delay and correlation of two members that should hold the same sound; nothing where one is silent.

    In a mix they do not: white noise and babble are made anew for each rate.
    """
    if is_mixed(sample.header):
        return {}
    sounds = [sample.sound(name) for name in (one, other)]
    if any(sound is None for sound in sounds):
        return {}
    first, second = (_at_16k(*sound) for sound in sounds if sound is not None)
    found = delay(first, second, max_lag=round(_MAX_DELAY_S * 16_000))
    if found is None:
        return {}
    lag, likeness = found
    return {"sound_delay_ms": abs(lag) / 16.0, "sound_likeness": likeness}


def _at_16k(pcm: NDArray[np.float32], rate_hz: int) -> NDArray[np.float64]:
    mono: NDArray[np.float64] = pcm.mean(axis=0, dtype=np.float64)
    if rate_hz == 16_000:
        return mono
    import soxr

    return np.asarray(soxr.resample(mono, rate_hz, 16_000, quality="HQ"), np.float64)


def delay(one: NDArray[np.float64], other: NDArray[np.float64], *, max_lag: int) -> tuple[int, float] | None:
    """Lag at which two (n,) signals are most alike (positive: `one` is late), and their correlation there."""
    n = min(len(one), len(other))
    first, second = one[:n] - one[:n].mean(), other[:n] - other[:n].mean()
    scale = float(np.sqrt(np.square(first).sum() * np.square(second).sum()))
    if n < 2 or scale < 1e-9:
        return None
    size = 1 << (2 * n - 1).bit_length()  # room for every lag: nothing wraps
    found = np.fft.irfft(np.fft.rfft(first, size) * np.conj(np.fft.rfft(second, size)), size) / scale
    reach = min(max_lag, n - 1)
    near = np.concatenate([found[-reach:], found[: reach + 1]]) if reach else found[:1]
    best = int(np.argmax(near))
    return best - reach, float(near[best])


def fbank_delay(sample: Sample) -> dict[str, float]:
    """Delay of the sound against the energies of `fbank104.npy` (four frames of 10 ms a row, 26 bands).

    NaN, which is bad, where they agree at no delay; nothing where there is no sound to compare, or where
    a test set's noise leaves nothing that rises and falls.
    """
    bank, sound = sample.array("fbank104.npy"), sample.sound("flac")
    if bank is None or sound is None or bank.ndim != 2 or bank.shape[1] != 104 or not np.isfinite(bank).all():
        return {}
    seen = bank.astype(np.float64).reshape(-1, 26).mean(axis=1)
    samples = sound[0].mean(axis=0, dtype=np.float64)
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    heard = np.log(np.square(frames).mean(axis=1) + 1e-12)
    if len(frames) < _MIN_HOPS or heard.max() < np.log(10 ** (SILENT_DBFS / 10)):
        return {}
    # digital silence would outweigh all speech
    levels = [np.maximum(one, one.max() - _RANGE_NATS) for one in (heard, seen)]
    found = delay(levels[0], levels[1], max_lag=round(_MAX_DELAY_S * 100))
    if found is None:
        return {}
    if found[1] < _AGREES:
        return {} if is_mixed(sample.header) else {"fbank_delay_ms": float("nan")}
    return {"fbank_delay_ms": abs(found[0]) * 10.0}
