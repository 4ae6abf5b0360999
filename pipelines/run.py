"""Running a corpus: every step to completion, under the store's lock. What `build` and the like share."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.config import ConfigError
from pipelines.corpus import Corpus
from pipelines.driver import Driver
from pipelines.engine import Engine
from pipelines.journal import Journal
from pipelines.reporter import Reporter
from pipelines.sections import EngineConfig


def run_steps(
    corpus: Corpus,
    config: EngineConfig,
    *,
    engine: Engine,
    reporter: Reporter,
    retry: Sequence[str] = (),
) -> None:
    """Run every step; the caller holds the store's lock.

    `retry` names statuses (`failed`, `quarantined`) whose receipts are dropped first. Raises WeightsError,
    FatalError, EngineError; what is committed stays, and the next run resumes.
    """
    journal = Journal(corpus.store)
    driver = Driver(corpus, engine, config, reporter, journal)
    try:
        with reporter, engine:
            for name in corpus.steps:
                again = [row["item"] for row in corpus.rows(name) if row["status"] in retry]
                corpus.forget(name, [*again, *corpus.lost_items(name)])
                driver.run_step(name)
    finally:
        journal.flush()


def check_steps(corpus: Corpus, config: EngineConfig) -> None:
    """Raise before any work: ConfigError for resources of no step, WeightsError for all that is to be
    brought."""
    from extractors.brought import every

    unknown = set(config.resources) - set(corpus.steps)
    if unknown:
        raise ConfigError(f"engine.resources: no step {sorted(unknown)}; there are {', '.join(corpus.steps)}")
    every({name: step.facts for name, step in corpus.steps.items()})
    for name in corpus.steps:
        corpus.key(name)
