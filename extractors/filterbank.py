"""AV-HuBERT's audio input: four log mel filterbank frames side by side, 104 numbers at 25 Hz.

av_hubert:avhubert/hubert_dataset.py calls `logfbank` of python_speech_features 0.6 on 16 kHz int16 samples:
frames of 25 ms every 10 ms without a window, pre-emphasis 0.97, a transform of 512, 26 triangles from 0 to
8 kHz. The numbers here equal that package's. torchaudio's Kaldi filterbank is another one (a window, dither,
other triangles) and does not fit published weights.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
N_BANDS = 26
STACK = 4
N_DIMENSIONS = N_BANDS * STACK
FRAME_RATE_HZ = 25

_HOP = 160
_FRAME = 400
_N_FFT = 512
_PRE_EMPHASIS = 0.97
_INT16 = 32_768
_FRAMES_A_RUN = 4096  # 41 s: bounds memory


def stacked_filterbank(pcm: NDArray[np.float32], *, n_frames: int | None = None) -> NDArray[np.float32]:
    """(n_frames, 104) of `pcm` (n,), 16 kHz mono, full scale ±1.

    Row k holds the frames that start in [40 k, 40 (k+1)) ms; what is missing of the last row is 0. By default
    as many rows as there are; with `n_frames`, the rows of a video of that length: cut, or filled with zeros,
    as the reference does. Not normalised: AV-HuBERT's `normalize` takes `layer_norm` of each row while
    training.
    """
    bands = log_filterbank(pcm)
    rows = np.pad(bands, ((0, -len(bands) % STACK), (0, 0))).reshape(-1, N_DIMENSIONS).astype(np.float32)
    if n_frames is None:
        return rows
    return np.pad(rows[:n_frames], ((0, max(0, n_frames - len(rows))), (0, 0)))


def log_filterbank(pcm: NDArray[np.float32]) -> NDArray[np.float64]:
    """(1 + ceil((n - 400) / 160), 26) natural logarithms of band energies, one frame at least.

    `pcm` (n,), 16 kHz mono, full scale ±1, is rounded to 16 bits first: the logarithm knows the scale.
    """
    samples = np.clip(np.rint(pcm.astype(np.float64) * _INT16), -_INT16, _INT16 - 1)
    signal = samples - _PRE_EMPHASIS * np.concatenate([[0.0], samples[:-1]]) if len(samples) else samples
    n_frames = 1 + max(0, -(-(len(signal) - _FRAME) // _HOP))
    signal = np.pad(signal, (0, (n_frames - 1) * _HOP + _FRAME - len(signal)))
    frames = np.lib.stride_tricks.sliding_window_view(signal, _FRAME)[::_HOP]
    runs = [_log_bands(frames[start : start + _FRAMES_A_RUN]) for start in range(0, n_frames, _FRAMES_A_RUN)]
    return np.concatenate(runs)


def _log_bands(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    power = np.abs(np.fft.rfft(frames, _N_FFT)) ** 2 / _N_FFT
    # summed band by band: a matrix product would make the last bits depend on how many frames there are
    energy = np.stack([(power[:, part] * weights).sum(axis=1) for part, weights in _triangles()], axis=1)
    return np.log(np.where(energy == 0, np.finfo(float).eps, energy))


@lru_cache(maxsize=1)
def _triangles() -> tuple[tuple[slice, NDArray[np.float64]], ...]:
    """The bins of each band and their weights; a corner is a whole bin, counted as (512 + 1) f / 16 kHz."""
    top_mel = 2595 * np.log10(1 + RATE_HZ / 2 / 700)
    corners_hz = 700 * (10 ** (np.linspace(0, top_mel, N_BANDS + 2) / 2595) - 1)
    corners = np.floor((_N_FFT + 1) * corners_hz / RATE_HZ).astype(int)
    found = []
    for low, middle, high in zip(corners[:-2], corners[1:-1], corners[2:], strict=True):
        bins = np.arange(low, high)
        rising, falling = (bins - low) / max(1, middle - low), (high - bins) / (high - middle)
        found.append((slice(int(low), int(high)), np.where(bins < middle, rising, falling)))
    return tuple(found)
