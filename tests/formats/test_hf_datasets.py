"""HF datasets itself reads the export: `load_dataset(folder)` in both layouts."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from loaders import undecoded
from made_corpus import Made, MadeCorpus, talk, write_corpus

from manifests.exports.run import run_export

MEMBERS = ("flac", "lips.mp4", "face61.npy", "hyps_asr.json")


def test_every_member_and_label_comes_back_from_parquet(talks: MadeCorpus, out: Path, load: Any) -> None:
    run_export(talks.path, "hf-datasets", str(out), {"members": MEMBERS})
    found = load(out)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 5, "valid": 1}
    for split, rows in found.items():
        for row in undecoded(rows):
            made = talks.samples[row["key"]]
            samples, rate_hz = soundfile.read(io.BytesIO(row["flac"]["bytes"]), dtype="int16")
            assert rate_hz == 16_000
            assert np.array_equal(samples, made.pcm["flac"])
            assert row["lips_mp4"]["bytes"] == made.members["lips.mp4"]
            truth = np.load(io.BytesIO(made.members["face61.npy"]))
            assert np.array_equal(np.load(io.BytesIO(row["face61_npy"])), truth)
            check_labels(row, made, split)


def test_every_array_and_label_comes_back_from_webdataset(talks: MadeCorpus, out: Path, load: Any) -> None:
    """Without sound and pictures, for which this loader wants torchcodec: see the next test."""
    options = {"layout": "webdataset", "members": ["face61.npy", "units.npy"]}
    run_export(talks.path, "hf-datasets", str(out), options)
    found = load(out)
    assert {split: len(rows) for split, rows in found.items()} == {"train": 5, "valid": 1}
    for split, rows in found.items():
        for row in rows:
            made = talks.samples[row["json"]["key"]]
            truth = np.load(io.BytesIO(made.members["face61.npy"]))
            assert np.array_equal(np.array(row["face61.npy"], np.float32), truth)
            check_labels(row["json"], made, split)


def test_the_tars_hold_sound_and_pictures_unchanged(talks: MadeCorpus, out: Path) -> None:
    """`base_plus_ext`: key before the first dot; all samples with the same members, next to each other."""
    run_export(talks.path, "hf-datasets", str(out), {"layout": "webdataset", "members": MEMBERS})
    seen = []
    for path in (out / "data").glob("*.tar"):
        with tarfile.open(path) as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                seen.append((key, extension))
                if extension != "json":
                    handle = tar.extractfile(info)
                    assert handle is not None
                    assert handle.read() == talks.samples[key].members[extension]
    assert [key for key, _ in seen[:: len(MEMBERS) + 1]] == list(dict.fromkeys(key for key, _ in seen))
    assert len(seen) == len(talks.samples) * (len(MEMBERS) + 1)


def check_labels(labels: dict[str, Any], made: Made, split: str) -> None:
    assert labels["split"] == split == made.split
    assert (labels["text"], labels["speaker"]) == (made.header["text"], made.header["speaker"])
    assert json.loads(labels["header"]) == made.header


def test_features_say_what_is_sound_and_what_is_video(talks: MadeCorpus, out: Path, load: Any) -> None:
    import datasets

    run_export(talks.path, "hf-datasets", str(out), {"members": MEMBERS})
    features = load(out)["train"].features
    assert isinstance(features["flac"], datasets.Audio)
    assert isinstance(features["lips_mp4"], datasets.Video)
    assert features["face61_npy"].dtype == "binary"
    assert features["text"].dtype == "string"


def test_the_corpus_s_own_shards_do_not_load(talks: MadeCorpus, load: Any, tmp_path: Path) -> None:
    """The reason for our layout: words are a text beside two numbers, for which Arrow has no type."""
    import datasets
    import pyarrow as pa

    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError, datasets.exceptions.DatasetGenerationError)):
        datasets.load_dataset("webdataset", data_dir=f"{talks.path}/shards", cache_dir=str(tmp_path / "c"))


def test_members_that_not_all_have_are_left_out_and_told(tmp_path: Path) -> None:
    made = [talk(n, "train") for n in range(3)]
    made[2].members.pop("lips.mp4")
    corpus = str(write_corpus(tmp_path / "corpus", made))
    report = run_export(corpus, "hf-datasets", str(tmp_path / "all"), {"layout": "webdataset"})
    assert report.ok == 3
    assert any("left out: lips.mp4" in note for note in report.notes)
    with tarfile.open(next((tmp_path / "all" / "data").glob("*.tar"))) as tar:
        assert {name.partition(".")[2] for name in tar.getnames()} == {"json"} | set(made[2].members)
    some = run_export(corpus, "hf-datasets", str(tmp_path / "some"), {"members": ["lips.mp4"]})
    assert (some.ok, some.reasons) == (2, {"member_missing": 1})
    assert not any("left out" in note for note in some.notes)  # nobody asked for the others
