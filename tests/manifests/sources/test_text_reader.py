"""Documents of .txt, JSONL and Parquet: one source each, with their labels; what cannot be read is told."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.ids import source_id
from manifests.sources import CorpusError, Listing
from manifests.sources.readers import read_corpus
from manifests.store import Store
from manifests.tombstones import Tombstones, write_tombstones


def read(root: Path, **arguments: Any) -> tuple[Listing, str]:
    return read_corpus(str(root), reader="text", **arguments)


def lines(path: Path, *rows: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in rows))


def contents(found: tuple[Listing, str]) -> dict[str, str]:
    listing, root = found
    return {one.path: (Path(root) / one.path).read_text(encoding="utf-8") for one in listing.sources}


def test_a_folder_of_texts_is_read_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/two.TXT").write_text("Two.")
    (tmp_path / "one.txt").write_text("One.")
    (tmp_path / "film.mp4").write_bytes(b"x")
    (tmp_path / "sidecar.csv").write_text("path,language,task\none.txt,en,lm\nfilm.mp4,en,\n")
    listing, root = read(tmp_path)
    assert root == str(tmp_path)
    assert {one.path: one.labels for one in listing.sources} == {
        "b/two.TXT": {"task": "text_continuation"},
        "one.txt": {"task": "lm", "language": "en"},
    }
    assert [(one.where, str(one.reason)) for one in listing.complaints] == [
        ("sidecar.csv line 3", "sidecar_unmatched")
    ]
    assert all(one.transcript is None for one in listing.sources)


def test_rows_of_tables_become_documents(tmp_path: Path) -> None:
    data, stage = tmp_path / "data", tmp_path / "stage"
    labels = {
        "language": "en",
        "licence": "CC0-1.0",
        "consent": "public",
        "speaker": 7,
        "split": "validation",
    }
    lines(
        data / "sub/a.jsonl",
        {"id": "n-1", "text": "First é\n\nend ", **labels, "url": "x"},
        {"text": "Second"},
    )
    pq.write_table(pa.table({"text": ["Third"], "id": ["../up"], "year": [1]}), data / "b.parquet")
    (data / "plain.txt").write_text("Fourth")
    found = read(data, stage=stage)
    listing, root = found
    assert root == str(stage)
    texts = contents(found)
    first = "sub/a.jsonl/n-1.txt"
    assert sorted(texts.values()) == ["First é\n\nend ", "Fourth", "Second", "Third"]
    assert texts[first] == "First é\n\nend " and texts["plain.txt"] == "Fourth"
    assert all(".." not in path for path in texts)
    of = {one.path: one.labels for one in listing.sources}
    assert of[first] == labels | {"task": "text_continuation", "speaker": "7", "split": "valid"}
    assert not listing.complaints and sorted(p.name for p in data.iterdir()) == [
        "b.parquet",
        "plain.txt",
        "sub",
    ]


def test_rows_that_are_no_documents_are_told(tmp_path: Path) -> None:
    lines(
        tmp_path / "data/a.jsonl",
        {"id": "x", "text": "kept"},
        "not json",
        [1],
        {"id": "y"},
        {"id": "y", "text": 5},
        {"id": "x", "text": "same id"},
        {"text": "twice"},
        {"text": "twice"},
        '{"id": "s", "text": "\\ud800"}',
        {"id": "z", "text": "a", "split": "nope"},
        "",
    )
    pq.write_table(pa.table({"body": ["x"]}), tmp_path / "data/b.parquet")
    (tmp_path / "data/c.parquet").write_bytes(b"no parquet")
    listing, _ = read(tmp_path / "data", stage=tmp_path / "stage")
    assert len(listing.sources) == 2
    told = {one.where: one.detail for one in listing.complaints}
    assert {str(one.reason) for one in listing.complaints} == {"corpus_malformed"}
    rows = (2, 3, 4, 5, 6, 8, 9, 10)
    assert set(told) == {*(f"a.jsonl row {row}" for row in rows), "b.parquet", "c.parquet"}
    assert "twice" in told["a.jsonl row 6"] and "nope" in told["a.jsonl row 10"]
    assert "column `text`; it has body" in told["b.parquet"]


def test_reading_again_changes_no_fingerprint_but_that_of_a_changed_text(tmp_path: Path) -> None:
    table, stage = tmp_path / "data/a.jsonl", tmp_path / "stage"
    lines(table, {"id": "a", "text": "one"}, {"id": "b", "text": "two"})
    before = {one.path: one for one in read(tmp_path / "data", stage=stage)[0].sources}
    lines(table, {"id": "b", "text": "tow"}, {"id": "a", "text": "one"})  # other order, and as long
    os.utime(table, (10, 10))
    after = {one.path: one for one in read(tmp_path / "data", stage=stage)[0].sources}
    same = {path: before[path].fingerprint == after[path].fingerprint for path in before}
    assert same == {"a.jsonl/a.txt": True, "a.jsonl/b.txt": False}
    assert {path: one.id for path, one in before.items()} == {path: one.id for path, one in after.items()}


def test_who_was_forgotten_is_not_written_into_the_stage_again(tmp_path: Path) -> None:
    data, stage = tmp_path / "data", tmp_path / "stage"
    rows = [
        {"id": "a", "text": "one", "speaker": "ann"},
        {"id": "b", "text": "two"},
        {"id": "c", "text": "3"},
    ]
    lines(data / "a.jsonl", *rows)
    gone = Tombstones().added(names=["ann"], sources=[source_id("a.jsonl/b.txt")])
    write_tombstones(Store(stage), gone)
    assert contents(read(data, stage=stage)) == {"a.jsonl/c.txt": "3"}
    assert [path.name for path in (stage / "a.jsonl").iterdir()] == ["c.txt"]


def test_one_file_and_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    listing, root = read(tmp_path / "a.txt", options={"task": "lm"})
    assert [(one.path, one.labels) for one in listing.sources] == [("a.txt", {"task": "lm"})]
    assert root == str(tmp_path)
    lines(tmp_path / "data/a.jsonl", {"text": "x"})
    with pytest.raises(CorpusError, match="--stage"):
        read(tmp_path / "data")
    (tmp_path / "none").mkdir()
    with pytest.raises(CorpusError, match=r"expected documents: \.txt files"):
        read(tmp_path / "none")
