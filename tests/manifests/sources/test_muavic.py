from __future__ import annotations

from pathlib import Path

import pytest
import trees

from extractors.probe import probe
from manifests.sources import CorpusError
from manifests.sources.muavic import list_muavic
from manifests.transcripts import read_transcript

VTT = "WEBVTT\n\n00:00:00.100 --> 00:00:00.900\nhola a todos\n"


def test_whole_talks_with_their_subtitles(tmp_path: Path) -> None:
    files = {
        "mtedx/video/es/train/talk1.mp4": "",
        "mtedx/es-es/data/train/vtt/talk1.es.vtt": VTT,
        "mtedx/video/es/test/talk2.mp4": "",
    }
    found = list_muavic(trees.lay(tmp_path, dict(files)))
    labels = trees.labels_of(found)
    one = labels["mtedx/video/es/train/talk1.mp4"]
    assert (one["language"], one["split"], one["speaker"]) == ("es", "train", "muavic-talk1")
    transcript = found.sources[1].transcript
    assert transcript is not None
    (said,) = read_transcript(tmp_path / transcript["path"]).utterances
    assert said.text == "hola a todos" and float(said.start or 0) == 0.1
    assert trees.told(found) == [("corpus_part_missing", "mtedx/video/es/test/talk2.mp4")]


def prepared(root: Path, *, texts: str = "hola\nadiós\n") -> Path:
    rows = "/\n" + "".join(f"talk1/talk1_{n}\t/a\t/b\t25\t16000\n" for n in (0, 1))
    files = {
        "muavic/es/train.tsv": rows,
        "muavic/es/train.es": texts,
        "muavic/es/en/train_avst.tsv": rows,
        "muavic/es/video/train/talk1/talk1_0.mp4": "",
        "muavic/es/audio/train/talk1/talk1_0.wav": "",
        "muavic/es/audio/train/talk1/talk1_1.wav": "",
    }
    return trees.lay(root, dict(files))


def test_prepared_clips_get_their_sound_and_text(tmp_path: Path) -> None:
    found = list_muavic(prepared(tmp_path / "m"), stage=tmp_path / "stage", layout="segments")
    (source,) = found.sources
    assert source.labels["text"] == "hola" and source.labels["origin"] == "muavic-talk1"
    media = probe(str(Path(str(found.root)) / source.path))
    assert media.video is not None and media.audio is not None and media.audio.rate_hz == 8000
    assert trees.told(found) == [("corpus_part_missing", "muavic/es/video/train/talk1/talk1_1.mp4")]


def test_lists_of_other_lengths_give_no_text(tmp_path: Path) -> None:
    """muavic#7 and #29: the metadata do not always match."""
    root = prepared(tmp_path / "m", texts="hola\n")
    found = list_muavic(root, stage=tmp_path / "stage", layout="segments")
    assert "text" not in found.sources[0].labels
    assert ("corpus_malformed", "muavic/es/train.tsv") in trees.told(found)


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="layout: segments"):
        list_muavic(trees.lay(tmp_path, {"x.mp4": ""}))
