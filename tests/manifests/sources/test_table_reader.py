from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import trees

from manifests.sources import CorpusError
from manifests.sources.table import list_table

ROWS = [
    {"path": "a.mp4", "speaker": "ann", "speakers": ["ann", "bob"]},
    {"path": "sub/b.wav", "speaker": "bob", "speakers": None},
]


def test_three_formats_name_the_same_recordings(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"a.mp4": "", "sub/b.wav": "", "unnamed.mp4": "", "a.srt": "x"})
    trees.lay(tmp_path, {"t.jsonl": "\n".join(json.dumps(row) for row in ROWS)})
    trees.lay(tmp_path, {"t.csv": 'path,speaker,speakers\na.mp4,ann,"[""ann"", ""bob""]"\nsub/b.wav,bob,\n'})
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "t.parquet")
    first, *others = [list_table(tmp_path, table=name) for name in ("t.jsonl", "t.csv", "t.parquet")]
    assert others == [first, first]
    assert trees.labels_of(first) == {
        "a.mp4": {"speaker": "ann", "speakers": '["ann", "bob"]'},
        "sub/b.wav": {"speaker": "bob"},
    }
    assert first.sources[0].transcript is not None, "beside it lies its srt"


def test_rows_without_a_file_are_told(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"a.mp4": "", "t.csv": "path\na.mp4\ngone.mp4\n../out.mp4\n"})
    found = list_table(tmp_path, table="t.csv")
    assert [one.path for one in found.sources] == ["a.mp4"]
    assert [reason for reason, _ in trees.told(found)] == ["sidecar_unmatched"] * 2


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no such file"):
        list_table(tmp_path, table="t.csv")
    trees.lay(tmp_path, {"t.csv": "path\ngone.mp4\n"})
    with pytest.raises(CorpusError, match="no recording found"):
        list_table(tmp_path, table="t.csv")
