"""split: which of train, valid and test every source is of. One item over the whole corpus, a row a source.

Where people go is kept in the output folder, one table for each seed and set of shares, and the next run
takes it up: adding recordings moves nobody. A recording that links two splits is quarantined here, before
any clip of it is chosen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import digest
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from manifests.splits import Linked, assign, balance, from_table, to_table
from manifests.store import Store
from pipelines.sections import PackConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.documents import is_document
from pipelines.steps.ingest import media_s
from pipelines.steps.people import people_of

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

FOLDER = "splits"
"""Below the output folder: the tables, and beside each what came out (`.json`)."""

DOCUMENT_S_A_BYTE = 1e-9
"""Text takes no time. Documents are balanced among themselves, by their length; against the hours of
recordings they weigh so little that adding them moves no recording."""


class Split(Step[PackConfig]):
    """One item: all sources that could be opened."""

    name = "split"
    version = 1
    per_source = True  # its rows are: a quarantined one is the end of its source
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema([pa.field("split", pa.string()), pa.field("group", pa.string())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """One item, once there is a source. It is decided here: the result is what names the item, so a run
        that takes up its own table plans the same item again."""
        recordings = linked(corpus)
        if not recordings:
            return
        config = self.config
        table = table_name(config)
        previous = read_table(corpus.store, table)
        done = assign(recordings, config.split_shares, seed=config.split_seed, previous=previous)
        inputs = {
            "splits": dict(done.splits),
            "conflicts": dict(done.conflicts),
            "groups": dict(done.groups),
            "names": dict(done.table),
            "table": table,
            "balance": balance(recordings, done, config.split_shares),
        }
        fixed = digest(inputs["splits"], sorted(done.conflicts), inputs["names"], table)
        yield Item(f"split-{fixed}", None, inputs)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write the table down, and a row for every source."""
        inputs, store = item.inputs, workspace.store
        with store.writing(inputs["table"]) as handle:
            pq.write_table(to_table(inputs["names"]), handle, compression="zstd")
        told = {"balance": inputs["balance"], "conflicts": inputs["conflicts"]}
        text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
        store.write(inputs["table"].replace(".parquet", ".json"), text.encode())
        rows = [
            Row(item.id, source, source, measures={"split": split, "group": inputs["groups"][source]})
            for source, split in inputs["splits"].items()
        ]
        for source, why in inputs["conflicts"].items():
            rows.append(Row(item.id, source, source, Status.QUARANTINED, Reason.SPLIT_CONFLICT, why))
        return rows


def linked(corpus: Corpus) -> list[Linked]:
    """Every opened source with whom and what it shares: people by label and by face, dialogue, origin."""
    seen: dict[str, set[str]] = {}
    for (source, _), person in people_of(corpus).items():
        seen.setdefault(source, set()).add(f"person:{person}")
    return [
        Linked(
            row["source_id"],
            links=frozenset(_names(row)),
            seen=frozenset(seen.get(row["source_id"], ())),
            duration_s=row["bytes"] * DOCUMENT_S_A_BYTE if is_document(row) else media_s(row),
            traits=frozenset(_traits(row)),
            given=row["split"],
        )
        for row in corpus.rows("ingest")
        if row["status"] == Status.OK
    ]


def _names(row: dict[str, Any]) -> Iterable[str]:
    people = {row["speaker"]} - {None}
    for label in ("speakers", "channels"):
        people |= set(json.loads(row.get(label) or "[]"))
    yield from (f"speaker:{one}" for one in sorted(people))
    yield from (f"{label}:{row[label]}" for label in ("dialogue", "origin") if row.get(label))


def _traits(row: dict[str, Any]) -> Iterable[str]:
    if is_document(row):
        yield "medium=text"
    if row["language"]:
        yield f"language={row['language'].replace('_', '-').split('-')[0].lower()}"
    if row["emotion"]:
        yield f"emotion={row['emotion'].lower()}"


def table_name(config: PackConfig) -> str:
    """Where the table of these shares and this seed is kept; other shares begin anew."""
    return f"{FOLDER}/{digest(config.split_seed, config.split_shares, length=12)}.parquet"


def read_table(store: Store, name: str) -> dict[str, str]:
    """The splits that an earlier run decided; empty when there was none."""
    if not store.exists(name):
        return {}
    return from_table(pq.read_table(pa.BufferReader(store.read(name))))
