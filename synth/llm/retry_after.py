"""How long a server asks to be left alone."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for: a number, or a date (against the server's own clock)."""
    asked = headers.get("retry-after")
    if not asked:
        return None
    try:
        return max(0.0, float(asked))
    except ValueError:
        pass
    try:
        return max(
            0.0, (parsedate_to_datetime(asked) - parsedate_to_datetime(headers["date"])).total_seconds()
        )
    except (ValueError, KeyError, TypeError):
        return None
