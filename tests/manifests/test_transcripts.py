from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from manifests.transcripts import (
    SUFFIXES,
    Beside,
    Spoken,
    Transcript,
    TranscriptError,
    read_transcript,
)


def read(folder: Path, name: str, content: str | bytes) -> Transcript:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_transcript(path)


def times(parts: tuple[Spoken, ...]) -> list[tuple[str, str, str]]:
    return [(one.text, str(one.start), str(one.stop)) for one in parts]


def test_plain_text_is_an_utterance_a_line(tmp_path: Path) -> None:
    found = read(tmp_path, "a.txt", "\ufeffHello there.\r\n\r\nYes.\r\n")
    assert [one.text for one in found.utterances] == ["Hello there.", "Yes."]
    assert not found.timed
    assert found.text == "Hello there. Yes."


def test_lrs3_text_has_words_with_times(tmp_path: Path) -> None:
    body = "Text:  TO ME\nConf:  4\n\nWORD START END ASDSCORE\nTO 0.05 0.21 3.1\nME 0.21 0.4 2.7\n"
    found = read(tmp_path, "a.txt", body)
    assert times(found.words) == [("TO", "1/20", "21/100"), ("ME", "21/100", "2/5")]
    assert times(found.utterances) == [("TO ME", "1/20", "2/5")]
    assert read(tmp_path, "b.txt", "Text:  TO ME\nConf:  4\n").text == "TO ME"


def test_grids_own_alignment(media: Path) -> None:
    found = read_transcript(media / "video" / "grid_id2_vcd_swwp2s.align")
    assert (
        found.text
        == json.loads((media / "video" / "grid_transcripts.json").read_text())["grid_id2_vcd_swwp2s.mpg"]
    )
    assert (found.words[0].start, found.words[0].stop) == (Fraction(49, 100), Fraction(77, 100))


def test_a_real_stm(media: Path) -> None:
    found = read_transcript(media / "audio" / "pyannote_sample.stm")
    first = found.utterances[0]
    assert (first.text, first.speaker, first.recording, first.channel) == ("Hello?", "Diane", "sample", "1")
    assert (first.start, first.stop) == (Fraction("6.68"), Fraction("7.16"))
    assert {one.speaker for one in found.utterances} == {"Diane", "Sheila"}


def test_stm_labels_and_comments_are_no_text(tmp_path: Path) -> None:
    body = ";; by hand\nr A bob 0.5 1.25 <o,f0,male> good day\nr A bob 2 3 ignore_time_segment_in_scoring\n"
    assert times(read(tmp_path, "a.stm", body).utterances) == [("good day", "1/2", "5/4")]


def test_ctm(tmp_path: Path) -> None:
    body = "one 1 0.1 0.25 hi 0.9\none 1 0.4 0.1 <eps>\ntwo 1 7 .5 you NA lex bob\n"
    found = read(tmp_path, "a.ctm", body)
    assert times(found.words) == [("hi", "1/10", "7/20"), ("you", "7", "15/2")]
    assert [(one.confidence, one.speaker) for one in found.words] == [(0.9, None), (None, "bob")]
    assert found.of("two").text == "you"


VTT = """WEBVTT

NOTE a comment

1
00:01.000 --> 00:02.500 align:start
<v Ann Bell>Hi &amp; <i>you</i>

01:00:00.001 --> 01:00:00.500
- Fish
- chips
"""


def test_vtt_with_voices_and_srt(tmp_path: Path) -> None:
    found = read(tmp_path, "a.vtt", VTT).utterances
    assert times(found) == [("Hi & you", "1", "5/2"), ("- Fish - chips", "3600001/1000", "7201/2")]
    assert [one.speaker for one in found] == ["Ann Bell", None]
    srt = "1\n00:00:01,000 --> 00:00:02,500\n<b>Hi</b>\n\n2\n00:00:03,040 --> 00:00:04,000\nyou\n"
    assert times(read(tmp_path, "a.srt", srt).utterances) == [("Hi", "1", "5/2"), ("you", "76/25", "4")]


LONG = '''File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0
xmax = 2.3
tiers? <exists>
size = 2
item []:
    item [1]:
        class = "IntervalTier"
        name = "Ann - words"
        xmin = 0
        xmax = 2.3
        intervals: size = 3
        intervals [1]:
            xmin = 0
            xmax = 0.1
            text = ""
        intervals [2]:
            xmin = 0.1
            xmax = 0.7004
            text = "say ""ah"""
        intervals [3]:
            xmin = 0.7004
            xmax = 2.3
            text = "sil"
    item [2]:
        class = "IntervalTier"
        name = "Ann - phones"
        xmin = 0
        xmax = 2.3
        intervals: size = 1
        intervals [1]:
            xmin = 0
            xmax = 2.3
            text = "S"
'''
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
2
<exists>
2
"IntervalTier"
"Ann"
0
2
1
0.5
1.5
"well now"
"IntervalTier"
"Bob"
0
2
1
0.25
2
"yes"
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_textgrid(tmp_path: Path, encoding: str) -> None:
    found = read(tmp_path, "a.TextGrid", LONG.encode(encoding))
    assert times(found.words) == [('say "ah"', "1/10", "1751/2500")]
    assert found.words[0].speaker == "Ann"
    assert not found.utterances
    two = read(tmp_path, "b.TextGrid", SHORT.encode(encoding)).utterances
    assert [(one.speaker, one.text, one.start) for one in two] == [
        ("Bob", "yes", Fraction(1, 4)),
        ("Ann", "well now", Fraction(1, 2)),
    ]


