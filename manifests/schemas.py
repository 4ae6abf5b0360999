"""Versioned Arrow schemas of the tables a user reads: `manifest.parquet` and `shards/index.parquet`."""

from __future__ import annotations

import pyarrow as pa

FORMAT_VERSION = "1.0"
"""Version of the shard format in docs/format.md; a reader may rely on everything with the same major."""

NAMES = pa.list_(pa.field("element", pa.string()))
"""A list of names, with the element called as Parquet calls it."""

MANIFEST = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),  # source | clip | complaint (about the input)
        pa.field("key", pa.string(), nullable=False),
        pa.field("source_id", pa.string()),
        pa.field("path", pa.string()),  # below the corpus root
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("failed_limits", NAMES),  # every limit a rejected clip failed
        pa.field("detail", pa.string()),
        pa.field("step", pa.string()),  # the step that decided
        pa.field("start_s", pa.float64()),
        pa.field("stop_s", pa.float64()),
        pa.field("split", pa.string()),
        pa.field("shard", pa.string()),
    ],
    metadata={"duologue.manifest": FORMAT_VERSION},
)

INDEX = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("members", NAMES, nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ],
    metadata={"duologue.index": FORMAT_VERSION},
)


def validate(table: pa.Table, schema: pa.Schema) -> None:
    """Raises ValueError when a table's columns, types, nullability or version differ from the schema."""
    if not table.schema.equals(schema, check_metadata=True):
        raise ValueError(f"table has\n{table.schema}\nbut the format says\n{schema}")
    for field, column in zip(schema, table.columns, strict=True):
        if not field.nullable and column.null_count:
            raise ValueError(f"column {field.name} has {column.null_count} nulls and may have none")
    keys = table.column("key")
    if len(keys.unique()) != len(keys):
        raise ValueError("column key has duplicates")
