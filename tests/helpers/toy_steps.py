"""Steps without media, for tests of the engine: counting, dying, hanging, gathering, windows."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from pipelines.corpus import Corpus
from pipelines.step import Item, Step, Unit, Workspace, gather
from pipelines.windows import windows


class ToyConfig(BaseModel):
    items: int = 6
    poison: dict[str, str] = {}  # item id -> how it misbehaves
    bundle: int = 1
    sleep_s: float = 0.0
    payload_mb: int = 0


class Toy(Step[ToyConfig]):
    """Writes `ITEM.txt` for each item, except for those that misbehave."""

    name = "toy"
    version = 1
    speed = 0.001
    measurements = pa.schema([pa.field("length", pa.int64())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        for number in range(self.config.items):
            yield Item(f"item{number}", "source", {"number": number}, 0.01)

    def bundle(self, items: Sequence[Item], *, unit_s: float) -> list[Unit]:
        size = self.config.bundle
        return [Unit.of(items[first : first + size]) for first in range(0, len(items), size)]

    def open(self) -> None:
        if "open" in self.config.poison:
            raise ImportError("no module named 'a_missing_package'")

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        time.sleep(self.config.sleep_s)
        misbehave(self.config.poison.get(item.id, ""))
        text = f"payload of {item.id}\n".encode() + bytes(self.config.payload_mb * 2**20)
        artifact = workspace.put(f"{item.id}.txt", text)
        return [item.row(item.id, artifacts=(artifact,), measures={"length": len(text)})]


def misbehave(how: str) -> None:
    if how == "die":
        os._exit(7)
    if how == "kill":
        os.kill(os.getpid(), 9)
    if how == "raise":
        raise RuntimeError("the toy broke")
    if how == "hang":
        time.sleep(3600)
    if how == "fail":
        raise ItemError(Reason.DECODE_FAILED, "the toy's input is bad")


class SmoothConfig(BaseModel):
    core_s: int = 2
    context_s: int = 1


class Smooth(Step[SmoothConfig]):
    """A running mean over ±`context_s` of a known signal, window by window: seams must not show."""

    name = "smooth"
    version = 1
    rate_hz = 10
    length_s = 7

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        parts = windows(
            Fraction(0),
            Fraction(self.length_s),
            core=Fraction(self.config.core_s),
            context=Fraction(self.config.context_s),
        )
        for number, part in enumerate(parts):
            times = [part.start, part.stop, part.context_start, part.context_stop]
            yield Item(f"window{number}", "source", {"times": [int(one * self.rate_hz) for one in times]})

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        start, stop, low, high = item.inputs["times"]
        smooth = running_mean(signal()[low:high], self.config.context_s * self.rate_hz)
        artifact = workspace.put(f"{item.id}.npy", smooth[start - low : stop - low].tobytes())
        return [item.row(item.id, artifacts=(artifact,))]


def signal() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).normal(size=Smooth.length_s * Smooth.rate_hz)


def running_mean(values: np.ndarray[Any, Any], reach: int) -> np.ndarray[Any, Any]:
    return np.array([values[max(0, i - reach) : i + reach + 1].mean() for i in range(len(values))])


class TotalConfig(BaseModel):
    pass


class Total(Step[TotalConfig]):
    """A gather step: adds up what all toys measured."""

    name = "total"
    version = 1
    upstream = ("toy",)
    measurements = pa.schema([pa.field("total", pa.int64())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        rows = corpus.rows("toy")
        yield gather("total", rows, {"lengths": [row["length"] for row in rows if row["length"]]})

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        return [item.row(item.id, measures={"total": sum(item.inputs["lengths"])})]
