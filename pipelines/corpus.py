"""Corpus: one output folder under one config. What each step should have, has, and still has to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from manifests.receipts import committed_units, read_receipts
from manifests.sources import Listing
from manifests.store import Store
from pipelines.attempts import Attempts
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
    unit_s: float = 5.0  # about how much work goes into a unit; cannot change a byte
    _keys: dict[str, str] = field(default_factory=dict)
    _items: dict[str, dict[str, Item]] = field(default_factory=dict)
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _units: dict[tuple[str, str], set[str]] = field(default_factory=dict)

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
        """Committed rows of the planned items, sorted by key. Raises ValueError for a key of two items."""
        if name not in self._rows:
            planned = self.items(name)
            folder = f"{self.folder(name)}/receipts"
            units = [
                unit
                for unit in committed_units(self.store, folder)
                if unit in planned or unit.startswith("bundle-")
            ]
            found: dict[str, dict[str, Any]] = {}
            for unit in units:
                for row in read_receipts(self.store, folder, [unit]):
                    if row["item"] not in planned:
                        continue
                    if found.setdefault(row["key"], row)["item"] != row["item"]:
                        raise ValueError(f"step {name}: two items have a row with key {row['key']}")
                    self._units.setdefault((name, row["item"]), set()).add(unit)
            self._rows[name] = [found[key] for key in sorted(found)]
        return self._rows[name]

    def forget(self, name: str, items: Iterable[str]) -> None:
        """Drop the receipts and attempt markers of items, so that they are done again."""
        items = list(items)
        if not items:
            return  # nothing changes, so what was read stays good
        self.rows(name)
        for item in items:
            for unit in {item, *self._units.get((name, item), ())}:
                self.store.delete(f"{self.folder(name)}/receipts/{unit}.parquet")
                Attempts(self.store, f"{self.folder(name)}/attempts").forget(unit)
        self.refresh(name)

    def lost_items(self, name: str) -> list[str]:
        """Items whose receipt promises a payload that is no longer there. One listing a folder."""
        listed: dict[str, set[str]] = {}
        lost = []
        for row in self.rows(name):
            for artifact in row["artifacts"]:
                folder, _, file = artifact["name"].rpartition("/")
                if folder not in listed:
                    listed[folder] = set(self.store.list(folder))
                if file not in listed[folder]:
                    lost.append(str(row["item"]))
        return lost

    def todo(self, name: str) -> list[Unit]:
        """Units of the planned items that no receipt answers yet."""
        done = {row["item"] for row in self.rows(name)}
        missing = [item for item in self.items(name).values() if item.id not in done]
        return self.steps[name].bundle(missing, unit_s=self.unit_s)

    def refresh(self, name: str) -> None:
        """Forget what was read of a step and of those after it, because receipts were added."""
        names = list(self.steps)
        self._rows.pop(name, None)
        for later in names[names.index(name) + 1 :]:
            self._items.pop(later, None)
            self._rows.pop(later, None)
