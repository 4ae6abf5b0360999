from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
import trees

from manifests.sources import CorpusError
from manifests.sources.multidialog import list_multidialog


def line(stem: str, **more: object) -> str:
    about = {
        "file_name": f"{stem}.wav",
        "conv_id": "t_1",
        "from": "gpt",
        "value": "Hi there.",
        "emotion": "Happy",
    }
    return json.dumps(about | more) + "\n"


def test_utterances_with_text_emotion_and_speaker(tmp_path: Path) -> None:
    files = {
        "metadata/train/train_metadata_0000.jsonl": line("t_1_0k") + line("t_1_1d") + "{half\n",
        "metadata/valid_freq/valid_freq_metadata_0000.jsonl": line("t_2_0k", conv_id="t_2"),
        "data/train/t_1_0k.wav": "",
        "data/valid_freq/t_2_0k.wav": "",
        "video/t_2_0k.mp4": "",
        "data/train/t_9_0a.wav": "",
    }
    found = list_multidialog(trees.lay(tmp_path, dict(files)), splits="given")
    labels = trees.labels_of(found)
    assert sorted(labels) == ["data/train/t_1_0k.wav", "data/train/t_9_0a.wav", "video/t_2_0k.mp4"]
    one = labels["data/train/t_1_0k.wav"]
    assert (one["speaker"], one["dialogue"], one["role"]) == ("multidialog-k", "multidialog-t_1", "gpt")
    assert (one["text"], one["emotion"], one["split"]) == ("Hi there.", "Happy", "train")
    assert labels["video/t_2_0k.mp4"]["split"] == "valid"
    assert trees.told(found) == [
        ("corpus_malformed", "metadata/train/train_metadata_0000.jsonl line 3"),
        ("corpus_part_missing", "data/train/t_9_0a.wav"),
        ("corpus_part_missing", "t_1_1d"),
    ]
    assert not any("split" in one for one in trees.labels_of(list_multidialog(tmp_path)).values())


def test_the_hubs_archives(tmp_path: Path) -> None:
    root = trees.lay(tmp_path / "md", {"metadata/train/train_metadata_0000.jsonl": line("t_1_0k")})
    trees.lay(tmp_path, {"t_1_0k.wav": ""})
    (root / "data" / "train").mkdir(parents=True)
    with tarfile.open(root / "data" / "train" / "train_chunks_0000.tar.gz", "w:gz") as out:
        out.add(tmp_path / "t_1_0k.wav", "train_chunks_0000/t_1_0k.wav")
    found = list_multidialog(root, stage=tmp_path / "stage")
    (source,) = found.sources
    assert source.labels["speaker"] == "multidialog-k" and not found.complaints
    assert (Path(str(found.root)) / source.path).is_file()
    with pytest.raises(CorpusError, match="--stage"):
        list_multidialog(root)
