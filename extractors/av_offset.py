"""How far the sound of a face track is ahead of its lips, and how sure that is; no network, no weights.

A linear map predicts four lengths of the mouth (`extractors.lip_motion`) from the speech: log energy in
four mel bands, over 240 ms. For each lag within +-15 frames of 40 ms the prediction is correlated with what
the mesh saw. Both are at 100 Hz and high-passed at 0.5 Hz, so posture and loudness do not count.

**A positive offset means that the sound comes too early (audio leads); delaying the audio by `offset_s`, or
making the video earlier by as much, puts it right.** `docs/av-offset.md` says whose sign that is.

`confidence` is a probability: that the offset is within a frame of the truth, where half of the tracks are
in sync at some lag and half (dubbed, silent, somebody else's voice) at none. The correlations are read as a
likelihood of each lag, together with the hypothesis that no lag is right; little material, lips that do not
move, noise and a second peak all leave it low. It was fitted to GRID's short English sentences, frontal and
clean; the same page has the table of how often it was right on other people. A low confidence does not show
that a clip is dubbed: many a clip that is in sync has one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.lip_motion import LIP_FEATURES
from extractors.resampling import interpolate

FRAME_S = 0.04
"""SyncNet's frame, in which offsets are counted whatever the rate of the video."""
MAX_LAG_FRAMES = 15
MIN_SECONDS = 1.5
"""Less face and sound in common than this, and nothing is measured: at 1.2 s, of the trials that claimed more
than 0.7 six in ten were right."""
AUDIO_RATE_HZ = 16_000
_RATE_HZ = 100
_HOP = AUDIO_RATE_HZ // _RATE_HZ
_WINDOW = 400  # 25 ms
_FFT = 512
_N_BANDS = 4
_BAND_HZ = (80.0, 7600.0)
_FLOOR = 1e-4  # of the loud parts: what lies 40 dB below them is silence
_SMOOTH = 2.0  # frames, standard deviation
_HIGH_PASS = _RATE_HZ / (2 * math.pi * 0.5)  # frames, standard deviation of the mean that is taken off
_MAX_GAP_S = 0.12  # bridges one lost frame at 25 fps, and none at 10 fps
_MIN_OVERLAP = _RATE_HZ // 2  # frames; at a lag that leaves less, a correlation says nothing
_PER_FRAME = round(FRAME_S * _RATE_HZ)
TAPS = tuple(range(-12, 13, 4))
"""Frames of 10 ms about the instant at which the speech is looked at."""
# fmt: off
LIPS_FROM_SPEECH = np.array([
    [-0.036, -0.132, -0.283, -0.184], [-0.129, -0.282, -0.250, -0.353],
    [-0.110, -0.328, -0.055, -0.331], [-0.261, -0.384, -0.129, -0.332],
    [-0.077, -0.059, -0.126, -0.077], [-0.071, -0.188, -0.192, -0.222],
    [-0.064, -0.088, 0.280, 0.000], [-0.222, -0.236, 0.167, -0.113],
    [0.238, 0.246, -0.167, 0.151], [0.291, 0.115, -0.249, 0.043],
    [0.239, 0.438, 0.544, 0.536], [-0.177, 0.102, 0.402, 0.226],
    [0.508, 0.508, -0.320, 0.325], [0.641, 0.395, -0.305, 0.267],
    [0.588, 0.930, 0.693, 1.000], [-0.030, 0.518, 0.562, 0.630],
    [0.378, 0.311, -0.396, 0.119], [0.591, 0.269, -0.326, 0.156],
    [0.592, 0.888, 0.677, 0.948], [-0.002, 0.608, 0.587, 0.722],
    [0.037, -0.136, -0.349, -0.246], [0.221, -0.097, -0.319, -0.152],
    [0.249, 0.390, 0.478, 0.451], [-0.096, 0.364, 0.523, 0.466],
    [-0.360, -0.577, -0.347, -0.627], [-0.223, -0.448, -0.382, -0.498],
    [-0.205, -0.203, 0.150, -0.180], [-0.185, 0.069, 0.466, 0.138],
])
# fmt: on
"""(28, 4): `context` to `LIP_FEATURES`. Ridge regression by `benchmarks/av_offset.py --fit` on 27 clips of 7
people of the GRID corpus (Cooke et al. 2006, CC BY 4.0; 3 s each): from rizkiarm/LipNet `evaluation/samples`
bbaf2n, brbk7n, pwij3p, id2_vcd_swwp2s, lwbsza, sbia1a, swiz3n, and the 20 of s26 and s31 in
souvikg544/lipnet_pytorch@b857ab1. GRID is taken to be in sync: at 8 bursts of b and p the lips part within a
frame before the sound."""
_EVIDENCE_A_SECOND = 2.73
_NO_SYNC = -0.89
"""What a second of overlap is worth, and the log weight (a lag) of "no lag is right". Fitted to the outcomes
of 648 trials on the same clips with that person's map left out: windows of 1.6-3 s, shifts of +-8 frames,
voices of others added, exchanged voices and reversed speech."""


