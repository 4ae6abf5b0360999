"""Two audits of a corpus, before and after: what changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manifests.errors import CommandError
from pipelines.audit.audit import AUDIT_FORMAT
from pipelines.audit.model import Outcome

_OUTCOMES = (Outcome.PASS, Outcome.INFO, Outcome.WARN, Outcome.FAIL)
_ORDER = {str(one): at for at, one in enumerate(_OUTCOMES)}
MOVED = 0.05
"""A mean or median is told when it moved by so much of the spread from the 5th to the 95th percentile."""


class AuditFileError(CommandError, ValueError):
    """A file that is no audit.json this code can read."""


@dataclass(frozen=True)
class Change:
    """One check that is not as it was. `kind`: `worse`, `better`, `moved`, `new`, `gone`.

    What is not measured any more is `gone`, never `better`."""

    check: str
    kind: str
    told: str

    def record(self) -> dict[str, str]:
        """As plain JSON."""
        return {"id": self.check, "kind": self.kind, "told": self.told}


def read_audit(path: str | Path) -> dict[str, Any]:
    """An audit.json. Raises AuditFileError that says what is wrong with it."""
    try:
        record = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AuditFileError(f"{path} is no audit.json: {error}") from error
    found = str(record.get("format", "none")) if isinstance(record, dict) else "none"
    if found.split(".")[0] != AUDIT_FORMAT.split(".", maxsplit=1)[0]:
        raise AuditFileError(
            f"{path}: format {found}, this code reads {AUDIT_FORMAT}; audit that corpus again"
        )
    return dict(record)


def compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """What changed from one audit to another, in the order of the checks."""
    old = {check["id"]: check for check in before["checks"]}
    new = {check["id"]: check for check in now["checks"]}
    changes = [Change(key, "gone", "is no longer checked") for key in old if key not in new]
    for key, check in new.items():
        if key not in old:
            changes.append(Change(key, "new", f"is checked now: {check['verdict']}"))
        else:
            changes.extend(_changes(key, old[key], check))
    return changes


def _changes(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    was, is_now = old["verdict"], new["verdict"]
    bad = (old.get("n_bad", -1), new.get("n_bad", -1))
    unmeasured = str(Outcome.NOT_MEASURED)
    if was != is_now and unmeasured in (was, is_now):
        yield Change(key, "gone" if is_now == unmeasured else "new", f"{was} → {is_now}: {new['why']}")
    elif was != is_now:
        kind = "worse" if _ORDER[is_now] > _ORDER[was] else "better"
        yield Change(key, kind, f"{was} → {is_now}: {new['why']}")
    elif -1 not in bad and bad[0] != bad[1]:
        # as shares of what was looked at, in whole numbers
        shares = bad[0] * max(1, new["n"]), bad[1] * max(1, old["n"])
        kind = "moved" if shares[0] == shares[1] else "worse" if shares[1] > shares[0] else "better"
        yield Change(key, kind, f"{bad[0]} bad of {old['n']} → {bad[1]} of {new['n']}")
    else:
        yield from _moved(key, old, new)


def _moved(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    """The same verdict and count, yet other numbers."""
    if old.get("n") != new.get("n"):
        yield Change(key, "moved", f"{old.get('n')} rows → {new.get('n')}")
    if old.get("mean") is None or new.get("mean") is None:
        return
    spread = (old["quantiles"]["p95"] or 0) - (old["quantiles"]["p05"] or 0)
    if abs(new["mean"] - old["mean"]) > MOVED * spread and new["mean"] != old["mean"]:
        yield Change(key, "moved", f"mean {old['mean']:.4g} → {new['mean']:.4g} {new['unit'] or ''}".rstrip())
