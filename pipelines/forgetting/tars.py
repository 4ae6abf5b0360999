"""Shards without somebody: which samples go, and the tar that is left, under the name of its new contents."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from manifests.errors import CommandError
from manifests.ids import digest
from manifests.shards import write_tar
from manifests.store import Store
from pipelines.forgetting.traces import Traces
from pipelines.steps.pack import SHARDS
from pipelines.testsets.clean import Part, read_shard


class DamagedShardError(CommandError, ValueError):
    """A tar that cannot be read to its end; nobody can say who is in it."""


@dataclass(frozen=True)
class LeftOver:
    """What remains of a shard: its `new` name (None: no sample remains), keys that go and that stay, and what
    is said in the samples that go."""

    name: str
    new: str | None
    gone: tuple[str, ...]
    kept: tuple[str, ...]
    said: tuple[str, ...]


def plan_tar(store: Store, name: str, traces: Traces, homes: Mapping[str, str]) -> LeftOver | None:
    """What `name` becomes; None: nothing changes. `homes`: the shards in which clips of the clean corpus lie
    now, for samples of a test set, which say where their clean clip is. Raises DamagedShardError.
    """
    members: list[tuple[str, list[list[str]]]] = []
    gone: list[str] = []
    said: list[str] = []
    moved = False
    for key, parts in _samples(store, name):
        if any(traces.in_file(f"{key}.{part.extension}", part.data) for part in parts):
            gone.append(key)
            said.extend(_said(parts))
            continue
        rewritten = [_at_home(part, homes) for part in parts]
        moved |= rewritten != parts
        sums = [[part.extension, hashlib.sha256(part.data).hexdigest()] for part in rewritten]
        members.append((key, sums))
    if not gone and not moved:
        return None
    stem = name.rpartition("-")[0]
    new = f"{stem}-{digest(members, length=8)}.tar" if members else None
    return LeftOver(name, new, tuple(gone), tuple(key for key, _ in members), tuple(said))


def write_left_over(store: Store, left: LeftOver, homes: Mapping[str, str]) -> None:
    """Write the new tar beside the old one; the old one stays until nothing names it."""
    if left.new is None:
        return
    gone = set(left.gone)

    def members() -> Iterator[tuple[str, bytes]]:
        for key, parts in _samples(store, left.name):
            if key not in gone:
                yield from ((f"{key}.{one.extension}", _at_home(one, homes).data) for one in parts)

    with store.writing(f"{SHARDS}/{left.new}") as handle:
        write_tar(handle, members())


def samples_with_traces(store: Store, name: str, traces: Traces) -> Iterator[tuple[str, str]]:
    """`(member, what it tells)` of a shard."""
    for key, parts in _samples(store, name):
        for part in parts:
            if told := traces.in_file(f"{key}.{part.extension}", part.data):
                yield f"{key}.{part.extension}", told


def _samples(store: Store, name: str) -> Iterator[tuple[str, list[Part]]]:
    try:
        yield from read_shard(store, name)
    except tarfile.TarError as error:
        raise DamagedShardError(f"{SHARDS}/{name} cannot be read ({error}): delete it first") from error


def _at_home(part: Part, homes: Mapping[str, str]) -> Part:
    """A KEY.json of a test set whose clean clip has moved, told where it is."""
    if part.extension != "json" or not homes:
        return part
    header = json.loads(part.data)
    base = header.get("base") or {}
    home = homes.get(base.get("key", ""))
    if home is None or base["shard"] == home:
        return part
    header["base"] = base | {"shard": home}
    text = json.dumps(header, ensure_ascii=False, sort_keys=True, indent=1)
    return Part(part.extension, part.offset, text.encode())


def _said(parts: list[Part]) -> Iterator[str]:
    for part in parts:
        if part.extension == "json":
            header = json.loads(part.data)
            yield from (header[name] for name in ("text", "source_text") if header.get(name))
