"""Pieces of a sample in time: sound, arrays and unit strings of [start, stop) seconds, cut exactly.

Frame and sample numbers are floor(time × rate) of rationals, so pieces that meet share no frame.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cached_property
from math import floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.corpus_reader import SHARDS, CorpusReader, IndexRow, Sample
from manifests.exports.base import DamagedSample, ExportReason
from manifests.exports.media import array, pcm
from synth.rewriting.unit_strings import UnitStringError, check_units, cut_units

UNITS, STRING = "units.npy", "units.txt"


class Stream:
    """What a sample holds of one person: its members that begin with `prefix` (`main.`, `other.`, "")."""

    def __init__(self, sample: Sample, prefix: str = "") -> None:
        self._sample = sample
        self._prefix = prefix

    def has(self, *members: str) -> bool:
        """Whether all of these members are there."""
        return all(f"{self._prefix}{name}" in self._sample for name in members)

    def rate_hz(self, member: str) -> Fraction:
        """Frames a second, as KEY.json has it."""
        return Fraction(str(self._sample.header["rates_hz"][f"{self._prefix}{member}"]))

    def units(self, start: Fraction, stop: Fraction) -> str | None:
        """The unit string of [start, stop); None: no frame of it. Raises DamagedSample."""
        first, last = (floor(time * self.rate_hz(UNITS)) for time in (start, stop))
        if first >= min(last, len(self._units)):
            return None
        try:
            return cut_units(self._string, self._units, first, last)
        except UnitStringError as error:
            raise self._malformed(error) from error

    def all_units(self) -> str:
        """The whole unit string. Raises DamagedSample for one that is not well formed."""
        try:
            return check_units(self._string)
        except UnitStringError as error:
            raise self._malformed(error) from error

    def sound(self, start: Fraction, stop: Fraction) -> tuple[NDArray[np.int16], int]:
        """Samples `(n, channels)` of [start, stop) and their rate. Raises DamagedSample."""
        samples, rate_hz = self._sound
        return samples[floor(start * rate_hz) : floor(stop * rate_hz)], rate_hz

    def array(self, member: str, start: Fraction, stop: Fraction) -> NDArray[Any]:
        """Frames of [start, stop) of an array whose first axis is time. Raises DamagedSample."""
        rate_hz = self.rate_hz(member)
        whole = array(self._sample, f"{self._prefix}{member}")
        return whole[floor(start * rate_hz) : floor(stop * rate_hz)]

    @cached_property
    def _string(self) -> str:
        return self._sample.read(f"{self._prefix}{STRING}").decode()

    @cached_property
    def _units(self) -> list[int]:
        found: list[int] = array(self._sample, f"{self._prefix}{UNITS}").tolist()
        return found

    @cached_property
    def _sound(self) -> tuple[NDArray[np.int16], int]:
        return pcm(self._sample, f"{self._prefix}{'native.flac' if self.has('native.flac') else 'flac'}")

    def _malformed(self, error: UnitStringError) -> DamagedSample:
        return DamagedSample(ExportReason.UNITS_MALFORMED, f"{self._prefix}{STRING} {error}")


@contextmanager
def sample_at(corpus: CorpusReader, row: IndexRow, offset: int) -> Iterator[Sample]:
    """One sample, read where it begins in its shard (`Sample.offset`), without what stands before it."""
    with corpus.store.open(f"{SHARDS}/{row.shard}") as handle:
        handle.seek(offset)
        with tarfile.open(fileobj=handle, mode="r:") as tar:
            infos: dict[str, tarfile.TarInfo] = {}
            for info in tar:
                name, _, extension = info.name.partition(".")
                if name != row.key:
                    break
                infos[extension] = info
            yield Sample(row, infos, tar)
