"""Which Parquet files of a corpus hold which table, and how they are read: a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.store import Store

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

INDEX = "shards/index.parquet"
MANIFEST = "manifest.parquet"
BATCH_ROWS = 65_536
NO_STEPS = ("index", "faces")
"""Tables that are not the receipts of a step."""
FILES_A_PART = 64
"""Small receipts are read together: opening a file costs more than its rows."""


@dataclass(frozen=True)
class Part:
    """Files of one table that a worker reads in one go."""

    table: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Unreadable:
    """A file that is no Parquet of the table it should be, and why."""

    name: str
    why: str


def step_folders(store: Store, corpus: Corpus | None) -> dict[str, str]:
    """Folder of each step that has one: the current key's, or, where no key can be had, the only one there.

    A step that several configs have left folders of is named by none when the keys are not known.
    """
    if corpus is not None:
        return {name: corpus.folder(name) for name in corpus.steps}
    found: dict[str, list[str]] = {}
    for folder in _folders(store, "steps"):
        found.setdefault(folder.rpartition("-")[0], []).append(folder)
    return {name: f"steps/{folders[0]}" for name, folders in found.items() if len(folders) == 1}


def parts_of(store: Store, folders: dict[str, str]) -> list[Part]:
    """Everything the audit reads, cut into parts; sorted, and the same on every machine."""
    parts: list[Part] = []
    for step in sorted(folders):
        receipts = f"{folders[step]}/receipts"
        names = [f"{receipts}/{name}" for name in store.list(receipts) if name.endswith(".parquet")]
        parts.extend(
            Part(step, tuple(names[at : at + FILES_A_PART])) for at in range(0, len(names), FILES_A_PART)
        )
    if "people" in folders:
        data = f"{folders['people']}/data"
        names = [f"{data}/{name}" for name in store.list(data) if name.endswith(".parquet")]
        parts.extend(Part("faces", (name,)) for name in names)
    if store.exists(INDEX):
        parts.append(Part("index", (INDEX,)))
    return parts


def read_batches(
    store: Store, part: Part, columns: Sequence[str]
) -> Iterator[tuple[str, pa.Table | Unreadable]]:
    """`(file, batch)` of each file; of the columns asked for, those that the file has.

    Small files are joined: the name is then that of the first. A file that cannot be read is told once.
    """
    waiting: list[pa.Table] = []
    for name in part.files:
        try:
            for batch in _batches(store, name, columns):
                if batch.num_rows < BATCH_ROWS // 4 and len(part.files) > 1:
                    waiting.append(batch)
                else:
                    yield name, batch
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
            yield name, Unreadable(name, str(error).splitlines()[0])
        if sum(batch.num_rows for batch in waiting) >= BATCH_ROWS:
            yield name, pa.concat_tables(waiting, promote_options="permissive")
            waiting = []
    if waiting:
        yield part.files[0], pa.concat_tables(waiting, promote_options="permissive")


def _batches(store: Store, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    with store.open(name) as handle, pq.ParquetFile(handle) as file:
        wanted = [column for column in columns if column in file.schema_arrow.names]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted, use_threads=True):
            yield pa.Table.from_batches([batch])


def _folders(store: Store, name: str) -> list[str]:
    where = store.path(name)
    if not store.fs.isdir(where):
        return []
    entries: list[dict[str, Any]] = store.fs.ls(where, detail=True)
    return sorted(one["name"].rstrip("/").rsplit("/", 1)[-1] for one in entries if one["type"] == "directory")
