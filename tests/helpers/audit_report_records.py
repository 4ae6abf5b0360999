"""Entries of an audit.json as docs/audit.md has them, written by hand."""

from __future__ import annotations

from typing import Any


def check(name: str, verdict: str = "pass", **more: Any) -> dict[str, Any]:
    """An entry of `checks`, as docs/audit.md has it."""
    return {
        "id": name,
        "section": "sound",
        "title": name.capitalize(),
        "kind": "fault",
        "deep": False,
        "severity": "error",
        "verdict": verdict,
        "why": "as it is",
        "what_to_do": "do better" if verdict in ("fail", "warn") else None,
        "unit": None,
        "thresholds": {},
        **more,
    }


def example(key: str, *, bad: bool = True, value: float | None = None, detail: str = "") -> dict[str, Any]:
    """An entry of `worst`."""
    return {"key": key, "shard": None, "value": value, "detail": detail, "bad": bad}


def column(counts: list[int], *, low: float = 0.0, step: float = 1.0, **more: Any) -> dict[str, Any]:
    """A column check with a histogram."""
    edges = [low + step * number for number in range(len(counts) + 1)]
    below, above = more.pop("below", 0), more.pop("above", 0)
    facts = {"edges": edges, "counts": counts, "below": below, "above": above}
    n = sum(counts) + below + above
    return check("level", kind="column", histogram=facts, **({"n": n, "n_bad": 0, "mean": 1.0} | more))


def audit(*checks: dict[str, Any]) -> dict[str, Any]:
    """An audit.json of these checks."""
    verdicts = [one["verdict"] for one in checks]
    names = ("pass", "warn", "fail", "info", "not_measured")
    return {
        "format": "1.0",
        "verdict": "fail" if "fail" in verdicts else "pass",
        "exit_code": int("fail" in verdicts),
        "policy": {"name": "default", "description": ""},
        "corpus": {"command": "made", "name": "small"},
        "deep": None,
        "counts": {name: verdicts.count(name) for name in names},
        "checks": list(checks),
    }
