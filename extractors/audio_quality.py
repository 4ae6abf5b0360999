"""Quality of a recording, in one pass: levels, clipping, noise, bandwidth, DNSMOS, music."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.audio_events import CLASSES, AudioEvents
from extractors.bandwidth import Bandwidth
from extractors.dnsmos import COLUMNS, Dnsmos

HOP_S = 0.032
"""Of the speech probabilities and levels of `SpeechDetector` and `listen`."""
DIGITAL_SILENCE_DBFS = -120.0
"""A hop at or below this holds no sound at all: gaps that were filled, fades to zero."""
SILENCE_DBFS = -60.0

_SPEECH_ABOVE, _NOISE_BELOW = 0.5, 0.1
_GUARD_HOPS = 6  # about 0.2 s on either side of speech: breath, reverberation, the detector's own delay
_MIN_HOPS = 8  # 0.25 s of each
_FLAT_RUN = 3
_FLAT_WITHIN = 1e-3
_FLAT_MIN_PEAK = 0.1
"""-20 dBFS. Below that the top of a slow wave is flat within a step of 16 bits."""
_HALF_STEP = 2.0**-17  # of 16-bit samples
_MIX_LOSS_LIMIT_DB = 100.0


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Measures of one recording; None where they cannot be had (too short, silent, without pauses).

    Levels are relative to full scale. All but `vad_snr_db` and the shares of silence need no speech detector.
    """

    vad_snr_db: float | None
    """Power of the speech over that of the noise in its pauses; see the function `vad_snr_db`."""
    wada_snr_db: float | None
    """From the distribution of amplitudes, -20 .. 100; see the function `wada_snr_db`. Means nothing without
    speech."""
    clipped_share: float
    """Samples in runs of three or more equal ones at the recording's peak (within 0.1 %), in any channel."""
    silence_share: float
    """Hops of 32 ms below -60 dBFS."""
    digital_silence_share: float
    """Hops of 32 ms without any sound."""
    dc_offset: float
    """Largest |mean| of a channel, full scale 1."""
    mix_loss_db: float | None
    """Mean power of the channels over that of their mean: 0 for equal channels, 3 for unrelated ones or one
    that is dead, up to 100 where they cancel."""
    bandwidth_hz: float | None
    """Up to where there is sound; see `Bandwidth`."""
    dnsmos: NDArray[np.float32]
    """(K, 4) windows of 9.01 s, columns `extractors.dnsmos.COLUMNS`; NaN where silent."""
    events: NDArray[np.float32]
    """(seconds, 3) probabilities, columns `extractors.audio_events.CLASSES`."""

    def mean_opinion(self, name: str) -> float | None:
        """Mean of `ovrl`, `sig` or `bak` over the windows that were judged."""
        values = self.dnsmos[:, COLUMNS.index(name)].astype(np.float64)
        return float(np.nanmean(values)) if np.isfinite(values).any() else None

    def event_share(self, name: str) -> float | None:
        """Share of the seconds in which `speech`, `singing` or `music` is more probable than not."""
        return float((self.events[:, CLASSES.index(name)] > 0.5).mean()) if len(self.events) else None


