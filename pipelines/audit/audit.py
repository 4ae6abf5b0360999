"""`duologue audit`: books, tables and shards, judged under a policy; writes audit.json and says yes or no."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from manifests.store import Store
from pipelines.audit.books import Books, index_rows, open_books
from pipelines.audit.catalog import CHECKS
from pipelines.audit.judge import judge
from pipelines.audit.model import Check, Finding, Outcome, Severity
from pipelines.audit.policy import Policy, load_policy
from pipelines.audit.sketches import Faults
from pipelines.audit.tables import parts_of
from pipelines.audit.tasks import ShardTask, chosen_shards, tasks_of

AUDIT_FORMAT = "1.0"
"""Version of audit.json; a reader may rely on everything with the same major."""
AUDIT_JSON = "audit.json"
Found = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Verdict:
    """What an audit came to. `exit_code`: 0, or 1 where a check that the policy calls an error failed."""

    findings: tuple[Finding, ...]
    record: Mapping[str, Any]

    @property
    def exit_code(self) -> int:
        """0 or 1; an audit that could not run raises instead, which the command turns into 2."""
        return int(any(finding.outcome is Outcome.FAIL for finding in self.findings))

    @property
    def counts(self) -> Counter[str]:
        """Checks by outcome."""
        return Counter(str(finding.outcome) for finding in self.findings)


def run_audit(
    corpus_url: str,
    out: str,
    policy: str = "default",
    *,
    deep: bool = False,
    max_shards: int | None = None,
    seed: int = 0,
    runner_options: Sequence[str] = (),
    probe: Sequence[str] | None = None,
) -> Verdict:
    """Audit a corpus and write `out`/audit.json.

    `probe`: also ask whether faces tell of turn-yield (`probes.py`), here and in these further corpora.
    `deep` also opens the shards: all of them, or `max_shards` that `seed` draws. `runner_options` are Beam's
    (`--runner=…`); without a runner the pipeline runs in this process. With another runner `out` must be a
    place that its workers can write to.

    Raises NoCorpusError for a folder without a corpus, PolicyError, ConfigError, StoreError: it could not
    run.
    """
    with _without_warning_of_gcp():
        from pipelines.audit.engine import Work, run

    rules = load_policy(policy)
    limits = {key: rule.limits for key, rule in rules.checks.items() if rule.severity is not Severity.OFF}
    store, target = Store(corpus_url), Store(out)
    books = open_books(corpus_url, deep=deep)
    tasks, n_shards = _tasks(store, books, max_shards, seed) if deep else ([], books.about.get("shards", 0))
    work = Work(store.url, parts_of(store, books.folders), tasks, limits, books.planned)
    found: Found = run(work, target, runner_options)
    _add_books(found, books)
    findings = tuple(
        judge(check, rules.rule(key), found.get(key, {}), why_not=_why_not(check, books, deep=deep))
        for key, check in CHECKS.items()
        if key in limits
    )
    opened = {"shards": len(tasks), "of": n_shards, "seed": seed} if deep else None
    record = _record(findings, rules, books, opened, _shards_of(store, findings))
    if probe is not None:
        record["probes"] = _probed([corpus_url, *probe])
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    target.write(AUDIT_JSON, text.encode())
    return Verdict(findings, record)


@contextmanager
def _without_warning_of_gcp() -> Iterator[None]:
    """Beam warns of Google's client libraries, which nobody asked for, whenever it is imported."""

    def is_other(record: logging.LogRecord) -> bool:
        return "apitools" not in record.getMessage()

    logging.getLogger().addFilter(is_other)
    try:
        yield
    finally:
        logging.getLogger().removeFilter(is_other)


def _probed(urls: Sequence[str]) -> list[dict[str, Any]]:
    """One record a corpus, called by its folder. Raises CorpusError for a folder without a finished one."""
    from manifests.corpus_reader import CorpusReader
    from pipelines.audit.probe_data import dialogues_of
    from pipelines.audit.probes import probe_side_by_side

    corpora = {url.rstrip("/"): dialogues_of(CorpusReader(url))[0] for url in urls}
    return [one.record() for one in probe_side_by_side(corpora)]


def _tasks(store: Store, books: Books, max_shards: int | None, seed: int) -> tuple[list[ShardTask], int]:
    """Shards to open, and how many there are."""
    names = {row["shard"] for row in index_rows(store, ["shard"])}
    chosen = set(chosen_shards(names, limit=max_shards, seed=seed))
    columns = ["key", "shard", "split", "duration_s", "members"]
    rows = (row for row in index_rows(store, columns) if row["shard"] in chosen)
    return tasks_of(rows, books.shards, books.hashes, books.base_url), len(names)


def _add_books(found: Found, books: Books) -> None:
    """The faults of the books beside those of the pipeline."""
    summaries: dict[str, Faults] = {}
    for check, n in books.looked.items():
        summaries.setdefault(check, Faults()).n = n
    for check, example in books.faults:
        summaries.setdefault(check, Faults()).add(example)
    for check, faults in summaries.items():
        found.setdefault(check, {})[""] = faults.facts()


def _why_not(check: Check, books: Books, *, deep: bool) -> str:
    if check.id in books.unmeasured:
        return books.unmeasured[check.id]
    if check.deep and not deep:
        return "needs --deep"
    return "nothing in this corpus that it could measure"


def _shards_of(store: Store, findings: Sequence[Finding]) -> dict[str, str]:
    """The shard of each sample that is an example, where the index knows it."""
    keys = {one["key"] for finding in findings for one in finding.facts.get("worst", ()) if not one["shard"]}
    return {row["key"]: row["shard"] for row in index_rows(store, ["key", "shard"]) if row["key"] in keys}


def _record(
    findings: Sequence[Finding],
    policy: Policy,
    books: Books,
    opened: dict[str, int] | None,
    shards: Mapping[str, str],
) -> dict[str, Any]:
    verdict = Verdict(tuple(findings), {})
    checks = [finding.record() for finding in findings]
    for check in checks:
        if "worst" in check:
            check["worst"] = [
                one | {"shard": one["shard"] or shards.get(one["key"])} for one in check["worst"]
            ]
    return {
        "format": AUDIT_FORMAT,
        "verdict": "fail" if verdict.exit_code else "pass",
        "exit_code": verdict.exit_code,
        "policy": {"name": policy.name, "description": policy.description},
        "corpus": books.about,
        "deep": opened,
        "counts": {str(outcome): verdict.counts[str(outcome)] for outcome in Outcome},
        "checks": checks,
    }
