"""Reading a finished corpus: its index, then its shards as streams, one sample at a time.

The index is the only way in. A corpus without one is unfinished; a shard that does not hold exactly what the
index says is an error that names it, never a shorter list of samples.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import CommandError
from manifests.schemas import FORMAT_VERSION
from manifests.schemas import INDEX as INDEX_SCHEMA
from manifests.shards import TAR_BLOCK
from manifests.store import Store

SHARDS = "shards"
INDEX = "index.parquet"


class CorpusError(CommandError, ValueError):
    """The folder is no finished corpus, or a shard does not hold what its index says."""


@dataclass(frozen=True)
class IndexRow:
    """One sample as the index knows it. `members` are the parts of file names after `KEY.`."""

    key: str
    shard: str
    split: str
    source_id: str
    duration_s: float
    members: tuple[str, ...]


_ROW = tuple(field.name for field in fields(IndexRow))


class Sample:
    """One sample of a shard. Members are read when asked for, while its shard is being walked."""

    def __init__(self, row: IndexRow, infos: dict[str, tarfile.TarInfo], tar: tarfile.TarFile) -> None:
        self.row = row
        self._infos = infos
        self._tar = tar

    @property
    def key(self) -> str:
        """The dot-free key."""
        return self.row.key

    @property
    def split(self) -> str:
        """train, valid, test, or what the corpus calls it."""
        return self.row.split

    @property
    def offset(self) -> int:
        """First byte of the sample in its shard."""
        return min(info.offset for info in self._infos.values())

    @property
    def end(self) -> int:
        """First byte after the sample in its shard: a tar's members are padded to blocks of 512."""
        last = max(self._infos.values(), key=lambda info: info.offset)
        return last.offset_data + -(-last.size // TAR_BLOCK) * TAR_BLOCK

    def __contains__(self, member: str) -> bool:
        return member in self._infos

    def read(self, member: str) -> bytes:
        """The bytes of a member. Raises KeyError, and CorpusError when the shard ends within it."""
        info = self._infos[member]
        try:
            handle = self._tar.extractfile(info)
            assert handle is not None
            data = handle.read()
        except tarfile.ReadError as error:
            raise CorpusError(f"shard {self.row.shard} ends within {info.name}: copy it again") from error
        if len(data) != info.size:
            raise CorpusError(f"shard {self.row.shard} ends within {info.name}: copy it again")
        return data

    @cached_property
    def header(self) -> dict[str, Any]:
        """KEY.json. Raises CorpusError when it is no JSON object."""
        try:
            found = json.loads(self.read("json"))
        except ValueError as error:
            raise CorpusError(f"{self.key}.json in {self.row.shard} is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise CorpusError(f"{self.key}.json in {self.row.shard} is not a JSON object")
        return found


class CorpusReader:
    """A finished corpus: the output folder of a build, or its `shards/` folder; local or remote (fsspec).

    `by_group`: call a split what the names of shards begin with: in a test set that is the condition, else
    the split. Opening it reads the index and checks that every shard is there. Raises CorpusError.
    """

    def __init__(self, url: str, *, by_group: bool = False) -> None:
        self.store = Store(url.rstrip("/").removesuffix(f"/{SHARDS}"))
        self.url = self.store.url
        if not self.store.exists(f"{SHARDS}/{INDEX}"):
            raise CorpusError(
                f"{self.url}: no {SHARDS}/{INDEX}: not a corpus, or a build that has not finished "
                "(the index is written last; run the build again and it goes on where it stopped)"
            )
        data = self.store.read(f"{SHARDS}/{INDEX}")
        self.digest = hashlib.sha256(data).hexdigest()
        """SHA-256 of the index; shard names in it end in digests of their contents."""
        table = _index(data, f"{self.url}/{SHARDS}/{INDEX}")
        if by_group:
            groups = [name.rsplit("-", 2)[0] for name in table.column("shard").to_pylist()]
            place = table.schema.get_field_index("split")
            table = table.set_column(place, table.schema.field(place), pa.array(groups, pa.string()))
        self._table = table.sort_by([("shard", "ascending"), ("key", "ascending")])
        there = set(self.store.list(SHARDS))
        lost = [name for name in self.shards if name not in there]
        if lost:
            raise CorpusError(
                f"{self.url}: {len(lost)} of {len(self.shards)} shards that the index names are not there, "
                f"first {lost[0]}: copy the corpus again"
            )

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @cached_property
    def shards(self) -> tuple[str, ...]:
        """Names of the shards, sorted."""
        return tuple(sorted(set(self._table.column("shard").to_pylist())))

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Names of the splits, sorted."""
        return tuple(sorted(set(self._table.column("split").to_pylist())))

    def rows(self, shard: str | None = None) -> Iterator[IndexRow]:
        """Rows of the index (of one shard), ordered by shard and key."""
        table = self._table
        if shard is not None:
            table = table.filter(pa.compute.equal(table.column("shard"), shard))
        for batch in table.to_batches(max_chunksize=1024):
            for row in batch.to_pylist():
                row["members"] = tuple(row["members"])
                yield IndexRow(**{name: row[name] for name in _ROW})

    def samples(self, shard: str) -> Iterator[Sample]:
        """Samples of a shard in the order of its tar; nothing is kept once the next one is asked for.

        Raises CorpusError when the tar is damaged or holds other samples or members than the index says.
        """
        wanted = {row.key: row for row in self.rows(shard)}
        with self.store.open(f"{SHARDS}/{shard}") as handle:
            try:
                with tarfile.open(fileobj=handle, mode="r:") as tar:
                    for key, infos in _grouped(tar):
                        row = wanted.pop(key, None)
                        if row is None or set(infos) != set(row.members):
                            raise CorpusError(_differs(shard, key, row, infos))
                        yield Sample(row, infos, tar)
            except tarfile.TarError as error:
                raise CorpusError(f"shard {shard} is damaged ({error}): copy it again") from error
        if wanted:
            raise CorpusError(
                f"shard {shard} lacks {len(wanted)} samples that the index names, first {min(wanted)}: "
                "it was cut short; copy it again"
            )


def _index(data: bytes, name: str) -> pa.Table:
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read()
    except pa.ArrowException as error:
        raise CorpusError(f"{name} is damaged: {error}") from error
    version = (table.schema.metadata or {}).get(b"duologue.index", b"").decode()
    if version.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise CorpusError(f"{name}: format {version or 'unknown'}; this version reads {FORMAT_VERSION}")
    if lost := set(INDEX_SCHEMA.names) - set(table.schema.names):
        raise CorpusError(f"{name} has no column {', '.join(sorted(lost))}")
    return table.select(INDEX_SCHEMA.names)


def _grouped(tar: Any) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Members of each key, which stand next to each other. What has passed is forgotten by `tar`."""
    key, infos = "", dict[str, tarfile.TarInfo]()
    while (info := tar.next()) is not None:
        tar.members.clear()  # tarfile keeps every header it has met
        name, _, extension = info.name.partition(".")
        if name != key and infos:
            yield key, infos
            infos = {}
        key = name
        infos[extension] = info
    if infos:
        yield key, infos


def _differs(shard: str, key: str, row: IndexRow | None, infos: Iterable[str]) -> str:
    if row is None:
        return f"shard {shard} holds {key}, which the index does not name there (or names once only)"
    lost, more = sorted(set(row.members) - set(infos)), sorted(set(infos) - set(row.members))
    told = ", ".join([f"without {name}" for name in lost] + [f"with {name}" for name in more])
    return f"shard {shard}: {key} is {told}, unlike the index says: it was altered; copy it again"


def lacking(members: Sequence[str], needed: Iterable[str]) -> list[str]:
    """Those of the needed members that are not there, sorted."""
    return sorted(set(needed) - set(members))
