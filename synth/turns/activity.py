"""Activity of one speaker's own channel, to the energy: what a voice detector found, with its borders moved.

A detector that decides every 32 ms and pads by 30 ms cannot say within 20 ms when somebody begins to speak.
It says where there is speech; when that begins and ends is then read off the energy: of the stretches above
a threshold between the noise and the speech, those that the detector heard. The noise is the channel's or
that next to the border, whichever is louder: channels are put together of recordings, or gated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from synth.turns.times import Spans, united

_SILENT_DB = -120.0
_VOICE_HZ = 80.0


@dataclass(frozen=True, kw_only=True)
class EnergySettings:
    """The threshold is noise + `margin_db`, but no less than speech - `depth_db` nor more than speech -
    `least_depth_db`."""

    hop_s: Fraction = Fraction(1, 200)
    window_s: Fraction = Fraction(1, 100)
    margin_db: float = 6.0
    depth_db: float = 35.0
    least_depth_db: float = 10.0
    reach_s: Fraction = Fraction(3, 20)
    """So far outside of what the detector heard a stretch may go on."""
    hole_s: Fraction = Fraction(1, 10)
    """Quieter moments of at most this are inside a stretch: closures of stops."""
    min_s: Fraction = Fraction(3, 100)
    """Shorter stretches are clicks."""


def refined_activity(
    pcm: NDArray[np.floating],
    rate_hz: int,
    heard: Sequence[tuple[float, float]],
    *,
    settings: EnergySettings | None = None,
) -> Spans:
    """Spans of speech of one channel (n,), full scale 1, on a grid of `hop_s`.

    `heard`: (start_s, stop_s) of a detector such as `extractors.speech.speech_segments`; where the energy
    says nothing, they stay as they are. Noise is the median level where nothing was heard in the channel,
    or in twice `reach_s` beside the border, where so much is free; speech is the level of the mean power
    where something was heard. Raises ValueError for several channels.
    """
    chosen = settings or EnergySettings()
    if pcm.ndim != 1:
        raise ValueError(f"activity is found in one channel, not in shape {pcm.shape}")
    if not heard:
        return ()
    level = _level_db(pcm, rate_hz, chosen)
    near = [_hops(start_s, stop_s, len(level), chosen) for start_s, stop_s in sorted(heard)]
    noise_db, speech_db = _levels(level, near, chosen)
    edges = [0, *(edge for span in near for edge in span), len(level)]
    found: list[tuple[Fraction, Fraction]] = []
    for number, span in enumerate(near):
        free = edges[2 * number], edges[2 * number + 3]  # of what else was heard
        for first, last in _stretches(level, span, free, (noise_db, speech_db), chosen) or [span]:
            stop = min(last * chosen.hop_s, Fraction(len(pcm), rate_hz))
            if first * chosen.hop_s < stop:
                found.append((first * chosen.hop_s, stop))
    return united(found)


def _stretches(
    level: NDArray[np.float64],
    span: tuple[int, int],
    free: tuple[int, int],
    levels_db: tuple[float, float],
    chosen: EnergySettings,
) -> list[tuple[int, int]]:
    """Stretches of hops above the threshold that touch `span`, up to half way to its neighbours."""
    start, stop = span
    reach = math.floor(chosen.reach_s / chosen.hop_s)
    low = max(start - reach, 0, (free[0] + start + 1) // 2 if free[0] else 0)
    high = min(stop + reach, len(level), (stop + free[1] + 1) // 2 if free[1] < len(level) else len(level))
    beside = (
        level[max(free[0], start - 2 * reach) : start],
        level[stop : min(free[1], stop + 2 * reach)],
    )
    before, after = (_threshold_db(*levels_db, one, chosen) for one in beside)
    if before is None or after is None:
        return []
    middle = (start + stop) // 2 - low
    threshold = np.repeat([before, after], [middle, high - low - middle])
    loud = _closed(level[low:high] >= threshold, math.floor(chosen.hole_s / chosen.hop_s))
    return [
        (low + a, low + b)
        for a, b in _runs(loud)
        if low + a < stop and low + b > start and (b - a) * chosen.hop_s >= chosen.min_s
    ]


def _threshold_db(
    noise_db: float, speech_db: float, beside: NDArray[np.float64], chosen: EnergySettings
) -> float | None:
    """Of one border: `beside` are the levels next to it; a short pause has no noise of its own in them.

    None: the noise is as loud as quiet speech.
    """
    whole = len(beside) == 2 * math.floor(chosen.reach_s / chosen.hop_s)
    here_db = float(np.median(beside)) if whole else noise_db
    highest = speech_db - chosen.least_depth_db
    if highest <= max(noise_db, here_db):
        return None
    return min(max(max(noise_db, here_db) + chosen.margin_db, speech_db - chosen.depth_db), highest)


def _level_db(pcm: NDArray[np.floating], rate_hz: int, chosen: EnergySettings) -> NDArray[np.float64]:
    """Level of the window round the middle of each hop, dBFS."""
    hop, window = (round(one * rate_hz) for one in (chosen.hop_s, chosen.window_s))
    power = np.concatenate([[0.0], np.cumsum(_without_rumble(pcm, rate_hz) ** 2)])
    middle = np.arange(-(-len(pcm) // hop)) * hop + hop // 2
    low, high = np.maximum(middle - window // 2, 0), np.minimum(middle + window // 2, len(pcm))
    mean = (power[high] - power[low]) / np.maximum(high - low, 1)
    return np.asarray(10 * np.log10(np.maximum(mean, 10 ** (_SILENT_DB / 10))))


def _without_rumble(pcm: NDArray[np.floating], rate_hz: int) -> NDArray[np.float64]:
    """What is below a voice (offset, hum, room) moves the level of 10 ms at random: a high-pass, no delay."""
    from scipy.signal import butter, sosfiltfilt

    highpass = butter(2, _VOICE_HZ, "highpass", fs=rate_hz, output="sos")
    padding = min(rate_hz // 10, len(pcm) - 1)
    return np.asarray(sosfiltfilt(highpass, pcm.astype(np.float64), padlen=padding))


def _hops(start_s: float, stop_s: float, n_hops: int, chosen: EnergySettings) -> tuple[int, int]:
    start = min(max(0, round(start_s / chosen.hop_s)), max(0, n_hops - 1))
    return start, min(n_hops, max(start + 1, round(stop_s / chosen.hop_s)))


def _levels(
    level: NDArray[np.float64], near: Sequence[tuple[int, int]], chosen: EnergySettings
) -> tuple[float, float]:
    """Of the channel's noise and of its speech, dBFS."""
    speaking = np.zeros(len(level), bool)
    resting = np.ones(len(level), bool)
    reach = math.floor(chosen.reach_s / chosen.hop_s)
    for start, stop in near:
        speaking[start:stop] = True
        resting[max(0, start - reach) : stop + reach] = False
    speech_db = 10 * math.log10(float(np.mean(10 ** (level[speaking] / 10))))
    # somebody who never rests: the quietest moments stand in
    noise_db = float(np.median(level[resting]) if resting.any() else np.percentile(level, 5))
    return noise_db, speech_db


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _closed(mask: NDArray[np.bool_], n_hops: int) -> NDArray[np.bool_]:
    """Holes of at most `n_hops` filled, except at the ends."""
    closed = mask.copy()
    for start, stop in _runs(~mask):
        if start > 0 and stop < len(mask) and stop - start <= n_hops:
            closed[start:stop] = True
    return closed
