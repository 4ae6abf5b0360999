"""The sidecar: what a corpus knows about its files (speaker, text, licence, …), joined at `ingest`.

CSV, JSON Lines or Parquet, one row a source, keyed by `path` below the corpus root. Every line that
cannot be used becomes a receipt row of its own; none is dropped silently.
"""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.errors import CommandError
from manifests.reasons import Reason
from manifests.splits import SPLITS

LABELS: dict[str, str] = {
    "speaker": "who is seen and heard; groups recordings into splits",
    "speakers": "JSON list of everybody in a recording of several; groups recordings into splits",
    "channels": "JSON list of who is on each audio channel, the first channel first",
    "dialogue": "conversation that the recording is of; its recordings share a split",
    "dialogue_start_s": "when the recording begins within its dialogue, in seconds",
    "origin": "longer recording that this one was cut from; its parts share a split",
    "text": "what is said",
    "transcript": "path of a txt, srt, vtt, TextGrid, ctm, stm or json file below the corpus root",
    "words": "JSON list of [word, start_s, end_s]",
    "language": "BCP 47 tag, e.g. en or pt-BR",
    "gender": "as the corpus gives it",
    "emotion": "as the corpus gives it",
    "emotions": "JSON list of [emotion, start_s, end_s, speaker or null]",
    "caption": "what a recording sounds like, in words",
    "task": "what a sample is for, e.g. asr, avsr, captioning or text_continuation",
    "licence": "SPDX identifier or the corpus' own words",
    "consent": "what the recorded person agreed to",
    "role": "role in the conversation, e.g. main or other",
    "split": "train, valid or test, where the corpus fixes it",
}

LABEL_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in LABELS])
"""Columns every recording carries. What is JSON is kept as the text it came as."""


class SidecarError(CommandError, ValueError):
    """The sidecar as a whole cannot be read."""


@dataclass(frozen=True)
class Complaint:
    """Something in the input that could not be used: where (a sidecar line, a path), why, and what."""

    where: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Sidecar:
    """Labels by relative path, and the lines that could not be used."""

    labels: Mapping[str, dict[str, str]] = field(default_factory=dict)
    complaints: tuple[Complaint, ...] = ()


def read_sidecar(path: Path, known_paths: Iterable[str]) -> Sidecar:
    """Read a sidecar and match it with the corpus.

    A path matches exactly, or, failing that, after Unicode normalisation (macOS writes NFD names).
    Raises SidecarError when the file is not CSV, JSONL or Parquet, or has no `path` column.
    """
    exact = set(known_paths)
    normalised = {unicodedata.normalize("NFC", name): name for name in exact}
    labels: dict[str, dict[str, str]] = {}
    complaints: list[Complaint] = []
    splits: dict[str, str] = {}
    for number, record in _records(path):
        line = f"{path.name} line {number}"
        if isinstance(record, str):
            complaints.append(Complaint(line, Reason.SIDECAR_MALFORMED, record))
            continue
        problem = _problem(record)
        if problem:
            complaints.append(Complaint(line, Reason.SIDECAR_MALFORMED, problem))
            continue
        given = str(record["path"]).removeprefix("./")
        name = given if given in exact else normalised.get(unicodedata.normalize("NFC", given))
        if name is None:
            complaints.append(Complaint(line, Reason.SIDECAR_UNMATCHED, f"no file {given!r} in the corpus"))
        elif name in labels:
            complaints.append(Complaint(line, Reason.SIDECAR_DUPLICATE, f"{given!r} was given before"))
        else:
            given_labels = {key: as_text(record[key]) for key in LABELS if record.get(key) not in (None, "")}
            speaker, split = given_labels.get("speaker"), given_labels.get("split")
            if speaker and split and splits.setdefault(speaker, split) != split:
                detail = f"{speaker!r} was put in {splits[speaker]} before, here in {split}"
                complaints.append(Complaint(line, Reason.SIDECAR_SPLIT_CONFLICT, detail))
                given_labels["split"] = splits[speaker]
            labels[name] = given_labels
    return Sidecar(labels, tuple(complaints))


