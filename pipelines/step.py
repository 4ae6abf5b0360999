"""Step, Item, Unit: what the engine runs, and all it knows about it.

A step plans **items** (its idempotent pieces of work) from the receipts of earlier steps, and turns
one item into receipt rows and payloads. Items it does not have yet are bundled into **units**, the
engine's work items; one receipt commits one unit. An item can be a source, a planned time window of a
long source (`pipelines/windows.py`), a clip, a shard, or the whole corpus at once (`gather`): the engine
does not need to know. Nothing here depends on the number of workers.
"""

from __future__ import annotations

import importlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

import pyarrow as pa
from pydantic import BaseModel

from manifests.errors import CommandError
from manifests.ids import digest
from manifests.reasons import ItemError, Status
from manifests.receipts import Row
from manifests.store import Artifact, Store

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

ITEM_OVERHEAD_S = 0.01
"""What an item costs beside its media: opening files, writing payloads."""

ConfigT = TypeVar("ConfigT", bound=BaseModel)


@dataclass(frozen=True)
class Resources:
    """What one worker of a step takes. `memory_gb` is reserved on the cluster, not enforced."""

    cpus: float = 1.0
    gpus: float = 0.0
    memory_gb: float = 1.0


@dataclass(frozen=True)
class Item:
    """A planned piece of work. `inputs` is plain JSON and, with the step key, fixes the result.

    `id` is unique in the step and safe as a file name. `media_s` is the media time the item covers:
    it sets the deadline and the progress bar, never the result. `reach_s` is media that must be decoded
    before the item begins, because its container cannot seek; it counts for the deadline alone.
    """

    id: str
    source_id: str | None
    inputs: dict[str, Any]
    media_s: float = 0.0
    reach_s: float = 0.0

    def row(self, key: str | None = None, **fields: Any) -> Row:
        """A receipt row that answers this item, about `key` or else about the item itself."""
        return Row(self.id, key or self.id, self.source_id, **fields)


def expected_s(item: Item, speed: float) -> float:
    """Roughly what one worker needs for an item of a step that does `speed` media seconds a second."""
    return item.media_s / speed + ITEM_OVERHEAD_S


