"""`duologue plan`: what a build would do, before it does anything.

Steps whose work is tables alone (`select`) are run in memory, so a moved threshold is answered exactly.
What has not been probed yet is estimated from the file's own header and from measured speeds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass

from rich.table import Table

from manifests.reasons import ItemError
from manifests.sources.folder import is_text
from pipelines.corpus import Corpus
from pipelines.job import execute
from pipelines.journal import step_times
from pipelines.look import ScratchStore
from pipelines.step import Workspace

GB_PER_HOUR = {"watch": 0.35, "cut": 0.45, "pack": 0.45}
"""Measured on the GRID clips: one face at 25 fps."""


@dataclass(frozen=True)
class StepPlan:
    """What one step has and would do. `known` says whether counts are exact or estimated."""

    name: str
    planned: int
    done: int
    hours: float
    seconds: float
    gigabytes: float
    known: bool


def estimate(corpus: Corpus) -> list[StepPlan]:
    """The plan of every step, in order."""
    with tempfile.TemporaryDirectory() as folder:
        trial = _trial(corpus, folder)
        return list(_plans(corpus, trial))


def _trial(corpus: Corpus, folder: str) -> Corpus:
    """The corpus with `select` decided in a scratch store, as far as its measurements are there."""
    trial = Corpus(MergedStore(folder, corpus.store), corpus.source_root, corpus.listing, corpus.steps)
    step = trial.steps["select"]
    workspace = Workspace(trial.store, trial.folder("select"), trial.source_root)
    for unit in trial.todo("select"):
        execute(step, unit, workspace)
    trial.refresh("select")
    return trial


class MergedStore(ScratchStore):
    """A scratch store that also lists what is behind it."""

    def list(self, folder: str) -> list[str]:
        """Names in either."""
        return sorted({*super().list(folder), *self._behind.list(folder)})


def _plans(corpus: Corpus, trial: Corpus) -> Iterator[StepPlan]:
    times = step_times(corpus.store, {name: corpus.key(name) for name in corpus.steps})
    unprobed = _unprobed_hours(corpus)
    to_measure = 0.0
    for name in corpus.steps:
        items = trial.items(name)
        missing = [item for unit in trial.todo(name) for item in unit.items]
        if name == "select":  # was decided in memory; what is missing is what the corpus itself lacks
            answered = {row["item"] for row in corpus.rows(name)}
            missing = [item for item in corpus.items(name).values() if item.id not in answered]
        hours = unprobed
        if not corpus.steps[name].wanted:
            hours = 0.0
        elif name not in ("ingest", "pack"):
            hours += sum(item.media_s for item in missing) / 3600
        if name in ("select", "pack") or corpus.steps[name].per_clip:
            # what is not measured yet may all be kept
            hours = max(hours, to_measure) if corpus.steps[name].wanted else 0.0
        else:
            to_measure = max(to_measure, hours)
        time = times.get(name)
        speed = (
            time.media_s / time.wall_s
            if time and time.wall_s and name in ("watch", "listen", "cut")
            else None
        )
        seconds = hours * 3600 / (speed or corpus.steps[name].speed)
        yield StepPlan(
            name=name,
            planned=len(items),
            done=len(items) - len(missing),
            hours=hours,
            seconds=seconds,
            gigabytes=hours * GB_PER_HOUR.get(name, 0.0),
            known=not unprobed and not _open(trial, name),
        )


def _open(trial: Corpus, name: str) -> bool:
    """Whether a step before `name` still lacks items, so that this one's count may grow."""
    earlier = list(trial.steps)[: list(trial.steps).index(name)]
    return any(trial.todo(one) for one in earlier)


def _unprobed_hours(corpus: Corpus) -> float:
    """Hours of the sources that `ingest` has not opened, by the duration their header claims."""
    from extractors.ffprobe import describe

    done = {row["source_id"] for row in corpus.rows("ingest")}
    total = 0.0
    for source in corpus.listing.sources:
        if source.id not in done and not is_text(source.path):
            try:
                header = describe(f"{corpus.source_root}/{source.path}")["format"]
            except ItemError:
                continue  # ingest will say why
            total += float(header.get("duration", 0.0))
    return total / 3600


def plan_table(plans: list[StepPlan]) -> Table:
    """The plan as a person reads it."""
    table = Table(title="What build would do", title_justify="left")
    for column in ("step", "items", "done", "to do", "media hours", "worker time", "GB to write"):
        table.add_column(column, justify="left" if column == "step" else "right")
    for plan in plans:
        more = "" if plan.known else " +"
        table.add_row(
            plan.name,
            f"{plan.planned}{more}",
            str(plan.done),
            f"{plan.planned - plan.done}{more}",
            f"{plan.hours:.2f}",
            _clock(plan.seconds),
            f"{plan.gigabytes:.2f}",
        )
    table.caption = "+ : more once earlier steps are done. Hours and GB of unopened files are estimates."
    return table


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