def as_text(value: Any) -> str:
    """A label as it is kept: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _problem(record: Mapping[str, Any]) -> str | None:
    if not record.get("path"):
        return "no path"
    unknown = sorted(set(record) - {"path", *LABELS})
    if unknown:
        return f"unknown columns {unknown}; known are path, {', '.join(LABELS)}"
    if record.get("split") not in (None, "", *SPLITS):
        return f"split {record['split']!r} is none of {', '.join(SPLITS)}"
    for name, (is_entry, shape) in _LISTS.items():
        value = record.get(name)
        if isinstance(value, str) and value:
            try:
                value = json.loads(value)
            except ValueError as error:
                return f"{name} is not JSON: {error}"
        if value and not (isinstance(value, list) and all(is_entry(one) for one in value)):
            return f"{name} must be a list of {shape}"
    return _time_problem(record.get("dialogue_start_s"))


def _time_problem(given: Any) -> str | None:
    """Seconds are a decimal number; exact, since clips of several recordings are ordered by them."""
    if given in (None, "") or re.fullmatch(r"\d+(\.\d+)?", str(given).strip()):
        return None
    return f"dialogue_start_s {given!r} is no number of seconds"


def _is_word(word: Any) -> bool:
    return isinstance(word, list) and len(word) == 3 and isinstance(word[0], str) and _is_span(*word[1:])


def _is_emotion(one: Any) -> bool:
    if not (isinstance(one, list) and len(one) == 4 and isinstance(one[3], str | None)):
        return False
    return isinstance(one[0], str) and _is_span(*one[1:3])


def _is_span(start: Any, stop: Any) -> bool:
    return isinstance(start, int | float) and isinstance(stop, int | float) and 0 <= start <= stop


def _is_name(one: Any) -> bool:
    return isinstance(one, str) and bool(one)


_LISTS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "words": (_is_word, "[word, start_s, end_s] with start_s <= end_s"),
    "emotions": (_is_emotion, "[emotion, start_s, end_s, speaker or null] with start_s <= end_s"),
    "speakers": (_is_name, "names"),
    "channels": (_is_name, "names"),
}
"""Labels that are JSON lists: what an entry must be, in code and in words."""


def _records(path: Path) -> Iterable[tuple[int, dict[str, Any] | str]]:
    """`(line, record)` pairs; a line that cannot be parsed yields the reason instead of a record."""
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        import pyarrow.parquet as pq

        try:
            rows = pq.read_table(path).to_pylist()
        except (pa.ArrowInvalid, OSError) as error:
            raise SidecarError(f"sidecar {path} is not readable Parquet: {error}") from error
        _require_path(path, rows[0] if rows else {"path": ""})
        return list(enumerate(rows, start=1))
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SidecarError(f"sidecar {path} cannot be read as UTF-8 text: {error}") from error
    if suffix in (".jsonl", ".ndjson"):
        return list(_json_lines(text))
    if suffix in (".csv", ".tsv"):
        return list(_csv_lines(path, text, "\t" if suffix == ".tsv" else ","))
    raise SidecarError(
        f"sidecar {path}: expected .csv, .tsv, .jsonl or .parquet, not {suffix or 'no suffix'}"
    )


def _require_path(path: Path, columns: Iterable[str]) -> None:
    if "path" not in columns:
        raise SidecarError(
            f"sidecar {path} has no column `path`; it has {', '.join(columns) or 'no columns'}"
        )


def _json_lines(text: str) -> Iterable[tuple[int, dict[str, Any] | str]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            record = json.loads(content)
        except ValueError as error:
            yield line, f"not JSON: {error}"
            continue
        yield line, record if isinstance(record, dict) else "not a JSON object"


def _csv_lines(path: Path, text: str, delimiter: str) -> Iterable[tuple[int, dict[str, Any] | str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        _require_path(path, reader.fieldnames or [])
        for row in reader:
            if None in row or None in row.values():
                yield reader.line_num, f"{len(reader.fieldnames or [])} columns expected; check the quoting"
                continue
            yield reader.line_num, dict(row)
    except csv.Error as error:
        yield reader.line_num, f"not CSV from here on: {error}"
