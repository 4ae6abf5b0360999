"""What has to change in an output folder so that nothing of a person is left, and the changes themselves.

Everything is found anew from the tombstones, so a purge that was killed is finished by the next one. The
order is that of safety: new shards, the index that names them, receipts, and payloads and old shards last.
Of a dialogue that was made, only what was spoken in it names its people: the other rows of that dialogue are
found by these, and so they and all payloads go before them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from manifests.ids import source_id
from manifests.sources.folder import STAGE_MARK
from manifests.store import Store
from manifests.tombstones import Tombstones
from pipelines.build import INDEX, MANIFEST
from pipelines.forgetting.caches import CACHES, doomed_entries, utterances
from pipelines.forgetting.tars import plan_tar, write_left_over
from pipelines.forgetting.traces import READ_SUFFIXES, Traces, text_rows
from pipelines.forgetting.walk import walk
from pipelines.remembered import LISTING, SETTINGS
from pipelines.steps.pack import SHARDS
from pipelines.steps.split import FOLDER

CARDS = ("README.md", "croissant.json")
"""Made of a finished corpus, and stale when it changes."""

DELETED = "deleted"

_Fate = Literal["stays", "goes", "goes with its dialogue"]


@dataclass(frozen=True)
class Change:
    """One file: what becomes of it, in words, and the deed."""

    name: str
    what: str
    apply: Callable[[], object]


class Purge:
    """Plans the changes of one folder: a corpus, a test set, a set of dialogues, a stage, a cache.

    `homes`: where clips of the clean corpus lie, for sets made of it. `said`: what the person says, for
    caches, which `is_cache` says the whole folder is. Raises DamagedShardError.
    """

    def __init__(
        self,
        store: Store,
        tombstones: Tombstones,
        *,
        homes: Mapping[str, str],
        said: Iterable[str] = (),
        is_cache: bool = False,
    ) -> None:
        self._store, self._tombstones, self._is_cache = store, tombstones, is_cache
        self._traces = Traces(tombstones)
        self._names = walk(store)
        self._homes = homes
        tars = [name for name in self._names if name.startswith(f"{SHARDS}/") and name.endswith(".tar")]
        planned = [plan_tar(store, name.partition("/")[2], self._traces, homes) for name in tars]
        self._left = [one for one in planned if one is not None]
        is_stage = STAGE_MARK in self._names
        ours = [name for name in self._names if is_stage or "/data/" in name or _is_report(name)]
        self._payloads = {name for name in ours if self._told(name)}
        self._dialogues = self._doomed_dialogues()
        self._receipts = dict(self._plan_receipts())
        self.said = {*said, *(text for one in self._left for text in one.said), *self._said_in_receipts}

    @property
    def homes(self) -> dict[str, str]:
        """Keys of this folder's index and the shards they lie in afterwards."""
        table = self._index()
        if table is None:
            return {}
        return dict(zip(table.column("key").to_pylist(), table.column("shard").to_pylist(), strict=True))

    @property
    def n_samples(self) -> int:
        """Samples that go."""
        return sum(len(one.gone) for one in self._left)

    def changes(self) -> Iterator[Change]:
        """In the order in which they must be done."""
        yield from self._in_caches()
        for left in self._left:
            told = f"{len(left.gone)} of {len(left.gone) + len(left.kept)} samples go"
            deed = partial(write_left_over, self._store, left, self._homes)
            yield Change(f"{SHARDS}/{left.name}", f"{told}; the rest is {left.new or 'nothing'}", deed)
        yield from self._in_tables()
        payloads = [
            Change(name, DELETED, partial(self._store.delete, name)) for name in sorted(self._payloads)
        ]
        if self._dialogues:
            yield from payloads
        yield from self._in_receipts(by_dialogue=True)
        yield from self._in_receipts(by_dialogue=False)
        yield from self._in_lines()
        if not self._dialogues:
            yield from payloads
        for name in CARDS if self._left else ():
            if name in self._names:
                yield Change(name, DELETED, partial(self._store.delete, name))
        new = {left.new for left in self._left}
        for left in self._left:
            if left.name not in new:
                name = f"{SHARDS}/{left.name}"
                yield Change(name, "deleted, replaced by its rest", partial(self._store.delete, name))

    def _told(self, name: str) -> bool:
        is_read = name.rpartition(".")[2] in READ_SUFFIXES
        return self._traces.in_file(name, self._store.read(name) if is_read else b"") is not None

    def _doomed_dialogues(self) -> set[str]:
        """Dialogues of scripts in which the person is, by the rows that name them."""
        settings = yaml.safe_load(self._store.read(SETTINGS)) if SETTINGS in self._names else {}
        if (settings or {}).get("command") != "dialogue synth":
            return set()
        receipts = [name for name in self._names if "/receipts/" in name]
        rows = (row for name in receipts for row in text_rows(self._store.read(name)))
        return {row["source_id"] for row in rows if row["source_id"] and self._traces.in_value(row)}

    def _plan_receipts(self) -> Iterator[tuple[str, tuple[pa.Table, list[_Fate]]]]:
        """Receipts with rows that go; their payloads go too."""
        altered = {f"{SHARDS}/{one.name}" for one in self._left} | self._payloads
        self._said_in_receipts: set[str] = set()
        self._requests: set[str] = set()
        for name in self._names:
            if "/receipts/" not in name:
                continue
            data = self._store.read(name)
            fates = []
            for row in text_rows(data):
                artifacts = {one["name"] for one in row["artifacts"]}
                fate = self._fate(row, is_altered=bool(artifacts & altered))
                fates.append(fate)
                if fate != "stays":
                    self._payloads |= {one for one in artifacts if not one.startswith(f"{SHARDS}/")}
                    self._said_in_receipts |= {
                        row[field] for field in ("text", "original", "answer") if row.get(field)
                    }
                    self._requests |= {row["request"]} if row.get("request") else set()
            if set(fates) - {"stays"}:
                yield name, (pq.ParquetFile(pa.BufferReader(data)).read(), fates)

    def _fate(self, row: Mapping[str, Any], *, is_altered: bool) -> _Fate:
        if is_altered or self._traces.in_value(row) is not None:
            return "goes"
        return "goes with its dialogue" if row["source_id"] in self._dialogues else "stays"

    def _in_receipts(self, *, by_dialogue: bool) -> Iterator[Change]:
        """Rows that go with their dialogue, while those that name the person are still there; then these."""
        for name, (table, fates) in self._receipts.items():
            kept = ("stays", "goes") if by_dialogue else ("stays",)
            keep = [fate in kept for fate in fates]
            gone = fates.count("goes with its dialogue" if by_dialogue else "goes")
            if gone:
                deed = partial(self._write_rows, name, table.filter(pa.array(keep)), or_delete=True)
                yield Change(name, f"{gone} of {len(keep)} rows go", deed)

    def _gone_keys(self) -> set[str]:
        return {key for one in self._left for key in one.gone}

    def _index(self) -> pa.Table | None:
        if INDEX not in self._names:
            return None
        table = pq.ParquetFile(pa.BufferReader(self._store.read(INDEX))).read()
        gone = self._gone_keys()
        table = table.filter(pa.array([key not in gone for key in table.column("key").to_pylist()]))
        new = {one.name: one.new for one in self._left}
        return self._renamed(table, new)

    def _renamed(self, table: pa.Table, new: Mapping[str, str | None]) -> pa.Table:
        at = table.schema.get_field_index("shard")
        shards = [new.get(name, name) for name in table.column("shard").to_pylist()]
        return table.set_column(at, table.schema.field(at), pa.array(shards, pa.string()))

    def _in_tables(self) -> Iterator[Change]:
        index = self._index() if self._left else None
        if index is not None:
            yield Change(INDEX, f"{self.n_samples} samples go", partial(self._write_rows, INDEX, index))
        if MANIFEST in self._names:
            data = self._store.read(MANIFEST)
            is_gone = self._gone_keys()
            keep = [self._fate(row, is_altered=row["key"] in is_gone) == "stays" for row in text_rows(data)]
            if self._left or not all(keep):
                table = pq.ParquetFile(pa.BufferReader(data)).read().filter(pa.array(keep))
                table = self._renamed(table, {one.name: one.new for one in self._left})
                deed = partial(self._write_rows, MANIFEST, table)
                yield Change(MANIFEST, f"{keep.count(False)} of {len(keep)} rows go", deed)
        for name in self._names:
            is_ours = name.startswith(f"{FOLDER}/") or ("/" not in name and name != MANIFEST)
            if is_ours and name.endswith(".parquet"):
                yield from self._in_table(name)
        if LISTING in self._names:
            yield from self._in_listing()

    def _in_table(self, name: str) -> Iterator[Change]:
        """Any table: rows that tell go, and those of samples that go."""
        data, is_gone = self._store.read(name), self._gone_keys()
        keep = [
            self._traces.in_value(row) is None and row.get("key") not in is_gone for row in text_rows(data)
        ]
        if not all(keep):
            table = pq.ParquetFile(pa.BufferReader(data)).read().filter(pa.array(keep))
            told = f"{keep.count(False)} of {len(keep)} rows go"
            yield Change(name, told, partial(self._write_rows, name, table))

    def _in_listing(self) -> Iterator[Change]:
        listing = json.loads(self._store.read(LISTING))
        kept = {
            name: [one for one in listing[name] if self._traces.in_value(one) is None]
            for name in ("sources", "complaints")
        }
        kept["sources"] = [
            one for one in kept["sources"] if not self._tombstones.has_source(source_id(one["path"]))
        ]
        gone = len(listing["sources"]) - len(kept["sources"])
        if kept["sources"] != listing["sources"] or kept["complaints"] != listing["complaints"]:
            text = json.dumps(listing | kept).encode("utf-8", "surrogateescape")
            yield Change(LISTING, f"{gone} recordings go", partial(self._store.write, LISTING, text))

    def _in_lines(self) -> Iterator[Change]:
        """Journals and other lists of lines; markers of attempts, which are about one unit each."""
        for name in self._names:
            if name.endswith(".jsonl"):
                lines = self._store.read(name).decode("utf-8", "surrogateescape").splitlines()
                kept = [line for line in lines if self._traces.in_value(line) is None]
                if kept != lines:
                    text = "\n".join([*kept, ""]).encode("utf-8", "surrogateescape")
                    told = f"{len(lines) - len(kept)} of {len(lines)} lines go"
                    yield Change(name, told, partial(self._store.write, name, text))
            elif "/attempts/" in name and self._told(name):
                yield Change(name, DELETED, partial(self._store.delete, name))

    def _in_caches(self) -> Iterator[Change]:
        entries = [name for name in self._names if self._is_cache or name.startswith(CACHES)]
        said = utterances(self.said)
        for name in doomed_entries(self._store, entries, self._traces, said, self._requests):
            yield Change(name, "deleted from the cache", partial(self._store.delete, name))

    def _write_rows(self, name: str, table: pa.Table, *, or_delete: bool = False) -> None:
        if or_delete and not table.num_rows:
            self._store.delete(name)
            return
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        self._store.write(name, sink.getvalue().to_pybytes())


def _is_report(name: str) -> bool:
    """What stands beside a table of splits; it is written anew with it."""
    return name.startswith(f"{FOLDER}/") and name.endswith(".json")
