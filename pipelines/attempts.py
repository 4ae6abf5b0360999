"""Attempt markers: what survives of a unit that did not survive.

A marker is written before a unit starts and removed when it commits. A marker that says `started`
after its run is gone was interrupted from outside (a kill, a power cut) and is not held against the
unit; one that says how the attempt ended is. Three of those and the driver quarantines the unit.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass

from manifests.store import Store
from pipelines.job import End, Job, Outcome
from pipelines.step import Unit

MAX_ATTEMPTS = 3
STARTED = "started"


@dataclass(frozen=True)
class Attempts:
    """The markers of one step."""

    store: Store
    folder: str

    @classmethod
    def of(cls, job: Job, store: Store) -> Attempts:
        """The markers beside the step's receipts."""
        return cls(store, f"{job.folder}/attempts")

    def begin(self, unit: Unit, number: int, run_id: str) -> None:
        """Write the marker of attempt `number` (1, 2, …)."""
        self._write(unit.id, number, {"state": STARTED, "run": run_id})

    def end(self, unit: Unit, number: int, outcome: Outcome) -> None:
        """Remove the markers of a committed unit, or write down an end that is held against it."""
        if outcome.end is End.COMMITTED:
            for earlier in range(1, number + 1):
                self.store.delete(self._name(unit.id, earlier))
        elif outcome.end in (End.FATAL, End.DEFERRED):
            self.store.delete(self._name(unit.id, number))
        else:
            self._write(unit.id, number, {"state": str(outcome.end), "detail": outcome.detail})

    def ended(self) -> Counter[str]:
        """Attempts held against each unit. Called with the lock held, when nothing runs."""
        counts: Counter[str] = Counter()
        for name in self.store.list(self.folder):
            unit, number, _ = name.rsplit(".", 2)
            if json.loads(self.store.read(f"{self.folder}/{name}"))["state"] == STARTED:
                self.store.delete(f"{self.folder}/{name}")
            else:
                counts[unit] = max(counts[unit], int(number))
        return counts

    def running(self) -> list[str]:
        """Units that have started and not ended: what a stalled run hangs on."""
        return [
            name.rsplit(".", 2)[0]
            for name in self.store.list(self.folder)
            if json.loads(self.store.read(f"{self.folder}/{name}"))["state"] == STARTED
        ]

    def last_detail(self, unit: str) -> tuple[End, str]:
        """How the last attempt ended, for the quarantine row."""
        for number in range(MAX_ATTEMPTS, 0, -1):
            name = self._name(unit, number)
            if self.store.exists(name):
                marker = json.loads(self.store.read(name))
                return End(marker["state"]), str(marker.get("detail", ""))
        return End.CRASHED, "no attempt left a trace"

    def forget(self, unit: str) -> None:
        """Remove the markers of a unit that is to be tried afresh."""
        for number in range(1, MAX_ATTEMPTS + 1):
            self.store.delete(self._name(unit, number))

    def _name(self, unit: str, number: int) -> str:
        return f"{self.folder}/{unit}.{number}.json"

    def _write(self, unit: str, number: int, marker: dict[str, str]) -> None:
        self.store.write(self._name(unit, number), json.dumps(marker).encode())
