"""Bandwidth: up to which frequency a recording really holds sound, whatever its sample rate promises."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BAND_HZ = 100
DEPTH_DB = 65.0
"""A band counts while it lies at most this far below the loudest one: below sibilants, above what a proper
resampler leaves. Images of careless upsampling (linear, cubic) lie above it and count as sound."""
FLOOR_DBFS = -110.0
"""Nor does a band quieter than this: the rounding of 16-bit samples puts -122 dBFS into 100 Hz at 48 kHz."""
QUIET_DBFS = -60.0
"""Frames below this are silence and say nothing."""
EXCEEDED_SHARE = 0.05
"""A band is as loud as it is in the loudest 5 % of the frames: sibilants count, clicks do not."""

_FRAMES_A_SECOND = 25  # so that a bin of the transform is 25 Hz wide at any rate
_LOWEST_DB, _HIGHEST_DB = -160, 20


class Bandwidth:
    """Counts how loud each band of 100 Hz is in frames of 40 ms; streaming, memory does not grow.

    The result does not depend on how the input is cut. Channels are added by their power, so that what is in
    one of them counts.
    """

    def __init__(self, *, rate_hz: int) -> None:
        self._length = max(2, rate_hz // _FRAMES_A_SECOND)
        self._window = np.hanning(self._length + 1)[:-1]  # periodic
        frequency_hz = np.fft.rfftfreq(self._length, 1 / rate_hz)
        self._starts = np.searchsorted(frequency_hz, np.arange(0, rate_hz / 2, BAND_HZ) - 1e-6)
        self._counts = np.zeros((len(self._starts), _HIGHEST_DB - _LOWEST_DB), np.int64)
        self._rate_hz = rate_hz
        self._pending: NDArray[np.float32] | None = None
        self._n_seen = 0

    def feed(self, pcm: NDArray[np.float32]) -> None:
        """(channels, n) samples at the native rate, full scale ±1."""
        heard = pcm if self._pending is None else np.concatenate([self._pending, pcm], axis=1)
        whole = heard.shape[1] // self._length * self._length
        self._pending = heard[:, whole:].copy()
        self._n_seen += pcm.shape[1]
        self._count(heard[:, :whole])

    def hz(self) -> float | None:
        """Upper edge of the highest band that holds sound, Hz; None when all is silence.

        A recording shorter than a frame is looked at as one, completed with zeros.
        """
        if self._pending is not None and 0 < self._n_seen < self._length:
            missing = self._length - self._n_seen
            self._count(np.pad(self._pending, ((0, 0), (0, missing))))
            self._n_seen = self._length
        n_frames = int(self._counts[0].sum())
        if not n_frames:
            return None
        from_the_top = self._counts[:, ::-1].cumsum(axis=1)
        reached = from_the_top >= max(1, round(EXCEEDED_SHARE * n_frames))
        level_db = _HIGHEST_DB - 1 - reached.argmax(axis=1)
        lively = np.flatnonzero(level_db >= max(level_db.max() - DEPTH_DB, FLOOR_DBFS))
        return float(min((lively[-1] + 1) * BAND_HZ, self._rate_hz / 2)) if len(lively) else None

    def _count(self, pcm: NDArray[np.float32]) -> None:
        frames = pcm.reshape(len(pcm), -1, self._length)
        spectrum = np.fft.rfft(frames * self._window.astype(np.float32), axis=2)
        # one-sided power of each bin, so that the sum over bins is the mean square of the samples
        scale = 2 / (self._length * float(np.sum(self._window**2)))
        power = scale * np.square(np.abs(spectrum)).sum(axis=0, dtype=np.float64)
        bands_db = 10 * np.log10(np.maximum(np.add.reduceat(power, self._starts, axis=1), 1e-20))
        loud = 10 * np.log10(np.maximum(power.sum(axis=1), 1e-20)) > QUIET_DBFS
        level = np.clip(np.floor(bands_db[loud]).astype(int) - _LOWEST_DB, 0, self._counts.shape[1] - 1)
        for band, column in enumerate(level.T):
            self._counts[band] += np.bincount(column, minlength=self._counts.shape[1])
