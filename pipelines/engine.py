"""Engines: how the units of one step get run. `local` in this process, `ray` on a pool of actors.

An engine yields one outcome an attempt, in any order, and may lose an outcome (a dead node): the
driver compares what was planned with what is committed and never trusts the engine to have told all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from manifests.errors import CommandError
from manifests.store import Store
from pipelines.attempts import Attempts
from pipelines.job import End, Job, Outcome, execute
from pipelines.step import Unit


class EngineError(CommandError, RuntimeError):
    """The engine cannot run at all; the message says what to change."""

    exit_code: ClassVar[int] = 3


@dataclass(frozen=True)
class Attempt:
    """A unit to be tried, and which try it is (1, 2, …)."""

    unit: Unit
    number: int


class Engine(Protocol):
    """Runs attempts. Entered once a run; may start late, when there is the first work to do."""

    def __enter__(self) -> Engine: ...

    def __exit__(self, *_: object) -> None: ...

    def run(self, job: Job, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Try each unit once. Raises EngineError when the engine cannot start."""
        ...


class LocalEngine:
    """One unit after another in this process: for debugging, `replay` and tests.

    A unit that crashes takes the run with it, and nothing enforces deadlines.
    """

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def run(self, job: Job, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Load the step once, then try each unit."""
        try:
            step, workspace = job.load()
            step.open()
        except ImportError as error:
            yield Outcome(attempts[0].unit.id, End.FATAL, f"step {job.name} cannot start: {error}")
            return
        markers = Attempts.of(job, workspace.store)
        for attempt in attempts:
            markers.begin(attempt.unit, attempt.number, job.run_id)
            outcome = execute(step, attempt.unit, workspace)
            markers.end(attempt.unit, attempt.number, outcome)
            yield outcome


def supervised(job: Job, worker_run: RunUnit, store: Store, attempt: Attempt) -> Outcome:
    """One attempt in a worker process, with its marker written before and settled after."""
    markers = Attempts.of(job, store)
    try:
        markers.begin(attempt.unit, attempt.number, job.run_id)
        outcome = worker_run(attempt.unit)
        markers.end(attempt.unit, attempt.number, outcome)
    except OSError as error:  # a full or read-only disk is no fault of the unit
        return Outcome(attempt.unit.id, End.FATAL, f"{store.url}: {error}")
    return outcome


class RunUnit(Protocol):
    """`Worker.run`."""

    def __call__(self, unit: Unit) -> Outcome:
        """One attempt at a unit."""
        ...
