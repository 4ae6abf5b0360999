"""Every check there is, by id, in the order of the report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pipelines.audit.model import Check, Section
from pipelines.audit.receipt_checks import RECEIPT_CHECKS
from pipelines.audit.sample_checks import SAMPLE_CHECKS
from pipelines.audit.shard_checks import SHARD_CHECKS


def _ordered() -> dict[str, Check]:
    order = list(Section)
    checks = sorted(
        [*RECEIPT_CHECKS, *SHARD_CHECKS, *SAMPLE_CHECKS], key=lambda one: order.index(one.section)
    )
    found = {check.id: check for check in checks}
    if len(found) != len(checks):
        raise ValueError("two checks have the same id")
    return found


CHECKS: Mapping[str, Check] = MappingProxyType(_ordered())
