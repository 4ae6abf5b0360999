"""Members: what `cut` can write of a clip, and what each file of it holds."""

from __future__ import annotations

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES
from extractors.extractor import EXTRACTORS, extractor_class

VIDEO_MEMBERS = ("lips", "face", "arkit52", "face61")
AUDIO_MEMBERS = ("flac", "native")

_RATES_HZ: dict[str, float] = {
    "lips.mp4": 25.0,
    "face.mp4": 25.0,
    "lips_interpolated.npy": 25.0,
    "arkit52.npy": 25.0,
    "arkit52_valid.npy": 25.0,
    "face61.npy": 12.5,
    "face61_valid.npy": 12.5,
    "flac": 16_000.0,
}

_CHANNELS = {"arkit52.npy": list(ARKIT52_NAMES), "face61.npy": list(FACE61_NAMES)}


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
    return _RATES_HZ | of_extractors


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
