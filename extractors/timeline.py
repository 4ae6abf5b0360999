"""Where decoded sound belongs on the time line: gaps are filled, overlaps trimmed, drift followed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

TOLERANCE_S = Fraction(1, 100)
"""Time stamps and samples may differ by this much before zeros are put in or samples dropped.

Above the jitter of healthy files (many containers round to 1 ms), below one lost frame of any common
codec (AAC 10.7 ms at 96 kHz, MP2 24 ms, Opus 20 ms) and below half a video frame.
"""
MAX_JUMP_S = 3600
"""A frame further ahead than this has a damaged time stamp: it is dropped and counted."""
_ZEROS_A_PIECE = 1 << 16


@dataclass(frozen=True)
class Placed:
    """Where one frame goes; all numbers count samples."""

    fill_from: int
    """First of the zeros before it."""
    position: int
    """Its first kept sample."""
    skip: int
    """Samples dropped from its beginning."""

    @property
    def zeros(self) -> Iterator[tuple[int, int]]:
        """(position, length) of the zeros before it, in pieces of bounded size."""
        for start in range(self.fill_from, self.position, _ZEROS_A_PIECE):
            yield start, min(_ZEROS_A_PIECE, self.position - start)


class Timeline:
    """Numbers samples so that sample i is the time of the first one + i / `rate_hz`, within 10 ms.

    A frame continues the last one as long as its time stamp agrees within the tolerance; else it goes
    where the stamp puts it, unless the next stamp shows that this one was wrong (libavformat stamps each
    change from long to short Vorbis blocks late, by 10 ms at 44.1 kHz). A jump from one frame to the next
    counts as gap or overlap; the slow running away of a clock is corrected in the same way and counts as
    drift.
    """

    def __init__(self, *, first_pts: int, tick: Fraction, rate_hz: int) -> None:
        self._first_pts = first_pts
        self._samples_a_tick = tick * rate_hz
        self._rate_hz = rate_hz
        # a clock of coarse ticks cannot be asked for more than two of them
        self._tolerance = int(max(TOLERANCE_S, 2 * tick) * rate_hz)
        self._next = 0  # number of the next sample
        self._promised = 0  # where the last time stamp says the next sample is
        self._n_decoded = 0
        self.gap = 0
        """Zeros put in at jumps ahead, samples."""
        self.overlap = 0
        """Sound dropped at jumps back, samples."""
        self.n_errors = 0

    @property
    def drift_s(self) -> float:
        """Time stamps minus samples at the end, beyond the jumps."""
        return (self._promised - self._n_decoded - self.gap + self.overlap) / self._rate_hz

    def count_error(self) -> None:
        """Note a packet that did not decode, or a frame that could not be used."""
        self.n_errors += 1

    def place(self, pts: int | None, n_samples: int, *, following_pts: int | None = None) -> Placed:
        """Place the next frame, of `n_samples`, with its time stamp and that of the frame after it.

        A frame without a time stamp follows the last one.
        """
        stamped = self._promised if pts is None else self._sample(pts)
        if following_pts is not None and not self._fits(stamped - self._next):
            without = self._sample(following_pts) - self._next - n_samples
            stamped = self._next if self._fits(without) else stamped
        ahead = stamped - self._next
        if ahead > MAX_JUMP_S * self._rate_hz:
            self.count_error()
            return Placed(self._next, self._next, n_samples)
        if self._fits(ahead):
            ahead = 0
        fill, skip = max(ahead, 0), min(max(-ahead, 0), n_samples)
        if not self._fits(stamped - self._promised):
            self.gap += fill
            self.overlap += skip
        placed = Placed(self._next, self._next + fill, skip)
        self._next += fill + n_samples - skip
        self._n_decoded += n_samples
        self._promised = max(self._promised, stamped + n_samples)
        return placed

    def _fits(self, difference: int) -> bool:
        return abs(difference) <= self._tolerance

    def _sample(self, pts: int) -> int:
        scale = self._samples_a_tick
        return (2 * (pts - self._first_pts) * scale.numerator + scale.denominator) // (2 * scale.denominator)
