"""What `voices` found of a source, as later steps read it."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from manifests.store import Store


def read_activity(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    """Columns of `ACTIVITY` and rows of `VOICES` of a row of this step."""
    with store.open(row["artifacts"][0]["name"]) as handle:
        activity = pq.read_table(handle)
    with store.open(row["artifacts"][1]["name"]) as handle:
        voices = pq.read_table(handle).to_pylist()
    columns = {name: activity.column(name).to_numpy() for name in ("voice", "start_s", "stop_s")}
    return {**columns, "voices": {one["voice"]: one for one in voices}}


def source_voices(store: Store, row: dict[str, Any]) -> dict[int, list[float]]:
    """Embedding of each voice of a source, rounded to six digits: it travels as text."""
    with store.open(row["artifacts"][1]["name"]) as handle:
        voices = pq.read_table(handle, columns=["voice", "embedding"]).to_pylist()
    return {one["voice"]: [round(float(value), 6) for value in one["embedding"]] for one in voices}
