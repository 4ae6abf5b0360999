"""What a test set did to a sample on purpose: it is the sample's label, not its defect.

KEY.json says what was done to which frames (`corruption`), and what was mixed in (`mix`). A measure that such
a condition is meant to move is not judged there; everywhere else, and in every other condition, it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

DARKENS = frozenset({"low_light", "cutout"})
"""Kinds of corruption after which a crop may be black: `cutout` covers most of the lip crop with black."""
STILLS = frozenset({"freeze", "frame_drop", "h264", *DARKENS})
"""Kinds after which nothing may move: H.264 at a coarse quantiser repeats what hardly changed."""
_CLEAN = (None, "clean")


def frames_of(header: Mapping[str, Any], kinds: frozenset[str], n_frames: int) -> NDArray[np.bool_]:
    """(n_frames,) whether a frame of the crops was changed by one of these kinds."""
    inside = np.zeros(n_frames, bool)
    for one in _corruptions(header):
        if one.get("kind") in kinds:
            for start, stop in one.get("spans") or ():
                inside[int(start) : int(stop)] = True
    return inside


def is_corrupted(header: Mapping[str, Any]) -> bool:
    """Whether the picture is not the clean clip's: that the face is lost may be what it is about."""
    return (header.get("corruption") or {}).get("kind") not in _CLEAN


def is_speechless(header: Mapping[str, Any]) -> bool:
    """Whether the sound is noise alone: the words are those of the clean clip and are not heard."""
    return (header.get("mix") or {}).get("kind") == "noise_only"


def is_mixed(header: Mapping[str, Any]) -> bool:
    """Whether the sound is not the clean clip's: a recogniser may fail."""
    return (header.get("mix") or {}).get("kind") not in _CLEAN


def _corruptions(header: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    plan = (header.get("corruption") or {}).get("plan") or {}
    yield from plan.get("corruptions") or ()
