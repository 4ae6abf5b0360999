"""What a face extractor is: given the frames of one clip, it returns arrays on the clip's 25 Hz grid.

To add one: a class in one file, one line in `EXTRACTORS`, its name in `cut.members`; see docs/extending.md.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FaceFrame:
    """One frame of a clip and where the followed face is in it.

    `image` (H, W, 3) uint8 RGB, C-contiguous; `landmarks` (478, 3) float64 px (x right, y down, z away
    from the camera); `box` (4,) float64 px, x0 y0 x1 y1 of the landmarks; `blendshapes` (52,) and `pose`
    (4, 4) as `extractors.landmarks.Face` has them.
    """

    image: NDArray[np.uint8]
    landmarks: NDArray[np.float64]
    box: NDArray[np.float64]
    blendshapes: NDArray[np.float64]
    pose: NDArray[np.float64]


@dataclass(frozen=True)
class Output:
    """One array an extractor returns: `(N, …)` with a row for each of the N frames it was shown.

    `channels` names the columns of a `(T, len(channels))` array. `per_clip` marks an array that has no
    row for each frame.
    """

    about: str
    channels: tuple[str, ...] = ()
    per_clip: bool = False


class FaceExtractor(Protocol):
    """Measures the followed face of one clip at a time.

    Constructed once a process (weights are loaded there), with the options of the config as keyword
    arguments; then for each clip `begin`, `add` for each frame in which the face was seen, in order,
    `finish`. Nothing of a clip may reach the next. Frames without the face are not shown: `cut` interpolates
    them, within the look-ahead that the config allows, and marks them in `KEY.EXTRACTOR_valid.npy`.
    Raise `manifests.reasons.ItemError` for a clip that cannot be measured.
    """

    weights: ClassVar[tuple[str, ...]]
    """Names in `extractors.weights.REGISTRY`; their digests enter the step key."""
    libraries: ClassVar[tuple[str, ...]]
    """Distributions whose version can change the numbers; they enter the step key."""
    version: ClassVar[int]
    """Raised whenever the same frames would give other numbers."""
    outputs: ClassVar[Mapping[str, Output]]
    """What `finish` returns, by member name (written as `KEY.NAME.npy`)."""

    def begin(self, n_frames: int) -> None:
        """A clip begins, with `n_frames` frames (at least one) to come."""

    def add(self, frame: FaceFrame) -> None:
        """Its next frame."""

    def finish(self) -> dict[str, NDArray[Any]]:
        """The arrays of the clip, exactly those that `outputs` names."""


EXTRACTORS: dict[str, str] = {
    "smirk": "extractors.smirk:Smirk",
    "smirk58": "extractors.smirk:Smirk58",
    "embedding512": "extractors.face_embedding:FaceEmbedding512",
}
"""Name in `cut.members` -> `module:Class`. Imported only when a config asks for it."""


def extractor_class(name: str) -> type[FaceExtractor]:
    """The class behind a name of `EXTRACTORS`. Raises `KeyError` for an unknown one."""
    module, _, attribute = EXTRACTORS[name].partition(":")
    found: type[FaceExtractor] = getattr(importlib.import_module(module), attribute)
    return found
