"""Exports of real clips, read back by the real loaders: every member as the shard has it."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from loaders import energon_samples, undecoded
from set_samples import samples
from small_build import run_build

from manifests.exports.run import run_export
from pipelines.config import load_config

CLIPS = {"grid_bbaf2n.mpg": ("train", "bin blue at f two now"), "grid_pwij3p.mpg": ("valid", "place white")}
CHEAP = (
    "watch.embedder=none",
    "who.model=none",
    "who.offset=none",
    "listen.dnsmos=false",
    "listen.events=false",
)
MEMBERS = ("flac", "lips.mp4", "arkit52.npy", "face61.npy")


@pytest.fixture(scope="module")
def grid(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus of two GRID clips, one in each of two splits."""
    clips, out = tmp_path_factory.mktemp("grid"), tmp_path_factory.mktemp("corpus")
    for name in CLIPS:
        shutil.copy(media / "video" / name, clips / name)
    with (clips / "sidecar.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "speaker", "split", "text"])
        rows.writerows([name, name[5:8], *told] for name, told in CLIPS.items())
    run_build(clips, out, load_config(preset="talking-face", overrides=CHEAP))
    return out


@pytest.fixture(scope="module")
def shards(grid: Path) -> dict[str, dict[str, bytes]]:
    """Members by key, as tarfile reads them."""
    found = samples(grid)
    assert len(found) == 2 and all(
        {*MEMBERS, "face.mp4", "native.flac"} <= set(one) for one in found.values()
    )
    return found


def split_of(sample: dict[str, bytes]) -> str:
    return str(json.loads(sample["json"])["split"])


def test_energon(grid: Path, shards: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    run_export(str(grid), "energon", str(tmp_path / "out"))
    seen: dict[str, str] = {}
    for split, key, sample in energon_samples(tmp_path / "out"):
        assert {name: sample[name] for name in shards[key]} == shards[key]
        seen[key] = split
    assert seen == {key: split_of(sample) for key, sample in shards.items()}


@pytest.mark.parametrize("layout", ["parquet", "webdataset"])
def test_hf_datasets(
    layout: str, grid: Path, shards: dict[str, dict[str, bytes]], tmp_path: Path, load: Any
) -> None:
    """Parquet with sound and pictures as bytes; the webdataset layout decodes arrays by itself, and wants
    torchcodec for sound and pictures, which are left out here."""
    members = MEMBERS if layout == "parquet" else MEMBERS[2:]
    run_export(str(grid), "hf-datasets", str(tmp_path / "out"), {"layout": layout, "members": members})
    loaded = load(tmp_path / "out")
    assert set(loaded) == {"train", "valid"}
    seen = set()
    for split, table in loaded.items():
        for row in undecoded(table) if layout == "parquet" else table:
            labels = row if layout == "parquet" else row["json"]
            sample = shards[labels["key"]]
            assert split_of(sample) == split == labels["split"]
            assert labels["header"].encode() == sample["json"]
            for name in members:
                truth = np.load(io.BytesIO(sample[name])) if name.endswith(".npy") else sample[name]
                if layout == "webdataset":
                    assert np.array_equal(np.array(row[name], truth.dtype), truth)
                elif name.endswith(".npy"):
                    assert row[name.replace(".", "_")] == sample[name]
                else:
                    assert row[name.replace(".", "_")]["bytes"] == truth
            seen.add(labels["key"])
    assert seen == set(shards)


def test_lhotse_shar(grid: Path, shards: dict[str, dict[str, bytes]], tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    lhotse.audio.set_current_audio_backend("LibsndfileBackend")  # its own want torchaudio
    arrays = ["arkit52.npy", "face61.npy"]
    run_export(str(grid), "lhotse-shar", str(tmp_path / "out"), {"arrays": arrays})
    seen = set()
    for split in ("train", "valid"):
        for cut in lhotse.CutSet.from_shar(in_dir=str(tmp_path / "out" / split)):
            sample = shards[cut.id]
            truth, rate_hz = soundfile.read(io.BytesIO(sample["flac"]), dtype="float32")
            assert cut.sampling_rate == rate_hz and np.array_equal(cut.load_audio()[0], truth)
            for name in arrays:
                array = getattr(cut, f"load_{name.partition('.')[0]}")()
                assert np.array_equal(array, np.load(io.BytesIO(sample[name])), equal_nan=True)
            seen.add(cut.id)
            assert split_of(sample) == split
    assert seen == set(shards)
