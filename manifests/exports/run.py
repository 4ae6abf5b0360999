"""`duologue export`: one finished corpus in, one trainer's layout out.

The unit of work is a shard. Its payloads are written first, under names that keys alone decide, then its part
(`.export/SHARD.parquet`): the part's existence is the commit. Lists are written when all parts are there,
`export.json` last: a reader that waits for it never meets half an export, and whatever was killed before is
taken up where it stopped and gives the same bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from manifests.corpus_reader import CorpusReader
from manifests.exports import EXPORTS, export_class
from manifests.exports.base import (
    DamagedSample,
    Entry,
    Export,
    ExportError,
    ExportOptions,
    SkipSample,
    wanted,
)
from manifests.ids import digest
from manifests.reasons import Status
from manifests.store import TEMP, Store

STATE = ".export"
PLAN = "plan.json"
MARKER = "export.json"
ROWS = "export.parquet"
PART = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),  # ok | skipped | failed
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("entry", pa.string()),  # JSON for the lists; dropped in export.parquet
    ]
)


@dataclass(frozen=True)
class ExportReport:
    """What became of every sample of the index: `ok + skipped + failed` is their number."""

    format: str
    out: str
    n_samples: int
    ok: int
    skipped: int
    failed: int
    reasons: dict[str, int]
    notes: tuple[str, ...]
    shards_done_before: int = 0
    """Shards that an earlier, killed run had finished."""


def run_export(
    corpus_url: str,
    format: str | type[Export],
    out: str,
    options: Mapping[str, Any] | ExportOptions | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> ExportReport:
    """Export a finished corpus to a folder (local or fsspec) in a trainer's layout.

    `format` is one of `EXPORTS`, or the class of a layout that is made elsewhere; `options` are those of the
    format's model (`option_models()`); `on_progress(done, total)` is called with
    numbers of samples after every shard. A finished export is recognised and left alone. Raises CorpusError
    for a corpus that is not finished or damaged, ExportError for an unknown format or option, a folder that
    holds something else and a corpus of which no sample has what the format needs, StoreLockedError when
    another export writes there.
    """
    corpus = CorpusReader(corpus_url, by_group=True)
    export = _make(format, options, corpus)
    store = Store(out)
    plan = _plan(export)
    if store.exists(MARKER):
        return _finished(store, plan)
    _refuse_foreign(store)
    _refuse_hopeless(export)
    state = Store(f"{store.root}/{STATE}" if store.is_local else f"{store.url}/{STATE}")
    with state.locked():
        state.sweep()
        store.sweep()
        _same_plan(state, plan)
        before = _shards(export, store, state, on_progress)
        report = _lists(export, store, state, plan, before)
    for folder in (STATE, TEMP):
        if store.fs.exists(store.path(folder)):
            store.fs.rm(store.path(folder), recursive=True)
    return report


def option_models() -> dict[str, type[ExportOptions]]:
    """The model of every format's options, by the format's name."""
    return {name: export_class(name).options_model for name in EXPORTS}


def _make(
    format: str | type[Export], options: Mapping[str, Any] | ExportOptions | None, corpus: CorpusReader
) -> Export:
    if isinstance(format, str) and format not in EXPORTS:
        raise ExportError(f"no format {format!r}; there are {', '.join(EXPORTS)}")
    cls = export_class(format) if isinstance(format, str) else format
    given = options.model_dump() if isinstance(options, ExportOptions) else dict(options or {})
    try:
        checked = cls.options_model.model_validate(given)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ExportError(f"options of {cls.name}: {told}") from error
    if unknown := sorted(set(checked.splits or ()) - set(corpus.splits)):
        raise ExportError(
            f"splits: the corpus has no {', '.join(unknown)}; it has {', '.join(corpus.splits)}"
        )
    return cls(checked, corpus)


def _plan(export: Export) -> dict[str, Any]:
    """All that decides an export's bytes. Paths of the user's files are told by content."""
    options = export.options.model_dump(mode="json") | export.read_inputs()
    return {
        "format": export.name,
        "version": export.version,
        "options": options,
        "corpus_index_sha256": export.corpus.digest,
    }


def _finished(store: Store, plan: dict[str, Any]) -> ExportReport:
    marker = json.loads(store.read(MARKER))
    if differing := [name for name in plan if marker.get(name) != plan[name]]:
        raise ExportError(
            f"{store.url} holds a finished export with another {', '.join(differing)}; take another folder"
        )
    counts = marker["counts"]
    return ExportReport(marker["format"], store.url, **counts, notes=tuple(marker["notes"]))


def _refuse_foreign(store: Store) -> None:
    there = {name.rstrip("/").rsplit("/", 1)[-1] for name in _entries(store)}
    if there and STATE not in there:
        raise ExportError(f"{store.url} is not empty and holds no export; export to a folder of its own")


def _entries(store: Store) -> list[str]:
    store.fs.invalidate_cache(store.root)
    return list(store.fs.ls(store.root, detail=False)) if store.fs.isdir(store.root) else []


def _refuse_hopeless(export: Export) -> None:
    """Say before any work that no sample has what the format needs."""
    why: Counter[str] = Counter()
    for row in export.corpus.rows():
        skip = wanted(row, export.options, export.needed())
        if skip is None:
            return
        why[skip.detail] += 1
    told = "; ".join(f"{count} with {detail}" for detail, count in why.most_common(3))
    raise ExportError(
        f"{export.name} needs {', '.join(export.needed()) or 'samples'}: none of the {len(export.corpus)} "
        f"samples of {export.corpus.url} has that ({told or 'the corpus is empty'})"
    )


def _same_plan(state: Store, plan: dict[str, Any]) -> None:
    if not state.exists(PLAN):
        state.write(PLAN, json.dumps(plan, sort_keys=True).encode())
        return
    begun = json.loads(state.read(PLAN))
    if differing := [name for name in plan if begun.get(name) != plan[name]]:
        raise ExportError(
            f"{state.url} holds a started export with another {', '.join(differing)}; "
            "export to another folder, or delete this one"
        )


def _shards(
    export: Export, store: Store, state: Store, on_progress: Callable[[int, int], None] | None
) -> int:
    """Export every shard that has no part yet; returns how many had one."""
    done, before = 0, 0
    for shard in export.corpus.shards:
        part = f"{shard}.parquet"
        if state.exists(part):
            before += 1
            n_rows = pq.ParquetFile(pa.BufferReader(state.read(part))).metadata.num_rows
        else:
            rows = list(_rows_of(export, shard, store))
            _write_table(state, part, pa.Table.from_pylist(rows, schema=PART).sort_by("key"))
            n_rows = len(rows)
        done += n_rows
        if on_progress is not None:
            on_progress(done, len(export.corpus))
    return before


def _rows_of(export: Export, shard: str, store: Store) -> Iterator[dict[str, Any]]:
    rows = {row.key: row for row in export.corpus.rows(shard)}
    skips = {key: wanted(row, export.options, export.needed()) for key, row in rows.items()}
    samples = (one for one in export.corpus.samples(shard) if skips[one.key] is None)
    told = {key: why for key, why in skips.items() if why is not None}
    if len(told) < len(rows):
        told |= dict(export.shard(shard, samples, store))
    for key, row in rows.items():
        end = told[key]
        line: dict[str, Any] = {"key": key, "split": row.split, "shard": shard}
        if isinstance(end, SkipSample):
            status = Status.FAILED if isinstance(end, DamagedSample) else Status.SKIPPED
            yield line | {
                "status": str(status),
                "reason": str(end.reason),
                "detail": end.detail,
                "entry": None,
            }
        else:
            entry = json.dumps(end, ensure_ascii=False, sort_keys=True)
            yield line | {"status": str(Status.OK), "reason": None, "detail": None, "entry": entry}


def _lists(export: Export, store: Store, state: Store, plan: dict[str, Any], before: int) -> ExportReport:
    """Merge the parts, write the format's lists, then the rows, then the marker."""
    parts = [
        pq.ParquetFile(pa.BufferReader(state.read(f"{shard}.parquet"))) for shard in export.corpus.shards
    ]
    table = pa.concat_tables(part.read() for part in parts).sort_by("key")
    if table.num_rows != len(export.corpus):
        raise ExportError(
            f"{state.url}: {table.num_rows} rows for {len(export.corpus)} samples; delete the folder"
        )
    kept = table.filter(pc.equal(table.column("status"), str(Status.OK)))
    entries = {split: _entries_of(kept, split) for split in export.options.splits or export.corpus.splits}
    export.finish(entries, store)
    _write_table(store, ROWS, table.drop_columns(["entry"]))
    ends, reasons = Counter(table.column("status").to_pylist()), Counter(table.column("reason").to_pylist())
    reasons.pop(None, None)
    counts = {
        "n_samples": table.num_rows,
        **{str(one): ends[str(one)] for one in (Status.OK, Status.SKIPPED, Status.FAILED)},
        "reasons": dict(sorted(reasons.items())),
    }
    notes = export.notes(entries)
    marker = plan | {"id": digest(plan), "counts": counts, "notes": notes}
    store.write(MARKER, json.dumps(marker, indent=1, sort_keys=True, ensure_ascii=False).encode())
    return ExportReport(export.name, store.url, **counts, notes=tuple(notes), shards_done_before=before)


def _entries_of(kept: pa.Table, split: str) -> list[Entry]:
    mine = kept.filter(pc.equal(kept.column("split"), split)).select(["key", "entry"])
    return [Entry(row["key"], split, json.loads(row["entry"])) for row in mine.to_pylist()]


def _write_table(store: Store, name: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    store.write(name, sink.getvalue().to_pybytes())
