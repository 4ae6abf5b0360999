"""Receipts: the Parquet file that commits a unit. Written last; its existence is the commit.

`RECEIPT_COLUMNS` are common to every step; a step adds typed measurement columns of its own. Receipts
hold nothing that differs between two runs over the same inputs (no clock, no host).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.reasons import Reason, Status
from manifests.store import Artifact, Store

SCHEMA_VERSION = 1

_ARTIFACT = pa.struct(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
    ]
)

RECEIPT_COLUMNS = pa.schema(
    [
        pa.field("item", pa.string(), nullable=False),  # the planned item this row answers
        pa.field("key", pa.string(), nullable=False),  # what the row is about; unique in the step
        pa.field("source_id", pa.string()),  # null for a gather over the whole corpus
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("artifacts", pa.list_(_ARTIFACT), nullable=False),
    ]
)


@dataclass(frozen=True)
class Row:
    """One line of a receipt: what became of an item, or of one thing found in it."""

    item: str
    key: str
    source_id: str | None
    status: Status = Status.OK
    reason: Reason | None = None
    detail: str | None = None
    artifacts: tuple[Artifact, ...] = ()
    measures: dict[str, Any] = field(default_factory=dict)

    def validate(self) -> None:
        """Raises ValueError when the row contradicts itself."""
        if (self.status is Status.OK) == (self.reason is not None):
            raise ValueError(f"row {self.key}: status {self.status} does not go with reason {self.reason}")
        clash = self.measures.keys() & set(RECEIPT_COLUMNS.names)
        if clash:
            raise ValueError(f"row {self.key}: measurements named like receipt columns: {sorted(clash)}")


def receipt_schema(measurements: pa.Schema) -> pa.Schema:
    """The columns of a step's receipts: the common ones, then its measurements."""
    return pa.schema(
        list(RECEIPT_COLUMNS) + list(measurements), metadata={"duologue.receipt": str(SCHEMA_VERSION)}
    )


def write_receipt(
    store: Store, folder: str, unit: str, rows: Sequence[Row], measurements: pa.Schema
) -> Artifact:
    """Commit a unit. Rows are sorted by key, so equal work gives equal bytes.

    Raises ValueError for a row that contradicts itself, a key given twice or an unknown measurement.
    """
    records = []
    for row in sorted(rows, key=lambda one: one.key):
        row.validate()
        unknown = row.measures.keys() - set(measurements.names)
        if unknown:
            raise ValueError(f"row {row.key}: measurements not in the schema: {sorted(unknown)}")
        artifacts = [{"name": a.name, "bytes": a.bytes, "sha256": a.sha256} for a in row.artifacts]
        head = {name: getattr(row, name) for name in RECEIPT_COLUMNS.names}
        records.append({**head, "artifacts": artifacts, **row.measures})
    keys = [record["key"] for record in records]
    if len(set(keys)) != len(keys):
        raise ValueError(f"unit {unit}: a key appears twice in its rows")
    table = pa.Table.from_pylist(records, schema=receipt_schema(measurements))
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return store.write(f"{folder}/{unit}.parquet", sink.getvalue().to_pybytes())


def committed_units(store: Store, folder: str) -> list[str]:
    """Names of the units that have a receipt, from one listing."""
    return [name.removesuffix(".parquet") for name in store.list(folder) if name.endswith(".parquet")]


def read_receipts(store: Store, folder: str, units: Iterable[str]) -> list[dict[str, Any]]:
    """All rows of the given units' receipts. Raises ValueError naming a receipt that cannot be read."""
    rows: list[dict[str, Any]] = []
    for unit in units:
        name = f"{folder}/{unit}.parquet"
        try:
            rows.extend(pq.ParquetFile(pa.BufferReader(store.read(name))).read().to_pylist())
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(
                f"receipt {store.path(name)} cannot be read ({error}); delete it and build again"
            ) from error
    return rows
