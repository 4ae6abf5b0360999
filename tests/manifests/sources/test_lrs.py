from __future__ import annotations

from pathlib import Path

import trees

from manifests.sources.lrs import list_lrs2, list_lrs3
from manifests.transcripts import read_transcript

PRETRAIN = """Text:  HELLO YOU
Conf:  4
Ref: abc

FRAME X Y W H
0 0.1 0.2 0.3 0.4

WORD START END ASDSCORE
HELLO 0.10 0.40 8.1
YOU 0.40 0.60 7.2
"""


def test_lrs3(tmp_path: Path) -> None:
    files = {
        "pretrain/talkA/00001.mp4": "",
        "pretrain/talkA/00001.txt": PRETRAIN,
        "trainval/talkB/50001.mp4": "",
        "trainval/talkB/50001.txt": "Text:  HELLO\nConf:  3\n",
        "test/talkC/00002.mp4": "",
        "stray.mp4": "",
    }
    found = list_lrs3(trees.lay(tmp_path, files))
    labels = trees.labels_of(found)
    assert {path: (one["speaker"], one["origin"], one["split"]) for path, one in labels.items()} == {
        "pretrain/talkA/00001.mp4": ("lrs3-talkA", "lrs3-talkA", "train"),
        "trainval/talkB/50001.mp4": ("lrs3-talkB", "lrs3-talkB", "train"),
        "test/talkC/00002.mp4": ("lrs3-talkC", "lrs3-talkC", "test"),
    }
    assert trees.told(found) == [
        ("corpus_malformed", "stray.mp4"),
        ("corpus_part_missing", "test/talkC/00002.mp4"),
    ]
    transcript = found.sources[0].transcript
    assert transcript is not None and transcript["named"]
    words = read_transcript(tmp_path / transcript["path"]).words
    assert [(one.text, float(one.start or 0)) for one in words] == [("HELLO", 0.1), ("YOU", 0.4)]


def test_lrs2_takes_its_splits_from_the_lists(tmp_path: Path) -> None:
    files: dict[str, str] = {}
    for number, key in enumerate(
        ("main/111/00001", "main/111/00002", "main/222/00001", "pretrain/111/00001")
    ):
        files |= {f"mvlrs_v1/{key}.mp4": "", f"mvlrs_v1/{key}.txt": f"Text:  LINE {number}\n"}
    files |= {"train.txt": "111/00001\n", "test.txt": "222/00001 NF MV\n"}
    found = list_lrs2(trees.lay(tmp_path, dict(files)))
    splits = {
        path.removeprefix("mvlrs_v1/"): one.get("split") for path, one in trees.labels_of(found).items()
    }
    assert splits == {
        "main/111/00001.mp4": "train",
        "main/111/00002.mp4": None,
        "main/222/00001.mp4": "test",
        "pretrain/111/00001.mp4": "train",
    }
    assert {one["origin"] for one in trees.labels_of(found).values()} == {"lrs2-111", "lrs2-222"}
    assert not any("speaker" in one for one in trees.labels_of(found).values())
    assert trees.told(found) == [
        ("corpus_malformed", "mvlrs_v1/main/111/00002.mp4"),
        ("corpus_part_missing", "val.txt"),
    ]
