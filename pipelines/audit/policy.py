"""Policies: how severe each check is and where its limits lie. YAML, one line a check."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.errors import CommandError
from pipelines.audit.catalog import CHECKS
from pipelines.audit.model import Severity
from pipelines.audit.sketches import Limits

POLICIES = Path(__file__).parent / "policies"


class PolicyError(CommandError, ValueError):
    """A policy that cannot be used; the message names the file, the check and what is allowed."""


class Rule(BaseModel):
    """One check's line in a policy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    severity: Severity = Severity.WARNING
    min: float | None = Field(None, description="a lower value is bad")
    max: float | None = Field(None, description="a higher value is bad")
    allowed_share: float = Field(0.0, ge=0, le=1, description="share of bad rows that is tolerated")
    required: bool = Field(False, description="not having been measured is a failure too")

    @property
    def limits(self) -> Limits:
        """The limits on a value."""
        return Limits(self.min, self.max)

    def thresholds(self) -> dict[str, Any]:
        """Those that are set, for audit.json."""
        found = {"min": self.min, "max": self.max, "allowed_share": self.allowed_share}
        return {name: value for name, value in found.items() if value is not None}


class Policy(BaseModel):
    """A rule for every check there is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    checks: dict[str, Rule]

    def rule(self, check: str) -> Rule:
        """The rule of a check."""
        return self.checks[check]


def policy_names() -> list[str]:
    """The policies that come with the package."""
    return sorted(path.stem for path in POLICIES.glob("*.yaml"))


def load_policy(name: str) -> Policy:
    """`default`, `strict`, or the path of a YAML file; a file may say `extends: NAME` and name only changes.

    Raises PolicyError.
    """
    if name in policy_names():
        path = POLICIES / f"{name}.yaml"
    elif name.endswith((".yaml", ".yml")):
        path = Path(name)
    else:
        raise PolicyError(f"no policy {name!r}; there are {', '.join(policy_names())}, or give a .yaml file")
    data = _read(path)
    base: dict[str, Any] = {}
    parent = data.pop("extends", None)
    if parent is not None:
        if parent not in policy_names():
            raise PolicyError(f"{path}: extends {parent!r}; there are {', '.join(policy_names())}")
        base = {key: rule.model_dump() for key, rule in load_policy(parent).checks.items()}
    changes = data.get("checks") or {}
    if not isinstance(changes, dict) or not all(isinstance(rule, dict) for rule in changes.values()):
        raise PolicyError(f"{path}: `checks` must map each check to its rule, such as {{max: 0.5}}")
    _refuse_unknown(path, changes)
    rules = base | {key: base.get(key, {}) | rule for key, rule in changes.items()}
    missing = sorted(CHECKS.keys() - rules.keys())
    if missing:
        raise PolicyError(f"{path}: no rule for {', '.join(missing)}; add `extends: default`")
    try:
        return Policy.model_validate({"name": path.stem, **data, "checks": rules})
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise PolicyError(f"{path}:\n  " + "\n  ".join(lines)) from None


def _refuse_unknown(path: Path, changes: dict[str, Any]) -> None:
    for key in changes:
        if key not in CHECKS:
            close = difflib.get_close_matches(key, CHECKS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "`duologue audit --list` names them"
            raise PolicyError(f"{path}: there is no check {key!r}; {hint}")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise PolicyError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(data, dict):
        raise PolicyError(f"{path}: expected `checks:` and what belongs to it, got {type(data).__name__}")
    return data
