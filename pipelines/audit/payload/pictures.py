"""Pictures: frozen and black crops, a hash of the face, and what the trust signals say of it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.payload.asked import DARKENS, STILLS, frames_of, is_corrupted
from pipelines.audit.payload.sample import Sample
from pipelines.audit.payload.sounds import longest_run

RATE_HZ = 25.0
STILL_BELOW = 0.05
"""Mean |difference| of two frames, grey levels: a camera's noise alone is above, a repeated frame below."""
BLACK_BELOW = 24.0
FLAT_BELOW = 2.0
"""Mean and standard deviation of a frame in which there is nothing to see, grey levels."""
EMPTY_BELOW = 0.1
"""Standard deviation of a frame of one colour: empty even where darkness was asked for."""


def measure_pictures(sample: Sample) -> None:
    """A row of `pictures` for each crop."""
    rows = []
    for name in sample.pictures():
        frames = sample.picture(name)
        if frames is None:
            continue
        about = {} if name.startswith("main.") else sample.header  # a test set corrupts the user's picture
        dark, still = (frames_of(about, kinds, len(frames)) for kinds in (DARKENS, STILLS))
        rows.append(sample.row(member=name, **picture_facts(frames, dark, still)))
    sample.found.add_rows("pictures", rows)


def picture_facts(
    frames: NDArray[np.uint8],
    dark: NDArray[np.bool_] | None = None,
    still: NDArray[np.bool_] | None = None,
) -> dict[str, float]:
    """Measures of (T, H, W) grey levels. `dark`, `still`: (T,) frames that may be black, need not move."""
    pixels = frames.reshape(len(frames), -1)
    mean, spread = pixels.mean(axis=1), pixels.std(axis=1)
    differences = [
        float(np.abs(pixels[at].astype(np.int16) - pixels[at - 1]).mean()) for at in range(1, len(pixels))
    ]
    stands = np.array(differences) < STILL_BELOW
    black = (mean < BLACK_BELOW) | (spread < FLAT_BELOW)
    if still is not None:
        stands &= ~still[1:]
    if dark is not None:
        black &= ~dark | (spread < EMPTY_BELOW)
    return {"frozen_s": longest_run(stands) / RATE_HZ, "black_share": float(black.mean())}


def trust_facts(sample: Sample) -> dict[str, Any]:
    """Means over the frames in which the face was seen, from `trust.npy`; nothing of a corrupted picture."""
    if is_corrupted(sample.header):
        return {}
    names = sample.header.get("channels", {}).get("trust.npy")
    trust = sample.array("trust.npy")
    facts: dict[str, Any] = {}
    if trust is not None and names and trust.ndim == 2 and trust.shape[1] == len(names):
        columns = dict(zip(names, trust.T.astype(np.float64), strict=True))
        facts["seen_share"] = float((columns["seen"] > 0).mean())
        for fact, column in (
            ("mean_abs_pitch_deg", "pitch_deg"),
            ("mean_abs_roll_deg", "roll_deg"),
            ("mean_mouth_occlusion", "mouth_occlusion"),
        ):
            known = columns[column][np.isfinite(columns[column])]
            facts[fact] = float(np.abs(known).mean()) if len(known) else None
    invented = sample.array("lips_interpolated.npy")
    if invented is not None and invented.size:
        facts["lips_interpolated_share"] = float(invented.mean())
    return facts
