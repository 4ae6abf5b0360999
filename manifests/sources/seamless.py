"""Seamless Interaction: two people face to face, each in files of their own: `V00_S0809_I00000582_P0947.*`.

Layouts read, also mixed: the tars of the hub (`improvised/dev/0000/0000.tar`, each file with wav, mp4, npz
and json), the same unpacked or fetched from S3, and the raw tree
(`improvised/dev/{audio,video,transcript}/`). The npz (keypoints, movement, SMPL-H) are left alone. Source:
https://github.com/facebookresearch/seamless_interaction (README.md, `fs.py`; CC-BY-NC-4.0) and transcripts
that are shown on the hub. That times count from the start of the files, and what a letter behind a
participant's number (`P0059A`) means, could not be looked up.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from manifests.sources import CorpusError, Listing
from manifests.sources.archives import unpack_all
from manifests.sources.collect import Collector
from manifests.sources.joining import carry, join
from manifests.sources.stage import Stage
from manifests.sources.webdataset import SPLIT_WORDS

_NAME = re.compile(r"(V\d+)_(S\d+)_(I\d+)_(P\d+[A-Z]*)")
_TELLS = {".json": "its transcript", ".jsonl": "its transcript", ".mp4": "its mp4", ".wav": "its wav"}


def list_seamless(root: Path, *, stage: Path | None = None, sound: str = "beside") -> Listing:
    """One source a person and interaction; both of an interaction share a dialogue.

    Picture and sound lie in two files and are put together in the stage (`sound: beside`); `video` and
    `audio` take one of them as it is. A half that is not there is told, and the other one listed.
    """
    if sound not in ("beside", "video", "audio"):
        raise CorpusError(f"sound={sound}: expected beside, video or audio")
    inside = Collector(root)
    archives = inside.files(".tar")
    made = None
    if archives or sound == "beside":
        made = Stage.needed(stage, "picture and sound are put together, and tars unpacked, somewhere")
    parts = _parts(inside, "")
    if made and archives:
        unpacked = Collector(made.root, staged=True)
        for archive, folder in unpack_all(root, made, inside.complaints, archives).items():
            for file_id, files in _parts(unpacked, folder).items():
                parts[file_id] = files | {"where": Path(archive)} | parts.get(file_id, {})
    found = Collector(made.root, staged=True) if made else inside
    for file_id, files in sorted(parts.items()):
        name = _recording(found, made, file_id, files, sound)
        if name is None:
            continue
        told = files.get(".jsonl") or files.get(".json")
        if told is None:
            found.missing(file_id, "its transcript")
        transcript = _below(found, made, told) if told else None
        found.add(name, _labels(file_id, files["where"]), transcript=transcript, kind="seamless")
    if found is not inside:
        found.complaints.extend(inside.complaints)
    return found.listing("V00_S0000_I00000000_P0000.mp4 and .wav, or tars of them")


def _parts(found: Collector, folder: str) -> dict[str, dict[str, Path]]:
    """Paths by file id and suffix; of annotations, only the transcript's. `where` tells label and split."""
    parts: dict[str, dict[str, Path]] = {}
    for name in found.files(*_TELLS, below=folder):
        path = PurePosixPath(name)
        if not _NAME.fullmatch(path.stem):
            continue
        annotation = path.suffix in (".json", ".jsonl") and path.parent.name != "transcript"
        if annotation and (path.suffix == ".jsonl" or re.fullmatch(r"[13]P-\w+", path.parent.name)):
            continue
        files = parts.setdefault(path.stem, {"where": Path(name)})
        files.setdefault(path.suffix, found.root / name)
    return parts


def _recording(
    found: Collector, stage: Stage | None, file_id: str, files: dict[str, Path], sound: str
) -> str | None:
    wanted = {"beside": (".mp4", ".wav"), "video": (".mp4",), "audio": (".wav",)}[sound]
    for suffix in wanted:
        if suffix not in files:
            found.missing(file_id, _TELLS[suffix])
    there = [files[suffix] for suffix in wanted if suffix in files]
    if len(there) == 2 and stage is not None:
        target = f"joined/{file_id[:3]}/{file_id}.mov"
        return join(stage, target, there[0], there[1], found.complaints)
    return _below(found, stage, there[0]) if there else None


def _below(found: Collector, stage: Stage | None, path: Path) -> str:
    """The file's name below the root of the listing, copied there when it lies elsewhere."""
    if path.is_relative_to(found.root):
        return path.relative_to(found.root).as_posix()
    assert stage is not None
    return carry(stage, f"joined/{path.stem[:3]}/{path.name}", path)


def _labels(file_id: str, where: Path) -> dict[str, str | None]:
    vendor, session, interaction, person = file_id.split("_")
    split = next((SPLIT_WORDS[one] for one in where.parts if one in SPLIT_WORDS), None)
    return {
        "speaker": f"seamless-{person}",
        "dialogue": f"seamless-{vendor}_{session}_{interaction}",
        "origin": f"seamless-{vendor}_{session}",
        "language": "en",
        "licence": "CC-BY-NC-4.0",
        "split": split,
    }
