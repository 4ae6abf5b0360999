"""Corpus: one output folder under one config. What each step should have, has, and still has to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from manifests.receipts import committed_units, read_receipts
from manifests.sources import Listing
from manifests.store import Store
from pipelines.step import Item, Step, Unit


@dataclass
class Corpus:
    """The steps of a pipeline in order, joined to the store that holds their receipts.

    `todo = planned - committed`, from one listing a step. Receipts of items that are no longer
    planned (a deleted source, another threshold) stay on disk and are not read.
    """

    store: Store
    source_root: str
    listing: Listing
    steps: Mapping[str, Step[Any]]
    _keys: dict[str, str] = field(default_factory=dict)
    _items: dict[str, dict[str, Item]] = field(default_factory=dict)
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def key(self, name: str) -> str:
        """The step key: digest of the step and, through `upstream`, of all it stands on."""
        if name not in self._keys:
            step = self.steps[name]
            self._keys[name] = step.key([self.key(parent) for parent in step.upstream])
        return self._keys[name]

    def folder(self, name: str) -> str:
        """Folder of the step below the store's root."""
        return f"steps/{name}-{self.key(name)}"

    def items(self, name: str) -> dict[str, Item]:
        """Planned items by id, in plan order. Raises ValueError when two have the same id."""
        if name not in self._items:
            planned: dict[str, Item] = {}
            for item in self.steps[name].plan(self):
                if item.id in planned:
                    raise ValueError(f"step {name} plans item {item.id} twice")
                planned[item.id] = item
            self._items[name] = planned
        return self._items[name]

    def rows(self, name: str) -> list[dict[str, Any]]:
        """Committed rows of the planned items, sorted by key."""
        if name not in self._rows:
            planned = self.items(name)
            folder = f"{self.folder(name)}/receipts"
            units = [
                unit
                for unit in committed_units(self.store, folder)
                if unit in planned or unit.startswith("bundle-")
            ]
            rows = read_receipts(self.store, folder, units)
            self._rows[name] = sorted(
                {row["key"]: row for row in rows if row["item"] in planned}.values(),
                key=lambda row: str(row["key"]),
            )
        return self._rows[name]

    def todo(self, name: str) -> list[Unit]:
        """Units of the planned items that no receipt answers yet."""
        done = {row["item"] for row in self.rows(name)}
        missing = [item for item in self.items(name).values() if item.id not in done]
        return self.steps[name].bundle(missing)

    def refresh(self, name: str) -> None:
        """Forget what was read of a step and of those after it, because receipts were added."""
        names = list(self.steps)
        self._rows.pop(name, None)
        for later in names[names.index(name) + 1 :]:
            self._items.pop(later, None)
            self._rows.pop(later, None)
