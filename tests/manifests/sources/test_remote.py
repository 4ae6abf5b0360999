from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import trees

from manifests.sources import CorpusError
from manifests.sources.readers import read_corpus
from manifests.sources.remote import fetch, is_remote
from manifests.sources.stage import Stage


@pytest.fixture
def bucket() -> Iterator[str]:
    url = f"memory://{uuid.uuid4().hex}/corpus"
    fs = fsspec.filesystem("memory")
    for name, data in {"s1/bbaf2n.mp4": trees.video(), "s1/bbaf2n.align": b"0 23750 sil\n"}.items():
        fs.pipe(f"{url}/{name}", data)
    fs.pipe(f"{url}/.hidden/x.mp4", b"x")
    yield url
    fs.rm(url, recursive=True)


def test_a_reader_reads_what_was_fetched(bucket: str, tmp_path: Path) -> None:
    listing, root = read_corpus(bucket, reader="grid", stage=tmp_path / "stage")
    (source,) = listing.sources
    assert source.path == "s1/bbaf2n.mp4" and source.labels["text"] == "bin blue at f two now"
    assert (Path(root) / source.path).read_bytes() == trees.video()


def test_nothing_is_fetched_twice_and_what_changed_is_fetched_anew(bucket: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    path = fetch(bucket, stage) / "s1" / "bbaf2n.mp4"
    first = path.stat().st_ino
    fetch(bucket, stage)
    assert path.stat().st_ino == first
    path.write_bytes(b"cut short")
    fetch(bucket, stage)
    assert path.read_bytes() == trees.video()
    fsspec.filesystem("memory").pipe(f"{bucket}/s1/bbaf2n.mp4", b"changed")
    fetch(bucket, stage)
    assert path.read_bytes() == b"changed"
    assert not (path.parents[1] / ".hidden").exists()


def test_one_file_is_a_corpus(bucket: str, tmp_path: Path) -> None:
    path = fetch(f"{bucket}/s1/bbaf2n.mp4", Stage(tmp_path / "stage"))
    assert path.read_bytes() == trees.video()


def test_what_is_not_as_the_store_lists_it_is_refused(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs = fsspec.filesystem("memory")
    find = type(fs).find

    def lie(self: object, path: str, **options: object) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = find(self, path, **options)
        return {name: entry | {"md5Hash": "AAAA"} for name, entry in found.items()}

    monkeypatch.setattr(type(fs), "find", lie)
    stage = Stage(tmp_path / "stage")
    with pytest.raises(CorpusError, match="MD5"):
        fetch(bucket, stage)
    assert not list(stage.root.rglob("*.align")) + list(stage.root.rglob("*.part"))


def test_errors_tell_no_secret(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage")
    with pytest.raises(CorpusError, match="no file there"):
        fetch(f"memory://{uuid.uuid4().hex}", stage)
    with pytest.raises(CorpusError, match="cannot be listed") as error:
        fetch("nosuch://user:password@host/x?token=secret", stage)
    shown = str(error.value).split(" cannot")[0]
    assert "password" not in shown and "secret" not in shown
    with pytest.raises(CorpusError, match="--stage"):
        read_corpus("memory://x", reader="grid")


def test_what_counts_as_remote() -> None:
    assert is_remote("s3://b/x") and not is_remote("/data/x") and not is_remote("file:///data/x")
