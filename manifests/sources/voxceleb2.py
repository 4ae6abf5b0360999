"""VoxCeleb2: `dev/mp4/id00012/VIDEO/00001.mp4`, sound in `dev/aac/…/00001.m4a`, and `vox2_meta.csv`.

Sources: https://www.robots.ox.ac.uk/~vgg/data/voxceleb/vox2.html; lhotse `recipes/voxceleb.py` and s3prl
for the columns of the table (`VoxCeleb2 ID, VGGFace2 ID, Gender, Set`, with spaces behind). Whether the mp4
carry sound could not be looked up: `sound: aac` puts picture and sound together.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from manifests.sources import Listing
from manifests.sources.collect import Collector
from manifests.sources.joining import join
from manifests.sources.stage import Stage

_GENDERS = {"m": "male", "f": "female"}
_SPLITS = {"dev": "train", "test": "test"}


def list_voxceleb2(root: Path, *, stage: Path | None = None, sound: str = "inside") -> Listing:
    """Every clip of `dev` and `test`. With `sound: aac` each mp4 gets the sound of its m4a, in the stage."""
    inside = Collector(root)
    meta = next((name for name in inside.files(".csv") if "meta" in PurePosixPath(name).name), None)
    if meta is None:
        inside.missing("vox2_meta.csv", "the table of genders and sets")
    rows = inside.table(meta, ("VoxCeleb2 ID", "Gender", "Set")) if meta else []
    people = {row["VoxCeleb2 ID"]: row for row in rows}
    audio = {_clip(name): name for name in inside.files(".m4a", ".aac")}
    videos = {_clip(name): name for name in inside.files(".mp4")}
    made = Stage.needed(stage, "mp4 and m4a are put together somewhere") if sound == "aac" else None
    found = Collector(made.root, staged=True) if made else inside
    for clip in sorted(videos.keys() | audio.keys()):
        name: str | None = videos.get(clip) or audio[clip]
        assert name is not None
        if len(clip) != 3:
            inside.malformed(name, "expected …/idNNNNN/VIDEO/NUMBER.mp4")
            continue
        person = people.get(clip[0], {})
        if rows and not person:
            inside.malformed(name, f"{meta} does not know {clip[0]}")
        told = person.get("Set") or next((one for one in PurePosixPath(name).parts if one in _SPLITS), "")
        if made and clip in videos:
            if clip not in audio:
                inside.missing(name, "its m4a")
                continue
            paths = (root / videos[clip], root / audio[clip])
            name = join(made, f"joined/{'/'.join(clip)}.mov", *paths, inside.complaints)
        elif made:
            continue
        if name is not None:
            labels = {
                "speaker": f"vox2-{clip[0]}",
                "origin": f"vox2-{clip[1]}",
                "gender": _GENDERS.get(person.get("Gender", "")),
                "split": _SPLITS.get(told),
                "licence": "CC-BY-4.0 (VoxCeleb2), copyright with the video's owner",
            }
            found.add(name, labels)
    if made:
        found.complaints.extend(inside.complaints)
    return found.listing("dev/mp4/id00012/VIDEO/00001.mp4")


def _clip(name: str) -> tuple[str, ...]:
    """`(person, video, number)` by the end of the path; shorter where nothing above is a person."""
    parts = PurePosixPath(name).with_suffix("").parts[-3:]
    return parts if parts and parts[0].startswith("id") else parts[-1:]
