"""Transcripts in the formats of single data sets, which a reader names because no suffix tells them.

They were taken from public documents and code, not from the data sets themselves; docs/readers.md says which.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from manifests.transcripts.model import LineError, Spoken, Transcript, exact, span

_SOUND = re.compile(r"\[[^\]]*\]|\(\(|\)\)|<[^>]*>")
"""Sounds ([LAUGHTER], <noise>) and the brackets round words that the transcriber was not sure of."""

_FISHER = re.compile(r"(\S+) (\S+) ([AB]):(.*)")
_IEMOCAP = re.compile(r"(Ses\S+) \[([\d.]+)-([\d.]+)\]:(.*)")


def read_fisher(text: str) -> Transcript:
    """Fisher (LDC2004T19, LDC2005T19): `START STOP A: words`, A on the first channel, B on the second."""
    utterances = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _FISHER.match(line.strip())
        if found is None:
            raise LineError(number, "expected START STOP A: words, or B:")
        low, high, side, said = found.groups()
        utterances += _utterance(said, low, high, number, speaker=side, channel=side)
    return Transcript(utterances=tuple(utterances))


def read_iemocap(text: str) -> Transcript:
    """IEMOCAP `dialog/transcriptions`: `Ses01F_impro01_M000 [007.5712-010.4750]: words`.

    The letter before the turn's number is its speaker (`iemocap-Ses01_M`). Lines without a turn (`M: …`) have
    no time and are left out.
    """
    utterances = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("Ses"):
            continue
        found = _IEMOCAP.match(line)
        if found is None:
            raise LineError(number, "expected TURN [START-STOP]: words")
        turn, low, high, said = found.groups()
        utterances += _utterance(said, low, high, number, speaker=iemocap_speaker(turn))
    return Transcript(utterances=tuple(utterances))


def iemocap_speaker(turn: str) -> str:
    """Who speaks a turn: `Ses01F_impro01_M000` is the man of the first session, `iemocap-Ses01_M`."""
    return f"iemocap-{turn[:5]}_{turn.rsplit('_', 1)[-1][:1]}"


def read_wdseg(text: str) -> Transcript:
    """IEMOCAP `sentences/ForcedAlignment`: `SFrm EFrm SegAScr Word`, frames of 10 ms, the last included."""
    words = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if len(fields) != 4 or not (fields[0].isdigit() and fields[1].isdigit()):
            continue  # the header, and the total at the end
        if not fields[3].startswith(("<", "++")):
            low, high = span(Fraction(int(fields[0]), 100), Fraction(int(fields[1]) + 1, 100), number)
            words.append(Spoken(text=fields[3].partition("(")[0], start=low, stop=high))
    return Transcript(words=tuple(words))


def read_candor(text: str) -> Transcript:
    """CANDOR `transcript_*.csv`: columns speaker, start, stop (seconds), utterance."""
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    wanted = {"speaker", "start", "stop", "utterance"}
    if not wanted <= set(rows.fieldnames or ()):
        raise LineError(1, f"expected the columns {', '.join(sorted(wanted))}")
    utterances: list[Spoken] = []
    try:
        for row in rows:
            if None in row.values():
                raise LineError(rows.line_num, "fewer columns than the header has")
            about = {"speaker": f"candor-{row['speaker']}"}
            utterances += _utterance(row["utterance"], row["start"], row["stop"], rows.line_num, **about)
    except csv.Error as error:
        raise LineError(rows.line_num, f"not CSV: {error}") from error
    return Transcript(utterances=tuple(utterances))


def read_seamless(text: str) -> Transcript:
    """Seamless Interaction: `metadata:transcript` of a file's JSON, or its `transcript/*.jsonl`, one a line.

    Words count only where all have times: those that the data set could not align have none.
    """
    utterances, words, timed = [], [], True
    for number, one in _seamless_records(text):
        utterances += _utterance(one.get("transcript"), one.get("start"), one.get("end"), number)
        for word in one.get("words") or ():
            if not isinstance(word, Mapping) or not {"word", "start", "end"} <= set(word):
                timed = False
                continue
            words += _utterance(word["word"], word["start"], word["end"], number, sure=word.get("score"))
    return Transcript(tuple(utterances), tuple(words) if timed else ())


def _seamless_records(text: str) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    numbered: list[tuple[int | None, Any]]
    try:
        record = json.loads(text, parse_float=Decimal)
        given = record.get("metadata:transcript", [record]) if isinstance(record, dict) else record
        numbered = [(None, one) for one in given]
    except ValueError:
        numbered = [(n, _json(one, n)) for n, one in enumerate(text.splitlines(), start=1) if one.strip()]
    for number, one in numbered:
        if not isinstance(one, Mapping):
            raise LineError(number, "expected an object with transcript, start, end and words")
        yield number, one


def _json(line: str, number: int) -> Any:
    try:
        return json.loads(line, parse_float=Decimal)
    except ValueError as error:
        raise LineError(number, f"not JSON: {error}") from error


def _utterance(
    said: Any, low: Any, high: Any, line: int | None, *, sure: Any = None, **about: str
) -> list[Spoken]:
    """What was said, without sounds; nothing where only those are left."""
    if not isinstance(said, str):
        raise LineError(line, f"expected words, not {said!r}")
    text = " ".join(_SOUND.sub(" ", said).split())
    if not text:
        return []
    start, stop = span(exact(str(low), line), exact(str(high), line), line)
    confidence = None if sure is None else float(exact(str(sure), line))
    return [Spoken(text=text, start=start, stop=stop, confidence=confidence, **about)]


FORMATS: Mapping[str, Callable[[str], Transcript]] = {
    "candor": read_candor,
    "fisher": read_fisher,
    "iemocap": read_iemocap,
    "seamless": read_seamless,
    "wdseg": read_wdseg,
}
"""By the name that a reader writes beside a transcript's path."""
