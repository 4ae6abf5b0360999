"""Lips against sound, from what a shard holds: the coefficients of the mouth and the mono mix."""

from __future__ import annotations

import numpy as np

from pipelines.audit.payload.asked import is_corrupted, is_mixed
from pipelines.audit.payload.sample import Sample

SURE = 0.9
"""Probability from which an offset is told, as `select` has it."""
_OPEN = {
    "jaw": {"jawOpen": 1.0},
    "height": {"jawOpen": 1.0, "mouthLowerDownLeft": 0.5, "mouthUpperUpLeft": 0.5, "mouthFunnel": 0.3},
    "width": {"mouthStretchLeft": 1.0, "mouthSmileLeft": 0.5, "mouthPucker": -1.0, "mouthFunnel": -0.5},
    "gap": {"jawOpen": 1.0, "mouthClose": -1.0},
}
"""Blendshapes that move each of `extractors.lip_motion.LIP_FEATURES`, and which way."""


def lips_delay(sample: Sample) -> dict[str, float]:
    """|A/V offset| of the sample in frames of 40 ms, where the method is sure; else nothing.

    `extractors.av_offset` measures lengths on the mesh; here the blendshapes stand in for them, which move
    with them, if not in proportion: its correlations are blind to scale.
    """
    from extractors.av_offset import measure_offset

    if is_corrupted(sample.header) or is_mixed(sample.header):
        return {}  # a test set may shift them on purpose, and its measure is made for clean sound
    names = (sample.header.get("channels") or {}).get("arkit52.npy")
    shapes, sound = sample.array("arkit52.npy"), sample.sound("flac")
    if (
        shapes is None
        or sound is None
        or not names
        or shapes.shape[1:] != (len(names),)
        or sound[1] != 16_000
    ):
        return {}
    column = {name: shapes[:, at].astype(np.float64) for at, name in enumerate(names)}
    if not all(name in column for parts in _OPEN.values() for name in parts):
        return {}
    lips = np.stack(
        [sum(weight * column[name] for name, weight in parts.items()) for parts in _OPEN.values()], 1
    )
    times_s = np.arange(len(lips)) / 25.0
    found = measure_offset(times_s, lips, sound[0].mean(axis=0), start_s=0.0)
    return {"lips_delay_frames": abs(found.offset_frames)} if found.confidence >= SURE else {}
