"""Which recordings are mixed into a clip: drawn for the clip and the family, never for the SNR.

So a clip meets the same noise at every SNR. What is chosen is named with its digest: the item's id covers it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from extractors.weights import file_digest
from pipelines.testsets.grid import AudioConfig, GridConfig, InterfererConfig
from synth.interferers import Candidate, choose_recording, choose_speech
from synth.noise_plan import MADE_HERE
from synth.recordings import list_recordings


class Chooser:
    """Draws from the clips of a corpus and from folders. Every choice is plain JSON."""

    def __init__(self, rows: list[dict[str, Any]], grid: GridConfig) -> None:
        self._rows = {row["key"]: row for row in rows}
        self._people = people_of(rows)
        self._voices = [self._candidate(row) for row in rows if json.loads(row["active_s"])]
        self._seed = grid.seed
        self._grid = grid
        self._listed: dict[tuple[str, str], tuple[Candidate, ...]] = {}

    def interferers(self, row: dict[str, Any], family: AudioConfig) -> list[dict[str, Any]]:
        """For each sound of the family its kind and its recordings. Raises MixError where there are none."""
        return [
            {"kind": one.kind, "sources": self._sources(row, family.title, number, one)}
            for number, one in enumerate((family, *family.also))
        ]

    def _sources(
        self, row: dict[str, Any], title: str, number: int, one: InterfererConfig
    ) -> list[dict[str, Any]]:
        parts = (self._seed, row["key"], title, number)
        if one.kind in MADE_HERE:
            return []
        folder = self._grid.folder_of(one)
        if folder is not None:
            found = self._recordings(folder, one.kind)
            chosen = choose_recording(found, *parts, split=row["split"], kind=one.kind)
            return [recording_source(folder, chosen.key)]
        count = one.voices if one.kind == "babble" else 1
        others = choose_speech(self._voices, self._candidate(row), *parts, count=count)
        return [clip_source(self._rows[other.key]) for other in others]

    def _candidate(self, row: dict[str, Any]) -> Candidate:
        """A clip as something that may be chosen."""
        return Candidate(row["key"], row["source"], self._people.get(row["key"]), row["split"])

    def rooms(self, row: dict[str, Any], family: AudioConfig) -> list[dict[str, Any]]:
        """A room for the target and for each interferer: drawn shoeboxes or responses of a folder."""
        if family.rooms is None:
            return []
        parts = (self._seed, row["key"], family.title)
        n_places = 2 + len(family.also)
        if family.rooms == "shoebox":
            about = {"shoebox": [*parts], "n_sources": n_places, "t60_s": family.t60_s}
            return [{**about, "place": place} for place in range(n_places)]
        found = self._recordings(family.rooms, "room")
        return [
            recording_source(
                family.rooms, choose_recording(found, *parts, "room", place, split=None, kind="room").key
            )
            for place in range(n_places)
        ]

    def _recordings(self, folder: str, kind: str) -> tuple[Candidate, ...]:
        if (folder, kind) not in self._listed:
            self._listed[folder, kind] = list_recordings(Path(folder), kind)
        return self._listed[folder, kind]


def people_of(rows: Iterable[dict[str, Any]]) -> dict[str, str]:
    """Whose each clip is, by key, where anything tells.

    Clips with one label are of one person, and so are clips with one face: who is labelled in one recording
    is known in another by their face.
    """
    from scipy.cluster.hierarchy import DisjointSet

    known: DisjointSet[tuple[str, str]] = DisjointSet()
    names: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        header = json.loads(row["header"])
        told = [(label, header[label]) for label in ("speaker", "person") if header.get(label)]
        for one in told:
            known.add(one)
            known.merge(told[0], one)
        names[row["key"]] = told
    return {key: " ".join(min(known.subset(told[0]))) for key, told in names.items() if told}


def clip_source(row: dict[str, Any]) -> dict[str, Any]:
    """Where a clip's sound lies."""
    members = json.loads(row["members"])
    sounds = {name: members[name] for name in json.loads(row["sounds"])}
    about = {"speaker": row["speaker"], "source": row["source"], "active_s": json.loads(row["active_s"])}
    return {"name": row["key"], "shard": row["shard"], "members": sounds, **about}


def recording_source(folder: str, name: str) -> dict[str, Any]:
    """A file, by its path below the folder, with its digest."""
    path = Path(folder, name)
    return {"name": name, "path": str(path.resolve()), "sha256": file_digest(path)}


def facts(source: dict[str, Any]) -> Any:
    """What of a source decides the sound: never where it lies."""
    if "members" in source:
        return [
            source["name"],
            {name: part[2] for name, part in source["members"].items()},
            source["active_s"],
        ]
    return source.get("sha256", source)
