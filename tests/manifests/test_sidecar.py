from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.reasons import Reason
from manifests.sidecar import SidecarError, read_sidecar

PATHS = ["a.mp4", "sub/b.mp4", "c d.mp4"]


def test_the_three_formats_say_the_same(tmp_path: Path) -> None:
    rows = [
        {"path": "a.mp4", "speaker": "s1", "text": "hello, you"},
        {"path": "./sub/b.mp4", "speaker": "s2"},
    ]
    (tmp_path / "s.csv").write_text('path,speaker,text\na.mp4,s1,"hello, you"\n./sub/b.mp4,s2,\n')
    (tmp_path / "s.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    found = [read_sidecar(tmp_path / name, PATHS) for name in ("s.csv", "s.jsonl", "s.parquet")]
    assert found[0] == found[1] == found[2]
    assert found[0].labels == {
        "a.mp4": {"speaker": "s1", "text": "hello, you"},
        "sub/b.mp4": {"speaker": "s2"},
    }
    assert not found[0].complaints


def test_every_bad_line_is_reported_with_its_number(tmp_path: Path) -> None:
    lines = [
        {"path": "a.mp4", "words": [["hi", 0.1, 0.4]]},
        {"path": "gone.mp4"},
        {"path": "a.mp4"},
        {"speaker": "nobody"},
        {"path": "c d.mp4", "emotoin": "happy"},
        {"path": "c d.mp4", "split": "holdout"},
        {"path": "c d.mp4", "words": [["hi", 0.4, 0.1]]},
        {"path": "c d.mp4", "dialogue_start_s": "00:12"},
    ]
    text = "\n".join(json.dumps(line) for line in lines) + "\n{half\n[1, 2]\n"
    (tmp_path / "s.jsonl").write_text(text)
    found = read_sidecar(tmp_path / "s.jsonl", PATHS)
    assert list(found.labels) == ["a.mp4"] and json.loads(found.labels["a.mp4"]["words"]) == [
        ["hi", 0.1, 0.4]
    ]
    assert [(int(one.where.split()[-1]), one.reason) for one in found.complaints] == [
        (2, Reason.SIDECAR_UNMATCHED),
        (3, Reason.SIDECAR_DUPLICATE),
        *((line, Reason.SIDECAR_MALFORMED) for line in (4, 5, 6, 7, 8, 9, 10)),
    ]
    assert "emotoin" in found.complaints[3].detail


def test_a_speaker_keeps_one_split(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("path,speaker,split\na.mp4,s1,test\nsub/b.mp4,s1,train\n")
    found = read_sidecar(tmp_path / "s.csv", PATHS)
    assert {labels["split"] for labels in found.labels.values()} == {"test"}
    assert [one.reason for one in found.complaints] == [Reason.SIDECAR_SPLIT_CONFLICT]


def test_a_line_separator_inside_a_value_does_not_break_the_line(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text('{"path": "a.mp4", "text": "one\u2028two"}\n', encoding="utf-8")
    assert read_sidecar(tmp_path / "s.jsonl", PATHS).labels == {"a.mp4": {"text": "one\u2028two"}}


def test_a_short_csv_line_is_reported(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("path,speaker\na.mp4\nsub/b.mp4,s2,extra\nc d.mp4,s3\n")
    found = read_sidecar(tmp_path / "s.csv", PATHS)
    assert list(found.labels) == ["c d.mp4"] and len(found.complaints) == 2


def test_names_from_a_mac_match(tmp_path: Path) -> None:
    name = "café.mp4"
    (tmp_path / "s.csv").write_text(f"path,speaker\n{unicodedata.normalize('NFD', name)},s\n")
    assert read_sidecar(tmp_path / "s.csv", [name]).labels == {name: {"speaker": "s"}}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.csv", b"file,speaker\na,b\n", "no column `path`"),
        ("s.csv", b"\xff\xfe\x00", "UTF-8"),
        ("s.txt", b"", "expected .csv"),
        ("s.parquet", b"not parquet", "not readable Parquet"),
    ],
)
def test_a_sidecar_that_cannot_be_read_is_an_error(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SidecarError, match=message):
        read_sidecar(tmp_path / name, PATHS)