def test_three_layouts_of_json(tmp_path: Path) -> None:
    plain = read(tmp_path, "a.json", '[["hi", 0.1, 0.3], ["you", 0.3, 1]]')
    assert times(plain.words) == [("hi", "1/10", "3/10"), ("you", "3/10", "1")]
    moshi = read(tmp_path, "b.json", '{"alignments": [["hi", [0.1, 0.3], "SPEAKER_MAIN"]]}')
    assert moshi.words == (
        Spoken(text="hi", start=Fraction(1, 10), stop=Fraction(3, 10), speaker="SPEAKER_MAIN"),
    )
    word = {"word": " hi", "start": 0.1, "end": 0.3, "probability": 0.5}
    segment = {"start": 0, "end": 1.5, "text": " hi", "words": [word]}
    whisper = read(tmp_path, "c.json", json.dumps({"language": "en", "segments": [segment]}))
    assert times(whisper.utterances) == [("hi", "0", "3/2")]
    assert (whisper.words[0].confidence, whisper.words[0].language) == (0.5, "en")


@pytest.mark.parametrize(
    ("name", "content", "line", "says"),
    [
        ("a.ctm", "one 1 0.1 0.2 hi\none 1 x 0.2 you\n", 2, "no time"),
        ("a.ctm", "one 1 0.1\n", 1, "DURATION"),
        ("a.ctm", "one 1 nan 0.2 hi\n", 1, "no time"),
        ("a.ctm", "one 1 1 -0.2 hi\n", 1, "duration"),
        ("a.stm", "rec 1 bob 2 1 hi\n", 1, "before it starts"),
        ("a.align", "0 100 sil\n100 200.5 set\n", 2, "whole numbers"),
        ("a.txt", "Text: A\nConf: 1\nWORD START END ASDSCORE\nA 0.1\n", 4, "WORD START END"),
        ("a.txt", "  \n", None, "no words"),
        ("a.txt", b"hello\ncaf\xe9\n", 2, "UTF-8"),
        ("a.vtt", "WEBVTT\n\n00:01.000 -> 00:02.000\nhi\n\n00:xx --> 00:03.000\nyou\n", 6, "no timing"),
        ("a.vtt", "00:01.000 --> 00:02.000\nhi\n", None, "vtt"),
        ("a.srt", "1\n00:00:02,000 --> 00:00:01,000\nhi\n", 2, "before it starts"),
        ("a.TextGrid", "hello\n", None, "Praat"),
        ("a.TextGrid", LONG.replace("xmax = 0.7004", "xmax = x"), None, "Praat"),
        ("a.json", '{"segments":\n 3 4}', 2, "JSON"),
        ("a.json", '{"words": 3}', None, "moshi"),
        ("a.json", '[["hi", 0.1, "x"]]', None, "entry 0"),
        ("a.json", '[["hi", 0.3, 0.1]]', None, "before it starts"),
        ("a.docx", "hi", None, ".srt"),
    ],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, name: str, content: str | bytes, line: int | None, says: str
) -> None:
    with pytest.raises(TranscriptError) as caught:
        read(tmp_path, name, content)
    assert name in str(caught.value)
    assert says in str(caught.value)
    assert caught.value.line == line


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(TranscriptError, match=r"none\.txt: cannot be read"):
        read_transcript(tmp_path / "none.txt")


def test_the_transcript_that_tells_most_is_found(tmp_path: Path) -> None:
    for name in ("clip.mp4", "clip.txt", "clip.TextGrid", "clip.srt", "clip2.ctm"):
        (tmp_path / name).write_text("x")
    beside = Beside(tmp_path)
    found = beside.of("clip.mp4", None)
    assert found is not None and (found["path"], found["named"]) == ("clip.TextGrid", False)
    assert beside.of("other.mp4", None) is None
    named = beside.of("other.mp4", "clip.srt")
    assert named is not None and (named["path"], named["named"]) == ("clip.srt", True)
    gone = beside.of("other.mp4", "gone.srt")
    assert gone is not None and gone["sha256"] is None
    assert list(SUFFIXES)[-1] == ".txt"
