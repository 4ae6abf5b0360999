"""The driver: runs each step to completion, round by round, until every planned item has an answer.

`todo = planned - receipts`. An attempt that raised, crashed or hung is counted; a bundle that failed is
tried again item by item, so that a poisoned item never takes its neighbours along; an item with three
ended attempts is quarantined by a receipt of its own. Nothing is decided by what an engine says alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from extractors.weights import fetch
from manifests.errors import CommandError
from manifests.reasons import Status
from manifests.receipts import Row, committed_units, write_receipt
from pipelines.attempts import MAX_ATTEMPTS, Attempts
from pipelines.corpus import Corpus
from pipelines.engine import Attempt, Engine
from pipelines.job import End, Job, Outcome
from pipelines.journal import Journal
from pipelines.reporter import Reporter
from pipelines.sections import EngineConfig
from pipelines.step import Resources, Unit


class FatalError(CommandError, RuntimeError):
    """The installation or the machine is at fault (a missing package, no memory, a full disk)."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class Driver:
    """All that a run needs beside the corpus."""

    corpus: Corpus
    engine: Engine
    config: EngineConfig
    reporter: Reporter
    journal: Journal

    def job(self, name: str) -> Job:
        """The step as workers get it, with the config's resources over its own."""
        step = self.corpus.steps[name]
        over = self.config.resources.get(name)
        own = step.resources
        resources = own
        if over is not None:
            resources = Resources(
                cpus=own.cpus if over.cpus is None else over.cpus,
                gpus=own.gpus if over.gpus is None else over.gpus,
                memory_gb=own.memory_gb if over.memory_gb is None else over.memory_gb,
            )
        return Job(
            step_path=step.path(),
            name=name,
            config=step.config.model_dump(mode="json"),
            folder=self.corpus.folder(name),
            store_url=self.corpus.store.url,
            source_root=self.corpus.source_root,
            run_id=self.journal.run_id,
            resources=resources,
            deadline_floor_s=self.config.deadline_floor_s,
            deadline_factor=self.config.deadline_factor,
            speed=step.speed,
        )

    def run_step(self, name: str) -> None:
        """Bring one step to completion. Raises FatalError, EngineError and WeightsError.

        Weights that are nowhere on this machine are downloaded first, where they are published.
        """
        job = self.job(name)
        planned = len(self.corpus.items(name))
        units = self.corpus.todo(name)
        self.reporter.begin(name, planned=planned, done=planned - sum(len(unit.items) for unit in units))
        if units:
            for weights in self.corpus.steps[name].weights():
                fetch(weights, on_progress=partial(self.reporter.downloading, weights))
            markers = Attempts.of(job, self.corpus.store)
            held = markers.ended()
            while units := self._settle(job, _split_failed(units, held, markers), held, markers):
                units = self._round(job, units, held, markers)
            self.journal.flush()
            self.corpus.refresh(name)
        statuses = Counter(str(row["status"]) for row in self.corpus.rows(name))
        self.reporter.finish(
            name, ", ".join(f"{count} {status}" for status, count in sorted(statuses.items()))
        )

    def _settle(self, job: Job, units: Sequence[Unit], held: Counter[str], markers: Attempts) -> list[Unit]:
        """Quarantine the units that had their attempts; return the others."""
        for unit in units:
            if held[unit.id] >= MAX_ATTEMPTS:
                self._quarantine(job, unit, markers)
        return [unit for unit in units if held[unit.id] < MAX_ATTEMPTS]

    def _round(self, job: Job, units: Sequence[Unit], held: Counter[str], markers: Attempts) -> list[Unit]:
        """Try each unit once; return those to be tried again, with their attempts counted."""
        open_units = {unit.id: unit for unit in units}
        attempts = [Attempt(unit, held[unit.id] + 1) for unit in units]
        heard: set[str] = set()
        deferred: set[str] = set()
        for outcome in self.engine.run(job, attempts):
            self.journal.outcome(job.name, self.corpus.key(job.name), outcome)
            if outcome.end is End.FATAL:
                self.journal.flush()
                raise FatalError(f"step {job.name} cannot go on: {outcome.detail}")
            heard.add(outcome.unit)
            self.reporter.ended(job.name, len(open_units[outcome.unit].items), outcome)
            if outcome.end is End.DEFERRED and len(open_units[outcome.unit].items) == 1:
                deferred.add(outcome.unit)
            elif outcome.end is not End.COMMITTED:
                held[outcome.unit] += 1
        committed = set(committed_units(self.corpus.store, f"{job.folder}/receipts"))
        for attempt in attempts:
            unit = attempt.unit
            if unit.id not in committed and unit.id not in heard:
                lost = Outcome(unit.id, End.CRASHED, "the engine lost the unit: its node or actor died")
                markers.end(unit, attempt.number, lost)
                held[unit.id] += 1
        return [unit for unit in units if unit.id not in committed | deferred]

    def _quarantine(self, job: Job, unit: Unit, markers: Attempts) -> None:
        end, detail = markers.last_detail(unit.id)
        rows = [
            Row(item.id, item.id, item.source_id, Status.QUARANTINED, end.reason, detail)
            for item in unit.items
        ]
        step = self.corpus.steps[job.name]
        write_receipt(self.corpus.store, f"{job.folder}/receipts", unit.id, rows, step.measurements)
        self.journal.note("quarantined", step=job.name, unit=unit.id, reason=str(end.reason), detail=detail)


def _split_failed(units: Sequence[Unit], held: Counter[str], markers: Attempts) -> list[Unit]:
    """Bundles with a failed attempt become one unit an item."""
    split: list[Unit] = []
    for unit in units:
        if held[unit.id] and len(unit.items) > 1:
            markers.forget(unit.id)
            split.extend(Unit.of([item]) for item in unit.items)
        else:
            split.append(unit)
    return split
