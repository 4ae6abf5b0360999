"""Pictures that are laid over a face: RGBA files of a folder, or painted here (`painted.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.kinds import Category
from synth.corruption.plan import DRAWN, CorruptError, Fault

SUFFIXES = (".png", ".webp", ".tif", ".tiff")
_WORDS: Mapping[str, Category] = {
    "hand": "hand",
    "finger": "hand",
    "mask": "mask",
    "n95": "mask",
    "ffp": "mask",
    "surgical": "mask",
    "cloth": "mask",
    "mic": "microphone",
    "object": "object",
}
_OPAQUE = 127
_SMALLEST_PX = 16


@dataclass(frozen=True, eq=False)
class Occluder:
    """A picture with alpha, cut to what can be seen of it.

    `levels` of (H, W, 4) uint8, RGB times alpha and alpha: the picture, and each the last one halved, so that
    a small copy is made of all its pixels.
    """

    name: str
    category: Category
    levels: tuple[NDArray[np.uint8], ...]

    @classmethod
    def of(cls, name: str, category: Category, rgba: NDArray[np.uint8]) -> Occluder:
        """From RGB and alpha (H, W, 4). Raises CorruptError(OCCLUDER_UNREADABLE) when nothing is opaque."""
        rows, columns = (np.flatnonzero((rgba[..., 3] > _OPAQUE).any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            raise CorruptError(Fault.OCCLUDER_UNREADABLE, f"occluder {name}: no pixel of it is opaque")
        seen = rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        alpha = seen[..., 3:].astype(np.float32) / 255
        levels = [np.dstack([np.rint(seen[..., :3] * alpha), seen[..., 3]]).astype(np.uint8)]
        while min(levels[-1].shape[:2]) >= 2 * _SMALLEST_PX:
            height, width = levels[-1].shape[:2]
            halved = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
            levels.append(np.asarray(halved, np.uint8))
        return cls(name, category, tuple(levels))

    @property
    def alpha(self) -> NDArray[np.bool_]:
        """(H, W) where the full picture is opaque."""
        return self.levels[0][..., 3] > _OPAQUE


def load_occluders(folder: Path) -> dict[str, Occluder]:
    """Every picture of a folder and its subfolders, by its path below the folder without suffix.

    The category is told by the nearest folder, or else the name: hand or finger; mask, n95, ffp, surgical or
    cloth; mic; anything else is an object. Raises CorruptError: NO_OCCLUDER for a folder that is not there or
    holds no picture, OCCLUDER_UNREADABLE for a picture without alpha or that cannot be read.
    """
    if not folder.is_dir():
        raise CorruptError(Fault.NO_OCCLUDER, f"{folder} is not a folder of occluders")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise CorruptError(Fault.NO_OCCLUDER, f"{folder} holds no picture ({', '.join(SUFFIXES)})")
    found = {}
    for path in files:
        name = path.relative_to(folder).with_suffix("").as_posix()
        found[name] = Occluder.of(name, category_of(name), _read(path))
    return found


def category_of(name: str) -> Category:
    """What an occluder is, by its path's last part that tells it, from the file upwards to its folders."""
    for part in reversed(Path(name).parts[:-1]):
        for word, category in _WORDS.items():
            if word in part.lower():
                return category
    stem = Path(name).name.lower()
    return next((category for word, category in _WORDS.items() if word in stem), "object")


def names_of(occluders: Mapping[str, Occluder], category: Category) -> tuple[str, ...]:
    """Names of a category, sorted; what is painted here where there are none."""
    return tuple(sorted(name for name, one in occluders.items() if one.category == category)) or (DRAWN,)


def find(occluders: Mapping[str, Occluder], name: str, category: Category) -> Occluder:
    """The occluder that a plan names. Raises CorruptError(NO_OCCLUDER) where there is none of the kind."""
    if name == DRAWN:
        from synth.corruption.painted import painted

        return painted(category)
    if name not in occluders:
        known = ", ".join(sorted(occluders)) or "none was given"
        raise CorruptError(Fault.NO_OCCLUDER, f"the plan names the occluder {name!r}; there are: {known}")
    found = occluders[name]
    if found.category != category:
        raise CorruptError(
            Fault.NO_OCCLUDER, f"occluder {name} is a {found.category}, planned is a {category}"
        )
    return found


def _read(path: Path) -> NDArray[np.uint8]:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint8:
        raise CorruptError(Fault.OCCLUDER_UNREADABLE, f"{path} is not a readable picture of 8 bits")
    if image.ndim != 3 or image.shape[2] != 4:
        raise CorruptError(Fault.OCCLUDER_UNREADABLE, f"{path} has no alpha channel: it would be a rectangle")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGRA2RGBA), np.uint8)


assert set(_WORDS.values()) == set(get_args(Category))
