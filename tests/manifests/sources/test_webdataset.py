from __future__ import annotations

from pathlib import Path

import pytest
import trees
import webdataset as wds

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.webdataset import list_webdataset


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Written by webdataset itself."""
    (tmp_path / "wds").mkdir()
    about = {
        "speaker": "ann",
        "split": "dev",
        "words": [["hi", 0.1, 0.4]],
        "transcript": "/etc/passwd",
        "n": 3,
    }
    for number in range(2):
        with wds.TarWriter(str(tmp_path / "wds" / f"shard-{number}.tar")) as out:
            out.write(
                {
                    "__key__": f"sub/k{number}",
                    "mp4": trees.video(),
                    "wav": trees.sound(),
                    "json": about,
                    "txt": "hi",
                }
            )
            out.write({"__key__": f"labels{number}", "json": {}})
    return tmp_path / "wds"


def test_samples_become_sources(shards: Path, tmp_path: Path) -> None:
    found = list_webdataset(shards, stage=tmp_path / "stage")
    assert len(found.sources) == 2 and not found.complaints
    source = found.sources[0]
    assert source.labels == {"speaker": "ann", "split": "valid", "words": '[["hi", 0.1, 0.4]]'}
    assert source.path.endswith("sub/k0.mov")
    assert source.transcript is not None and source.transcript["path"].endswith("sub/k0.txt")
    media = probe(str(Path(str(found.root)) / source.path))
    assert media.video is not None and media.audio is not None
    assert list_webdataset(shards, stage=tmp_path / "stage") == found


def test_sound_may_be_left_alone(shards: Path, tmp_path: Path) -> None:
    found = list_webdataset(shards, stage=tmp_path / "stage", sound="inside")
    assert [one.path.rsplit("/", 1)[1] for one in found.sources] == ["k0.mp4", "k1.mp4"]


def test_labels_that_are_no_json(tmp_path: Path) -> None:
    (tmp_path / "wds").mkdir()
    with wds.TarWriter(str(tmp_path / "wds" / "a.tar")) as out:
        out.write({"__key__": "k", "wav": trees.sound(), "json": b"{half"})
    found = list_webdataset(tmp_path / "wds", stage=tmp_path / "stage")
    assert [one.reason for one in found.complaints] == ["corpus_malformed"] and not found.sources[0].labels


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"no \.tar there"):
        list_webdataset(trees.lay(tmp_path / "x", {"a.mp4": ""}), stage=tmp_path / "stage")
    with pytest.raises(CorpusError, match="--stage"):
        list_webdataset(tmp_path / "x")
