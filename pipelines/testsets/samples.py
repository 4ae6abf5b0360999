"""Samples of a test set: a clip in a condition, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from manifests.reasons import Reason, Status
from pipelines.testsets.clips import clip_rows
from pipelines.testsets.conditions import Condition, conditions, drawn
from pipelines.testsets.corpus import grid_of

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


@dataclass(frozen=True)
class Cell:
    """A clip in an audio or in a visual condition: the rows about it by step, the first not ok."""

    inputs: dict[str, Any] = field(default_factory=dict)
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, Any] | None = None


@dataclass(frozen=True)
class SetSample:
    """A clip in a condition. `ended`: the row that ended it, None where all of it is there."""

    key: str
    condition: Condition
    clip: dict[str, Any]
    audio: Cell | None
    video: Cell | None
    pause: Cell | None

    @property
    def cells(self) -> tuple[Cell, ...]:
        """What was done to the clip."""
        return tuple(cell for cell in (self.audio, self.video, self.pause) if cell is not None)

    @property
    def ended(self) -> tuple[str, dict[str, Any]] | None:
        """Step and row."""
        for cell in self.cells:
            if cell.ended is not None:
                return str(cell.ended["step"]), cell.ended
        mask = self.condition.mask
        if mask is not None and mask.family.member not in json.loads(self.clip["arrays"]):
            detail = f"the clip has no {mask.family.member}"
            return "clips", {"status": Status.FAILED, "reason": Reason.NO_TOKENS, "detail": detail}
        return None


def set_samples(corpus: Corpus) -> Iterator[SetSample]:
    """Every clip in every condition it was drawn for, whatever became of it; in the grid's order."""
    grid = grid_of(corpus)
    clips = {row["key"]: row for row in clip_rows(corpus)}
    cells = _cells(corpus)
    for condition in conditions(grid):
        for key in drawn(sorted(clips), grid, condition.name):
            done = (
                cells.get(f"{key}-{cell.name}", Cell(ended=_open(key))) if cell else None
                for cell in (condition.audio, condition.video, condition.pause)
            )
            yield SetSample(f"{key}-{condition.name}", condition, clips[key], *done)


def _open(key: str) -> dict[str, Any]:
    return {"step": "mix", "key": key, "status": "open", "reason": None, "detail": None}


def _cells(corpus: Corpus) -> dict[str, Cell]:
    """By `CLIP-CELL`."""
    found: dict[str, Cell] = {}
    for name, step in corpus.steps.items():
        if name in ("clips", "pack"):
            continue
        items = corpus.items(name)
        rows = {row["item"]: row for row in corpus.rows(name)}
        for item_id, item in items.items():
            key = item.inputs["key"]
            row = rows.get(item_id)
            cell = found.get(key, Cell(item.inputs))
            ended = cell.ended
            if ended is None and step.per_clip and (row is None or row["status"] != Status.OK):
                ended = {"step": name, **(row or _open(key))}
            found[key] = Cell(cell.inputs, cell.rows | ({name: row} if row else {}), ended)
    return found
