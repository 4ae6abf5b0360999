"""The members of one clip that need no second decode: coefficients, trust signals and masks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.clip_sections import CutConfig
from pipelines.steps.members import TRUST, TRUST_CHANNELS, Made
from pipelines.steps.series import Clip, Series

MAX_GAP_S = 0.1
"""A coefficient between two measurements further apart than this is marked invalid: one missed frame at
25 fps is bridged, and video of 12 fps still counts as measured."""

CLOSED_EYES = 0.5
"""Eyes whose blink shapes are both above this show no iris."""


def add_numbers(
    made: Made,
    clip: Clip,
    series: Series,
    chosen: list[int],
    scores: NDArray[np.float64],
    *,
    config: CutConfig,
) -> None:
    """Coefficients, validity by group, trust signals and the exclusion mask, as far as they are wanted.

    `chosen` are the frames of the clip's 25 Hz grid; `scores` (T,) those of the active speaker network.
    """
    from extractors.coefficients import coefficients, zero_translation
    from extractors.encode import npy_bytes

    times_s = np.array([float(time) for time in series.frame_pts])[series.seen]
    grid_s = np.array([float(time) for time in clip.grid])
    found = coefficients(
        times_s,
        series.blendshapes,
        series.poses,
        grid_s,
        max_gap_s=MAX_GAP_S,
        lookahead_frames=config.lookahead_frames,
    )
    if config.zero_translation:
        found = replace(found, face61=zero_translation(found.face61))
    made.measures["face61_valid_share"] = float(found.face61_valid.mean())
    for name in ("arkit52", "face61", "livelink61"):
        if name in config.members:
            made.payloads[f"{name}.npy"] = npy_bytes(getattr(found, name))
            valid = found.face61_valid if name == "face61" else found.arkit52_valid
            made.payloads[f"{name}_valid.npy"] = npy_bytes(valid)
    trust = trust_signals(series, chosen, scores)
    if "trust" in config.members:
        columns = [trust[name] for name in TRUST_CHANNELS]
        made.payloads["trust.npy"] = npy_bytes(np.stack(columns, axis=1).astype(np.float32))
    hidden = np.nan_to_num(trust["mouth_occlusion"]) > config.mouth_hidden_above
    if "groups" in config.members:
        made.payloads["group_valid.npy"] = npy_bytes(_groups(found.arkit52, found.arkit52_valid, hidden))
    if "exclusion" in config.members:
        made.payloads["exclusion.npy"] = npy_bytes(_exclusion(series, chosen, trust, grid_s, config))


def trust_signals(
    series: Series, chosen: list[int], scores: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """(T,) of each of `TRUST_CHANNELS`, from the source frame nearest to each instant."""
    from extractors.pose import euler_deg, rotation_of

    boxes = on_frames(series.boxes, series, chosen)
    angles = on_frames(euler_deg(rotation_of(series.poses)), series, chosen)
    seen = ~np.isnan(boxes).any(axis=1)
    return {
        "seen": seen.astype(np.float64),
        **{name: on_frames(series.trust[name], series, chosen) for name in TRUST},
        "face_px": boxes[:, 3] - boxes[:, 1],
        "yaw_deg": angles[:, 0],
        "pitch_deg": angles[:, 1],
        "roll_deg": angles[:, 2],
        "speaking": scores,
    }


def _groups(
    arkit52: NDArray[np.float32], valid: NDArray[np.bool_], hidden: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    from extractors.coefficients import ARKIT52_NAMES
    from extractors.groups import group_valid

    blinks = [ARKIT52_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]
    closed = np.asarray(arkit52[:, blinks].min(axis=1) > CLOSED_EYES)
    return group_valid(valid, occluded_mouth=hidden, closed_eyes=closed)


def _exclusion(
    series: Series,
    chosen: list[int],
    trust: dict[str, NDArray[np.float64]],
    grid_s: NDArray[np.float64],
    config: CutConfig,
) -> NDArray[np.bool_]:
    from extractors.reference import excluded

    angles = np.stack([trust["yaw_deg"], trust["pitch_deg"], trust["roll_deg"]], axis=1)
    boxes = on_frames(series.boxes, series, chosen)
    return excluded(boxes, angles, trust["mouth_occlusion"], grid_s, max_occlusion=config.mouth_hidden_above)


def on_frames(values: NDArray[Any], series: Series, chosen: list[int]) -> NDArray[Any]:
    """Values (N, …) of the frames with the face, on the chosen frames (T, …); NaN where it was not seen."""
    every = np.full((len(series.frame_pts), *values.shape[1:]), np.nan)
    every[series.seen] = values
    return every[chosen]
