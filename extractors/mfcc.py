"""Mel-frequency cepstra as `python_speech_features` 0.6 makes them by default, which LR-ASD was trained on.

Frames of 25 ms every 10 ms without a window, pre-emphasis 0.97, 26 triangles from 0 to 8 kHz whose corners
are whole bins of a 512-point transform, 13 cepstra with a lifter of 22, and the log energy of the frame in
place of the first. That package is no longer maintained and takes a whole recording at once, in arrays of
1 GB an hour; the numbers here equal its own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

RATE_HZ = 16_000
HOP = 160
N_CEPSTRA = 13

_FRAME = 400
_N_FFT = 512
_N_BANDS = 26
_PRE_EMPHASIS = 0.97
_LIFTER = 22
_INT16 = 32_768


def cepstra(pcm: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float64]:
    """Rows `start` … `stop` of the cepstra of `pcm` (n,), 16 kHz mono, full scale ±1: (stop - start, 13).

    Row i covers the samples [160 i, 160 i + 400), zeros where `pcm` has ended. The samples are rounded to 16
    bits first, as the reference reads them: the logarithm knows the scale. How a recording is cut into calls
    changes nothing but the last bits.
    """
    first = start * HOP - 1  # one earlier, for the pre-emphasis
    length = (stop - start - 1) * HOP + _FRAME + 1
    heard = pcm[max(first, 0) : first + length]
    samples = np.zeros(length)
    offset = max(-first, 0)
    samples[offset : offset + len(heard)] = np.clip(np.rint(heard * _INT16), -_INT16, _INT16 - 1)
    signal = samples[1:] - _PRE_EMPHASIS * samples[:-1]
    signal[max(len(pcm) - first - 1, 0) :] = 0  # the padding comes after the pre-emphasis
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames, _N_FFT)) ** 2 / _N_FFT
    rows = dct(_log(power @ _mel_bands().T), type=2, axis=1, norm="ortho")[:, :N_CEPSTRA]
    rows *= 1 + _LIFTER / 2 * np.sin(np.pi * np.arange(N_CEPSTRA) / _LIFTER)
    rows[:, 0] = _log(power.sum(axis=1))
    return np.asarray(rows, np.float64)


def _log(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.where(energy == 0, np.finfo(float).eps, energy))


@lru_cache(maxsize=1)
def _mel_bands() -> NDArray[np.float64]:
    """(26, 257) triangles; a corner is a whole bin, counted as (512 + 1) f / 16 kHz."""
    top_mel = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top_mel, _N_BANDS + 2) / 2595) - 1)
    corners = np.floor((_N_FFT + 1) * corners_hz / RATE_HZ)
    bins = np.arange(_N_FFT // 2 + 1)
    low, middle, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    bands: NDArray[np.float64] = np.where(bins < middle, rising, falling).clip(min=0)
    return bands
