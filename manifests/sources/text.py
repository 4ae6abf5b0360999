"""A corpus of text alone: `.txt` files of one document each, and JSONL or Parquet tables of documents.

A table has a row a document with `text` and, where known, `id` and labels of the sidecar (`language`,
`licence`, `consent`, `speaker`, `split`, …); its other columns are not read. Each row becomes a file in the
stage, where later steps open it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import digest, source_id
from manifests.sidecar import Sidecar, read_sidecar
from manifests.sources import Listing
from manifests.sources.collect import Collector
from manifests.sources.folder import SIDECAR_NAMES, TEXT_SUFFIXES, TEXT_TASK, sidecar_of
from manifests.sources.stage import Stage, writing
from manifests.sources.webdataset import SPLIT_WORDS
from manifests.store import Store
from manifests.tombstones import read_tombstones

TABLE_SUFFIXES = (".jsonl", ".ndjson", ".parquet")
SPLITS = SPLIT_WORDS | {"validation": "valid"}
LABELS_OF_ROWS = (
    *("speaker", "dialogue", "origin", "language", "gender", "emotion"),
    *("task", "licence", "consent", "role", "split"),
)
"""Labels of a row that are read: those that can be said of a text in one word."""

_PLAIN = re.compile("[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Ids that name their file themselves; another one's name is its digest."""


def list_text(
    root: Path, *, stage: Path | None = None, sidecar: Path | None = None, task: str = TEXT_TASK
) -> Listing:
    """One source a document; `task` is what it is for, unless its row or the sidecar says.

    Documents of a table are named by their `id`, or by what they say. Rows that cannot be read, or are there
    twice, are told. Raises CorpusError for a corpus without a document and where a stage is needed and not
    given, SidecarError.
    """
    base = root.parent if root.is_file() else root
    outside = Collector(base)
    side = sidecar_of(base, sidecar)
    is_sidecar = {base / name for name in SIDECAR_NAMES} | {side}
    names = [
        name
        for name in ([root.name] if root.is_file() else outside.files(*TEXT_SUFFIXES, *TABLE_SUFFIXES))
        if base / name not in is_sidecar
    ]
    tables = [name for name in names if name.lower().endswith(TABLE_SUFFIXES)]
    texts = [name for name in names if name.lower().endswith(TEXT_SUFFIXES)]
    found, labels = outside, {name: dict[str, Any]() for name in texts}
    if tables:
        made = Stage.needed(stage, "documents of a table are written out, a file each")
        found = Collector(made.root, staged=True)
        found.complaints.extend(outside.complaints)
        for name in texts:
            _place(made.root / name, (base / name).read_bytes(), base / name)
        for name in tables:
            labels |= _unpack(base / name, name, made, found)
    told = read_sidecar(side, labels) if side is not None else Sidecar()
    found.complaints.extend(told.complaints)
    for name in sorted(labels):
        found.add(name, {"task": task} | labels[name] | told.labels.get(name, {}))
    return found.listing("documents: .txt files, or .jsonl and .parquet tables with a column `text`")


def _unpack(table: Path, name: str, stage: Stage, found: Collector) -> dict[str, dict[str, Any]]:
    """Write the documents of a table; their labels by the names of their files."""
    labels: dict[str, dict[str, Any]] = {}
    gone = read_tombstones(Store(stage.root))
    for row, record in _records(table, name, found):
        where = f"{name} row {row}"
        text = record.get("text")
        if not isinstance(text, str):
            found.malformed(where, "no `text`" if text is None else "`text` is no string")
            continue
        try:
            data = text.encode("utf-8")
        except UnicodeEncodeError as error:
            found.malformed(where, f"`text` is not Unicode: {error.reason} at character {error.start}")
            continue
        document = f"{name}/{_stem(record, text)}.txt"
        split = record.get("split")
        if split and str(split).lower() not in SPLITS:
            found.malformed(where, f"split {split!r} is none of {', '.join(SPLITS)}")
        elif gone.has_source(source_id(document)) or gone.has_name(str(record.get("speaker"))):
            continue  # of somebody who was forgotten: `forget` leaves this note in the stage, too
        elif document in labels:
            found.malformed(where, f"{document} was given before: one `id`, or one text without, twice")
        else:
            labels[document] = {one: record[one] for one in LABELS_OF_ROWS if record.get(one) is not None}
            if split:
                labels[document]["split"] = SPLITS[str(split).lower()]
            _place(stage.root / document, data, table)
    return labels


def _stem(record: dict[str, Any], text: str) -> str:
    """The id, where it can be a file's name; else a digest, of the text where there is no id."""
    given = record.get("id")
    if given in (None, ""):
        return digest("document", text)
    return str(given) if _PLAIN.fullmatch(str(given)) else digest("id", str(given))


def _place(path: Path, data: bytes, origin: Path) -> None:
    """A file with these bytes, dated like its origin; left alone where it is there already."""
    if path.is_file() and path.read_bytes() == data:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path, mtime=origin.stat().st_mtime) as handle:
        handle.write(data)


def _records(table: Path, name: str, found: Collector) -> Iterator[tuple[int, dict[str, Any]]]:
    """Rows by number, from 1 on; those that cannot be read are told."""
    if table.suffix.lower() == ".parquet":
        yield from enumerate(_parquet_rows(table, name, found), start=1)
        return
    with table.open("rb") as handle:
        for number, line in enumerate(handle, start=1):
            if not line.strip():
                continue
            try:
                record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
            except ValueError as error:
                found.malformed(f"{name} row {number}", f"not JSON: {error}")
                continue
            if isinstance(record, dict):
                yield number, record
            else:
                found.malformed(f"{name} row {number}", "not a JSON object")


def _parquet_rows(table: Path, name: str, found: Collector) -> Iterable[dict[str, Any]]:
    try:
        with pq.ParquetFile(table) as file:
            wanted = [one for one in ("id", "text", *LABELS_OF_ROWS) if one in file.schema_arrow.names]
            if "text" not in wanted:
                found.malformed(name, f"no column `text`; it has {', '.join(file.schema_arrow.names)}")
                return
            for batch in file.iter_batches(batch_size=1024, columns=wanted):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:
        found.malformed(name, f"not readable Parquet: {error}")
