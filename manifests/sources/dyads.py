"""Plain dyads: two files a conversation (`talk_a.mp4`, `talk_b.mp4`), or one with a person on each
channel."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path, PurePosixPath

from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources import CorpusError, Listing, SourceFile
from manifests.sources.folder import list_folder

_HALF = re.compile(r"(.*?)(?:^|[-_. ])(a|b|1|2|left|right|l|r|main|other|ch0|ch1|ch2)$", re.IGNORECASE)
_SIDES = ({"a", "1", "left", "l", "main", "ch0"}, {"b", "2", "right", "r", "other"})
_CH1 = {"ch0": "ch1", "ch2": "ch1"}
ROLES = ("main", "other")


def list_dyads(root: Path, *, sidecar: Path | None = None, main: str = "a") -> Listing:
    """Everything that `list_folder` finds, with the dialogue each file is of, and its role in it.

    Two files that differ in their last word (a/b, 1/2, left/right, l/r, main/other, ch0/ch1, ch1/ch2), or a
    folder with two such files, are one dialogue; `main` says whether the first or the second (`b`) is who the
    corpus is about. A file that is no such half is a dialogue of its own. Who speaks is told by the sidecar.
    """
    if main not in ("a", "b"):
        raise CorpusError(f"main={main}: expected a or b")
    plain = list_folder(root, sidecar=sidecar)
    halves: dict[str, list[SourceFile]] = {}
    for source in plain.sources:
        halves.setdefault(_conversation(source.path), []).append(source)
    labelled, complaints = [], list(plain.complaints)
    for dialogue, sources in halves.items():
        sides = [_side(source.path, sources) for source in sources]
        if sorted(str(side) for side in sides) == ["0", "1"]:
            for side, source in zip(sides, sources, strict=True):
                role = ROLES[int(side != (main == "b"))]
                labelled.append(_label(source, {"dialogue": dialogue, "role": role}))
            continue
        for source in sources:
            if _HALF.fullmatch(PurePosixPath(source.path).stem):
                detail = f"the other half of the dialogue {dialogue} is not there, or there are several"
                complaints.append(Complaint(source.path, Reason.CORPUS_PART_MISSING, detail))
            labelled.append(_label(source, {"dialogue": dialogue}))
    return Listing(tuple(sorted(labelled, key=lambda one: one.path)), tuple(complaints))


def _conversation(path: str) -> str:
    pure = PurePosixPath(path)
    match = _HALF.fullmatch(pure.stem)
    if match is None:
        return str(pure.with_suffix(""))
    return str(pure.with_name(match.group(1))) if match.group(1) else str(pure.parent)


def _side(path: str, sources: list[SourceFile]) -> int | None:
    match = _HALF.fullmatch(PurePosixPath(path).stem)
    if match is None:
        return None
    word = match.group(2).lower()
    if word == "ch1":  # the second of ch0 and ch1, the first of ch1 and ch2
        return int(any(PurePosixPath(one.path).stem.lower().endswith("ch0") for one in sources))
    if word == "ch2":
        return 1
    return next((side for side, words in enumerate(_SIDES) if word in words), None)


def _label(source: SourceFile, labels: dict[str, str]) -> SourceFile:
    return replace(source, labels=labels | source.labels)
