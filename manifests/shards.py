"""Shards: which sample goes into which tar, and the tar's exact bytes.

Planning looks only at keys, splits and sizes; writing only at the plan. So the same samples give the
same shards whoever made them and in whatever order. `webdataset.ShardWriter` is not used: killed, it
leaves a final-named tar that looks complete (see docs/adr/0003-own-tar-writer.md).
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import IO

from manifests.ids import digest

TAR_BLOCK = 512


@dataclass(frozen=True)
class Member:
    """One file of a sample: `KEY.extension`, its size and SHA-256, and where its bytes are kept.

    `name` is a store name; a member whose bytes travel in the plan itself (KEY.json) has `inline`.
    """

    extension: str
    bytes: int
    sha256: str
    name: str | None = None
    inline: str | None = None


@dataclass(frozen=True)
class PlannedSample:
    """A sample as a shard will hold it. Members are written in the order of their extensions."""

    key: str
    split: str
    members: tuple[Member, ...]

    def validate(self) -> None:
        """Raises ValueError for a key or an extension that WebDataset readers would split wrongly."""
        if not self.key or "." in self.key or "/" in self.key:
            raise ValueError(f"sample key {self.key!r} must be non-empty and without '.' and '/'")
        extensions = [member.extension for member in self.members]
        if len(set(extensions)) != len(extensions) or not extensions:
            raise ValueError(f"sample {self.key}: members must be present and distinct, got {extensions}")

    @property
    def tar_bytes(self) -> int:
        """Bytes the sample takes in a tar: a header block a member, contents padded to blocks."""
        return sum(TAR_BLOCK + -(-member.bytes // TAR_BLOCK) * TAR_BLOCK for member in self.members)


@dataclass(frozen=True)
class PlannedShard:
    """A shard's name and samples. The name ends in a digest of the contents: equal name, equal bytes."""

    name: str
    split: str
    samples: tuple[PlannedSample, ...]


def plan_shards(
    samples: Iterable[PlannedSample], *, max_bytes: int, max_samples: int, shuffle_seed: int | None = None
) -> list[PlannedShard]:
    """Cut the samples of each split, in key order (or in a seeded order of digests), into shards.

    Raises ValueError for an invalid or repeated key.
    """
    ordered = sorted(samples, key=lambda sample: sample.key)
    for sample in ordered:
        sample.validate()
    for sample, following in pairwise(ordered):
        if following.key == sample.key:
            raise ValueError(f"sample key {sample.key} is planned twice")
    if shuffle_seed is not None:
        ordered.sort(key=lambda sample: digest("shuffle", shuffle_seed, sample.key))
    shards = []
    for split in sorted({sample.split for sample in ordered}):
        mine = [sample for sample in ordered if sample.split == split]
        for number, group in enumerate(_groups(mine, max_bytes, max_samples)):
            members = [[s.key, [[m.extension, m.sha256] for m in s.members]] for s in group]
            shards.append(PlannedShard(f"{split}-{number:06d}-{digest(members, length=8)}.tar", split, group))
    return shards


def _groups(
    samples: Sequence[PlannedSample], max_bytes: int, max_samples: int
) -> Iterator[tuple[PlannedSample, ...]]:
    group: list[PlannedSample] = []
    size = 0
    for sample in samples:
        if group and (size + sample.tar_bytes > max_bytes or len(group) >= max_samples):
            yield tuple(group)
            group, size = [], 0
        group.append(sample)
        size += sample.tar_bytes
    if group:
        yield tuple(group)


def write_tar(handle: IO[bytes], members: Iterable[tuple[str, bytes]]) -> None:
    """Write `(name, bytes)` members as a tar whose bytes depend on nothing else.

    USTAR with PAX headers where a name needs them; mtime 0, uid and gid 0, no user names, mode 0644.
    """
    with tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