class QualityMeter:
    """Measures a recording while it is decoded once; memory does not grow.

    How the input is cut changes nothing but the last bits of means over all samples.

    `dnsmos` and `events` are loaded once and shared by many recordings, one after the other; None leaves them
    out. A meter is for one recording.
    """

    def __init__(
        self, *, rate_hz: int, dnsmos: Dnsmos | None = None, events: AudioEvents | None = None
    ) -> None:
        self._bandwidth = Bandwidth(rate_hz=rate_hz)
        self._channels = _Channels()
        self._wada = _Amplitudes()
        self._models = [one for one in (dnsmos, events) if one is not None]
        for model in self._models:
            model.reset()
        self._opinions = [np.zeros((0, len(COLUMNS)), np.float32)]
        self._heard = [np.zeros((0, len(CLASSES)), np.float32)]

    def feed(self, pcm: NDArray[np.float32], mono: NDArray[np.float32]) -> None:
        """The next (channels, n) samples as decoded, and the next (m,) of `Mono16k`, in step or not."""
        self._channels.feed(pcm)
        self._bandwidth.feed(pcm)
        self._wada.feed(mono)
        for model in self._models:
            self._rows_of(model).append(model.feed(mono))

    def finish(self, speech: NDArray[np.float32], level_dbfs: NDArray[np.float32]) -> Quality:
        """The measures, given speech probability and level of each hop of 512 samples at 16 kHz."""
        for model in self._models:
            self._rows_of(model).append(model.flush())
        silent = level_dbfs < SILENCE_DBFS
        return Quality(
            vad_snr_db=vad_snr_db(speech, level_dbfs),
            wada_snr_db=self._wada.snr_db(),
            silence_share=float(silent.mean()) if len(silent) else 0.0,
            digital_silence_share=float((level_dbfs <= DIGITAL_SILENCE_DBFS).mean()) if len(silent) else 0.0,
            bandwidth_hz=self._bandwidth.hz(),
            dnsmos=np.concatenate(self._opinions),
            events=np.concatenate(self._heard),
            **self._channels.measures(),
        )

    def _rows_of(self, model: Dnsmos | AudioEvents) -> list[NDArray[np.float32]]:
        return self._opinions if isinstance(model, Dnsmos) else self._heard


def vad_snr_db(speech: NDArray[np.float32], level_dbfs: NDArray[np.float32]) -> float | None:
    """Signal to noise, dB, from (n,) speech probabilities and (n,) levels of hops of 32 ms.

    Speech is where the probability is 0.5 or more, its power a mean; noise is where it is below 0.1 and no
    speech is within 0.2 s, its level a median, so that the click of a mouse is not the noise of a recording.
    Hops without any sound are neither. None with less than 0.25 s of either, and where speech is no louder
    than the noise. Serves a whole recording as well as a span of one.
    """
    talking = speech >= _SPEECH_ABOVE
    near = np.convolve(talking, np.ones(2 * _GUARD_HOPS + 1), mode="same") > 0 if len(talking) else talking
    sound = level_dbfs > DIGITAL_SILENCE_DBFS
    quiet = (speech < _NOISE_BELOW) & ~near[: len(speech)] & sound
    talking = talking & sound
    if min(talking.sum(), quiet.sum()) < _MIN_HOPS:
        return None
    power = 10 ** (level_dbfs.astype(np.float64) / 10)
    noise, both = float(np.median(power[quiet])), float(power[talking].mean())
    return float(10 * np.log10(both / noise - 1)) if both > noise else None


def wada_snr_db(mean_amplitude: float, mean_log_amplitude: float) -> float:
    """Signal to noise, dB in -20 .. 100, of speech in noise with these means of |x| and ln |x|.

    Kim and Stern, "Robust Signal-to-Noise Ratio Estimation Based on Waveform Amplitude Distribution Analysis"
    (Interspeech 2008): the amplitudes of clean speech follow a gamma distribution of shape 0.4, noise is
    Gaussian, so ln E|x| - E ln|x| tells their ratio.
    """
    snr_db, expected = _wada_table()
    return float(np.interp(np.log(mean_amplitude) - mean_log_amplitude, expected, snr_db))