@dataclass(frozen=True)
class Unit:
    """Items that one worker does in one go and one receipt commits."""

    id: str
    items: tuple[Item, ...]

    @classmethod
    def of(cls, items: Sequence[Item]) -> Unit:
        """A unit is named like its only item, or by a digest of its items' ids."""
        if len(items) == 1:
            return cls(items[0].id, tuple(items))
        return cls(f"bundle-{digest([item.id for item in items])}", tuple(items))

    @property
    def media_s(self) -> float:
        """Media seconds of all items together."""
        return sum(item.media_s for item in self.items)

    @property
    def reach_s(self) -> float:
        """Media seconds decoded on the way to the items."""
        return sum(item.reach_s for item in self.items)

    def to_json(self) -> str:
        """One line of JSON: how units travel to workers (never pickles)."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Unit:
        """Inverse of `to_json`."""
        data = json.loads(text)
        return cls(data["id"], tuple(Item(**item) for item in data["items"]))


@dataclass(frozen=True)
class Workspace:
    """Where a step reads sources and writes payloads; its names are fixed by step key and item."""

    store: Store
    folder: str  # of the step, below the store's root
    source_root: str

    def source_path(self, relative_path: str) -> str:
        """Path of a source below the corpus root. Raises ValueError for one that leaves it."""
        if Path(relative_path).is_absolute() or ".." in Path(relative_path).parts:
            raise ValueError(f"source path {relative_path!r} leaves the corpus root")
        return str(Path(self.source_root, relative_path))

    def put(self, name: str, data: bytes) -> Artifact:
        """Commit a payload under the step's folder."""
        return self.store.write(f"{self.folder}/data/{name}", data)

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A payload written as a stream; get its `Artifact` with `written` afterwards."""
        with self.store.writing(f"{self.folder}/data/{name}") as handle:
            yield handle

    def written(self, name: str) -> Artifact:
        """The artifact of a payload that `writing` committed."""
        return self.store.artifact(f"{self.folder}/data/{name}")


class UnusableError(CommandError):
    """What the step needs is not there (a server, a voice): every unit would fail, so the run stops."""


class SourceChangedError(Exception):
    """A source is gone or differs from the listing. Nothing is committed: the next run lists it anew."""


class Step(ABC, Generic[ConfigT]):
    """One step of a pipeline. A subclass is `class Watch(Step[WatchConfig])`: plan items, run one item.

    `upstream` names the steps whose keys enter this step's key; a step that only says which items are
    wanted (`select`, to `cut`) is not among them, so moving its thresholds re-keys nothing. `libraries`
    names the distributions whose version can change the output. `per_source`: each item is one whole
    source, so a failed item is the end of its source. `per_clip`: each item is one kept clip, named by
    `inputs["key"]`, and its artifacts are members of that sample; a failed item is the end of its clip.
    """

    name: ClassVar[str]
    version: ClassVar[int]  # raise it whenever the same inputs would give other bytes
    upstream: ClassVar[tuple[str, ...]] = ()
    libraries: ClassVar[tuple[str, ...]] = ()
    per_source: ClassVar[bool] = False
    per_clip: ClassVar[bool] = False
    measurements: ClassVar[pa.Schema] = pa.schema([])
    resources: ClassVar[Resources] = Resources()
    speed: ClassVar[float] = 1.0  # media seconds one worker does a second, roughly; for estimates

    def __init__(self, config: ConfigT) -> None:
        self.config = config
        if getattr(config, "device", "cpu") == "cuda":
            self.resources = replace(self.resources, gpus=1.0)  # type: ignore[misc]

    @abstractmethod
    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """The items this step should have, from the receipts of earlier steps."""

    @abstractmethod
    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Do one item. Raise ItemError for a fault of the input; anything else counts as a crash."""

    @property
    def wanted(self) -> bool:
        """Whether the config asks for the step at all; one that is off plans no items."""
        return True

    def weights(self) -> tuple[str, ...]:
        """Names of the weights the step loads; their sha256 enter the key."""
        return ()

    def open(self) -> None:
        """Load models, once a process. An exception here stops the run: every unit would fail."""

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """Do a unit, item by item. A step that batches over a unit (on a GPU) overrides this."""
        rows: list[Row] = []
        for item in unit.items:
            try:
                rows.extend(self.run_item(item, workspace))
            except ItemError as error:
                fault = {"status": Status.FAILED, "reason": error.reason, "detail": error.detail}
                rows.append(item.row(**fault))
        return rows

    def bundle(self, items: Sequence[Item], *, unit_s: float) -> list[Unit]:
        """Group missing items, in plan order, into units of about `unit_s` seconds of work.

        Handing out a unit costs a tenth of a second or so: many short items are better done together.
        """
        units: list[Unit] = []
        group: list[Item] = []
        group_s = 0.0
        for item in items:
            item_s = expected_s(item, self.speed)
            if group and group_s + item_s > unit_s:
                units.append(Unit.of(group))
                group, group_s = [], 0.0
            group.append(item)
            group_s += item_s
        return [*units, Unit.of(group)] if group else units

    def key(self, upstream_keys: Sequence[str]) -> str:
        """Digest of everything that decides the step's output, given equal items."""
        return digest("step", self.name, self.version, *self.facts(), list(upstream_keys), length=12)

    def facts(self) -> list[dict[str, Any]]:
        """Config, weights and versions that decide the output. Raises MissingWeightsError for all that is
        missing."""
        from extractors.brought import every
        from extractors.weights import weights_sha256

        one_by_one = {name: partial(weights_sha256, name) for name in self.weights()}
        found = every({"config": self.identity, "weights": lambda: every(one_by_one), "of": self.made_of})
        return list(found.values())

    def identity(self) -> dict[str, Any]:
        """What of the config decides the output: all of it, unless a step knows better."""
        return self.config.model_dump(mode="json")

    def made_of(self) -> dict[str, Any]:
        """Versions of the code behind the step that its own `version` does not cover."""
        return {"libraries": library_versions(self.libraries)}

    @classmethod
    def path(cls) -> str:
        """`module:Class`, by which a worker process finds the step."""
        return f"{cls.__module__}:{cls.__qualname__}"


def library_versions(distributions: Iterable[str]) -> dict[str, str]:
    """Installed versions; another version of a codec or a network runtime gives other bytes."""
    found: dict[str, str] = {}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found


def gather(name: str, rows: Iterable[dict[str, Any]], inputs: dict[str, Any] | None = None) -> Item:
    """The single item of a step over the whole corpus: its id covers every upstream row it reads."""
    facts = sorted([row["key"], row["status"], [a["sha256"] for a in row["artifacts"]]] for row in rows)
    return Item(f"{name}-{digest(facts, inputs or {})}", None, inputs or {})


def load_step(path: str, config: dict[str, Any]) -> Step[Any]:
    """The step that `Step.path()` names, with its config validated by its own model."""
    module, _, name = path.partition(":")
    step_class = getattr(importlib.import_module(module), name)
    if not issubclass(step_class, Step):
        raise TypeError(f"{path} is not a Step")
    step: Step[Any] = step_class(config_model(step_class).model_validate(config))
    return step


def config_model(step_class: type[Step[Any]]) -> type[BaseModel]:
    """The `X` of `class Some(Step[X])`."""
    for ancestor in step_class.__mro__:
        for base in ancestor.__dict__.get("__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, BaseModel):
                    return argument
    raise TypeError(f"{step_class.__name__} must subclass Step[ItsConfig]")
