"""Many recordings through a codec in batches whose shapes are planned: the same codes whatever else is there.

A recording's row is as wide as its own length says (`row_frames`), and a batch of that width always has the
same number of rows, filled up with zeros. So the shape a recording is computed in follows from its length
and the planned size alone: neither the other recordings of the bundle, nor their number, nor the number of
workers can change a bit. When the device's memory does not suffice, the whole bundle is done again at the
next smaller planned size, which is told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from extractors.codec import BatchTooLargeError, Codec, CodecSpec, Codes, Pcm


@dataclass(frozen=True)
class Batch:
    """Recordings of one batch: `n_rows` rows of `width` samples, the last ones empty."""

    keys: tuple[str, ...]
    width: int
    n_rows: int


@dataclass(frozen=True)
class Encoded:
    """What became of a bundle."""

    codes: dict[str, Codes]
    planned_s: float
    """The size the bundle was done at; it belongs in the receipt."""
    n_retries: int
    """How many larger planned sizes did not fit the device's memory."""


def row_frames(n_frames: int) -> int:
    """The frames a row of at least `n_frames` is padded to: eight widths an octave, 12.5 % more at most."""
    step = max(1, 1 << max(0, (n_frames - 1).bit_length() - 1) >> 3)
    return max(1, -(-n_frames // step) * step)


def plan_batches(lengths: Mapping[str, int], spec: CodecSpec, *, planned_s: float) -> list[Batch]:
    """Batches of at most `planned_s` seconds of sound (one row at least) for `lengths` (samples, by key).

    Short rows first, keys of one width in ascending order. A planned size of 0 is for CPUs, where one row
    uses the core as well as many: batches of one row, no wider than its frames, so nothing is computed in
    vain. Otherwise a bundle should hold many batches: the last one of each width is filled up with zeros.
    """
    widths: dict[int, list[str]] = {}
    for key in sorted(lengths):
        n_frames = spec.n_frames(lengths[key])
        width = (row_frames(n_frames) if planned_s else n_frames) * spec.hop
        widths.setdefault(width, []).append(key)
    batches = []
    for width, keys in sorted(widths.items()):
        n_rows = max(1, int(planned_s * spec.rate_hz) // width)
        batches += [Batch(tuple(keys[at : at + n_rows]), width, n_rows) for at in range(0, len(keys), n_rows)]
    return batches


def encode_bundle(codec: Codec, samples: Mapping[str, Pcm], *, planned_s: Sequence[float]) -> Encoded:
    """Codes of each recording (n,) at the codec's rate, by key.

    `planned_s` are the sizes of a batch that may be tried, seconds of sound, largest first. Raises
    `BatchTooLargeError` when none of them fits, and ValueError for sizes that do not descend or for a
    recording without a sample.
    """
    if not planned_s or any(low >= high for high, low in pairwise(planned_s)):
        raise ValueError(f"planned sizes {list(planned_s)} must descend")
    empty = [key for key, pcm in samples.items() if not len(pcm)]
    if empty:
        raise ValueError(f"{empty[0]} has no samples")
    lengths = {key: len(pcm) for key, pcm in samples.items()}
    for n_retries, size_s in enumerate(planned_s):
        try:
            codes = dict(_encode(codec, samples, plan_batches(lengths, codec.spec, planned_s=size_s)))
        except BatchTooLargeError:
            if size_s == planned_s[-1]:
                raise
            continue
        return Encoded({key: codes[key] for key in sorted(codes)}, size_s, n_retries)
    raise AssertionError("unreachable: the last size returns or raises")


def _encode(codec: Codec, samples: Mapping[str, Pcm], batches: list[Batch]) -> Iterator[tuple[str, Codes]]:
    for batch in reversed(batches):  # the largest first: what does not fit fails at once
        rows = np.zeros((batch.n_rows, batch.width), np.float32)
        n_samples = [len(samples[key]) for key in batch.keys]
        for row, key in zip(rows, batch.keys, strict=False):
            row[: len(samples[key])] = samples[key]
        empty = [0] * (batch.n_rows - len(batch.keys))
        yield from zip(batch.keys, codec.encode(rows, n_samples + empty), strict=False)
