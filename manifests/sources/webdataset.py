"""WebDataset tars: `KEY.mp4` (or another recording) with `KEY.txt`, `KEY.json` and `KEY.wav` beside it.

Source: the naming rules of the webdataset library (all files of a sample share the name up to the first dot,
https://github.com/webdataset/webdataset). The tars are unpacked into the stage, where later steps open them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sidecar import LABELS
from manifests.sources import CorpusError, Listing
from manifests.sources.archives import unpack_all
from manifests.sources.collect import Collector
from manifests.sources.folder import AUDIO_SUFFIXES, MEDIA_SUFFIXES, VIDEO_SUFFIXES
from manifests.sources.joining import join
from manifests.sources.stage import Stage
from manifests.transcripts import Beside

SPLIT_WORDS = {"train": "train", "val": "valid", "valid": "valid", "dev": "valid", "test": "test"}


def list_webdataset(root: Path, *, stage: Path | None = None, sound: str = "beside") -> Listing:
    """One source a sample that has a recording.

    Where a sample has a video and a sound file, they are put together (`sound: beside`), or the sound file is
    left alone (`inside`). Labels are the fields of `KEY.json` that have a label's name; `KEY.txt` and other
    transcripts are read as such. Raises CorpusError.
    """
    made = Stage.needed(stage, "the archives must be unpacked somewhere")
    outside = Collector(root)
    tars = outside.files(".tar", ".tgz")
    if not tars:
        raise CorpusError(f"{root}: no .tar there")
    found = Collector(made.root, staged=True)
    found.complaints.extend(outside.complaints)
    folders = list(unpack_all(root, made, found.complaints, tars).values())
    if sound == "beside":
        _join_all(found, made, folders)
    beside = Beside(found.root)
    for folder in folders:
        for files in samples(found.files(*MEDIA_SUFFIXES, ".json", below=folder)).values():
            _add(found, files, beside)
    return found.listing("samples with a recording (KEY.mp4, KEY.wav, …) in the tars")


def samples(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Names by sample (all up to the first dot of the file's name) and by extension in lower case."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        path = PurePosixPath(name)
        key, _, extension = path.name.partition(".")
        found.setdefault(str(path.with_name(key)), {})[f".{extension.lower()}"] = name
    return found


def _join_all(found: Collector, stage: Stage, folders: list[str]) -> None:
    """Put picture and sound together where a sample has both; the result lies beside them."""
    for folder in folders:
        for key, files in samples(found.files(*MEDIA_SUFFIXES, below=folder)).items():
            video = _first(files, (one for one in VIDEO_SUFFIXES if one != ".mov"))
            audio = _first(files, AUDIO_SUFFIXES)
            if video and audio:
                join(stage, f"{key}.mov", found.root / video, found.root / audio, found.complaints)


def _add(found: Collector, files: dict[str, str], beside: Beside) -> None:
    name = _first(files, (".mov", *VIDEO_SUFFIXES, *AUDIO_SUFFIXES))
    if name is None:
        return  # a sample of labels alone
    labels = labels_of(found, files[".json"]) if ".json" in files else {}
    found.add(name, labels, about=beside.of(name, None))


def _first(files: dict[str, str], suffixes: Iterable[str]) -> str | None:
    return next((files[one] for one in suffixes if one in files), None)


def labels_of(found: Collector, name: str) -> dict[str, Any]:
    """Fields of a JSON object that have a label's name, except paths."""
    text = found.text(name)
    try:
        record = json.loads(text or "{}")
    except ValueError as error:
        found.malformed(name, f"not JSON: {error}")
        return {}
    if not isinstance(record, dict):
        return {}
    labels = {key: record[key] for key in LABELS if key != "transcript" and record.get(key) is not None}
    if "split" in labels:
        labels["split"] = SPLIT_WORDS.get(str(labels["split"]).lower())
    return labels
