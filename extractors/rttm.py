"""RTTM, NIST's text format of who speaks when: one line a stretch of speech of one speaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_FIELDS = 10


@dataclass(frozen=True)
class Spoken:
    """A speaker speaks during [start_s, stop_s)."""

    speaker: str
    start_s: float
    stop_s: float


def read_rttm(text: str) -> dict[str, list[Spoken]]:
    """What is spoken in each recording, in the order of the lines; lines of other types are passed over.

    Raises ValueError, with the number of the line, for a SPEAKER line that is not one.
    """
    found: dict[str, list[Spoken]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if not words or words[0] != "SPEAKER":
            continue
        if len(words) < _FIELDS - 1:  # the last field is younger than some corpora
            raise ValueError(f"line {number} has {len(words)} fields, not {_FIELDS}")
        try:
            start_s, length_s = float(words[3]), float(words[4])
        except ValueError as error:
            raise ValueError(f"line {number}: {words[3]} and {words[4]} are not times") from error
        if not (start_s >= 0 and length_s >= 0):
            raise ValueError(f"line {number}: a time is negative or not a number")
        found.setdefault(words[1], []).append(Spoken(words[7], start_s, start_s + length_s))
    return found


def write_rttm(recording: str, spoken: Iterable[Spoken]) -> str:
    """Lines with milliseconds, each ended. Raises ValueError for names that are empty or hold white space."""
    lines = []
    for one in spoken:
        for name in (recording, one.speaker):
            if len(name.split()) != 1 or name != name.strip():
                raise ValueError(f"RTTM has no place for the name {name!r}: no white space, not empty")
        times = f"{one.start_s:.3f} {one.stop_s - one.start_s:.3f}"
        lines.append(f"SPEAKER {recording} 1 {times} <NA> <NA> {one.speaker} <NA> <NA>\n")
    return "".join(lines)
