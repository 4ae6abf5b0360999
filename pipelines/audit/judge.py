"""From a check's numbers and its rule to a finding: pass, warn, fail, or why there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipelines.audit.model import (
    ChannelsCheck,
    Check,
    CodesCheck,
    ColumnCheck,
    Finding,
    GroupCheck,
    Outcome,
    Severity,
    TallyCheck,
)
from pipelines.audit.policy import Rule

Facts = Mapping[str, Mapping[str, Any]]
_MAY_NEVER_MOVE = ("translation_", "tongueout", "lefteyeroll", "righteyeroll")
_MIN_FRAMES = 25
"""A channel or a codebook seen for less than a second or two says nothing of the corpus."""


def judge(check: Check, rule: Rule, found: Facts, *, why_not: str) -> Finding:
    """The finding of one check. `why_not`: what to say when nothing was measured."""
    facts = _facts(check, rule, found)
    if not facts:
        outcome = Outcome.FAIL if rule.required and rule.severity is Severity.ERROR else Outcome.NOT_MEASURED
        return Finding(check, rule.severity, outcome, why_not, rule.thresholds())
    if isinstance(check, TallyCheck):
        return Finding(check, rule.severity, Outcome.INFO, f"{facts['n']} rows", {}, facts)
    n, n_bad = int(facts["n"]), int(facts["n_bad"])
    violated = n_bad > rule.allowed_share * n
    told = _sentence(check, rule, n, n_bad)
    return Finding(
        check, rule.severity, _outcome(check, rule, violated=violated), told, rule.thresholds(), facts
    )


def _outcome(check: Check, rule: Rule, *, violated: bool) -> Outcome:
    limitless = isinstance(check, ColumnCheck) and rule.min is None and rule.max is None
    if rule.severity is Severity.INFO or (limitless and not violated):
        return Outcome.INFO
    if not violated:
        return Outcome.PASS
    return Outcome.FAIL if rule.severity is Severity.ERROR else Outcome.WARN


def _sentence(check: Check, rule: Rule, n: int, n_bad: int) -> str:
    if n_bad > n:  # several things can be wrong with one, and one can be missing altogether
        return f"{n_bad} {'thing is' if n_bad == 1 else 'things are'} not as they should be"
    share = f" ({100 * n_bad / n:.3g} %)" if n and n_bad else ""
    limits = [f"at least {rule.min:g}"] if rule.min is not None else []
    limits += [f"at most {rule.max:g}"] if rule.max is not None else []
    allowed = f"; {100 * rule.allowed_share:g} % are allowed" if rule.allowed_share else ""
    wanted = f" (wanted: {', '.join(limits)}{allowed})" if limits or allowed else ""
    return f"{n_bad} of {n} are not as they should be{share}{wanted}"


def _facts(check: Check, rule: Rule, found: Facts) -> dict[str, Any]:
    if isinstance(check, CodesCheck):
        return _of_many(found, "streams", lambda facts: facts["n"] >= _MIN_FRAMES and facts["n_used"] <= 1)
    if isinstance(check, ChannelsCheck):
        return _of_many(found, "channels", _never_moves)
    facts = dict(found.get("", {}))
    if isinstance(check, GroupCheck) and check.rule == "share" and facts:
        return _balanced(facts, rule)
    if not facts.get("n") and not facts.get("n_bad"):
        return {}
    return facts


def _never_moves(facts: Mapping[str, Any]) -> bool:
    return facts["n"] >= _MIN_FRAMES and facts["min"] is not None and facts["min"] == facts["max"]


def _of_many(found: Facts, kind: str, is_bad: Any) -> dict[str, Any]:
    """The facts of each channel or codebook, and those that are bad as examples."""
    if not found:
        return {}
    bad = []
    for name in sorted(found):
        by_design = (
            name.rpartition(" ")[2].lower().startswith(_MAY_NEVER_MOVE) and found[name].get("max") == 0
        )
        if is_bad(found[name]) and not by_design:
            bad.append(
                {"key": name, "shard": None, "value": None, "detail": "one value throughout", "bad": True}
            )
    plain = {
        name: {key: value for key, value in facts.items() if key != "worst"} for name, facts in found.items()
    }
    return {"n": len(found), "n_bad": len(bad), kind: plain, "worst": bad[:25]}


def _balanced(facts: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """Groups that hold more of the duration than a share; nothing where nobody has a name."""
    total = facts["seconds"]
    named = [one for one in facts["largest"] if one["name"] != "(none)"]
    if not named or not total:
        return {}
    limit = rule.max if rule.max is not None else 1.0
    bad = [
        {
            "key": one["name"],
            "shard": None,
            "value": round(one["seconds"] / total, 6),
            "detail": f"{one['seconds']:.1f} of {total:.1f} s",
            "bad": True,
        }
        for one in named
        if one["seconds"] > limit * total
    ]
    return facts | {"n_bad": len(bad), "worst": bad}
