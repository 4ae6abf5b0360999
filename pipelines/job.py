"""Job, Outcome and `execute`: one attempt at one unit, the same in every engine."""

from __future__ import annotations

import errno
import json
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from extractors.weights import WeightsError
from manifests.errors import CommandError
from manifests.reasons import Reason
from manifests.receipts import write_receipt
from manifests.store import Store
from pipelines.step import (
    Resources,
    SourceChangedError,
    Step,
    Unit,
    UnusableError,
    Workspace,
    expected_s,
    load_step,
)


@dataclass(frozen=True)
class Job:
    """A step as a worker process needs it: plain data, nothing pickled."""

    step_path: str
    name: str
    config: dict[str, Any]
    folder: str
    store_url: str
    source_root: str
    run_id: str
    resources: Resources = field(default_factory=Resources)
    deadline_floor_s: float = 60.0
    deadline_factor: float = 20.0
    speed: float = 1.0

    def deadline_s(self, unit: Unit) -> float:
        """How long the unit may run before its process is killed."""
        return self.deadline_floor_s + self.deadline_factor * (unit.media_s + unit.reach_s)

    def expected_s(self, units: Sequence[Unit]) -> float:
        """Roughly what one worker needs for the units."""
        return sum(expected_s(item, self.speed) for unit in units for item in unit.items)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Job:
        """Inverse of `to_json`."""
        data = json.loads(text)
        return cls(**{**data, "resources": Resources(**data["resources"])})

    def load(self) -> tuple[Step[Any], Workspace]:
        """The step and its workspace, in the process that will run it."""
        store = Store(self.store_url)
        return load_step(self.step_path, self.config), Workspace(store, self.folder, self.source_root)


class End(StrEnum):
    """How an attempt ended."""

    COMMITTED = "committed"
    RAISED = "raised"  # an unexpected exception
    CRASHED = "crashed"  # the process died
    TIMED_OUT = "timed_out"
    DEFERRED = "deferred"  # its source changed under the run: neither done nor at fault
    FATAL = "fatal"  # every unit would fail: stop the run

    @property
    def reason(self) -> Reason:
        """The quarantine reason of a unit whose last attempt ended so."""
        return Reason(self.value)


@dataclass(frozen=True)
class Outcome:
    """What one attempt at a unit came to. `counts` maps statuses to rows."""

    unit: str
    end: End
    detail: str = ""
    wall_s: float = 0.0
    media_s: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Inverse of `to_json`."""
        data = json.loads(text)
        return cls(**{**data, "end": End(data["end"])})


def execute(step: Step[Any], unit: Unit, workspace: Workspace) -> Outcome:
    """Run a unit and commit its receipt. Every exception of the step comes back as an outcome."""
    begun = time.perf_counter()
    try:
        rows = step.run(unit, workspace)
        unanswered = {item.id for item in unit.items} - {row.item for row in rows}
        if unanswered:
            raise RuntimeError(f"step {step.name} returned no row for items {sorted(unanswered)}")
        write_receipt(workspace.store, f"{workspace.folder}/receipts", unit.id, rows, step.measurements)
    except SourceChangedError as error:
        return Outcome(unit.id, End.DEFERRED, str(error), time.perf_counter() - begun, unit.media_s)
    except Exception as error:  # noqa: BLE001 - the boundary: whatever a step raises must become an outcome
        end = End.FATAL if is_fatal(error) else End.RAISED
        detail = str(error)
        if not isinstance(error, CommandError):  # those say all that there is to say
            detail = f"{type(error).__name__}: {error}\n{traceback.format_exc(limit=-4)}"
        return Outcome(unit.id, end, detail, time.perf_counter() - begun, unit.media_s)
    counts = Counter(str(row.status) for row in rows)
    return Outcome(unit.id, End.COMMITTED, "", time.perf_counter() - begun, unit.media_s, dict(counts))


def is_fatal(error: BaseException) -> bool:
    """Whether the fault lies in the installation or the machine, so that going on would lose every unit."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return True
    if isinstance(error, RuntimeError) and "CUDA" in str(error):
        return True
    return isinstance(error, ImportError | MemoryError | WeightsError | UnusableError)
