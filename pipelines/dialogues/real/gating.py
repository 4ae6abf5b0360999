"""Two streams of one mixture: each side's is the mixture while that side speaks, and room tone while not.

This separates nobody: where both speak, both are heard in both streams.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from synth.levels import Spans, merge, subtract
from synth.room_tone import RoomToneError, made_tone, quiet_parts, quilted_tone

MARGIN_S = 0.05
"""Kept round speech: its softest onset and decay; as `synth.room_tone` keeps away from it."""
FADE_S = 0.01
MADE_DBFS = -65.0
"""Of pink noise where the mixture is never quiet: that of made dialogues (`arrange.tone_dbfs`)."""
Mono = NDArray[np.float32]


def gated(pcm: Mono, rate_hz: int, own: Spans, other: Spans, *seed: str) -> tuple[Mono, str]:
    """(n,) of the mixture (n,) for one side, and where the tone is from: `recording` or `made`.

    `own` and `other` are sorted, disjoint spans of speech in samples. Fades lie in the margin, or where the
    other side's speech leaves none, in the side's own speech.
    """
    speech = merge([*own, *other], len(pcm))
    try:
        tone = quilted_tone(pcm, quiet_parts(pcm, rate_hz, speech), len(pcm), rate_hz, *seed)
        origin = "recording"
    except RoomToneError:
        tone, origin = made_tone(len(pcm), rate_hz, MADE_DBFS, *seed), "made"
    margin = round(MARGIN_S * rate_hz)
    wide = merge(((start - margin, stop + margin) for start, stop in own), len(pcm))
    open_ = merge([*own, *subtract(wide, other)], len(pcm))
    envelope = _envelope(open_, len(pcm), round(FADE_S * rate_hz))
    heard = pcm * envelope + tone * np.sqrt(1 - envelope**2)
    peak = float(np.abs(heard).max(initial=0.0))
    return np.asarray(heard / max(1.0, peak), np.float32), origin


def _envelope(spans: Spans, n_samples: int, fade: int) -> NDArray[np.float64]:
    """1 inside the spans, raised-cosine fades at their ends, 0 outside."""
    envelope = np.zeros(n_samples)
    for start, stop in spans:
        envelope[start:stop] = 1
        size = min(fade, (stop - start) // 2)
        ramp = np.sin((np.arange(size) + 0.5) * (math.pi / 2 / max(size, 1))) ** 2
        if start > 0:
            envelope[start : start + size] = ramp
        if stop < n_samples:
            envelope[stop - size : stop] = ramp[::-1]
    return envelope
