"""The journal: when what ran and how long it took. Kept apart from receipts, which hold no clock."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from manifests.store import Store
from pipelines.job import End, Outcome

FOLDER = "runs"


@dataclass
class Journal:
    """Events of one run, written to `runs/RUN.jsonl` at the end of every step."""

    store: Store
    run_id: str = field(default_factory=lambda: f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}")
    _lines: list[str] = field(default_factory=list)

    def note(self, event: str, **facts: Any) -> None:
        """Add an event."""
        self._lines.append(json.dumps({"event": event, "at": datetime.now(UTC).isoformat(), **facts}))

    def outcome(self, step: str, key: str, outcome: Outcome) -> None:
        """Add the end of an attempt."""
        self.note(
            "attempt",
            step=step,
            step_key=key,
            unit=outcome.unit,
            end=str(outcome.end),
            wall_s=round(outcome.wall_s, 4),
            media_s=round(outcome.media_s, 3),
            detail=outcome.detail,
        )

    def flush(self) -> None:
        """Write what there is; a run that had nothing to do leaves no file."""
        if not self._lines:
            return
        self.store.write(f"{FOLDER}/{self.run_id}.jsonl", "\n".join([*self._lines, ""]).encode())


@dataclass
class StepTime:
    """What the committed units of a step took, over all runs."""

    wall_s: float = 0.0
    media_s: float = 0.0
    units: int = 0


def step_times(store: Store, keys: dict[str, str]) -> dict[str, StepTime]:
    """Worker seconds a step, for the current step keys, from all journals of the output folder."""
    times: dict[str, StepTime] = defaultdict(StepTime)
    for name in store.list(FOLDER):
        for line in store.read(f"{FOLDER}/{name}").decode().splitlines():
            event = json.loads(line)
            wanted = event["event"] == "attempt" and event["end"] == End.COMMITTED
            if wanted and keys.get(event["step"]) == event["step_key"]:
                time = times[event["step"]]
                time.wall_s += event["wall_s"]
                time.media_s += event["media_s"]
                time.units += 1
    return dict(times)
