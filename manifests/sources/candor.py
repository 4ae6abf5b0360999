"""CANDOR: conversations over video chat, a folder each: `UUID/{processed,transcription}/`.

Read: `processed/USER.mp4` (one person), `processed/UUID.mp4` and `UUID.mp3` (both),
`processed/channel_map.json` (`{"L": USER, "R": USER}`), `transcription/transcript_*.csv` (speaker, start,
stop, utterance) and `survey.csv` (user_id, sex, where it has both). Sources: Reece et al., "The CANDOR
corpus", Science Advances 9, 2023; https://convokit.cornell.edu/documentation/candor.html; descriptions and
readers in public repositories.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sources import CorpusError, Listing
from manifests.sources.collect import Collector
from manifests.sources.joining import carry, join
from manifests.sources.stage import Stage

TURNS = ("audiophile", "cliffhanger", "backbiter")
"""The three ways in which CANDOR cuts speech into turns; audiophile: until the other one begins."""

_LICENCE = "BetterUp, for research on request"


def list_candor(
    root: Path, *, stage: Path | None = None, unit: str = "person", turns: str = "audiophile"
) -> Listing:
    """`unit: person` lists each person's video; `conversation` the video of both with the stereo sound, put
    together in the stage, and `channels` says who is left and who is right."""
    if unit not in ("person", "conversation") or turns not in TURNS:
        raise CorpusError(f"unit={unit}, turns={turns}: expected person or conversation, {', '.join(TURNS)}")
    inside = Collector(root)
    made = None
    if unit == "conversation":
        made = Stage.needed(stage, "the video and the sound of both are put together somewhere")
    found = Collector(made.root, staged=True) if made else inside
    for name in inside.files(".mp4"):
        path = PurePosixPath(name)
        if path.parent.name != "processed" or len(path.parts) < 3:
            continue
        home = path.parent.parent
        both, user = home.name, path.stem
        text: str | None = f"{home}/transcription/transcript_{turns}.csv"
        if not (root / str(text)).is_file():
            inside.missing(name, str(text))
            text = None
        if (user == both) != (unit == "conversation"):
            continue
        if made is None:
            labels = _labels(both) | {"speaker": f"candor-{user}", "gender": _sexes(inside, home).get(user)}
            found.add(name, labels, transcript=text, kind="candor", speaker=f"candor-{user}")
            continue
        sound = path.with_suffix(".mp3")
        if not (root / sound).is_file():
            inside.missing(name, str(sound))
            continue
        joined = join(made, f"joined/{both}.mov", root / name, root / sound, inside.complaints)
        text = text and carry(made, f"joined/{both}.csv", root / text)
        if joined is not None:
            found.add(joined, _labels(both) | _channels(inside, path.parent), transcript=text, kind="candor")
    if made:
        found.complaints.extend(inside.complaints)
    return found.listing("UUID/processed/*.mp4")


def _labels(conversation: str) -> dict[str, Any]:
    return {"dialogue": f"candor-{conversation}", "language": "en", "licence": _LICENCE}


def _sexes(found: Collector, home: PurePosixPath) -> dict[str, str]:
    if not (found.root / home / "survey.csv").is_file():
        return {}
    rows = found.table(f"{home}/survey.csv", ())
    return {row["user_id"]: row["sex"] for row in rows if row.get("user_id") and row.get("sex")}


def _channels(found: Collector, folder: PurePosixPath) -> dict[str, Any]:
    name = f"{folder}/channel_map.json"
    try:
        told = json.loads(found.text(name) or "{}")
        people = [f"candor-{told[side]}" for side in ("L", "R")]
    except (ValueError, KeyError, TypeError):
        found.malformed(name, 'expected {"L": USER, "R": USER}')
        return {}
    return {"channels": people, "speakers": sorted(set(people))}
