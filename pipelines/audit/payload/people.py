"""Who is in a sample, by its KEY.json: voices, faces, who was mixed in. Nobody may be in two splits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.store import Store
from pipelines.audit.tables import INDEX

SYNTHETIC, RECORDED = "synthetic", "recorded"

Who = tuple[str, str]
"""The check that it matters to, and a name."""


def people_of(header: Mapping[str, Any]) -> Iterator[Who]:
    """Everybody who is heard or seen in a sample, and the voices that speak for people of a script."""
    sides = sides_of(header)
    told = {("leak_speaker", name) for name in _speakers(header, sides)}
    told |= {("leak_person", one.get("person")) for one in (header, *_borrowed(header))}
    if header.get("origin") == RECORDED:
        told |= {("leak_person", one.get("person")) for one in sides}
    told |= {("leak_voice", one.get("voice_identity") or one.get("voice")) for one in sides}
    told |= {("leak_speaker", one.get("cloned_speaker")) for one in sides}
    yield from sorted((check, str(name)) for check, name in told if name)


def sides_of(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """What a dialogue tells of each side. In a sample of one stream `speakers` is a list of names."""
    speakers = header.get("speakers")
    return [speakers[side] for side in sorted(speakers)] if isinstance(speakers, dict) else []


def _speakers(header: Mapping[str, Any], sides: list[Mapping[str, Any]]) -> set[Any]:
    if header.get("origin") == SYNTHETIC:
        return {one.get("person") for one in sides}
    if header.get("origin") == RECORDED:
        # the names of a transcript, such as A and B, are others' names in other dialogues
        return {one.get("name") for one in sides if one.get("named_by") == "labels"}
    more = header.get("speakers")
    return {header.get("speaker"), *(more if isinstance(more, list) else ())}


def _borrowed(header: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list((header.get("borrowed") or {}).values())


def interferers_of(header: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The recordings mixed in: `name`, and where it is somebody's speech `speaker` and `source`."""
    yield from (header.get("mix") or {}).get("sources") or []


def interferer_groups(header: Mapping[str, Any], base_url: str | None) -> Iterator[tuple[Who, str]]:
    """Each interferer and a split: of the sample that it is in, and of the clean corpus' own clips of that
    recording, since who disturbs in test must not be trained on. Noise and music are nobody."""
    split = str(header["split"])
    for one in interferers_of(header):
        person = one.get("speaker") or one.get("source")
        name = person or one.get("name")
        if name:
            who = ("leak_interferer" if person else "leak_noise", str(name))
            yield who, split
            homes = _splits(base_url).get(str(one["source"]), ()) if base_url and one.get("source") else ()
            yield from ((who, home) for home in homes)


def themselves(header: Mapping[str, Any]) -> Iterator[str]:
    """Names of interferers who are the sample's own speaker, by label or by face."""
    own = {header.get("speaker"), header.get("person")} - {None}
    yield from sorted({str(one["speaker"]) for one in interferers_of(header) if one.get("speaker") in own})


@lru_cache(maxsize=4)
def _splits(url: str) -> Mapping[str, frozenset[str]]:
    """By source id, the splits of its clips in a corpus; nothing where it is not at hand."""
    store = Store(url)
    if not store.exists(INDEX):
        return {}
    try:
        with store.open(INDEX) as handle:
            table = pq.read_table(handle, columns=["source_id", "split"])
    except (pa.ArrowInvalid, OSError):
        return {}
    found: dict[str, set[str]] = {}
    for row in table.group_by(["source_id", "split"]).aggregate([]).to_pylist():
        found.setdefault(row["source_id"], set()).add(row["split"])
    return {source: frozenset(splits) for source, splits in found.items()}
