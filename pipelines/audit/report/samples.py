"""Members of chosen samples, of shards that may be damaged: what cannot be read is told, not raised."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.store import Store
from pipelines.audit.tables import INDEX
from pipelines.remembered import NoCorpusError, read_settings
from pipelines.sample_series import UNREADABLE

MAX_MEMBER_BYTES = 64_000_000
"""A larger member is not opened for a picture of it."""
DIALOGUE = "turns.json"
"""The member that makes a sample a dialogue with a timeline."""
_COLUMNS = ["key", "shard", "split", "source_id", "duration_s", "members"]
_N_LOOKED = 1000
"""Rows at the beginning of the index among which dialogues are looked for that no check named."""


@dataclass
class Found:
    """One sample: its row of the index, its members, and what could not be had."""

    row: dict[str, Any]
    members: dict[str, bytes] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def index_of(store: Store, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Rows of the index, by key, of samples that are named, and of the first dialogues.

    The index may have millions of rows: no others are kept. Empty where there is none that can be read.
    """
    found: dict[str, dict[str, Any]] = {}
    if not store.exists(INDEX):
        return found
    named = pa.array(sorted(set(names)), pa.string())
    try:
        with store.open(INDEX) as handle, pq.ParquetFile(handle) as file:
            for number, batch in enumerate(file.iter_batches(columns=_COLUMNS)):
                kept = batch.filter(pc.is_in(batch["key"], named)).to_pylist()
                first = batch.slice(0, _N_LOOKED).to_pylist() if number == 0 else []
                kept += [row for row in first if DIALOGUE in row["members"]]
                found.update((row["key"], row) for row in kept)
    except (pa.ArrowException, OSError, KeyError):
        return {}
    return found


def read_samples(store: Store, rows: Sequence[dict[str, Any]]) -> Iterator[Found]:
    """The samples of these rows, a shard at a time; of an overlay with what it takes from its corpus."""
    base = _base_of(store)
    for shard in sorted({row["shard"] for row in rows}):
        chosen = {row["key"]: Found(row) for row in rows if row["shard"] == shard}
        _fill(store, shard, chosen)
        if base is not None:
            _borrow(base, chosen.values())
        yield from chosen.values()


def _fill(store: Store, shard: str, chosen: dict[str, Found]) -> None:
    """Members of the samples of one shard, by key."""
    try:
        with store.open(f"shards/{shard}") as handle, tarfile.open(fileobj=handle) as tar:
            for entry in tar:
                key, _, name = entry.name.partition(".")
                if key not in chosen or not entry.isfile():
                    continue
                if entry.size > MAX_MEMBER_BYTES:
                    chosen[key].notes.append(f"{name} has {entry.size} bytes and was not opened")
                    continue
                data = tar.extractfile(entry)
                assert data is not None
                chosen[key].members[name] = data.read()
    except (tarfile.TarError, OSError, EOFError, ValueError) as error:
        for found in chosen.values():
            found.notes.append(f"shard {shard} cannot be read to its end: {type(error).__name__}")
    for found in chosen.values():  # a tar that is cut between two members ends without an error
        lost = sorted(set(found.row.get("members", ())) - found.members.keys())
        if not found.members:
            found.notes.append(f"not in shard {shard}")
        elif lost:
            found.notes.append(f"not in the shard: {', '.join(lost)}")


def _base_of(store: Store) -> Store | None:
    """The corpus that an overlay borrows from."""
    try:
        url = read_settings(store.url).get("corpus")
    except (OSError, NoCorpusError):
        return None
    return Store(url) if isinstance(url, str) else None


def _borrow(base: Store, borrowers: Iterable[Found]) -> None:
    """What the samples' headers say that they take from another corpus; each of its shards is read once."""
    wanted: dict[str, list[tuple[Found, str, set[str]]]] = {}
    for found in borrowers:
        try:
            about = json.loads(found.members.get("json", b"{}")).get("base")
            if about:
                names = {str(name) for name in about["members"]}
                wanted.setdefault(str(about["shard"]), []).append((found, str(about["key"]), names))
        except UNREADABLE:
            continue  # a header that cannot be read is told of where it is shown
    for shard, borrowed in wanted.items():
        lenders = {key: Found({"shard": shard}) for _, key, _ in borrowed}
        _fill(base, shard, lenders)
        for found, key, names in borrowed:
            members = lenders[key].members
            for name in sorted(names & members.keys()):
                found.members.setdefault(name, members[name])
            lost = sorted(names - members.keys())
            if lost:
                found.notes.append(f"{', '.join(lost)}: in {key} of the base corpus, which is not at hand")
