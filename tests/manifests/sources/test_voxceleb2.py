from __future__ import annotations

from pathlib import Path

import pytest
import trees

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.voxceleb2 import list_voxceleb2

FILES = {
    "dev/mp4/id00012/abc/00001.mp4": "",
    "dev/aac/id00012/abc/00001.m4a": "",
    "test/mp4/id00017/xyz/00002.mp4": "",
    "vox2_meta.csv": (
        "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \nid00099 ,n9 ,f ,dev \n"
    ),
}


def test_clips_with_gender_and_split(tmp_path: Path) -> None:
    found = list_voxceleb2(trees.lay(tmp_path, dict(FILES)))
    labels = trees.labels_of(found)
    assert sorted(labels) == ["dev/mp4/id00012/abc/00001.mp4", "test/mp4/id00017/xyz/00002.mp4"]
    first, second = (labels[name] for name in sorted(labels))
    assert (first["speaker"], first["origin"], first["gender"], first["split"]) == (
        *("vox2-id00012", "vox2-abc", "male", "train"),
    )
    assert second["split"] == "test" and "gender" not in second
    assert trees.told(found) == [("corpus_malformed", "test/mp4/id00017/xyz/00002.mp4")]


def test_picture_and_sound_are_put_together(tmp_path: Path) -> None:
    root = trees.lay(tmp_path / "vox", dict(FILES))
    found = list_voxceleb2(root, stage=tmp_path / "stage", sound="aac")
    (source,) = found.sources
    assert found.root == str(tmp_path / "stage")
    media = probe(str(Path(found.root) / source.path))
    assert media.video is not None and media.audio is not None and source.labels["gender"] == "male"
    assert ("corpus_part_missing", "test/mp4/id00017/xyz/00002.mp4") in trees.told(found)
    with pytest.raises(CorpusError, match="--stage"):
        list_voxceleb2(root, sound="aac")


def test_without_its_table(tmp_path: Path) -> None:
    found = list_voxceleb2(trees.lay(tmp_path, {"dev/mp4/id00012/abc/00001.mp4": "", "x/y.mp4": ""}))
    assert trees.told(found) == [("corpus_malformed", "x/y.mp4"), ("corpus_part_missing", "vox2_meta.csv")]
    assert found.sources[0].labels["split"] == "train"
