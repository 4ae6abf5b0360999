"""Reliability labels: how clean each stretch of a modality is, as DualHyp's heads learn it.

A window is Clean when more than 0.9 of it is clean, Noisy when less than 0.6 is, and Mixed between; a share
of exactly 0.9 or 0.6 is Mixed (DualHyp: `data/av_dataset.py`). All counts are whole samples or frames, so
that no share is rounded over a bound.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from synth.levels import Spans, check_spans, intersect, n_in

WINDOW = Fraction(2, 5)
"""Seconds: ten frames at 25 fps, 6 400 samples at 16 kHz."""
CLEAN_ABOVE = Fraction(9, 10)
NOISY_BELOW = Fraction(3, 5)


class Label(StrEnum):
    """How far a window can be relied on."""

    CLEAN = "C"
    MIXED = "M"
    NOISY = "N"


def label_of(clean: int, total: int) -> Label:
    """The label of a window of which `clean` of `total` samples or frames are clean."""
    share = Fraction(clean, total)
    if share > CLEAN_ABOVE:
        return Label.CLEAN
    return Label.NOISY if share < NOISY_BELOW else Label.MIXED


def window_labels(
    corrupted: Spans, n_samples: int, *, rate_hz: int, window: Fraction = WINDOW
) -> tuple[Label, ...]:
    """A label for each window of a clip of `n_samples` (or frames) at `rate_hz` with corrupted spans.

    Window k covers [k * window, (k+1) * window) seconds, its bounds rounded down to whole samples, which for
    0.4 s at 16 kHz and 25 fps are exact; the last one is what is left. Raises ValueError for spans outside
    the clip, or a window without a sample.
    """
    check_spans(corrupted, n_samples)
    bounds = [0]
    while bounds[-1] < n_samples:
        edge = int(len(bounds) * window * rate_hz)
        if edge <= bounds[-1]:
            raise ValueError(f"a window of {float(window)} s has no sample at {rate_hz} Hz")
        bounds.append(min(edge, n_samples))
    labels = []
    for start, stop in pairwise(bounds):
        bad = n_in(intersect(corrupted, ((start, stop),)))
        labels.append(label_of(stop - start - bad, stop - start))
    return tuple(labels)


def frame_clean(corrupted: Spans, n_samples: int, *, rate_hz: int, frame_hz: Fraction) -> NDArray[np.bool_]:
    """(n_frames,) whether no sample of frame [k / frame_hz, (k+1) / frame_hz) is corrupted.

    The last frame may be cut short. Frame bounds that fall between samples are rounded down.
    """
    check_spans(corrupted, n_samples)
    n_frames = -int(-Fraction(n_samples) / rate_hz * frame_hz // 1)
    bounds = [min(n_samples, int(Fraction(k) / frame_hz * rate_hz)) for k in range(n_frames + 1)]
    clean = np.ones(n_frames, bool)
    for k, (start, stop) in enumerate(pairwise(bounds)):
        clean[k] = not intersect(corrupted, ((start, stop),))
    return clean
