"""Documents: text alone. Read strictly, cut into pieces by one rule, never changed.

A document has no time: a piece is a span of its characters.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from manifests.reasons import ItemError, Reason

MOST_BYTES = 100_000_000
"""A text is held in memory as a whole; a file larger than this is a dump of many documents."""

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""All control characters but tab, line feed and carriage return."""

_BREAKS = tuple(
    re.compile(one)
    for one in (
        r"\n[^\S\n]*\n",  # between paragraphs
        r"\n",
        r"[.!?…][\"'”’)\]]*\s|[。！？][」』”’）]*",  # after a sentence
        r"\s",
    )
)
"""Where a document may be cut, the best places first."""


def read_document(path: str) -> str:
    """The characters of a document, as they are; a byte order mark at its beginning is none of them.

    Raises ItemError for a file that is empty, too large, not UTF-8, holds control characters, or has neither
    a letter nor a digit.
    """
    size = Path(path).stat().st_size
    if size == 0:
        raise ItemError(Reason.EMPTY_FILE, "the document has no bytes")
    if size > MOST_BYTES:
        told = f"{size} bytes; a document has at most {MOST_BYTES}: give each text a file or a row of its own"
        raise ItemError(Reason.NOT_TEXT, told)
    try:
        text = Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ItemError(Reason.NOT_TEXT, f"not UTF-8: {error.reason} at byte {error.start}") from error
    if control := _CONTROL.search(text):
        line = text.count("\n", 0, control.start()) + 1
        raise ItemError(Reason.NOT_TEXT, f"control character U+{ord(control[0]):04X} in line {line}")
    if not says_something(text):
        raise ItemError(Reason.TEXT_EMPTY, "the document has neither a letter nor a digit")
    return text


def says_something(text: str) -> bool:
    """Whether there is a letter or a digit in it."""
    return any(one.isalnum() for one in text)


def pieces(text: str, *, max_chars: int) -> list[tuple[int, int]]:
    """[start, stop) of the pieces of a text, in characters, without the white space round them.

    A text within the limit is one piece. A longer one is cut, from its beginning on, in the second half of
    the limit: at the last end of a paragraph there, else of a line, of a sentence, at the last space, and
    where there is none of these before any character that does not combine with the one before it. So nothing
    but white space is lost, and all pieces but the last have at least half the limit (less white space).
    """
    found: list[tuple[int, int]] = []
    start, end = _skip(text, 0), len(text.rstrip())
    while start < end:
        stop = end if end - start <= max_chars else _cut(text, start, max_chars)
        found.append((start, start + len(text[start:stop].rstrip())))
        start = _skip(text, stop)
    return found


def _skip(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _cut(text: str, start: int, max_chars: int) -> int:
    low, high = start + (max_chars + 1) // 2, start + max_chars
    for places in _BREAKS:
        ends = [one.end() for one in places.finditer(text, low, high)]
        if ends:
            return ends[-1]
    while high > low and unicodedata.category(text[high])[0] == "M":
        high -= 1
    return high
