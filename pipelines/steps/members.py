"""Members: what `cut` can write of a clip, and what each file of it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES, LIVELINK61_NAMES
from extractors.extractor import EXTRACTORS, extractor_class
from extractors.groups import GROUPS, LAYOUTS, group_indices

VIDEO_MEMBERS = (
    *("lips", "face", "arkit52", "face61", "livelink61"),
    *("groups", "trust", "exclusion", "reference"),
)
AUDIO_MEMBERS = ("flac", "native", "fbank104")

_RATES_HZ: dict[str, float] = {
    "lips.mp4": 25.0,
    "face.mp4": 25.0,
    "lips_interpolated.npy": 25.0,
    "arkit52.npy": 25.0,
    "arkit52_valid.npy": 25.0,
    "face61.npy": 12.5,
    "face61_valid.npy": 12.5,
    "livelink61.npy": 25.0,
    "livelink61_valid.npy": 25.0,
    "group_valid.npy": 25.0,
    "trust.npy": 25.0,
    "exclusion.npy": 25.0,
    "fbank104.npy": 25.0,
    "flac": 16_000.0,
}

TRUST = ("score", "sharpness", "luma", "dark_share", "bright_share", "mouth_occlusion", "jitter")
"""What `watch` measured of each face to tell how far it can be trusted."""

TRUST_CHANNELS = ("seen", *TRUST, "face_px", "yaw_deg", "pitch_deg", "roll_deg", "speaking")
"""Columns of `trust.npy`; NaN in frames in which the face was not seen."""

_CHANNELS = {
    "arkit52.npy": list(ARKIT52_NAMES),
    "face61.npy": list(FACE61_NAMES),
    "livelink61.npy": list(LIVELINK61_NAMES),
    "group_valid.npy": list(GROUPS),
    "trust.npy": list(TRUST_CHANNELS),
}


@dataclass
class Made:
    """Members of a clip by file name, what was measured on the way, and members there are none of and why."""

    payloads: dict[str, bytes] = field(default_factory=dict)
    measures: dict[str, Any] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def member_names() -> tuple[str, ...]:
    """Everything that `cut.members` may name: what is built in, then the registered extractors."""
    return (*VIDEO_MEMBERS, *AUDIO_MEMBERS, *EXTRACTORS)


def rates_hz(names: tuple[str, ...]) -> dict[str, float]:
    """Frames or samples a second of each file of these members; `native.flac` has the source's own rate."""
    of_extractors = {
        f"{output}.npy": 25.0
        for name in names
        if name in EXTRACTORS
        for output, about in extractor_class(name).outputs.items()
        if not about.per_clip
    }
    valid = {f"{name}_valid.npy": 25.0 for name in names if name in EXTRACTORS}
    return _RATES_HZ | of_extractors | valid


def groups(extensions: list[str]) -> dict[str, dict[str, list[int]]]:
    """For each layout of coefficients that is there: columns by group of channels."""
    return {
        f"{layout}.npy": {group: columns for group, columns in group_indices(layout).items() if columns}
        for layout in LAYOUTS
        if f"{layout}.npy" in extensions
    }


def channels(names: tuple[str, ...]) -> dict[str, list[str]]:
    """Names of the columns of each array that has them."""
    of_extractors = {
        f"{output}.npy": list(about.channels)
        for name in names
        if name in EXTRACTORS
        for output, about in extractor_class(name).outputs.items()
        if about.channels
    }
    return _CHANNELS | of_extractors
