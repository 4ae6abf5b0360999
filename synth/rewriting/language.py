"""Is a text in the language asked for? By py3langid (BSD; Lui & Baldwin, "langid.py", 2012)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

_LEAST_BYTES = 15


class LanguageUnknownError(ValueError):
    """The language identifier does not know the language asked for."""


def another_language(text: str, asked: str, min_share: float) -> str | None:
    """The language that `text` is in, when `asked` (BCP 47) has a probability below `min_share`.

    Texts of fewer than 15 bytes ("Okay.") are not judged: naive Bayes is sure of itself, and wrong, there.
    Raises LanguageUnknownError for a language it does not know.
    """
    code = check_language(asked)
    if len(text.encode()) < _LEAST_BYTES:
        return None
    ranked: list[tuple[str, float]] = _identifier().rank(text)
    top = ranked[0]
    own = next(score for name, score in ranked if name == code)
    # Scores are log probabilities but for a constant: softmax over all languages
    total = sum(math.exp(score - top[1]) for _, score in ranked)
    return top[0] if math.exp(own - top[1]) / total < min_share else None


def check_language(asked: str) -> str:
    """The identifier's code of a BCP 47 tag. Raises LanguageUnknownError."""
    code = asked.split("-", maxsplit=1)[0].lower()
    if code not in _identifier().labels:
        raise LanguageUnknownError(
            f"the language check does not know {asked!r}; set `checks.language` to false for such dialogues"
        )
    return code


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)
