from __future__ import annotations

import re
from pathlib import Path

import pytest
import trees

from manifests.sidecar import LABELS
from manifests.sources import CorpusError
from manifests.sources.readers import READERS, read_corpus


def test_the_registry_is_what_the_documentation_lists() -> None:
    page = (Path(__file__).parents[3] / "docs" / "readers.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z0-9]+)` \|", page, re.MULTILINE)) == set(READERS)
    for name, reader in READERS.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert all(f"`{option}" in row for option in reader.options), row


def test_a_plain_folder_and_a_pattern(tmp_path: Path) -> None:
    files = {"a/front_1.mp4": "", "a/side_1.mp4": "", "sidecar.csv": "path,speaker\na/front_1.mp4,ann\n"}
    trees.lay(tmp_path, dict(files))
    listing, root = read_corpus(str(tmp_path))
    assert len(listing.sources) == 2 and root == str(tmp_path)
    some, _ = read_corpus(str(tmp_path), options={"pattern": "**/front_*.mp4"})
    assert trees.labels_of(some) == {"a/front_1.mp4": {"speaker": "ann"}}
    for pattern in ("../*.mp4", "/etc/*", ""):
        with pytest.raises(CorpusError, match="stay inside"):
            read_corpus(str(tmp_path), options={"pattern": pattern})
    with pytest.raises(CorpusError, match="match"):
        read_corpus(str(tmp_path), options={"pattern": "*.wav"})


def test_a_stage_inside_the_corpus_is_no_input(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"a.mp4": "", "out.stage/duologue-stage": "x", "out.stage/b.mp4": ""})
    assert [one.path for one in read_corpus(str(tmp_path))[0].sources] == ["a.mp4"]


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"s1/bbaf2n.mp4": ""})
    with pytest.raises(CorpusError, match="no reader 'gird'"):
        read_corpus(str(tmp_path), reader="gird")
    with pytest.raises(CorpusError, match="no option colour; it has pattern"):
        read_corpus(str(tmp_path), options={"colour": "red"})
    with pytest.raises(CorpusError, match="takes no sidecar"):
        read_corpus(str(tmp_path), reader="grid", sidecar=tmp_path / "x.csv")
    with pytest.raises(CorpusError, match="needs the option table"):
        read_corpus(str(tmp_path), reader="table")


def test_every_label_a_reader_gives_is_one(tmp_path: Path) -> None:
    listing, _ = read_corpus(str(trees.lay(tmp_path, {"s1/bbaf2n.mp4": ""})), reader="grid")
    assert all(set(source.labels) <= set(LABELS) for source in listing.sources)
