"""Finding samples: of a large index only what is asked for."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.schemas import INDEX
from manifests.store import Store
from pipelines.audit.report.samples import index_of


def test_only_what_is_named_and_the_first_dialogues_are_kept(tmp_path: Path) -> None:
    rows = [
        {
            "key": f"k{number:06d}",
            "shard": "s.tar",
            "split": "train",
            "source_id": "s",
            "duration_s": 1.0,
            "members": ["json", "turns.json"] if number % 500 == 3 else ["json"],
            "bytes": 1,
        }
        for number in range(200_000)
    ]
    (tmp_path / "shards").mkdir()
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX), tmp_path / "shards" / "index.parquet")
    found = index_of(Store(tmp_path), ["k000007", "k199999", "clip", "nobody"])
    assert sorted(found) == ["k000003", "k000007", "k000503", "k199999"]
    assert found["k199999"]["members"] == ["json"]


def test_an_index_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert index_of(Store(tmp_path), ["k"]) == {}
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "index.parquet").write_bytes(b"PAR1 no parquet")
    assert index_of(Store(tmp_path), ["k"]) == {}
