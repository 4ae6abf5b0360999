"""Megatron-Energon: the corpus's own shards, linked, with `.nv-meta/` and an index beside each.

Only hard links and small files are written where the file system allows it. `TAR.idx` holds the byte offsets
of the samples and of the end (8 bytes each, little endian), as `energon prepare` writes them; `energon
prepare` may still be run for its media database.
"""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import yaml

from manifests.corpus_reader import SHARDS, Sample
from manifests.exports.base import Entry, Export, ExportOptions
from manifests.store import Store

SPLIT_NAMES = {"valid": "val"}
"""Energon's name of a split where it differs."""


class EnergonOptions(ExportOptions):
    """How the shards get there."""

    link: Literal["hard", "copy"] = "hard"
    """A hard link where both folders lie on one disk, else a copy."""


class Energon(Export):
    """A folder for `get_train_dataset`."""

    name = "energon"
    options_model: ClassVar[type[ExportOptions]] = EnergonOptions
    options: EnergonOptions

    def shard(self, shard: str, samples: Iterable[Sample], out: Store) -> Iterator[tuple[str, Any]]:
        """Link the tar and write its index."""
        offsets = []
        for sample in samples:
            offsets.append(sample.offset)
            yield sample.key, {"shard": shard}
            end = sample.end
        place(self.corpus.store, f"{SHARDS}/{shard}", out, shard, link=self.options.link == "hard")
        out.write(f"{shard}.idx", struct.pack(f"<{len(offsets) + 1}Q", *offsets, end))

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`.nv-meta/`: how many samples each shard has, which split it is of, and that members are raw."""
        counts: dict[str, int] = {}
        parts: dict[str, list[str]] = {"train": [], "val": [], "test": []}
        for split, mine in entries.items():
            for entry in mine:
                counts[entry.about["shard"]] = counts.get(entry.about["shard"], 0) + 1
            parts[SPLIT_NAMES.get(split, split)] = sorted({entry.about["shard"] for entry in mine})
        info = {"energon_version": None, "shard_counts": dict(sorted(counts.items()))}
        out.write(".nv-meta/.info.json", json.dumps(info, indent=1).encode())
        out.write(".nv-meta/.info.yaml", yaml.safe_dump(info).encode())
        out.write(".nv-meta/split.yaml", yaml.safe_dump({"exclude": [], "split_parts": parts}).encode())
        kind = {"__module__": "megatron.energon", "__class__": "CrudeWebdataset", "subflavors": {}}
        out.write(".nv-meta/dataset.yaml", yaml.safe_dump(kind, sort_keys=False).encode())

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """What the user's task encoder gets."""
        del entries
        return ["samples are crude: a Cooker in your TaskEncoder gets every member by name"]


def place(source: Store, name: str, out: Store, target: str, *, link: bool) -> None:
    """Bring a file of the corpus into the export: linked where that can be, else copied."""
    if link and source.is_local and out.is_local:
        path = Path(out.path(target))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        try:
            path.hardlink_to(source.path(name))
        except OSError:  # another disk, or a file system without links
            pass
        else:
            return
    with source.open(name) as data, out.writing(target) as handle:
        shutil.copyfileobj(data, handle, 1 << 20)
