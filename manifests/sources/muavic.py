"""MuAViC: talks in nine languages, from mTEDx (and, for English, LRS3: use the reader `lrs3`).

Two layouts are read. The talks as they were downloaded, `video/LANG/SPLIT/TALK.mp4` beside
`LANG-LANG/data/SPLIT/{vtt,txt}/`: whole pictures, and what to build faces from. And what MuAViC's scripts
make of them, `muavic/LANG/{video,audio}/SPLIT/TALK/SEGMENT.{mp4,wav}` with `LANG/SPLIT.{tsv,LANG}`: mouths
of 96×96 pixels without sound. Source: https://github.com/facebookresearch/muavic (`mtedx_utils.py`,
`utils.py`; CC-BY-NC-4.0) and lhotse `recipes/mtedx.py`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from manifests.sources import Listing
from manifests.sources.collect import Collector
from manifests.sources.joining import join
from manifests.sources.stage import Stage

LANGUAGES = ("ar", "de", "el", "en", "es", "fr", "it", "pt", "ru")
SPLITS = ("train", "valid", "test")
_LICENCE = "CC-BY-NC-4.0 (MuAViC), CC-BY-NC-ND-4.0 (mTEDx)"


def list_muavic(root: Path, *, stage: Path | None = None, layout: str = "talks") -> Listing:
    """`layout: talks` lists whole talks, `segments` the prepared clips (which needs a stage). One talk is
    taken for one speaker."""
    if layout == "segments":
        return _segments(root, Stage.needed(stage, "pictures and sound are put together somewhere"))
    found = Collector(root)
    for name in found.files(".mp4", ".mkv", ".webm"):
        parts = PurePosixPath(name).parts
        if len(parts) < 3 or parts[-2] not in SPLITS or parts[-3] not in LANGUAGES:
            continue  # the prepared clips, one folder deeper
        language, split, talk = parts[-3], parts[-2], PurePosixPath(name).stem
        data = f"{language}-{language}/data/{split}/vtt"
        homes = (data, f"mtedx/{data}")
        files = (f"{home}/{talk}.{language}.vtt" for home in homes)
        vtt = next((one for one in files if (root / one).is_file()), f"{data}/{talk}.{language}.vtt")
        found.add(name, _labels(language, split, talk), transcript=vtt)
    return found.listing("video/LANG/SPLIT/TALK.mp4 (`layout: segments` reads the prepared clips)")


def _segments(root: Path, stage: Stage) -> Listing:
    inside, found = Collector(root), Collector(stage.root, staged=True)
    for tsv in inside.files(".tsv"):
        path = PurePosixPath(tsv)
        language, split = path.parent.name, path.stem
        if language not in LANGUAGES or split not in SPLITS:
            continue  # the translations' lists
        home = "" if str(path.parent.parent) == "." else f"{path.parent.parent}/"
        rows = (inside.text(tsv) or "").splitlines()[1:]  # the first line is the root, "/"
        texts = (inside.text(str(path.with_suffix(f".{language}"))) or "").splitlines()
        if len(texts) != len(rows):
            inside.malformed(tsv, f"{len(rows)} rows and {len(texts)} lines of text: no text is taken")
            texts = [""] * len(rows)
        for row, text in zip(rows, texts, strict=True):
            segment = row.split("\t")[0]
            if segment.count("/") != 1 or ".." in segment:
                inside.malformed(tsv, f"{segment!r} is no TALK/SEGMENT")
                continue
            name = _clip(inside, stage, f"{home}{language}/{{}}/{split}/{segment}")
            if name is not None:
                found.add(name, _labels(language, split, segment.split("/")[0]) | {"text": text.strip()})
    found.complaints.extend(inside.complaints)
    return found.listing("muavic/LANG/SPLIT.tsv with video/SPLIT/TALK/SEGMENT.mp4 and audio/…wav")


def _clip(inside: Collector, stage: Stage, pattern: str) -> str | None:
    """The clip with its sound; None, and told, when either is not there."""
    files = (f"{pattern.format('video')}.mp4", f"{pattern.format('audio')}.wav")
    gone = [one for one in files if not (inside.root / one).is_file()]
    for one in gone:
        inside.missing(one, "the file that the list names")
    if gone:
        return None
    video, audio = (inside.root / one for one in files)
    return join(stage, f"joined/{pattern.format('clips')}.mov", video, audio, inside.complaints)


def _labels(language: str, split: str, talk: str) -> dict[str, str]:
    person = f"muavic-{talk}"
    about = {"language": language, "split": split, "licence": _LICENCE}
    return {"speaker": person, "origin": person, **about}
