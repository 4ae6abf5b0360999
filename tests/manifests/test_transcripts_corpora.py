from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from manifests.transcripts import Transcript, TranscriptError, read_transcript

WORD = {"word": "Nice.", "start": 24.355000000000018, "end": 24.635, "score": 0.5}
SAID = {"transcript": "Nice.", "start": 24.3, "end": 24.7, "words": [WORD]}


def read(tmp_path: Path, kind: str, text: str) -> Transcript:
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf-8")
    return read_transcript(path, kind)


@pytest.mark.parametrize("lines", [json.dumps({"id": "x", "metadata:transcript": [SAID]}), json.dumps(SAID)])
def test_seamless_as_one_object_and_as_lines(tmp_path: Path, lines: str) -> None:
    found = read(tmp_path, "seamless", lines)
    (word,), (utterance,) = found.words, found.utterances
    assert (word.text, word.start, word.confidence) == ("Nice.", Fraction("24.355000000000018"), 0.5)
    assert (utterance.text, utterance.stop) == ("Nice.", Fraction("24.7"))


def test_seamless_words_count_only_where_all_have_times(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps(one) for one in (SAID, SAID | {"words": [{"word": "42"}]}))
    found = read(tmp_path, "seamless", lines)
    assert not found.words and len(found.utterances) == 2 and found.timed


def test_one_persons_words_of_a_conversation(tmp_path: Path) -> None:
    text = 'speaker,start,stop,utterance\nu1,0.5,1.5,hello\nu2,1.25,2,"well, yes"\nu1,3,4,\n'
    found = read(tmp_path, "candor", text)
    assert [(one.speaker, one.text, one.start) for one in found.utterances] == [
        ("candor-u1", "hello", Fraction(1, 2)),
        ("candor-u2", "well, yes", Fraction(5, 4)),
    ]
    assert found.said_by("candor-u2").text == "well, yes" and not found.said_by("nobody").text


@pytest.mark.parametrize(
    ("kind", "text", "line"),
    [
        ("fisher", "# head\n0.1 0.2 A: hi\nhalf a line\n", 3),
        ("fisher", "0.1 x A: hi\n", 1),
        ("fisher", "0.3 0.2 A: hi\n", 1),
        ("iemocap", "Ses01F_impro01_F000 [006.29-008.23]: Hi.\nSes01F_impro01_F001 006.2901\n", 2),
        ("candor", "who,start\n", 1),
        ("candor", "speaker,start,stop,utterance\nu1,0,1\n", 2),
        ("seamless", "{half\n", 1),
        ("seamless", '{"transcript": "a", "start": 0, "end": 1}\n[1]\n', 2),
        ("seamless", '{"start": 0}', None),
        ("wdseg", "SFrm EFrm SegAScr Word\n9 3 -1 HI\n", 2),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, kind: str, text: str, line: int | None) -> None:
    with pytest.raises(TranscriptError) as error:
        read(tmp_path, kind, text)
    assert error.value.line == line and "x.txt" in str(error.value)


def test_nothing_said_is_an_error_as_in_every_format(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match="no words"):
        read(tmp_path, "fisher", "# head\n0.1 0.2 A: [noise]\n")