@dataclass(frozen=True)
class AvOffset:
    """What `measure_offset` found. Nothing to measure: NaN, with a confidence of 0."""

    offset_frames: float
    """In frames of 40 ms, within +-15; positive: the sound is early."""
    offset_s: float
    """The same in seconds: delay the audio by this much."""
    confidence: float
    """Probability, 0..1, that the offset is within one frame of the truth."""
    correlation: float
    """Mean over the four lengths, at that offset, of seen against predicted motion, -1..1."""


NOTHING = AvOffset(math.nan, math.nan, 0.0, math.nan)


def measure_offset(
    times_s: NDArray[np.float64],
    lips: NDArray[np.float64],
    pcm: NDArray[np.float32],
    *,
    start_s: float,
) -> AvOffset:
    """Offset of the sound against a face track.

    `times_s` (T,) ascending, frame times; `lips` (T, 4) as `lip_features` gives them, NaN where the face is
    missing; `pcm` (N,) at 16 kHz, whose first sample is at `start_s` on the same time line. Gaps up to 0.12 s
    are bridged. Best on 2.5 s of speech and more; longer tracks should be cut, since the offset may change
    at an edit. Raises `ValueError` for shapes that do not fit.
    """
    if lips.shape != (len(times_s), len(LIP_FEATURES)) or pcm.ndim != 1:
        raise ValueError(f"lips {lips.shape} and pcm {pcm.shape} do not fit {len(times_s)} times")
    seen = np.isfinite(lips).all(axis=1)
    speech = speech_features(pcm)
    if seen.sum() < 2 or speech is None:
        return NOTHING
    motion = lip_motion(times_s[seen], lips[seen], start_s=start_s)
    correlations, overlap_s = correlate(motion, predict(speech))
    return judge(correlations, overlap_s)


