"""Which examples of an audit the page lists, and which samples it shows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_ROWS = 1000
"""Rows of the table of examples; a browser filters as many without a pause."""
N_EXTREME = 3
"""Examples of a check that are extreme, yet within the limits."""
_ORDER = ("fail", "warn", "info", "pass")
_WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Row:
    """One example of one check. `mark`: the check's verdict where the example is bad, else `extreme`."""

    mark: str
    check: str
    title: str
    key: str
    shard: str | None
    value: float | None
    unit: str
    detail: str

    @property
    def shown_value(self) -> str:
        """The value with its unit, as a person writes it."""
        if self.value is None:
            return ""
        return f"{self.value:.4g} {self.unit}".rstrip()

    @property
    def names(self) -> tuple[str, ...]:
        """What may be a sample: its key, the words of that (`clip KEY`) and of its detail (`like KEY`)."""
        return (self.key, *_WORD.findall(self.key), *_WORD.findall(self.detail))


def list_rows(checks: Sequence[Mapping[str, Any]]) -> tuple[list[Row], int]:
    """The rows of the table, the severest first, and how many there are in audit.json.

    All that are bad, and the `N_EXTREME` most extreme of each check; at most `MAX_ROWS`.
    """
    chosen: list[tuple[int, int, int, Row]] = []
    for number, check in enumerate(checks):
        n_extreme = 0
        for rank, one in enumerate(check.get("worst", ())):
            n_extreme += not one["bad"]
            if one["bad"] or n_extreme <= N_EXTREME:
                row = _row(check, one)
                chosen.append((_severity(row.mark), number, rank, row))
    chosen.sort(key=lambda one: one[:3])
    total = sum(len(check.get("worst", ())) for check in checks)
    return [row for *_, row in chosen[:MAX_ROWS]], total


def order_samples(rows: Sequence[Row], known: Mapping[str, Any], n_most: int) -> list[str]:
    """Keys of at most `n_most` samples to show, the ones worth a look first.

    In turn the first, second, third … example of each check, so that no check takes all the room; findings
    before extremes. `known`: keys that the index has.
    """
    ranked = sorted(_ranked(rows), key=lambda one: one[0])
    keys = dict.fromkeys(key for _, row in ranked for key in row.names if key in known)
    return list(keys)[:n_most]


def _ranked(rows: Sequence[Row]) -> Iterator[tuple[tuple[int, int], Row]]:
    seen: dict[str, int] = {}
    for row in rows:
        rank = seen[row.check] = seen.get(row.check, 0) + 1
        yield (int(row.mark not in ("fail", "warn")), rank), row


def _row(check: Mapping[str, Any], one: Mapping[str, Any]) -> Row:
    return Row(
        mark=check["verdict"] if one["bad"] else "extreme",
        check=check["id"],
        title=check["title"],
        key=str(one["key"] or ""),
        shard=one.get("shard"),
        value=one.get("value"),
        unit=check.get("unit") or "",
        detail=one.get("detail") or "",
    )


def _severity(mark: str) -> int:
    return _ORDER.index(mark) if mark in _ORDER else len(_ORDER)
