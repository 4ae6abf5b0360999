"""pack: put samples into shards. One item a shard; the plan alone decides every byte of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.receipts import Row
from manifests.shards import Member, PlannedSample, PlannedShard, plan_shards, write_tar
from pipelines.sections import PackConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.samples import planned_samples

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

SHARDS = "shards"


class MissingPayloadError(RuntimeError):
    """A committed payload is gone or altered; the receipts that promise it must be rebuilt."""


class Pack(Step[PackConfig]):
    """Shard names end in a digest of their contents, so a changed plan never overwrites a shard."""

    name = "pack"
    version = 1
    speed = 300.0
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema(
        [
            pa.field("split", pa.string()),
            pa.field("n_samples", pa.int64()),
            pa.field("duration_s", pa.float64()),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """One item a planned shard."""
        shards = plan_shards(
            self.samples(corpus),
            max_bytes=int(self.config.max_shard_mb * 1e6),
            max_samples=self.config.max_shard_samples,
            shuffle_seed=self.config.shuffle_seed if self.config.shuffle else None,
        )
        for shard in shards:
            size = sum(sample.tar_bytes for sample in shard.samples)
            yield Item(shard.name.removesuffix(".tar"), None, asdict(shard), size / 1e6)

    def samples(self, corpus: Corpus) -> Iterable[PlannedSample]:
        """What is packed; another kind of corpus brings its own."""
        return planned_samples(corpus)

    def reader(self, workspace: Workspace) -> Callable[[str], bytes]:
        """How a payload is read by its name."""
        return workspace.store.read

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write one tar under its final name, streaming the payloads through."""
        shard = read_planned(item.inputs)
        name = f"{SHARDS}/{shard.name}"
        with workspace.store.writing(name) as handle:
            write_tar(handle, shard_members(shard, self.reader(workspace)))
        headers = [json.loads(sample.members[0].inline or "{}") for sample in shard.samples]
        measures = {
            "split": shard.split,
            "n_samples": len(shard.samples),
            "duration_s": sum(float(header["duration_s"]) for header in headers),
        }
        return [item.row(artifacts=(workspace.store.artifact(name),), measures=measures)]


def read_planned(inputs: dict[str, Any]) -> PlannedShard:
    """A planned shard from its JSON form."""
    samples = tuple(
        PlannedSample(one["key"], one["split"], tuple(Member(**member) for member in one["members"]))
        for one in inputs["samples"]
    )
    return PlannedShard(inputs["name"], inputs["split"], samples)


def shard_members(shard: PlannedShard, read: Callable[[str], bytes]) -> Iterator[tuple[str, bytes]]:
    """`(name in the tar, bytes)` of a shard, payloads by `read`. Raises MissingPayloadError."""
    for sample in shard.samples:
        for member in sample.members:
            name = f"{sample.key}.{member.extension}"
            if member.inline is not None:
                yield name, member.inline.encode()
                continue
            try:
                data = read(str(member.name))
            except FileNotFoundError as error:
                raise MissingPayloadError(f"{name}: {member.name} is gone") from error
            if hashlib.sha256(data).hexdigest() != member.sha256:
                raise MissingPayloadError(f"{name}: {member.name} was altered; delete it")
            yield name, data