def speech_features(pcm: NDArray[np.float32]) -> NDArray[np.float64] | None:
    """(M, 4) log energies in four mel bands, frame k at k * 10 ms; None where there is no sound at all."""
    if len(pcm) < _WINDOW:
        return None
    padded = np.pad(pcm.astype(np.float64), _WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    bank = _mel_bank()
    blocks = [  # in blocks: the spectra of an hour would not fit
        (np.abs(np.fft.rfft(frames[low : low + 4096] * np.hanning(_WINDOW), _FFT)) ** 2) @ bank.T
        for low in range(0, len(frames), 4096)
    ]
    energy = np.concatenate(blocks)
    loud = float(np.percentile(energy.sum(axis=1), 99))
    if loud <= 0:
        return None
    return _high_passed(_smoothed(np.log(energy + _FLOOR * loud / _N_BANDS), _SMOOTH))


def predict(speech: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, 4) motion of the mouth that `speech_features` (M, 4) lead one to expect, in arbitrary units."""
    return np.asarray(context(speech) @ LIPS_FROM_SPEECH, np.float64)


def context(speech: NDArray[np.float64]) -> NDArray[np.float64]:
    """(M, 28): the bands at the first of `TAPS`, then at the next; beyond the ends the nearest frame."""
    at = np.clip(np.arange(len(speech))[:, None] + np.array(TAPS), 0, len(speech) - 1)
    return np.asarray(speech[at].reshape(len(speech), -1), np.float64)


@dataclass(frozen=True)
class Motion:
    """Lips at 100 Hz, on the grid of the sound: row i belongs to frame `first + i` of the speech."""

    first: int
    values: NDArray[np.float64]
    """(K, 4), high-passed."""
    valid: NDArray[np.bool_]
    """(K,): the face was there."""


def lip_motion(times_s: NDArray[np.float64], lips: NDArray[np.float64], *, start_s: float) -> Motion:
    """Bring lips (T, 4), without NaN, seen at `times_s` (T,), to the grid `start_s` + k * 10 ms."""
    first = math.ceil((times_s[0] - start_s) * _RATE_HZ - 1e-6)
    last = math.floor((times_s[-1] - start_s) * _RATE_HZ + 1e-6)
    grid_s = start_s + np.arange(first, last + 1) / _RATE_HZ
    values, valid = interpolate(times_s, lips, grid_s, max_gap_s=_MAX_GAP_S)
    return Motion(first, _high_passed(values), valid)


def correlate(
    motion: Motion, predicted: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(121, 4) correlations and (121,) seconds they rest on, at lags of -600, -590 … +600 ms.

    At a positive lag the lips are compared with later sound. Zero where too little is in common.
    """
    max_lag = MAX_LAG_FRAMES * _PER_FRAME
    correlations = np.zeros((2 * max_lag + 1, len(LIP_FEATURES)))
    overlap_s = np.zeros(2 * max_lag + 1)
    for row, lag in enumerate(range(-max_lag, max_lag + 1)):
        begin = motion.first + lag
        low, high = max(0, -begin), min(len(motion.values), len(predicted) - begin)
        kept = motion.valid[low : max(low, high)]
        overlap_s[row] = kept.sum() / _RATE_HZ
        if kept.sum() >= _MIN_OVERLAP:
            seen = motion.values[low:high][kept]
            expected = predicted[begin + low : begin + high][kept]
            correlations[row] = _pearson(seen, expected)
    return correlations, overlap_s


def evidence(correlations: NDArray[np.float64], overlap_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """(121,) log likelihood ratio of each lag, up to a factor: that of Gaussians so correlated to others.

    A correlation against expectation counts against the lag.
    """
    squared = np.minimum(correlations**2, 0.99)
    information = (np.sign(correlations) * -0.5 * np.log1p(-squared)).sum(axis=1)
    return np.asarray(information * overlap_s, np.float64)


def judge(correlations: NDArray[np.float64], overlap_s: NDArray[np.float64]) -> AvOffset:
    """The offset that `correlate`'s result speaks for."""
    if overlap_s.max() < MIN_SECONDS or not correlations.any():
        return NOTHING
    ratio = evidence(correlations, overlap_s)
    best = int(ratio.argmax())
    lag = best + _peak_shift(ratio, best) - MAX_LAG_FRAMES * _PER_FRAME
    # a maximum at the end of the range is the flank of a peak outside it
    inside = 0 < best < len(ratio) - 1
    confidence = posterior(ratio, _EVIDENCE_A_SECOND, _NO_SYNC) if inside else 0.0
    return AvOffset(
        offset_frames=-lag / _PER_FRAME,
        offset_s=-lag / _RATE_HZ,
        confidence=confidence,
        correlation=float(correlations[best].mean()),
    )


def posterior(ratio: NDArray[np.float64], evidence_a_second: float, no_sync: float) -> float:
    """Share of the probability that lies within a frame of the maximum of `evidence` (121,)."""
    best = int(ratio.argmax())
    log_weights = evidence_a_second * ratio
    top = max(float(log_weights[best]), no_sync)
    weights = np.exp(log_weights - top)
    near = weights[max(0, best - _PER_FRAME) : best + _PER_FRAME + 1].sum()
    return float(near / (weights.sum() + len(ratio) * math.exp(no_sync - top)))


def _peak_shift(values: NDArray[np.float64], best: int) -> float:
    """Where between its neighbours the maximum lies (-0.5..0.5), by the parabola through the three."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0


def _pearson(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """(D,) correlations of the columns of (K, D) arrays; 0 for a column that never changes."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    scale = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.asarray((first * second).sum(axis=0) / np.maximum(scale, 1e-9), np.float64)


def _high_passed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values - _smoothed(values, _HIGH_PASS)


def _smoothed(values: NDArray[np.float64], sigma_frames: float) -> NDArray[np.float64]:
    from scipy.ndimage import gaussian_filter1d

    return np.asarray(gaussian_filter1d(values, sigma_frames, axis=0, mode="nearest"), np.float64)


def _mel_bank() -> NDArray[np.float64]:
    """(4, 257) triangles, equally spaced on the mel scale (O'Shaughnessy's 2595 log10(1 + f / 700))."""
    low, high = 2595 * np.log10(1 + np.array(_BAND_HZ) / 700)
    edges = 700 * (10 ** (np.linspace(low, high, _N_BANDS + 2) / 2595) - 1)
    hz = np.arange(_FFT // 2 + 1) * AUDIO_RATE_HZ / _FFT
    rising = (hz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hz) / np.diff(edges)[1:, None]
    return np.asarray(np.clip(np.minimum(rising, falling), 0, None), np.float64)
