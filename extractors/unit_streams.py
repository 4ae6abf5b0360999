"""Speech as SpiritLM writes it: semantic, pitch and style units in one line of text, `[St3][Pi41][Hu97]`.

Nguyen et al., "SpiRit-LM: Interleaved Spoken and Written Language Model" (2024); rates and text form of
facebookresearch/spiritlm `spiritlm_tokenizer.py`, the rule of no two style or pitch units in a row of AVLM.

The published quantisers need Meta's weights under its own licence. Semantic units are `SslFeatures` of a
25 Hz HuBERT with `KMeansUnits` of 500, which load what the user brings. For pitch and style the published
networks (a VQ-VAE over F0, a speech-style classifier) are not rebuilt here: `pitch_features` and
`style_features` give what `fit_kmeans` turns into units of one's own, or the caller has units from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["St", "Pi", "Hu"]
SEMANTIC_HZ, PITCH_HZ, STYLE_HZ = 24.99, 12.5, 1.0

_RATE_HZ = 16_000
_HOP = 256  # of SwiftF0: 62.5 Hz, five frames to a pitch unit
_FRAMES_A_UNIT = 5
_VOICED = 0.5
_MIN_HZ, _MAX_HZ = 50.0, 1100.0  # as SpiritLM asks its own tracker
_UNIT = re.compile(r"\[(St|Pi|Hu)(\d+)\]")


class PitchTracker:
    """F0 by SwiftF0 (package swift-f0, MIT; Nieradzik 2025), a network of 14 000 numbers, on one thread.

    SpiritLM trained its quantiser on pYAAPT and runs it on FCPE; this is a third tracker.
    """

    def __init__(self) -> None:
        from swift_f0 import SwiftF0

        self._detector = SwiftF0(threads=1)

    def __call__(self, pcm: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """F0 in Hz and whether there is voice, both (max(1, n // 256),), for (n,) samples at 16 kHz."""
        if not len(pcm):
            return np.zeros(0), np.zeros(0, bool)
        found = self._detector.detect(pcm, _RATE_HZ, _MIN_HZ, _MAX_HZ)
        return np.asarray(found.pitch_hz), np.asarray(found.confidence >= _VOICED)


def pitch_features(f0_hz: NDArray[np.float64], voiced: NDArray[np.bool_]) -> NDArray[np.float32]:
    """(T,) frames at 62.5 Hz to (ceil(T / 5), 2) at 12.5 Hz: semitones, and the share of voice.

    Semitones are counted from the median of the recording's voiced frames, so that a unit means a movement
    and not a person; 0 where there is no voice.
    """
    missing = -len(f0_hz) % _FRAMES_A_UNIT
    middle_hz = float(np.median(f0_hz[voiced])) if voiced.any() else 1.0
    semitones = 12 * np.log2(np.where(voiced, f0_hz, middle_hz) / middle_hz)
    weights = np.pad(voiced.astype(np.float64), (0, missing)).reshape(-1, _FRAMES_A_UNIT)
    present = np.pad(np.ones(len(f0_hz)), (0, missing)).reshape(-1, _FRAMES_A_UNIT).sum(axis=1)
    sums = (np.pad(semitones, (0, missing)).reshape(-1, _FRAMES_A_UNIT) * weights).sum(axis=1)
    share = weights.sum(axis=1)
    return np.stack([sums / np.maximum(share, 1), share / present], axis=1).astype(np.float32)


def style_features(features: NDArray[np.float32], *, rate_hz: float) -> NDArray[np.float32]:
    """(T, D) at `rate_hz` to (ceil(T / rate_hz), D): the mean of each second, the last of what there is."""
    size = round(rate_hz / STYLE_HZ)
    parts = [features[start : start + size].mean(axis=0) for start in range(0, len(features), size)]
    return np.stack([np.zeros(features.shape[1], np.float32), *parts])[1:].astype(np.float32)


def interleave(
    semantic: Sequence[int],
    pitch: Sequence[int],
    style: Sequence[int],
    *,
    semantic_hz: float = SEMANTIC_HZ,
    pitch_hz: float = PITCH_HZ,
    style_hz: float = STYLE_HZ,
) -> list[tuple[Kind, int]]:
    """The three streams as one, by time; of units at one instant style comes first, then pitch.

    Unit i of a stream stands at i / rate. A unit equal to the one before in its stream is left out. Before a
    semantic unit there is at most one style and one pitch unit, in this order: of several that would stand
    in a row, because the semantic unit lasts, the latest counts. None stands after the last semantic unit.
    """
    timed: list[tuple[float, int, Kind, int]] = []
    for order, (kind, units, rate_hz) in enumerate(
        (("St", style, style_hz), ("Pi", pitch, pitch_hz), ("Hu", semantic, semantic_hz))
    ):
        named: Kind = kind  # type: ignore[assignment]
        kept = [i for i, unit in enumerate(units) if i == 0 or unit != units[i - 1]]
        timed.extend((i / rate_hz, order, named, int(units[i])) for i in kept)
    found: list[tuple[Kind, int]] = []
    waiting: dict[Kind, int] = {}
    told: dict[Kind, int] = {}
    for _, _, kind, unit in sorted(timed, key=lambda one: one[:2]):
        if kind != "Hu":
            waiting[kind] = unit
            continue
        for control in ("St", "Pi"):
            value = waiting.pop(control, None)
            if value is not None and told.get(control) != value:
                told[control] = value
                found.append((control, value))
        found.append((kind, unit))
    return found


def to_text(units: Sequence[tuple[Kind, int]]) -> str:
    """`[St3][Pi41][Hu97]`."""
    return "".join(f"[{kind}{unit}]" for kind, unit in units)


def from_text(text: str) -> list[tuple[Kind, int]]:
    """The units of `to_text`. Raises ValueError where something else stands."""
    found: list[tuple[Kind, int]] = []
    position = 0
    for match in _UNIT.finditer(text):
        if match.start() != position:
            break
        position = match.end()
        found.append((match[1], int(match[2])))  # type: ignore[arg-type]
    if position != len(text):
        raise ValueError(f"no unit at character {position}: {text[position : position + 12]!r}")
    return found
