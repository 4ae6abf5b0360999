"""Formats of one record a line: plain text, LRS3's text, GRID's align, ctm, stm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from manifests.transcripts.model import LineError, Spoken, Transcript, exact, span

_GRID_HZ = 25_000
"""GRID's align files count 1/1000 of a video frame of 40 ms."""
_SILENCE = {"sil", "sp", "spn", "<eps>"}


def read_txt(text: str) -> Transcript:
    """One utterance a line, without times; or LRS3's `Text:` with its table of words."""
    lines = [line.strip() for line in text.splitlines()]
    if lines and lines[0].lower().startswith("text:"):
        return _lrs3(lines)
    return Transcript(utterances=tuple(Spoken(text=line) for line in lines if line))


def _lrs3(lines: list[str]) -> Transcript:
    """LRS2 and LRS3: `Text:`, `Conf:`, then, in the pretraining set, `WORD START END ASDSCORE`."""
    words = []
    header = next((n for n, line in enumerate(lines) if line.upper().startswith("WORD START END")), None)
    for number, line in enumerate(lines[header + 1 :] if header is not None else (), start=(header or 0) + 2):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 3:
            raise LineError(number, "expected WORD START END [SCORE]")
        start, stop = span(exact(fields[1], number), exact(fields[2], number), number)
        words.append(Spoken(text=fields[0], start=start, stop=stop))
    text = lines[0].partition(":")[2].strip()
    if not words:
        return Transcript(utterances=(Spoken(text=text),))
    return Transcript((Spoken(text=text, start=words[0].start, stop=words[-1].stop),), tuple(words))


def read_align(text: str) -> Transcript:
    """GRID: `start stop word` in 1/25 000 s; silence is left out."""
    words = []
    for number, fields in _fields(text, comment=None):
        if len(fields) != 3 or not (fields[0].isdigit() and fields[1].isdigit()):
            raise LineError(number, "expected START STOP WORD, times as whole numbers of 1/25000 s")
        start, stop = span(Fraction(int(fields[0]), _GRID_HZ), Fraction(int(fields[1]), _GRID_HZ), number)
        if fields[2] not in _SILENCE:
            words.append(Spoken(text=fields[2], start=start, stop=stop))
    return Transcript(words=tuple(words))


def read_ctm(text: str) -> Transcript:
    """NIST ctm: `recording channel start duration word [confidence [type [speaker]]]`."""
    words = []
    for number, fields in _fields(text):
        if len(fields) < 5:
            raise LineError(number, "expected RECORDING CHANNEL START DURATION WORD [CONFIDENCE]")
        start, length = exact(fields[2], number), exact(fields[3], number)
        if length < 0:
            raise LineError(number, f"a duration of {fields[3]} s")
        if fields[4].lower() in _SILENCE:
            continue
        given = fields[5] if len(fields) > 5 and fields[5].upper() != "NA" else None
        speaker = fields[7] if len(fields) > 7 and fields[7].lower() not in ("na", "unknown") else None
        words.append(
            Spoken(
                text=fields[4],
                start=start,
                stop=start + length,
                recording=fields[0],
                channel=fields[1],
                speaker=speaker,
                confidence=None if given is None else float(exact(given, number)),
            )
        )
    return Transcript(words=tuple(words))


def read_stm(text: str) -> Transcript:
    """NIST stm: `recording channel speaker start stop [<labels>] text`."""
    utterances = []
    for number, fields in _fields(text):
        if len(fields) < 5:
            raise LineError(number, "expected RECORDING CHANNEL SPEAKER START STOP [<LABELS>] TEXT")
        start, stop = span(exact(fields[3], number), exact(fields[4], number), number)
        said = fields[5:]
        if said and said[0].startswith("<") and said[0].endswith(">"):
            said = said[1:]
        if said and said != ["ignore_time_segment_in_scoring"]:
            recording, channel, speaker = fields[:3]
            one = Spoken(text=" ".join(said), start=start, stop=stop, recording=recording)
            utterances.append(replace(one, channel=channel, speaker=speaker))
    return Transcript(utterances=tuple(utterances))


def _fields(text: str, comment: str | None = ";;") -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not (comment and line.startswith(comment)):
            yield number, line.split()
