from __future__ import annotations

import json
from pathlib import Path

import pytest
import trees

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.candor import list_candor
from manifests.transcripts import read_transcript

TALK = "002d68da-7738"
TURNS = (
    'turn_id,speaker,start,stop,utterance,overlap\n0,u1,0.1,0.6,"Go, go.",False\n1,u2,0.55,0.9,"Yeah,",True\n'
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    files = {
        f"{TALK}/processed/{TALK}.mp4": "",
        f"{TALK}/processed/{TALK}.mp3": "",
        f"{TALK}/processed/u1.mp4": "",
        f"{TALK}/processed/u2.mp4": "",
        f"{TALK}/processed/channel_map.json": {"L": "u2", "R": "u1"},
        f"{TALK}/transcription/transcript_audiophile.csv": TURNS,
        f"{TALK}/survey.csv": "user_id,sex\nu1,female\n",
        f"{TALK}/raw/u1.mp4": "",
        "other/processed/u3.mp4": "",
    }
    return trees.lay(tmp_path / "candor", dict(files))


def test_each_person_with_the_own_words(corpus: Path) -> None:
    found = list_candor(corpus)
    labels = trees.labels_of(found)
    assert sorted(labels) == [
        f"{TALK}/processed/u1.mp4",
        f"{TALK}/processed/u2.mp4",
        "other/processed/u3.mp4",
    ]
    one = found.sources[0]
    assert (one.labels["speaker"], one.labels["gender"]) == ("candor-u1", "female")
    assert one.transcript is not None and one.transcript["speaker"] == "candor-u1"
    read = read_transcript(corpus / one.transcript["path"], "candor")
    assert [said.text for said in read.said_by("candor-u1").utterances] == ["Go, go."]
    assert [said.text for said in read.said_by("candor-u2").utterances] == ["Yeah,"]
    assert trees.told(found) == [("corpus_part_missing", "other/processed/u3.mp4")]


def test_a_conversation_with_both_channels(corpus: Path, tmp_path: Path) -> None:
    found = list_candor(corpus, stage=tmp_path / "stage", unit="conversation")
    (source,) = found.sources
    assert json.loads(source.labels["channels"]) == ["candor-u2", "candor-u1"], "left first"
    media = probe(str(Path(str(found.root)) / source.path))
    assert media.video is not None and media.audio is not None
    assert source.transcript is not None and "speaker" not in source.transcript


def test_options_are_checked(corpus: Path) -> None:
    with pytest.raises(CorpusError, match="expected person"):
        list_candor(corpus, unit="both")
    with pytest.raises(CorpusError, match="--stage"):
        list_candor(corpus, unit="conversation")
