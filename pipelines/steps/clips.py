"""Steps over clips that were cut: their items, and the members they read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manifests.ids import digest
from manifests.reasons import Status
from manifests.store import Store
from pipelines.step import Item

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


def clip_items(corpus: Corpus, members: tuple[str, ...], maker: str | None = None) -> Iterable[Item]:
    """An item for each clip that was made, with the payloads of `members` under `inputs["members"]`.

    Clips are made by the step `maker`; by default the first over clips: `cut` in a build, `mix` in a test
    set. An item's id covers the members' bytes, so what is made of them outlives a change of what else that
    step writes. A member that the clip lacks is null. A step that makes a clip longer says so in its row
    (`duration`).
    """
    maker = maker or next(name for name, step in corpus.steps.items() if step.per_clip)
    clips = corpus.items(maker)
    for row in corpus.rows(maker):
        if row["status"] != Status.OK:
            continue
        clip = clips[row["item"]].inputs
        found = {extension_of(one["name"]): one for one in row["artifacts"]}
        wanted = {name: found.get(name) for name in members}
        length = Fraction(row.get("duration") or Fraction(clip["stop"]) - Fraction(clip["start"]))
        facts = [one and one["sha256"] for one in wanted.values()]
        item = f"{clip['key']}-{digest(facts, str(length), length=8)}"
        inputs = {"key": clip["key"], "members": wanted, "duration": str(length)}
        yield Item(item, row["source_id"], inputs, float(length))


def extension_of(name: str) -> str:
    """`lips.mp4` of `steps/cut-…/data/ITEM.lips.mp4`: all after the first dot, for items have none."""
    return name.rsplit("/", 1)[-1].partition(".")[2]


def read_member(store: Store, item: Item, name: str) -> bytes | None:
    """Bytes of a member; None where the clip lacks it. Raises ValueError when it is not what `cut` wrote."""
    member: dict[str, Any] | None = item.inputs["members"][name]
    if member is None:
        return None
    data = store.read(member["name"])
    if hashlib.sha256(data).hexdigest() != member["sha256"]:
        raise ValueError(f"{store.path(member['name'])} was altered; delete it, and it is made again")
    return data


def read_sound(store: Store, item: Item, name: str) -> tuple[NDArray[np.float32], int] | None:
    """(channels, n) samples, full scale ±1, and their rate."""
    import soundfile

    data = read_member(store, item, name)
    if data is None:
        return None
    pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(pcm.T), rate_hz
