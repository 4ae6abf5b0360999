"""Named groups of face channels, and which of them can be trusted in a frame.

Every channel of a layout is in exactly one group.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES, LIVELINK61_NAMES

GROUPS = ("eye_gaze", "head_rotation", "jaw_mouth", "brow", "translation", "cheek_nose", "neutral")
"""Groups in the order of every array here. A layout may have none of a group's channels."""

LAYOUTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"arkit52": ARKIT52_NAMES, "face61": FACE61_NAMES, "livelink61": LIVELINK61_NAMES}
)

# Channel names begin with one of these, whatever their case; "lefteye" and "righteye" are angles.
_PREFIXES = {
    "eye_gaze": ("eye", "lefteye", "righteye"),
    "head_rotation": ("rotation_", "head"),
    "jaw_mouth": ("jaw", "mouth", "tongue"),
    "brow": ("brow",),
    "translation": ("translation_",),
    "cheek_nose": ("cheek", "nose"),
    "neutral": ("_neutral",),
}


def group_of(channel: str) -> str:
    """The group of a channel of any layout. Raises KeyError for a channel of none."""
    for group in GROUPS:
        if channel.lower().startswith(_PREFIXES[group]):
            return group
    raise KeyError(channel)


def group_indices(layout: str) -> dict[str, list[int]]:
    """For each of `GROUPS` the columns of `layout` that belong to it, ascending; may be empty."""
    names = LAYOUTS[layout]
    return {group: [i for i, name in enumerate(names) if group_of(name) == group] for group in GROUPS}


def group_masks(layout: str) -> NDArray[np.bool_]:
    """(len(GROUPS), channels of `layout`): which channels are in which group."""
    return np.array([[group_of(name) == group for name in LAYOUTS[layout]] for group in GROUPS])


def group_valid(
    valid: NDArray[np.bool_],
    *,
    occluded_mouth: NDArray[np.bool_] | None = None,
    closed_eyes: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """(T, len(GROUPS)): whether each group can be trusted in each frame.

    `valid` (T,): the face was measured. `occluded_mouth` (T,): something covers the mouth; jaw and mouth
    are then drawn by the mesh, not seen. `closed_eyes` (T,): there is no iris to see, so gaze is not
    measured (the lids are, but share the group). None counts as never.
    Raises ValueError when the lengths differ.
    """
    trusted = np.repeat(valid[:, None], len(GROUPS), axis=1)
    for group, hidden in (("jaw_mouth", occluded_mouth), ("eye_gaze", closed_eyes)):
        if hidden is not None:
            if hidden.shape != valid.shape:
                raise ValueError(f"{hidden.shape} flags for {valid.shape} frames")
            trusted[:, GROUPS.index(group)] &= ~hidden
    return trusted
