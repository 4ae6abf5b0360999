"""Arrays: lengths, NaN, dead channels, ranges of coefficients, codes of token streams."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.code_use import CodeUse
from pipelines.audit.payload.asked import is_corrupted
from pipelines.audit.payload.sample import SIDES, Sample
from pipelines.audit.payload.sounds import longest_run
from pipelines.audit.sketches import Bins, ColumnSummary, Limits

RANGE_BINS = Bins(0.0, 1.0, 20)
_MAY_BE_NAN = ("trust.npy",)
_MIN_FRAMES = 5
"""A channel that does not move in fewer frames says nothing."""
_NEVER_MEASURED = ("tongueout",)


def side_of(member: str) -> tuple[str, str]:
    """`('main', 'flac')` of `main.flac`; `('', 'flac')` of `flac`."""
    side, _, base = member.partition(".")
    return (side, base) if side in SIDES and base else ("", member)


def _told(header: dict[str, Any], field: str, member: str) -> Any:
    """What KEY.json's `field` says of a member, under its own name or that of its one-stream twin."""
    about = header.get(field) or {}
    return about.get(member, about.get(side_of(member)[1]))


def measure_lengths(sample: Sample) -> None:
    """A row of `members` for each member with a rate: how far its length is from that of the clip."""
    rows = []
    for name in sorted(sample.members):
        rate = _told(sample.header, "rates_hz", name)
        rate = rate or _told(sample.header, "rates_hz", name.replace("_valid.npy", ".npy"))
        length = _length(sample, name)
        if rate and length is not None:
            exact = float(rate) * sample.duration_s
            near = round(exact) if float(rate).is_integer() or float(rate) == 12.5 else None
            off = abs(length - near) if near is not None else max(0.0, abs(length - exact) - 1.0)
            rows.append(sample.row(member=name, frames_off=float(off)))
    sample.found.add_rows("members", rows)


def _length(sample: Sample, name: str) -> int | None:
    if name in set(sample.sounds()):
        sound = sample.sound(name)
        return None if sound is None else sound[0].shape[1]
    if name.endswith(".mp4"):
        frames = sample.picture(name)
        return None if frames is None else len(frames)
    array = sample.array(name) if name.endswith(".npy") else None
    if array is None or not array.ndim:
        return None
    return int(array.shape[-1]) if _told(sample.header, "tokens", name) else int(array.shape[0])


def measure_arrays(sample: Sample) -> None:
    """A row of `arrays` for each array of numbers, and the range of each named channel."""
    rows = []
    for name in sample.arrays():
        array = sample.array(name)
        if array is None or array.dtype.kind != "f" or not array.size:
            continue
        facts: dict[str, Any] = {}
        if side_of(name)[1] not in _MAY_BE_NAN:
            facts["nan_share"] = 1.0 - float(np.isfinite(array).mean())
        names = _told(sample.header, "channels", name)
        if names and array.ndim == 2 and side_of(name)[1] not in _MAY_BE_NAN:
            facts |= _coefficients(sample, name, array.astype(np.float64), list(names))
        rows.append(sample.row(member=name, **facts))
    sample.found.add_rows("arrays", rows)


def _coefficients(
    sample: Sample, member: str, array: NDArray[np.float64], names: list[str]
) -> dict[str, Any]:
    """Measures of (T, channels) coefficients over their valid frames."""
    if array.shape[1] != len(names):
        sample.fault("header_valid", f"{member}: {array.shape[1]} columns, {len(names)} names")
        return {}
    valid = sample.array(member.replace(".npy", "_valid.npy"))
    facts: dict[str, Any] = {}
    if valid is not None and valid.shape == array.shape[:1]:
        if not is_corrupted(sample.header):
            facts["valid_share"] = float(valid.mean())
        array = array[valid.astype(bool)]
    shapes = [at for at, name in enumerate(names) if _is_blendshape(name)]
    if len(array) >= _MIN_FRAMES and not is_corrupted(sample.header):  # a frozen picture freezes them
        still = np.flatnonzero(np.ptp(array, axis=0) == 0)
        dead = [names[at] for at in still if not _may_rest(names[at], array[0, at])]
        facts["constant_channels"] = len(dead)
    for at, name in enumerate(names):
        _range(sample, member, name, array[:, at])
    finite = array[:, shapes][np.isfinite(array[:, shapes])]
    if finite.size:
        facts["outside"] = max(0.0, -float(finite.min()), float(finite.max()) - 1.0)
    facts |= _rotation(array, names)
    return facts


def _is_blendshape(name: str) -> bool:
    return not name.lower().startswith(("rotation_", "translation_", "head", "lefteye", "righteye"))


def _may_rest(name: str, value: float) -> bool:
    """Zero by design: a translation that the preset zeroes, and what nothing measures."""
    return value == 0 and name.lower().startswith(
        ("translation_", *_NEVER_MEASURED, "lefteyeroll", "righteyeroll")
    )


def _rotation(array: NDArray[np.float64], names: list[str]) -> dict[str, float]:
    """How far the first two columns of the rotation are from unit length and right angles."""
    wanted = [f"rotation_{axis}{column}" for column in (0, 1) for axis in "xyz"]
    if not len(array) or not set(wanted) <= set(names):
        return {}
    six = array[:, [names.index(name) for name in wanted]].reshape(-1, 2, 3)
    lengths = np.abs(np.linalg.norm(six, axis=2) - 1).max()
    angle = np.abs((six[:, 0] * six[:, 1]).sum(axis=1)).max()
    off = float(max(lengths, angle))
    return {"rotation_off": off} if math.isfinite(off) else {}


def _range(sample: Sample, member: str, name: str, values: NDArray[np.float64]) -> None:
    if len(values):
        summary = ColumnSummary(RANGE_BINS, Limits())
        summary.add(values)
        sample.found.take(("coefficient_dead", f"{member} {name}"), summary)


def measure_tokens(sample: Sample) -> None:
    """A row of `streams` for each token stream and each of its codebooks, and how their codes are used."""
    rows = []
    for name in sample.arrays():
        about = _told(sample.header, "tokens", name)
        codes = sample.array(name) if about else None
        if codes is None or codes.dtype.kind not in "iu" or codes.ndim not in (1, 2):
            continue
        rows.append(sample.row(member=name, untrained=0.0 if about.get("trained", True) else 1.0))
        size = int(about.get("codebook_size") or 0)
        for number, stream in enumerate(np.atleast_2d(codes).astype(np.int64)):
            label = f"{name} codebook {number}"
            inside = (stream >= 0) & (stream < size) if size else stream >= 0
            rows.append(
                sample.row(
                    member=label,
                    outside=float((~inside).sum()),
                    run_share=_longest_same(stream) / max(1, len(stream)),
                )
            )
            use = CodeUse(np.bincount(stream[inside], minlength=size).astype(np.int64))
            sample.found.take(("tokens_dead", label), use)
    sample.found.add_rows("streams", rows)


def _longest_same(stream: NDArray[np.int64]) -> int:
    return longest_run(np.diff(stream) == 0) + 1 if len(stream) else 0
