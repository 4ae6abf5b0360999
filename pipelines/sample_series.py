"""What can be drawn of a sample over time: values on equal steps, NaN where nothing was measured.

The page of a sample (`sample_page`) and the audit's report draw the same series, each in its own way.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.pose import euler_deg, from_six
from pipelines.contact_sheet import read_audio

UNREADABLE = (ValueError, OSError, EOFError, RuntimeError, LookupError, TypeError, AttributeError)
"""What decoders, tars and JSON of a damaged sample raise; PyAV's and soundfile's errors are among them."""
LEVEL_STEP_S = 0.02
LOWEST_DBFS = -80.0
SHAPES = ("jawOpen", "eyeBlinkLeft", "browInnerUp")
ANGLES = ("head yaw", "head pitch", "head roll")

Header = Mapping[str, Any]
Members = Mapping[str, bytes]
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """`values` (T,) on equal steps over the sample. `limits`: one axis for all samples, so that they compare;
    None where values have no natural range."""

    name: str
    unit: str
    values: Array
    limits: tuple[float, float] | None


def series_of(
    header: Header, members: Members, told: Callable[[str, Exception], object] | None = None
) -> Iterator[Series]:
    """Loudness, speech, mouth, head and trust, as far as the sample has them.

    A member that cannot be read raises one of `UNREADABLE`, or is told to `told` with the error.
    """
    for member, read in _READERS:
        if member not in members:
            continue
        try:
            yield from list(read(header, members))
        except UNREADABLE as error:
            if told is None:
                raise
            told(member, error)


def columns(header: Header, members: Members, name: str, valid: str | None = None) -> dict[str, Array]:
    """Columns of an array by channel name, NaN where its validity says so; none where it is not there."""
    if name not in members:
        return {}
    values = np.asarray(_array(members[name]), np.float64).copy()
    if valid is not None and valid in members:
        values[~_array(members[valid]).astype(bool)] = np.nan
    return dict(zip(header["channels"][name], values.T, strict=True))


def _array(data: bytes) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _level(_: Header, members: Members) -> Iterator[Series]:
    pcm, rate_hz = read_audio(members["flac"])
    step = max(1, round(rate_hz * LEVEL_STEP_S))
    parts = pcm[: len(pcm) // step * step].reshape(-1, step)
    power = np.mean(np.square(parts, dtype=np.float64), axis=1)
    decibels = 10 * np.log10(np.maximum(power, 10 ** (LOWEST_DBFS / 10)))
    yield Series("level", "dBFS", decibels, (-70.0, 0.0))


def _speaking(header: Header, members: Members) -> Iterator[Series]:
    trust = columns(header, members, "trust.npy")
    if "speaking" in trust:
        yield Series("speaking score", "(above 0: speaks)", trust["speaking"], (-8.0, 8.0))


def _shapes(header: Header, members: Members) -> Iterator[Series]:
    shapes = columns(header, members, "arkit52.npy", "arkit52_valid.npy")
    yield from (Series(name, "", shapes[name], (0.0, 1.0)) for name in SHAPES if name in shapes)


def _head(header: Header, members: Members) -> Iterator[Series]:
    """Of `face61`, in degrees."""
    face = columns(header, members, "face61.npy", "face61_valid.npy")
    six = np.stack([face[f"rotation_{axis}{column}"] for column in (0, 1) for axis in "xyz"], axis=1)
    for name, angle_deg in zip(ANGLES, euler_deg(from_six(six)).T, strict=True):
        yield Series(name, "degrees", angle_deg, (-60.0, 60.0))


def _trusted(header: Header, members: Members) -> Iterator[Series]:
    trust = columns(header, members, "trust.npy")
    if "face61.npy" not in members:
        for name in ANGLES:
            column = f"{name.removeprefix('head ')}_deg"
            if column in trust:
                yield Series(name, "degrees", trust[column], (-60.0, 60.0))
    if "mouth_occlusion" in trust:
        yield Series("mouth occlusion", "(1: hidden)", trust["mouth_occlusion"], (0.0, 1.0))
    for name, unit in (("jitter", "of the distance of the eyes"), ("sharpness", "")):
        if name in trust:
            yield Series(name, unit, trust[name], None)


_READERS: tuple[tuple[str, Callable[[Header, Members], Iterator[Series]]], ...] = (
    ("flac", _level),
    ("trust.npy", _speaking),
    ("arkit52.npy", _shapes),
    ("face61.npy", _head),
    ("trust.npy", _trusted),
)
