"""pack: the samples of a set into shards, a condition at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from manifests.shards import PlannedSample
from manifests.store import Store
from pipelines.step import Workspace
from pipelines.steps.pack import Pack
from pipelines.testsets.clean import read_part
from pipelines.testsets.headers import planned_set

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


class PackSet(Pack):
    """Shards are called after their condition, so that a condition is a pattern of names."""

    def samples(self, corpus: Corpus) -> Iterable[PlannedSample]:
        """Every sample that is whole."""
        return planned_set(corpus)

    def reader(self, workspace: Workspace) -> Callable[[str], bytes]:
        """Members of the clean corpus come out of its shards."""
        clean = Store(workspace.source_root)

        def read(name: str) -> bytes:
            if not name.startswith("clean:"):
                return workspace.store.read(name)
            _, shard, offset, n_bytes = name.split(":")
            return read_part(clean, shard, int(offset), int(n_bytes))

        return read
