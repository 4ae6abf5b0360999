"""Megatron-Energon itself reads the export."""

from __future__ import annotations

import io
import tarfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from loaders import energon_samples
from made_corpus import MadeCorpus

from manifests.exports.run import run_export


@pytest.fixture
def exported(talks: MadeCorpus, out: Path) -> Path:
    run_export(talks.path, "energon", str(out))
    return out


def test_shards_are_links_to_the_corpus_s_own(exported: Path, talks: MadeCorpus) -> None:
    names = sorted(path.name for path in exported.glob("*.tar"))
    assert names == sorted(path.name for path in Path(talks.path, "shards").glob("*.tar"))
    for name in names:
        assert (exported / name).samefile(Path(talks.path, "shards", name))


def test_copies_where_links_are_not_wanted(talks: MadeCorpus, out: Path) -> None:
    run_export(talks.path, "energon", str(out), {"link": "copy"})
    for path in out.glob("*.tar"):
        truth = Path(talks.path, "shards", path.name)
        assert not path.samefile(truth)
        assert path.read_bytes() == truth.read_bytes()


def test_the_index_points_at_each_sample_and_at_the_end(exported: Path) -> None:
    """8 bytes each, little endian (megatron/energon/flavors/webdataset/itar.py)."""
    for path in exported.glob("*.tar"):
        places = np.frombuffer(path.with_suffix(".tar.idx").read_bytes(), "<u8")
        data = path.read_bytes()
        keys = []
        for start, stop in pairwise(places.tolist()):
            with tarfile.open(fileobj=io.BytesIO(data[start:stop] + bytes(1024))) as tar:
                (key,) = {name.split(".")[0] for name in tar.getnames()}
                keys.append(key)
        with tarfile.open(path) as tar:
            assert list(dict.fromkeys(name.split(".")[0] for name in tar.getnames())) == keys
        assert data[places[-1] :].strip(b"\0") == b""


def test_splits_and_counts(exported: Path, talks: MadeCorpus) -> None:
    parts = yaml.safe_load((exported / ".nv-meta" / "split.yaml").read_text())["split_parts"]
    assert {name: bool(files) for name, files in parts.items()} == {"train": True, "val": True, "test": False}
    counts = yaml.safe_load((exported / ".nv-meta" / ".info.yaml").read_text())["shard_counts"]
    assert sum(counts.values()) == len(talks.samples)
    assert set(counts) == {path.name for path in exported.glob("*.tar")}


def test_energon_gives_every_sample_with_its_members(exported: Path, talks: MadeCorpus) -> None:
    seen = {}
    for split, key, sample in energon_samples(exported):
        made = talks.samples[key]
        assert sample["lips.mp4"] == made.members["lips.mp4"]
        assert sample["flac"] == made.members["flac"]
        seen[key] = split
    assert seen == {key: made.split for key, made in talks.samples.items()}
