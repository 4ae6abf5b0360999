"""Transcripts in JSON: three layouts that tools of the field write."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from manifests.transcripts.model import LineError, Spoken, Transcript, exact, span

_LAYOUTS = (
    "expected [[word, start_s, end_s], …], Whisper's {segments: [{start, end, text, words}]} "
    "or moshi-finetune's {alignments: [[word, [start_s, end_s], speaker], …]}"
)


def read_json(text: str) -> Transcript:
    """Words as a list (the sidecar's `words`), Whisper's segments, or moshi-finetune's alignments."""
    try:
        record = json.loads(text, parse_float=Decimal)
    except ValueError as error:
        raise LineError(getattr(error, "lineno", None), f"not JSON: {error}") from error
    if isinstance(record, list):
        return Transcript(words=tuple(_word(one, n) for n, one in enumerate(record)))
    if isinstance(record, dict) and isinstance(record.get("alignments"), list):
        return Transcript(words=tuple(_moshi(one, n) for n, one in enumerate(record["alignments"])))
    if isinstance(record, dict) and isinstance(record.get("segments"), list):
        return _whisper(record)
    raise LineError(None, _LAYOUTS)


def _word(one: Any, number: int) -> Spoken:
    if not (isinstance(one, list) and len(one) == 3 and isinstance(one[0], str)):
        raise LineError(None, f"entry {number}: {_LAYOUTS}")
    return _spoken(one[0], one[1], one[2], f"entry {number}")


def _moshi(one: Any, number: int) -> Spoken:
    if not (isinstance(one, list) and len(one) == 3 and isinstance(one[1], list) and len(one[1]) == 2):
        raise LineError(None, f"alignments {number}: expected [word, [start_s, end_s], speaker]")
    start, stop = one[1]
    return _spoken(one[0], start, stop, f"alignments {number}", speaker=one[2])


def _whisper(record: Mapping[str, Any]) -> Transcript:
    utterances, words = [], []
    common = {"language": record.get("language")}
    for number, segment in enumerate(record["segments"]):
        where = f"segments {number}"
        if not isinstance(segment, dict) or not {"start", "end", "text"} <= set(segment):
            raise LineError(None, f"{where}: expected start, end and text")
        common["speaker"] = segment.get("speaker")
        utterances.append(_spoken(segment["text"], segment["start"], segment["end"], where, **common))
        for one in segment.get("words") or ():
            if not isinstance(one, dict) or not {"word", "start", "end"} <= set(one):
                raise LineError(None, f"{where}: a word needs word, start and end")
            sure = one.get("probability", one.get("score"))
            words.append(_spoken(one["word"], one["start"], one["end"], where, confidence=sure, **common))
    return Transcript(tuple(utterances), tuple(words))


def _spoken(
    text: Any, start: Any, stop: Any, where: str, *, confidence: Any = None, **said_by: Any
) -> Spoken:
    if not isinstance(text, str) or not all(
        value is None or isinstance(value, str) for value in said_by.values()
    ):
        raise LineError(None, f"{where}: text, speaker and language must be strings")
    low, high = (_time(value, where) for value in (start, stop))
    sure = None if confidence is None else float(_time(confidence, where))
    low, high = span(low, high, None)
    return Spoken(text=text.strip(), start=low, stop=high, confidence=sure, **said_by)


def _time(value: Any, where: str) -> Fraction:
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise LineError(None, f"{where}: {value!r} is no number")
    return exact(str(value), None)
