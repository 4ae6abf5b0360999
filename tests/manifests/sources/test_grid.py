from __future__ import annotations

import json
from pathlib import Path

import pytest
import trees

from manifests.sources import CorpusError
from manifests.sources.grid import list_grid, sentence
from manifests.transcripts import read_transcript

ALIGN = "0 14750 sil\n14750 21000 bin\n21000 30000 blue\n"


def test_zenodos_layout(tmp_path: Path) -> None:
    files = {
        "s1/bbaf2n.mpg": "",
        "audio_25k/s1/bbaf2n.wav": "",
        "alignments/s1/bbaf2n.align": ALIGN,
        "s2/bbaf2n.mpg": "",
        "__MACOSX/._x.mpg": "junk",
    }
    found = list_grid(trees.lay(tmp_path, files))
    labels = trees.labels_of(found)
    assert sorted(labels) == ["s1/bbaf2n.mpg", "s2/bbaf2n.mpg"], "the video, not its sound again"
    assert labels["s1/bbaf2n.mpg"] == {
        "speaker": "grid-s1",
        "text": "bin blue at f two now",
        "language": "en",
        "licence": "CC-BY-4.0",
    }
    first = found.sources[0].transcript
    assert first is not None and first["path"] == "alignments/s1/bbaf2n.align"
    assert [one.text for one in read_transcript(tmp_path / first["path"]).words] == ["bin", "blue"]
    assert found.sources[1].transcript is None, "another talker's alignment is not his"
    assert trees.told(found) == [("corpus_part_missing", "s2/bbaf2n.mpg")]


def test_lipnets_layout(tmp_path: Path) -> None:
    files = {"video/id2/swwp2s.mpg": "", "align/swwp2s.align": ALIGN}
    (source,) = list_grid(trees.lay(tmp_path, files)).sources
    assert source.labels["speaker"] == "grid-s2" and source.transcript is not None


def test_the_sentences_of_the_real_clips(media: Path) -> None:
    texts = json.loads((media / "video" / "grid_transcripts.json").read_text())
    checked = 0
    for name, text in texts.items():
        code = name.removesuffix(".mpg").split("_")[-1]
        checked += 1
        assert sentence(code) == text.lower(), name
    assert checked >= 8
    assert sentence("bbaw2n") is None and sentence("hello!") is None, "GRID has no w"


def test_a_folder_without_recordings_is_no_grid(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="expected s1/"):
        list_grid(trees.lay(tmp_path, {"s1/bbaf2n.align": ALIGN}))
    with pytest.raises(CorpusError, match="no such folder"):
        list_grid(tmp_path / "gone")
