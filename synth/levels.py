"""Levels over exact sample spans: never over padding, never over pauses unless they are asked for.

A level is the RMS relative to full scale (1.0, or 32768 of int16), in dBFS: a full-scale square wave has
0 dBFS. Spans are half-open sample ranges, ascending and disjoint.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Span = tuple[int, int]
Spans = tuple[Span, ...]
Pcm = NDArray[np.float32] | NDArray[np.int16]
"""(n,) or (channels, n); float32 has full scale 1, int16 has 32768."""

FULL_SCALE = 32768
_BLOCK = 8192  # too short for a BLAS to split among threads
SILENT_RMS = 1e-12
"""-240 dBFS: what is below is silence, and safely above what float32 can square."""

# ITU-T P.56 (2011), method B
_P56_TIME_CONSTANT_S = 0.03
_P56_HANGOVER_S = 0.2
_P56_MARGIN_DB = 15.9
_P56_LOWEST_DBFS = -90.0  # 16 bits


def energy(pcm: NDArray[Any]) -> float:
    """Sum of squares of `pcm` (n,) or (channels, n), in its own units; NaN or infinite if a sample is.

    Blocks of 8192 samples are summed in float32, their sums in float64. Nothing is subtracted, so the
    relative error is at most 8192 * 2^-24, or 0.002 dB, whatever the samples and however many.
    """
    x = pcm.astype(np.float32, copy=False)
    total = 0.0
    for row in x if x.ndim > 1 else (x,):
        whole = len(row) // _BLOCK * _BLOCK
        blocks, rest = row[:whole].reshape(-1, _BLOCK), row[whole:]
        total += float(np.vecdot(blocks, blocks).sum(dtype=np.float64)) + float(rest @ rest)
    return total


def span_energy(pcm: NDArray[Any], spans: Spans) -> float:
    """Sum of squares over the spans, all channels."""
    total = 0.0
    for start, stop in spans:
        total += energy(pcm[..., start:stop])
    return total


def rms(pcm: Pcm, spans: Spans) -> float:
    """RMS over exactly the spans, full scale 1. Raises ValueError when they hold no sample."""
    n_samples = n_in(spans) * (pcm.size // max(1, pcm.shape[-1]))
    if n_samples == 0:
        raise ValueError("there is no sample to take a level of")
    scale = FULL_SCALE if pcm.dtype == np.int16 else 1
    return math.sqrt(span_energy(pcm, spans) / n_samples) / scale


def level_dbfs(pcm: Pcm, spans: Spans | None = None) -> float:
    """Level over the spans (None: every sample, the full-band level); -inf for digital silence."""
    return to_db(rms(pcm, ((0, pcm.shape[-1]),) if spans is None else spans))


def to_db(amplitude: float) -> float:
    """20 log10; -inf for 0."""
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def from_db(level_db: float) -> float:
    """Amplitude ratio of a level."""
    return float(10 ** (level_db / 20))


def n_in(spans: Spans) -> int:
    """How many samples the spans hold."""
    return sum(stop - start for start, stop in spans)


def check_spans(spans: Spans, n_samples: int) -> None:
    """Raise ValueError unless the spans are whole numbers, not empty, ascending, disjoint and in the clip."""
    last = 0
    for start, stop in spans:
        if type(start) is not int or type(stop) is not int:
            raise ValueError(f"span ({start!r}, {stop!r}) is not in whole samples")
        if not last <= start < stop <= n_samples:
            raise ValueError(f"span ({start}, {stop}) is empty, out of order or outside {n_samples} samples")
        last = stop


def merge(spans: Iterable[Span], n_samples: int) -> Spans:
    """Sort spans, cut them to the clip, and join those that touch."""
    merged: list[Span] = []
    for start, stop in sorted((max(0, start), min(n_samples, stop)) for start, stop in spans):
        if start >= stop:
            continue
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return tuple(merged)


def intersect(first: Spans, second: Spans) -> Spans:
    """What both hold."""
    found: list[Span] = []
    a = b = 0
    while a < len(first) and b < len(second):
        start, stop = max(first[a][0], second[b][0]), min(first[a][1], second[b][1])
        if start < stop:
            found.append((start, stop))
        if first[a][1] < second[b][1]:
            a += 1
        else:
            b += 1
    return tuple(found)


def subtract(spans: Spans, removed: Spans) -> Spans:
    """What `spans` hold and `removed` do not."""
    if not spans:
        return ()
    edges = [edge for span in removed for edge in span]
    kept = zip([spans[0][0], *edges[1::2]], [*edges[::2], spans[-1][1]], strict=True)
    return intersect(spans, tuple((start, stop) for start, stop in kept if start < stop))


def spans_of_seconds(spans_s: Sequence[tuple[float, float]], rate_hz: int, n_samples: int) -> Spans:
    """Spans of a voice activity detector in samples: each border goes to the nearest sample.

    Rounded, never truncated: 0.29 * 100 is 28.999… to a computer.
    """
    return merge(((round(start * rate_hz), round(stop * rate_hz)) for start, stop in spans_s), n_samples)


def spans_of_mask(mask: NDArray[np.bool_]) -> Spans:
    """Runs of true samples of (n,)."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return tuple((int(start), int(stop)) for start, stop in edges.reshape(-1, 2))


def active_speech(pcm: Pcm, rate_hz: int) -> Spans:
    """Spans of active speech of `pcm` (n,) by its energy, after ITU-T P.56, method B.

    For when no detector's spans are at hand. The envelope of the samples without their mean must exceed a
    threshold that lies 15.9 dB below the level of what exceeds it, with 0.2 s of hangover. Empty for
    silence and for a constant. Raises ValueError for several channels.
    """
    from scipy.signal import lfilter

    if pcm.ndim != 1:
        raise ValueError(f"active speech is found in one channel, not in shape {pcm.shape}")
    if not len(pcm):
        return ()
    x = pcm.astype(np.float64) / (FULL_SCALE if pcm.dtype == np.int16 else 1)
    x -= x.mean()
    pole = math.exp(-1 / (rate_hz * _P56_TIME_CONSTANT_S))
    envelope = np.abs(x)
    for _ in range(2):
        envelope = lfilter([1 - pole], [1, -pole], envelope)
    low_db, high_db = _P56_LOWEST_DBFS, to_db(float(envelope.max()))
    power, hangover = energy(x), round(_P56_HANGOVER_S * rate_hz)
    if high_db <= low_db:
        return ()
    for _ in range(20):  # the margin shrinks as the threshold grows: halve the interval
        threshold_db = (low_db + high_db) / 2
        n_active = int(_held(envelope >= from_db(threshold_db), hangover).sum())
        margin_db = 10 * math.log10(power / n_active) - threshold_db
        low_db, high_db = (threshold_db, high_db) if margin_db > _P56_MARGIN_DB else (low_db, threshold_db)
    return spans_of_mask(_held(envelope >= from_db(low_db), hangover))


def _held(above: NDArray[np.bool_], hangover: int) -> NDArray[np.bool_]:
    """Samples above, and up to `hangover` samples after each."""
    index = np.arange(len(above))
    latest = np.maximum.accumulate(np.where(above, index, -hangover - 1))
    return np.asarray(index - latest <= hangover)
