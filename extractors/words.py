"""Words: what was said and when, hypotheses with scores, and how far two texts are apart."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True)
class Word:
    """One word as it is written, in half-open [start_s, end_s) seconds from the first sample heard.

    `confidence` is 0..1, and its meaning that of whatever found the word; None: nobody measured it.
    """

    text: str
    start_s: float
    end_s: float
    confidence: float | None = None

    def shifted(self, by_s: float) -> Word:
        """The same word on a time line whose zero lies `by_s` earlier."""
        return replace(self, start_s=self.start_s + by_s, end_s=self.end_s + by_s)


@dataclass(frozen=True)
class Hypothesis:
    """One reading of a clip; `score` is its mean natural log probability a token, so at most 0."""

    text: str
    score: float


def plain_words(text: str) -> list[str]:
    """Words to compare by: compatibility-normalised, case-folded, without punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return [match.replace("’", "'") for match in _WORD.findall(folded)]


def word_error_rate(reference: str, hypothesis: str) -> float:
    """Substitutions, deletions and insertions over the words of `reference`; may exceed 1.

    Case and punctuation do not count, spelling and digits do. Raises ValueError for an empty reference.
    """
    import jiwer

    wanted, found = plain_words(reference), plain_words(hypothesis)
    if not wanted:
        raise ValueError("the reference has no words: an error rate over nothing is not defined")
    return float(jiwer.wer(" ".join(wanted), " ".join(found)))
