"""Traces: whether a value that lies in an output folder tells of somebody who was forgotten.

All that is asked for is in the tombstones, so the same question can be put on the day of forgetting and years
later. What counts: a name that is the whole value of a field that names people (elsewhere `m` or `en` would
be everybody), a source id or a content's SHA-256 anywhere in a text, and a path whose id is a forgotten
source's, below whatever folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import source_id
from manifests.tombstones import PEOPLE_LABELS, Tombstones

NAMING = frozenset({*PEOPLE_LABELS, "person", "people", "persons", "voice", "reference_speaker"})
"""Fields of receipts, KEY.json, turns and scripts whose values, or whose keys, are names of people."""
_ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{16}|[0-9a-f]{64})(?![0-9a-f])")
_LINK = re.compile(r"(?:speaker|person):(.+)", re.DOTALL)
"""How the step `split` writes down whom it placed."""
_APART = re.compile(r"[\s'\"()\[\]{},;]+")


class Traces:
    """Asks values for what the tombstones hold; answers are kept, since tables repeat their values."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones
        self._names: dict[str, bool] = {}
        self._texts: dict[str, str | None] = {}

    def in_value(self, value: Any, field: str = "") -> str | None:
        """What a JSON-like value tells, None for nothing. `field`: what it is called where it stands."""
        if isinstance(value, str):
            return self._in_string(value, field)
        if isinstance(value, dict):
            pairs = value.items()
            return _first(self.in_value(key, field) or self.in_value(one, str(key)) for key, one in pairs)
        if isinstance(value, list | tuple):
            return _first(self.in_value(one, field) for one in value)
        return None

    def _in_string(self, value: str, field: str) -> str | None:
        if value[:1] in "[{" and value[-1:] in "]}" and value:
            try:
                return self.in_value(json.loads(value), field)
            except ValueError:
                pass  # a text that only looks like JSON
        link = _LINK.fullmatch(value)
        if (link and self._is_name(link[1])) or (field in NAMING and self._is_name(value)):
            return f"a forgotten name as {field or 'a link'}"
        return self.in_text(value)

    def _is_name(self, value: str) -> bool:
        if value not in self._names:
            self._names[value] = self._tombstones.has_name(value)
        return self._names[value]

    def in_text(self, text: str) -> str | None:
        """Ids, digests and paths in a text."""
        if text not in self._texts:
            self._texts[text] = self._search(text)
        return self._texts[text]

    def _search(self, text: str) -> str | None:
        for match in _ID.finditer(text):
            held = self._tombstones.has_source if len(match[0]) == 16 else self._tombstones.has_content
            if held(match[0]):
                return "the id of a forgotten recording"
        for part in {text, *_APART.split(text)}:
            if (link := _LINK.fullmatch(part)) and self._is_name(link[1]):
                return "a forgotten name"
            if any(self._tombstones.has_source(source_id(path)) for path in _paths(part)):
                return "the path of a forgotten recording"
        return None

    def in_file(self, name: str, data: bytes) -> str | None:
        """What a file of a known kind tells, by its name and by what stands in it."""
        told = self.in_value(name)
        suffix = name.rpartition(".")[2]
        if told or suffix not in READ_SUFFIXES:
            return told
        if suffix == "parquet":
            return _first(self.in_value(row) for row in text_rows(data))
        text = data.decode("utf-8", "surrogateescape")
        if suffix == "json":
            try:
                return self.in_value(json.loads(text))
            except ValueError:
                return self.in_text(text)
        return _first(self._in_string(line, "") for line in text.splitlines())


READ_SUFFIXES = frozenset({"parquet", "json", "jsonl", "txt", "csv", "tsv", "yaml", "md", "html", "wrd"})
"""Kinds of files that are read; of others (sound, pictures, arrays) only the name is asked."""


def _paths(text: str) -> Iterator[str]:
    """A text and what is left of it below each of its folders: a source's id is that of its relative path."""
    text = text.rstrip(".:")
    while text:
        yield text
        text = text.partition("/")[2]


def _first(found: Iterator[str | None]) -> str | None:
    return next((one for one in found if one), None)


def text_rows(data: bytes) -> list[dict[str, Any]]:
    """Rows of a Parquet file, of the columns only that hold text somewhere."""
    file = pq.ParquetFile(pa.BufferReader(data))
    columns = [field.name for field in file.schema_arrow if _holds_text(field.type)]
    rows: list[dict[str, Any]] = file.read(columns=columns).to_pylist() if columns else []
    return rows


def _holds_text(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_holds_text(kind.field(at).type) for at in range(kind.num_fields))
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))
