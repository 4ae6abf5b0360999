"""Room tone: the sound of a room in which nobody speaks, to lay under pauses and between turns.

A pause of digital zeros tells a model that it was made. So the quiet parts of a recording are quilted to the
length that is needed: pieces from places drawn at random, cross-faded with sin and cos, which keeps the
power of noises that are unlike each other, and never repeats with a period.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.interferers import pink, without_mean
from synth.levels import FULL_SCALE, Pcm, Spans, from_db, level_dbfs, merge, subtract
from synth.noise_plan import generator

Mono = NDArray[np.float32]
_MARGIN_S = 0.05
"""Kept from speech on both sides: its onsets and decays."""
_MIN_S = 0.06
_LOUDER_DB = 6.0
"""Moments louder than the quiet tenth by more are breaths, clicks or speech that was overheard."""
_PIECE_S = 0.25
_FADE_SHARE = 4
_LOWEST_DBFS = -95.0
"""Below it there is nothing in 16 bits."""


class RoomToneError(ValueError):
    """A recording has no room tone of its own."""


def quiet_parts(pcm: Pcm, rate_hz: int, speech: Spans) -> Spans:
    """Where (n,) `pcm` holds room tone: 50 ms away from the `speech` (samples), in
    blocks of 60 ms of which none is loud.

    Raises RoomToneError where no 60 ms are left, or what is left is digital silence.
    """
    n_samples, margin = pcm.shape[-1], round(_MARGIN_S * rate_hz)
    away = subtract(((0, n_samples),), merge(((a - margin, b + margin) for a, b in speech), n_samples))
    size = round(_MIN_S * rate_hz)
    blocks = [(at, at + size) for a, b in away for at in range(a, b - size + 1, size)]
    heard = {block: level for block in blocks if (level := level_dbfs(pcm, (block,))) > _LOWEST_DBFS}
    if not heard:
        what = "is digital silence" if blocks else f"lasts for {_MIN_S:g} s"
        raise RoomToneError(f"nothing between the speech {what}: give a room tone, or let one be made")
    loudest = float(np.percentile(list(heard.values()), 10)) + _LOUDER_DB
    return merge((block for block, level in heard.items() if level <= loudest), n_samples)


def quilted_tone(pcm: Pcm, parts: Spans, n_samples: int, rate_hz: int, *seed: Any) -> Mono:
    """`n_samples` of room tone (n,) float32, full scale 1, of the quiet parts of `pcm` (n,).

    `seed` names the draw of places. Raises RoomToneError without parts.
    """
    if not parts:
        raise RoomToneError("there are no quiet parts to make room tone of")
    longest = max(stop - start for start, stop in parts)
    size = min(longest, round(_PIECE_S * rate_hz))
    fade = max(1, size // _FADE_SHARE)
    usable = [(start, stop - size) for start, stop in parts if stop - start >= size]
    places = np.cumsum([last - first + 1 for first, last in usable])
    rng = generator("room tone", *seed)
    tone = np.zeros(n_samples + 2 * size, np.float64)
    ramp = np.sin((np.arange(fade) + 0.5) * (math.pi / 2 / fade))
    window = np.concatenate([ramp, np.ones(size - 2 * fade), ramp[::-1]])
    for at in range(0, n_samples + fade, size - fade):
        drawn = int(rng.integers(places[-1]))
        number = int(np.searchsorted(places, drawn, side="right"))
        first = usable[number][1] - (int(places[number]) - 1 - drawn)
        tone[at : at + size] += window * without_mean(pcm[first : first + size])
    return np.asarray(tone[fade : fade + n_samples] + _offset(pcm, parts), np.float32)


def _offset(pcm: Pcm, parts: Spans) -> float:
    """Of the recording: left out of the pieces, since their power-keeping fades would make bumps of it."""
    mean = float(np.mean(np.concatenate([pcm[start:stop] for start, stop in parts]), dtype=np.float64))
    return mean / FULL_SCALE if pcm.dtype == np.int16 else mean


def made_tone(n_samples: int, rate_hz: int, level: float, *seed: Any) -> Mono:
    """Pink noise (n,) float32 of a level in dBFS, for sounds that bring no room with them."""
    if n_samples < 1:
        return np.zeros(0, np.float32)
    number = int(generator("made tone", *seed).integers(2**32))
    return np.asarray(pink(n_samples, number, rate_hz=rate_hz) * np.float32(from_db(level)))
