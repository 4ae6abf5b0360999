"""What a check is and what it finds. A check is one entry of a table, such as `receipt_checks`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import pyarrow as pa

from pipelines.audit.sketches import Bins

UNIT_BINS = Bins(0.0, 1.0)
Derive = Callable[[pa.Table], pa.Array | pa.ChunkedArray]


class Severity(StrEnum):
    """What a violated threshold means; `off` leaves the check out."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    OFF = "off"


class Outcome(StrEnum):
    """How one check ended."""

    PASS = "pass"  # noqa: S105 - not a password
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"  # has numbers and no threshold
    NOT_MEASURED = "not_measured"


class Section(StrEnum):
    """Chapters of the report, in order."""

    BOOKS = "books"
    SHARDS = "shards"
    SOUND = "sound"
    SYNC = "sync"
    PICTURE = "picture"
    COEFFICIENTS = "coefficients"
    TOKENS = "tokens"
    TEXT = "text"
    TURNS = "turns"
    PEOPLE = "people"
    DUPLICATES = "duplicates"
    LEAKAGE = "leakage"
    RIGHTS = "rights"


@dataclass(frozen=True)
class Check:
    """Base of all checks. `deep`: only `--deep` measures it. `remedy`: what to do about a finding."""

    id: str
    section: Section
    title: str
    remedy: str
    deep: bool = False


@dataclass(frozen=True)
class ColumnCheck(Check):
    """Values of a column of a table against limits.

    `columns` are those that are read; the first is the value unless `derive` makes it (float, null where
    there is nothing to judge). `label`: a column that says which member or channel an example is about.
    `low_first`: without limits, the lowest values are the worst.
    """

    table: str = ""
    columns: tuple[str, ...] = ()
    unit: str = ""
    bins: Bins = UNIT_BINS
    derive: Derive | None = None
    label: str | None = None
    low_first: bool = False


@dataclass(frozen=True)
class FaultCheck(Check):
    """Things that are either right or wrong; each wrong one is an example."""


@dataclass(frozen=True)
class TallyCheck(Check):
    """How many rows of `tables` (none: of all steps) there are by the values of `columns`."""

    tables: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class GroupCheck(Check):
    """Rows grouped by a name.

    `rule`: `leak`, no group in two splits; `share`, none above a share of the duration; `single`, no group of
    two.
    """

    rule: str = "leak"


@dataclass(frozen=True)
class CodesCheck(Check):
    """How codes of token streams are used, a codebook at a time."""


@dataclass(frozen=True)
class ChannelsCheck(Check):
    """Ranges of the channels of coefficient arrays, over the corpus."""


@dataclass(frozen=True)
class Finding:
    """How one check ended. `facts` are the numbers of its sketch; `why` a sentence."""

    check: Check
    severity: Severity
    outcome: Outcome
    why: str
    thresholds: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def _remedy(self) -> str:
        return self.check.remedy if self.facts else "the policy requires it: finish the run, or see why"

    def record(self) -> dict[str, Any]:
        """As it stands in audit.json."""
        unit = getattr(self.check, "unit", "")
        return {
            "id": self.check.id,
            "section": str(self.check.section),
            "title": self.check.title,
            "kind": type(self.check).__name__.removesuffix("Check").lower(),
            "deep": self.check.deep,
            "severity": str(self.severity),
            "verdict": str(self.outcome),
            "why": self.why,
            "what_to_do": self._remedy() if self.outcome in (Outcome.FAIL, Outcome.WARN) else None,
            "unit": unit or None,
            "thresholds": dict(self.thresholds),
            **self.facts,
        }
