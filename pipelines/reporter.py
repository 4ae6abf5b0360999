"""What a person sees while a run works: one line a step. JSON lines when nobody is watching."""

from __future__ import annotations

import json
import sys
from types import TracebackType
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from manifests.sources.progress import Progress as Staged
from pipelines.job import Outcome


class Reporter(Protocol):
    """Told of a run's progress, step by step."""

    def __enter__(self) -> Reporter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, step: str, *, planned: int, done: int) -> None:
        """A step starts, with so many items planned and done before."""
        ...

    def ended(self, step: str, items: int, outcome: Outcome) -> None:
        """An attempt at a unit of so many items ended."""
        ...

    def finish(self, step: str, summary: str) -> None:
        """A step is through."""
        ...

    def downloading(self, weights: str, received_bytes: int, total_bytes: int) -> None:
        """Weights that no place on this machine has are on their way."""
        ...

    def staging(self, staged: Staged) -> None:
        """Archives are unpacked, or remote files fetched, before the corpus can be listed."""
        ...


class BarReporter:
    """Progress bars on a terminal (standard error, so that output can be piped)."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<8}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> BarReporter:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, step: str, *, planned: int, done: int) -> None:
        """Open the step's bar."""
        note = f"{done} done before" if done else ""
        self._tasks[step] = self._progress.add_task(step, total=planned, completed=done, note=note)

    def ended(self, step: str, items: int, outcome: Outcome) -> None:
        """Move the bar for a commit; show how else an attempt ended."""
        if outcome.counts:
            self._progress.update(self._tasks[step], advance=items)
        else:
            self._progress.update(self._tasks[step], note=f"{outcome.unit}: {outcome.end}, will try again")

    def finish(self, step: str, summary: str) -> None:
        """Leave the bar with what the step came to."""
        task = self._progress.tasks[self._tasks[step]]
        self._progress.update(task.id, completed=task.total, note=summary)

    def downloading(self, weights: str, received_bytes: int, total_bytes: int) -> None:
        """A bar of its own, in kB."""
        self._bytes(weights, "download", received_bytes, total_bytes, f"kB of {weights}")

    def staging(self, staged: Staged) -> None:
        """A bar for all files together, in MB."""
        note = f"MB, {staged.name}" if staged.done_bytes < staged.total_bytes else "MB"
        self._bytes(staged.what, staged.what, staged.done_bytes, staged.total_bytes, note, unit=1_000_000)

    def _bytes(self, key: str, title: str, done: int, total: int, note: str, *, unit: int = 1000) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(title, note=note)
        whole = -(-total // unit)
        so_far = whole if done >= total else done // unit
        self._progress.update(self._tasks[key], completed=so_far, total=whole, note=note)


class JsonReporter:
    """One JSON line an event on standard error; steps only, unless something went wrong."""

    def __init__(self) -> None:
        self._begun: set[str] = set()
        self._tenths: dict[str, int] = {}

    def __enter__(self) -> JsonReporter:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def begin(self, step: str, *, planned: int, done: int) -> None:
        """Say that a step starts."""
        self._say("begin", step=step, planned=planned, done=done)

    def ended(self, step: str, items: int, outcome: Outcome) -> None:
        """Say that an attempt ended badly."""
        if not outcome.counts:
            self._say("attempt", step=step, unit=outcome.unit, end=str(outcome.end), items=items)

    def finish(self, step: str, summary: str) -> None:
        """Say what the step came to."""
        self._say("finish", step=step, summary=summary)

    def downloading(self, weights: str, received_bytes: int, total_bytes: int) -> None:
        """Say it when it begins and when it is there."""
        if weights not in self._begun or received_bytes == total_bytes:
            self._begun.add(weights)
            self._say("download", weights=weights, received_bytes=received_bytes, total_bytes=total_bytes)

    def staging(self, staged: Staged) -> None:
        """Say it at every tenth of the way."""
        tenth = 10 * staged.done_bytes // max(staged.total_bytes, 1)
        if tenth > self._tenths.get(staged.what, -1):
            self._tenths[staged.what] = tenth
            told = {"done_bytes": staged.done_bytes, "total_bytes": staged.total_bytes}
            self._say(staged.what, file=staged.name, **told)

    def _say(self, event: str, **facts: Any) -> None:
        sys.stderr.write(json.dumps({"event": event, **facts}) + "\n")
        sys.stderr.flush()


class QuietReporter(JsonReporter):
    """Says nothing (`--quiet`)."""

    def _say(self, event: str, **facts: Any) -> None:
        return


def make_reporter(*, quiet: bool) -> Reporter:
    """Bars on a terminal, JSON lines elsewhere, nothing when asked to be quiet."""
    if quiet:
        return QuietReporter()
    return BarReporter() if sys.stderr.isatty() else JsonReporter()
