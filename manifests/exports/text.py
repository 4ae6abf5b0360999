"""Text as the lists of lip readers and recognisers hold it: words with one space between, nothing else."""

from __future__ import annotations

import unicodedata

from manifests.corpus_reader import Sample
from manifests.exports.base import ExportReason, SkipSample

APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


def plain_words(text: str) -> str:
    """Lower case; letters, marks, digits and apostrophes; all else (commas, tabs, newlines) parts words."""
    folded = unicodedata.normalize("NFC", text).translate(APOSTROPHES).lower()
    kept = "".join(one if one == "'" or unicodedata.category(one)[0] in "LMN" else " " for one in folded)
    words = (word.strip("'") if word.strip("'") == "" else word for word in kept.split())
    return " ".join(word for word in words if word)


def text_of(sample: Sample) -> str:
    """The sample's words. Raises SkipSample(NO_TEXT) when there are none."""
    words = plain_words(str(sample.header.get("text") or ""))
    if not words:
        raise SkipSample(ExportReason.NO_TEXT, "KEY.json has no text")
    return words
