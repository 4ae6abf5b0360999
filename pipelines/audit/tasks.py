"""What a worker needs to know to open a shard: what the index and the receipts promise of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from manifests.ids import digest


@dataclass(frozen=True)
class Promised:
    """One sample as the index has it."""

    split: str
    duration_s: float
    members: tuple[str, ...]
    hashes: tuple[tuple[str, str], ...] = ()
    """(member, SHA-256) as planned; empty where the plan is not at hand."""


@dataclass(frozen=True)
class ShardTask:
    """A shard to open. `sha256` and `bytes` are the receipt's; None where it is not at hand."""

    name: str
    samples: Mapping[str, Promised]
    bytes: int | None = None
    sha256: str | None = None
    base_url: str | None = None
    """Where the clean corpus lies that a test set was made of."""


def chosen_shards(names: Iterable[str], *, limit: int | None, seed: int) -> list[str]:
    """All shards, or `limit` of them in an order that the seed draws: a new shard displaces one at most."""
    ordered = sorted(names, key=lambda name: (digest("audit", seed, name), name))
    return sorted(ordered[:limit])


def tasks_of(
    index: Iterable[Mapping[str, Any]],
    receipts: Mapping[str, tuple[int, str]],
    planned: Mapping[str, tuple[tuple[str, str], ...]],
    base_url: str | None = None,
) -> list[ShardTask]:
    """A task for each shard of the index. `receipts`: bytes and SHA-256 by shard; `planned`: by key."""
    shards: dict[str, dict[str, Promised]] = {}
    for row in index:
        promised = Promised(
            row["split"], row["duration_s"], tuple(row["members"]), planned.get(row["key"], ())
        )
        shards.setdefault(row["shard"], {})[row["key"]] = promised
    tasks = []
    for name, samples in sorted(shards.items()):
        n_bytes, sha256 = receipts.get(name, (None, None))
        tasks.append(ShardTask(name, samples, n_bytes, sha256, base_url))
    return tasks
