"""The clean corpus that a test set is made of: its index, its shards, and the clips in them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import CommandError
from manifests.store import Store
from pipelines.build import INDEX
from pipelines.steps.pack import SHARDS


class NotPackedError(CommandError, ValueError):
    """The folder holds no finished corpus: no index of shards."""


@dataclass(frozen=True)
class CleanShard:
    """A shard of the corpus: its name, split and the length of its clips together."""

    name: str
    split: str
    duration_s: float


def clean_shards(url: str, split: str | None) -> list[CleanShard]:
    """The shards of a split (None: of all), sorted by name. Raises NotPackedError where there are none."""
    store = Store(url)
    if not store.exists(INDEX):
        raise NotPackedError(f"{url}: no {INDEX} there; give the --out folder of a finished `duologue build`")
    index = pq.read_table(pa.BufferReader(store.read(INDEX)), columns=["shard", "split", "duration_s"])
    found: dict[str, CleanShard] = {}
    for row in index.to_pylist():
        before = found.get(row["shard"])
        length_s = row["duration_s"] + (before.duration_s if before else 0.0)
        found[row["shard"]] = CleanShard(row["shard"], row["split"], length_s)
    chosen = [one for name, one in sorted(found.items()) if split is None or one.split == split]
    if not chosen:
        has = sorted({one.split for one in found.values()})
        raise NotPackedError(
            f"{url}: no clip of split {split!r}; there are {', '.join(has) or 'no clips'}. "
            "Set `clips.split`, or null for all"
        )
    return chosen


@dataclass(frozen=True)
class Part:
    """A member of a clip inside its tar."""

    extension: str
    offset: int
    data: bytes


def read_shard(store: Store, name: str) -> Iterator[tuple[str, list[Part]]]:
    """Key and members of each sample of a shard, in order; one sample is held at a time."""
    key, parts = "", list[Part]()
    with store.open(f"{SHARDS}/{name}") as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
        for info in tar:
            file = tar.extractfile(info)
            if file is None:
                continue
            stem, _, extension = info.name.partition(".")
            if stem != key and parts:
                yield key, parts
                parts = []
            key = stem
            parts.append(Part(extension, info.offset_data, file.read()))
    if parts:
        yield key, parts


def read_part(store: Store, shard: str, offset: int, n_bytes: int) -> bytes:
    """Bytes of a member, by where it lies in its shard."""
    with store.open(f"{SHARDS}/{shard}") as handle:
        handle.seek(offset)
        return handle.read(n_bytes)
