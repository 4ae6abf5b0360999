"""LRS2 and LRS3: `SET/ID/NUMBER.mp4` with `NUMBER.txt` beside it (text, and word times where there are any).

LRS3 has the sets `pretrain`, `trainval` and `test`, and a folder is a TED talk. LRS2 has `pretrain` and
`main`, a folder is a broadcast, and `train.txt`, `val.txt` and `test.txt` at the root tell the splits of
`main`. Sources: https://www.robots.ox.ac.uk/~vgg/data/lip_reading/, arXiv 1809.00496, and readers of both
in public repositories (facebookresearch/av_hubert, facebookresearch/muavic `lrs3_utils.py`).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from manifests.sources import Listing
from manifests.sources.collect import Collector

_LICENCES = {
    "lrs2": "BBC, for research on request",
    "lrs3": "TED, CC-BY-NC-ND-4.0, for research",
}


def list_lrs3(root: Path) -> Listing:
    """All three sets; one talk is taken for one speaker, as AV-HuBERT does."""
    found = Collector(root)
    sets = {"pretrain": "train", "trainval": "train", "test": "test"}
    for one in sets:
        if not (root / one).is_dir():
            found.missing(one, "the set")
    for name in found.files(".mp4"):
        parts = PurePosixPath(name).parts
        if len(parts) != 3 or parts[0] not in sets:
            found.malformed(name, "expected pretrain, trainval or test/TALK/NUMBER.mp4")
            continue
        talk = f"lrs3-{parts[1]}"
        _add(found, name, "lrs3", {"speaker": talk, "origin": talk, "split": sets[parts[0]]})
    return found.listing("pretrain/TALK/00001.mp4, trainval/…, test/…")


def list_lrs2(root: Path) -> Listing:
    """Both sets, also below `mvlrs_v1/`; who speaks is not told, so a broadcast's clips share a split."""
    base = "mvlrs_v1/" if (root / "mvlrs_v1").is_dir() else ""
    found = Collector(root)
    splits: dict[str, str] = {}
    for file, split in (("train.txt", "train"), ("val.txt", "valid"), ("test.txt", "test")):
        where = next((one for one in (file, base + file) if (root / one).is_file()), None)
        if where is None:
            found.missing(file, "the list")
            continue
        lines = (found.text(where) or "").splitlines()
        splits |= {line.split()[0]: split for line in lines if line.strip()}
    for name in found.files(".mp4"):
        kind, *key = PurePosixPath(name.removeprefix(base)).with_suffix("").parts
        if len(key) != 2 or kind not in ("main", "pretrain"):
            found.malformed(name, "expected main or pretrain/BROADCAST/NUMBER.mp4")
            continue
        told = "train" if kind == "pretrain" else splits.get("/".join(key))
        if told is None and splits:
            found.malformed(name, "no list names it; its split is decided as for any other corpus")
        _add(found, name, "lrs2", {"origin": f"lrs2-{key[0]}", "split": told})
    return found.listing("main/BROADCAST/00001.mp4, pretrain/…")


def _add(found: Collector, name: str, corpus: str, labels: dict[str, str | None]) -> None:
    about = labels | {"language": "en", "licence": _LICENCES[corpus]}
    found.add(name, about, transcript=str(PurePosixPath(name).with_suffix(".txt")))
