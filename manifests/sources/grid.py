"""GRID: 34 talkers, 1000 sentences each, of the form "bin blue at f two now".

Layouts read: `s1/*.mpg` as Zenodo's archives unpack, with `alignments/s1/*.align`; `video/s1/` with
`align/s1/` as LipNet keeps them; anything else in which a folder is named after the talker. Sources: Cooke
et al., "An audio-visual corpus for speech perception and automatic speech recognition", JASA 120(5), 2006;
https://zenodo.org/record/3625687; lhotse `recipes/grid.py`, which also says that Zenodo's archive has the
alignments of eighteen talkers in each other's folders: put them right before.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from manifests.sources import Listing
from manifests.sources.collect import Collector, one_each
from manifests.sources.folder import MEDIA_SUFFIXES

_TALKER = re.compile(r"(?:s|id)(\d+)(?:[._].*)?", re.IGNORECASE)
_CODE = re.compile(r"([blps])([bgrw])([abiw])([a-z])([z1-9])([anps])")
_WORDS: tuple[dict[str, str], ...] = (
    {"b": "bin", "l": "lay", "p": "place", "s": "set"},
    {"b": "blue", "g": "green", "r": "red", "w": "white"},
    {"a": "at", "b": "by", "i": "in", "w": "with"},
    {letter: letter for letter in "abcdefghijklmnopqrstuvxyz"},
    {"z": "zero", "1": "one", "2": "two", "3": "three", "4": "four", "5": "five"}
    | {"6": "six", "7": "seven", "8": "eight", "9": "nine"},
    {"a": "again", "n": "now", "p": "please", "s": "soon"},
)


def list_grid(root: Path) -> Listing:
    """Every recording below a folder named after its talker; the sentence is told by the file's name."""
    found = Collector(root)
    aligns: dict[tuple[str | None, str], str] = {}
    for name in found.files(".align"):
        aligns.setdefault((_talker(name), PurePosixPath(name).stem), name)
    for name in one_each(found.files(*MEDIA_SUFFIXES), lambda one: (_talker(one), PurePosixPath(one).stem)):
        stem, talker = PurePosixPath(name).stem, _talker(name)
        if talker is None:
            found.malformed(name, "no folder above it is named after a talker (s1 … s34)")
        align = aligns.get((talker, stem)) or aligns.get((None, stem))
        if align is None:
            found.missing(name, f"{stem}.align")
        labels = {
            "speaker": talker and f"grid-s{talker}",
            "text": sentence(stem),
            "language": "en",
            "licence": "CC-BY-4.0",
        }
        found.add(name, labels, transcript=align)
    return found.listing("s1/*.mpg … s34/*.mpg")


def sentence(code: str) -> str | None:
    """The sentence that a file's name stands for: `bbaf2n` is "bin blue at f two now"; None for other
    names."""
    match = _CODE.fullmatch(code.lower())
    if match is None:
        return None
    words = [table.get(letter) for table, letter in zip(_WORDS, match.groups(), strict=True)]
    return None if None in words else " ".join(word for word in words if word)


def _talker(name: str) -> str | None:
    for part in reversed(PurePosixPath(name).parts[:-1]):
        match = _TALKER.fullmatch(part)
        if match is not None:
            return match.group(1)
    return None
