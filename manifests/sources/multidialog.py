"""MultiDialog: acted dialogues of twelve people, an utterance a file, with text and emotion.

Audio as the hub has it: `data/SUBSET/SUBSET_chunks_0000.tar.gz` (or unpacked), and lines of JSON in
`metadata/SUBSET/SUBSET_metadata_0000.jsonl` with file_name, conv_id, utterance_id, from, value, emotion. The
speaker is the last letter of a file's name. Sources: https://huggingface.co/datasets/IVLLab/MultiDialog
(its card and loader), arXiv 2406.07867. The videos lie elsewhere; their folders could not be looked up, so
files of any depth are matched by their stems.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sources import Listing
from manifests.sources.archives import unpack_all
from manifests.sources.collect import Collector, one_each
from manifests.sources.folder import MEDIA_SUFFIXES
from manifests.sources.stage import Stage

_PATHS = ("file_name", "original_full_path", "audpath")
_SUBSETS = {"train": "train", "valid": "valid", "test": "test"}
_SPEAKER = re.compile(r"_\d+([a-z])$")


def list_multidialog(root: Path, *, stage: Path | None = None, splits: str = "none") -> Listing:
    """One source an utterance.

    Its own splits share people (they are by topic), so they are taken only with `splits: given`: then
    recordings that link two splits are left out. Archives need a stage.
    """
    inside = Collector(root)
    archives = inside.files(".tgz", ".gz", ".tar")
    told = dict(_records(inside))
    found, folders = inside, [""]
    if archives:
        made = Stage.needed(stage, "the archives must be unpacked somewhere")
        found = Collector(made.root, staged=True)
        folders = list(unpack_all(root, made, found.complaints, archives).values())
        found.complaints.extend(inside.complaints)
    names = [name for folder in folders for name in found.files(*MEDIA_SUFFIXES, below=folder)]
    seen = set()
    for name in one_each(names, lambda one: PurePosixPath(one).stem):
        stem = PurePosixPath(name).stem
        seen.add(stem)
        if stem not in told:
            found.missing(name, "its line in the metadata")
        found.add(name, _labels(stem, told.get(stem, {}), given=splits == "given"))
    for stem in sorted(told.keys() - seen):
        found.missing(stem, "the recording that the metadata names")
    return found.listing("data/SUBSET/*.tar.gz or *.wav, with metadata/SUBSET/*.jsonl")


def _labels(stem: str, told: dict[str, Any], *, given: bool) -> dict[str, Any]:
    speaker = _SPEAKER.search(stem)
    subset = str(told.get("subset", "")).partition("_")[0]
    return {
        "speaker": speaker and f"multidialog-{speaker.group(1)}",
        "dialogue": told.get("conv_id") and f"multidialog-{told['conv_id']}",
        "text": told.get("value"),
        "emotion": told.get("emotion"),
        "role": told.get("from"),
        "language": "en",
        "licence": "cc (as its card says)",
        "split": _SUBSETS.get(subset) if given else None,
    }


def _records(inside: Collector) -> Iterator[tuple[str, dict[str, Any]]]:
    """Lines of metadata by the stem of their recording, with the subset that their file is of."""
    for name in inside.files(".jsonl"):
        subset = PurePosixPath(name).name.partition("_metadata")[0]
        for number, line in enumerate((inside.text(name) or "").splitlines(), start=1):
            try:
                record = json.loads(line) if line.strip() else None
            except ValueError as error:
                inside.malformed(f"{name} line {number}", f"not JSON: {error}")
                continue
            if record is None:
                continue
            path = next((record[key] for key in _PATHS if record.get(key)), None)
            if isinstance(path, str):
                yield PurePosixPath(path).stem, record | {"subset": subset}
            else:
                inside.malformed(f"{name} line {number}", f"none of {', '.join(_PATHS)}")
