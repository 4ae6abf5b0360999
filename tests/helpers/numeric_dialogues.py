"""Dialogues of numbers: coefficients that wander, turns that end, and, where wanted, a head that tells."""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from extractors.coefficients import FACE61_NAMES
from pipelines.audit.probe_data import Dialogue

HORIZON_FRAMES = 12
"""1 s at 12.5 Hz, as many frames as are whole in it."""


def numeric_dialogues(
    n_dialogues: int,
    seed: int,
    *,
    told_by: str | None = None,
    strength: float = 3.0,
    seconds: float = 60.0,
    with_activity: bool = False,
) -> list[Dialogue]:
    """Every channel is an autoregressive walk round a place of the dialogue's own. Turns of 2 to 6 s end, and
    `told_by` (the beginning of channel names) then moves for a second by `strength` deviations."""
    generator = np.random.default_rng(seed)
    n_frames = int(seconds * 12.5)
    told = [at for at, name in enumerate(FACE61_NAMES) if told_by and name.startswith(told_by)]
    found = []
    for number in range(n_dialogues):
        noise = generator.normal(size=(n_frames, len(FACE61_NAMES))) * 0.6
        noise[0] /= 0.6
        face = lfilter([1.0], [1.0, -0.8], noise, axis=0)  # of unit variance from the first frame on
        face += generator.normal(size=face.shape[1])  # how this camera sees this face
        yields = np.zeros(n_frames, bool)
        speaking = np.ones((n_frames, 1), np.float32)
        end = 0
        while (end := end + int(generator.integers(25, 75))) < n_frames:
            yields[max(0, end - HORIZON_FRAMES) : end] = True
            speaking[end - 2 : end] = 0.0
        face[:, told] += strength * yields[:, None]
        found.append(
            Dialogue(
                f"dialogue-{number:03d}",
                face.astype(np.float32),
                np.ones(n_frames, bool),
                yields,
                np.ones(n_frames, bool),
                speaking if with_activity else speaking[:, :0],
            )
        )
    return found