@lru_cache(maxsize=1)
def _wada_table() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(121,) SNR in dB and the (121,) expected ln E|x| - E ln|x|.

    Integrated here: the table that goes round was drawn at random, and is not monotonic below -15 dB.
    For a standard normal n, E|a + n| has a closed form, and the derivative of E ln|a + n| by a is sqrt(2)
    times Dawson's integral of a / sqrt(2).
    """
    from scipy.integrate import cumulative_trapezoid
    from scipy.special import dawsn, erf, gamma

    shape = 0.4
    snr_db = np.arange(-20.0, 101.0)
    # steps in ln(amplitude): the density is x^0.4 e^-x there, and both ends are negligible
    log_x = np.arange(-80.0, 4.5, 0.01)
    x = np.exp(log_x)
    weight = x**shape * np.exp(-x) / gamma(shape) * 0.01
    noise = np.sqrt(shape * (shape + 1)) * 10 ** (
        -snr_db / 20
    )  # speech has the mean square shape (shape + 1)
    log_a = np.arange(-90.0, 20.0, 0.01)
    a = np.exp(log_a)
    log_mean = cumulative_trapezoid(np.sqrt(2) * dawsn(a / np.sqrt(2)) * a, log_a, initial=0.0)
    log_mean -= (np.euler_gamma + np.log(2)) / 2  # E ln|n|
    mean, mean_log = np.zeros_like(snr_db), np.zeros_like(snr_db)
    for index, sigma in enumerate(noise):
        ratio = x / sigma
        folded = np.sqrt(2 / np.pi) * np.exp(-(ratio**2) / 2) + ratio * erf(ratio / np.sqrt(2))
        mean[index] = sigma * (weight @ folded)
        mean_log[index] = np.log(sigma) + weight @ np.interp(log_x - np.log(sigma), log_a, log_mean)
    return snr_db, np.log(mean) - mean_log


class _Amplitudes:
    """The two means of WADA over all samples that are not exactly zero: filled gaps are no noise."""

    def __init__(self) -> None:
        self._n = 0
        self._sum = self._sum_log = 0.0

    def feed(self, samples: NDArray[np.float32]) -> None:
        size = np.abs(samples[samples != 0]).astype(np.float64)
        self._n += len(size)
        self._sum += float(size.sum())
        self._sum_log += float(np.log(np.maximum(size, _HALF_STEP)).sum())

    def snr_db(self) -> float | None:
        return wada_snr_db(self._sum / self._n, self._sum_log / self._n) if self._n else None


class _Channels:
    """Sums, flat tops and how the channels add up."""

    def __init__(self) -> None:
        self._n = 0
        self._peak = 0.0
        self._flat: dict[float, int] = {}  # level of a flat run -> samples, near the peak so far
        self._sums: NDArray[np.float64] | float = 0.0
        self._power = self._mixed_power = 0.0
        self._edge: NDArray[np.float32] | None = None

    def feed(self, pcm: NDArray[np.float32]) -> None:
        if not pcm.shape[1]:
            return
        self._n += pcm.size
        self._sums = self._sums + pcm.sum(axis=1, dtype=np.float64)
        self._power += float(np.square(pcm, dtype=np.float64).mean(axis=0).sum())
        self._mixed_power += float(np.square(pcm.mean(axis=0, dtype=np.float64)).sum())
        self._peak = max(self._peak, float(np.abs(pcm).max()))
        if self._edge is None:
            self._edge = np.full((len(pcm), 2), np.nan, np.float32)  # equals nothing
        self._look_for_flats(pcm)

    def measures(self) -> dict[str, Any]:
        if self._edge is None:
            return {"clipped_share": 0.0, "dc_offset": 0.0, "mix_loss_db": None}
        self._look_for_flats(np.full((len(self._edge), 2), np.nan, np.float32))
        clipped = sum(self._flat.values()) if self._peak >= _FLAT_MIN_PEAK else 0
        per_channel = self._n / len(self._edge)
        lost_db = (
            min(10 * np.log10(self._power / max(self._mixed_power, 1e-300)), _MIX_LOSS_LIMIT_DB)
            if self._power
            else None
        )
        return {
            "clipped_share": clipped / self._n,
            "dc_offset": float(np.abs(self._sums).max() / per_channel),
            "mix_loss_db": lost_db,
        }

    def _look_for_flats(self, pcm: NDArray[np.float32]) -> None:
        """Count samples in runs of three equal ones near the peak; the last two wait for their neighbours."""
        heard = np.concatenate([self._edge, pcm], axis=1) if self._edge is not None else pcm
        self._edge = heard[:, -4:].copy()
        if heard.shape[1] <= 4:
            return
        equal = heard[:, 1:] == heard[:, :-1]
        three = equal[:, :-1] & equal[:, 1:]
        flat = three[:, :-2] | three[:, 1:-1] | three[:, 2:]
        levels = np.abs(heard[:, 2:-2][flat])
        lowest = (1 - _FLAT_WITHIN) * self._peak
        found, counts = np.unique(levels[levels >= lowest], return_counts=True)
        for level, count in zip(found.tolist(), counts.tolist(), strict=True):
            self._flat[level] = self._flat.get(level, 0) + count
        self._flat = {level: count for level, count in self._flat.items() if level >= lowest}
