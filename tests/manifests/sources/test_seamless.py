from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import trees

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.seamless import list_seamless
from manifests.transcripts import read_transcript

A, B = "V00_S0001_I00000002_P0003", "V00_S0001_I00000002_P0004A"
SAID = {
    "transcript": "Nice.",
    "start": 0.1,
    "end": 0.5,
    "words": [{"word": "Nice.", "start": 0.1, "end": 0.5}],
}
TOLD = {"id": A, "metadata:transcript": [SAID], "metadata:vad": []}


def test_two_people_of_one_interaction(tmp_path: Path) -> None:
    home = "improvised/dev/0000/0005"
    files = {f"{home}/{one}{suffix}": "" for one in (A, B) for suffix in (".mp4", ".wav")}
    root = trees.lay(tmp_path / "si", {**files, f"{home}/{A}.json": TOLD, f"{home}/{A}.npz": "x"})
    found = list_seamless(root, stage=tmp_path / "stage")
    one, other = found.sources
    assert (one.labels["speaker"], other.labels["speaker"]) == ("seamless-P0003", "seamless-P0004A")
    assert one.labels["dialogue"] == other.labels["dialogue"] == "seamless-V00_S0001_I00000002"
    assert one.labels["split"] == "valid" and one.labels["licence"] == "CC-BY-NC-4.0"
    media = probe(str(Path(str(found.root)) / one.path))
    assert media.video is not None and media.audio is not None
    assert one.transcript is not None and one.transcript["format"] == "seamless"
    read = read_transcript(Path(str(found.root)) / one.transcript["path"], "seamless")
    assert [word.text for word in read.words] == ["Nice."] and read.text == "Nice."
    assert trees.told(found) == [("corpus_part_missing", B)]


def test_the_hubs_tars(tmp_path: Path) -> None:
    files = {f"{A}.mp4": "", f"{A}.wav": "", f"{A}.json": TOLD, f"{A}.npz": "x"}
    trees.lay(tmp_path / "files", dict(files))
    tar = tmp_path / "si" / "naturalistic" / "test" / "0000" / "0000.tar"
    tar.parent.mkdir(parents=True)
    with tarfile.open(tar, "w") as out:
        for name in files:
            out.add(tmp_path / "files" / name, name)
    found = list_seamless(tmp_path / "si", stage=tmp_path / "stage")
    (source,) = found.sources
    assert source.labels["split"] == "test" and source.transcript is not None and not found.complaints
    again = list_seamless(tmp_path / "si", stage=tmp_path / "stage")
    assert again == found, "listed again, nothing is made again and every fingerprint is the same"


def test_the_raw_tree(tmp_path: Path) -> None:
    home = "improvised/train"
    files = {
        f"{home}/video/{A}.mp4": "",
        f"{home}/audio/{A}.wav": "",
        f"{home}/transcript/{A}.jsonl": json.dumps(SAID) + "\n",
        f"{home}/vad/{A}.jsonl": "{}\n",
        f"{home}/1P-IS/{A}.json": "{}",
        f"{home}/audio/{B}.wav": "",
        "participants.csv": "x\n",
    }
    root = trees.lay(tmp_path / "si", dict(files))
    found = list_seamless(root, stage=tmp_path / "stage")
    assert [one.transcript is not None for one in found.sources] == [True, False]
    assert trees.told(found) == [("corpus_part_missing", B)] * 2, "its mp4 and its transcript"
    alone = list_seamless(root, sound="audio")
    assert alone.root is None and [one.path for one in alone.sources] == [
        f"{home}/audio/{A}.wav",
        f"{home}/audio/{B}.wav",
    ]


def test_what_it_cannot_do_is_said(tmp_path: Path) -> None:
    root = trees.lay(tmp_path, {"a/b.wav": ""})
    with pytest.raises(CorpusError, match="--stage"):
        list_seamless(root)
    with pytest.raises(CorpusError, match="expected beside"):
        list_seamless(root, sound="loud")
    with pytest.raises(CorpusError, match="no recording found"):
        list_seamless(root, sound="audio")
