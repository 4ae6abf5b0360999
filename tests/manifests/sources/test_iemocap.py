from __future__ import annotations

import json
from pathlib import Path

import pytest
import trees

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.folds import read_folds
from manifests.sources.iemocap import list_iemocap
from manifests.transcripts import read_transcript

D = "Ses01F_impro01"
TEXT = f"""{D}_F000 [006.2901-008.2357]: Excuse me.
{D}_M000 [007.5712-010.4750]: Do you have [LAUGHTER] forms?
M: yes
"""
EMOTIONS = f"""% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\t{D}_F000\tneu\t[2.5000, 2.5000, 2.5000]
C-E2:\tNeutral;\t()

[7.5712 - 10.4750]\t{D}_M000\txxx\t[2.0000, 3.0000, 3.0000]
[11.0000 - 12.0000]\t{D}_F001\tfru\t[2.0000, 3.0000, 3.0000]
[12.0000 - 13.0000]\t{D}_F002\tzzz\t[2.0000, 3.0000, 3.0000]
"""
WDSEG = """\t SFrm  EFrm    SegAScr Word
\t    0    44    -7825 <s>
\t   45    99    -100 EXCUSE(2)
\t  100   149    -9 ME
 Total score: 1
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    home = "IEMOCAP_full_release/Session1"
    files = {
        f"{home}/dialog/avi/DivX/{D}.avi": "",
        f"{home}/dialog/avi/DivX/._{D}.avi": "junk of a Mac",
        f"{home}/dialog/wav/{D}.wav": trees.sound(channels=2),
        f"{home}/dialog/transcriptions/{D}.txt": TEXT,
        f"{home}/dialog/EmoEvaluation/{D}.txt": EMOTIONS,
        f"{home}/dialog/EmoEvaluation/Categorical/{D}_e2_cat.txt": "x",
        f"{home}/dialog/avi/DivX/Ses01M_script01_1.avi": "",
        f"{home}/sentences/wav/{D}/{D}_F000.wav": "",
        f"{home}/sentences/wav/{D}/{D}_F001.wav": "",
        f"{home}/sentences/ForcedAlignment/{D}/{D}_F000.wdseg": WDSEG,
    }
    return trees.lay(tmp_path / "release", dict(files))


def test_dialogues_with_every_turns_emotion(release: Path) -> None:
    found = list_iemocap(release)
    one, other = found.sources
    assert one.path.endswith(f"{D}.avi")
    assert json.loads(one.labels["speakers"]) == ["iemocap-Ses01_F", "iemocap-Ses01_M"]
    assert json.loads(one.labels["emotions"]) == [
        ["neutral", 6.2901, 8.2357, "iemocap-Ses01_F"],
        ["frustrated", 11.0, 12.0, "iemocap-Ses01_F"],
    ], "not the turn that the annotators disagreed on"
    assert one.transcript is not None
    read = read_transcript(release / one.transcript["path"], one.transcript["format"])
    assert [(said.text, said.speaker) for said in read.utterances] == [
        ("Excuse me.", "iemocap-Ses01_F"),
        ("Do you have forms?", "iemocap-Ses01_M"),
    ]
    told = trees.told(found)
    assert [where for reason, where in told if reason == "corpus_part_missing"] == [other.path] * 2
    assert [reason for reason, _ in told].count("corpus_malformed") == 1, "the emotion zzz"


def test_dialogues_with_the_sound_of_both(release: Path, tmp_path: Path) -> None:
    found = list_iemocap(release, stage=tmp_path / "stage", sound="beside")
    (source,) = found.sources
    media = probe(str(Path(str(found.root)) / source.path))
    assert media.video is not None and media.audio is not None and media.audio.channels == 2
    assert source.transcript is not None and (Path(str(found.root)) / source.transcript["path"]).is_file()
    assert ("corpus_part_missing", "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01M_script01_1.avi") in (
        trees.told(found)
    )


def test_turns_with_words(release: Path) -> None:
    found = list_iemocap(release, unit="turn")
    one, other = found.sources
    assert (one.labels["speaker"], one.labels["gender"], one.labels["emotion"], one.labels["text"]) == (
        *("iemocap-Ses01_F", "female", "neutral", "Excuse me."),
    )
    assert one.labels["dialogue_start_s"] == "6.2901", "scripts are in this order"
    assert one.transcript is not None
    words = read_transcript(release / one.transcript["path"], "wdseg").words
    assert [(word.text, float(word.start or 0), float(word.stop or 0)) for word in words] == [
        ("EXCUSE", 0.45, 1.0),
        ("ME", 1.0, 1.5),
    ]
    assert other.labels["emotion"] == "frustrated" and not {"text", "dialogue_start_s"} & other.labels.keys()
    assert ("corpus_part_missing", other.path) in trees.told(found)


def emobox(folder: Path, **turns: list[str]) -> Path:
    for split, keys in turns.items():
        wav = "downloads/iemocap/Session1/sentences/wav/x/"
        lines = [{"key": f"iemocap-{key}", "wav": f"{wav}{key}.wav", "emo": "neu"} for key in keys]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        trees.lay(folder, {f"iemocap_{split}_fold_1.jsonl": text})
    return folder


def test_emoboxs_folds(release: Path, tmp_path: Path) -> None:
    folds = emobox(tmp_path / "fold_1", test=[f"{D}_F000", f"{D}_F001"], train=["Ses02F_impro07_F001"])
    turns = list_iemocap(release, unit="turn", folds=str(folds))
    assert [one.labels.get("split") for one in turns.sources] == ["test", "test"]
    dialogues = list_iemocap(release, folds=str(folds))
    assert [one.labels.get("split") for one in dialogues.sources] == ["test", None]


def test_folds_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no fold there"):
        read_folds(tmp_path)
    trees.lay(tmp_path, {"all.jsonl": "{}\n"})
    with pytest.raises(CorpusError, match="one of the words"):
        read_folds(tmp_path)
    (tmp_path / "all.jsonl").rename(tmp_path / "train.jsonl")
    with pytest.raises(CorpusError, match="`key` or `wav`"):
        read_folds(tmp_path)
    both = emobox(tmp_path / "both", test=["a"], train=["a"])
    with pytest.raises(CorpusError, match="as well"):
        read_folds(both)
