"""Tombstones keep people out without saying who they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from manifests.sources import Listing, SourceFile
from manifests.store import Store
from manifests.tombstones import FILE, Tombstones, living, read_tombstones, write_tombstones


def source(path: str, **labels: str) -> SourceFile:
    return SourceFile(path, 1, "x", labels)


def test_a_listing_without_the_forgotten() -> None:
    gone = Tombstones().added(names=["Bo"], sources=[source("moved/alone.mp4").id])
    listing = Listing(
        (
            source("alone.mp4"),
            source("both.mp4", speakers='["Ann", "Bo"]'),
            source("channels.wav", channels='["Bo", "Ann"]'),
            source("hers.mp4", speaker="Ann", text="Bo"),
            source("his.mp4", speaker="Bo"),
            source("moved/alone.mp4"),
        )
    )
    kept, left_out = living(listing, gone)
    assert [one.path for one in kept.sources] == ["alone.mp4", "hers.mp4"] and left_out == 4
    assert living(listing, Tombstones()) == (listing, 0)


def test_the_file_tells_no_name_and_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not read_tombstones(store)
    made = Tombstones().added(names=["Bo Diddley"], sources=["ab" * 8], contents=["cd" * 32])
    write_tombstones(store, made)
    text = (tmp_path / FILE).read_text()
    assert "Bo" not in text and "ab" * 8 not in text and "cd" * 32 not in text
    assert read_tombstones(store) == made
    both = made | Tombstones().added(names=["Ann"])
    assert both.has_name("Ann") and both.has_name("Bo Diddley") and not both.has_name("Bo")
    assert both.has_content("cd" * 32) and not both.has_content("ab" * 8) and not both.has_source("cd" * 32)


@pytest.mark.parametrize("text", ["", "{", '{"format": 2}', '{"format": 1, "names": []}', "[]"])
def test_a_damaged_file_stops_the_run(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ValueError, match="restore it"):
        read_tombstones(Store(tmp_path))
