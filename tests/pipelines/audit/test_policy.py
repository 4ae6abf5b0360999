"""Policies: complete, consistent, and clear about what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.audit.catalog import CHECKS
from pipelines.audit.compare import AuditFileError, read_audit
from pipelines.audit.model import Severity
from pipelines.audit.policy import PolicyError, load_policy, policy_names


def test_the_policies_rule_every_check():
    assert policy_names() == ["default", "strict"]
    for name in policy_names():
        assert set(load_policy(name).checks) == set(CHECKS)


def test_strict_is_never_milder_than_default():
    order = [Severity.OFF, Severity.INFO, Severity.WARNING, Severity.ERROR]
    default, strict = load_policy("default").checks, load_policy("strict").checks
    for key, rule in default.items():
        assert order.index(strict[key].severity) >= order.index(rule.severity), key
        if rule.max is not None:
            assert strict[key].max is not None, key
            assert strict[key].max <= rule.max, key
        if rule.min is not None:
            assert strict[key].min is not None, key
            assert strict[key].min >= rule.min, key
        assert strict[key].allowed_share <= rule.allowed_share, key


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("checks: {sound_silnt: {max: 1}}\nextends: default", "did you mean 'sound_silent'"),
        ("checks: {sound_silent: {maximum: 1}}\nextends: default", "maximum"),
        ("checks: {sound_silent: {severity: fatal}}\nextends: default", "severity"),
        ("checks: {sound_silent: {max: 1}}", "extends: default"),
        ("extends: lenient", "there are default, strict"),
        ("checks: [1]", "must map"),
        ("- 1", "expected `checks:`"),
        ("a: [", "not readable YAML"),
    ],
)
def test_a_policy_that_cannot_be_used_says_why(text: str, told: str, tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(PolicyError, match=told):
        load_policy(str(path))


def test_an_unknown_policy_names_those_there_are():
    with pytest.raises(PolicyError, match="default, strict"):
        load_policy("lenient")


@pytest.mark.parametrize("text", ["", "[]", '{"format": "2.0", "checks": []}'])
def test_what_is_no_audit_json_is_refused(text: str, tmp_path: Path):
    path = tmp_path / "audit.json"
    path.write_text(text)
    with pytest.raises(AuditFileError, match=r"audit\.json"):
        read_audit(path)


def test_every_check_says_what_to_do_and_its_id_is_a_word():
    for key, check in CHECKS.items():
        assert key.isidentifier()
        assert check.title
        assert check.remedy or key in ("yield", "splits")
    json.dumps([check.title for check in CHECKS.values()])
