"""Who is to be forgotten: the names a person has in a corpus, and the recordings they are in."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import source_id
from manifests.store import Store
from manifests.tombstones import PEOPLE_LABELS, people_of_labels
from pipelines.forgetting.walk import walk
from pipelines.remembered import LISTING


@dataclass
class Recording:
    """A source of the corpus: who is in it. `people` are the names that the step `people` gave to faces."""

    id: str
    paths: set[str] = field(default_factory=set)
    contents: set[str] = field(default_factory=set)
    labels: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Subject:
    """All names of the person, why each beyond the first is theirs, and their recordings with the reason."""

    names: tuple[str, ...]
    links: tuple[str, ...]
    recordings: tuple[Recording, ...]
    why: tuple[str, ...]
    """For each recording, in order."""


def find_subject(store: Store, given: Iterable[str], *, follow: bool = True) -> Subject:
    """The person behind speaker labels and names of faces.

    With `follow` a label and a face are one person when a recording has that one label and shows that one
    face; then what either is in goes. A recording of several people goes when one of them is the person.
    """
    recordings = read_recordings(store)
    names = list(dict.fromkeys(given))
    links: list[str] = []
    for name in names:  # grows while it is walked
        for one in recordings if follow else ():
            both = one.labels | one.people
            alone = len(one.labels) == 1 and len(one.people) == 1
            for other in sorted(both - set(names)) if alone and name in both else ():
                names.append(other)
                links.append(f"{other} is {name}: the one face and the one label of {sorted(one.paths)[0]}")
    found = [(one, _why(one, set(names))) for one in recordings]
    theirs = [(one, why) for one, why in found if why]
    return Subject(
        tuple(names), tuple(links), tuple(one for one, _ in theirs), tuple(why for _, why in theirs)
    )


def _why(one: Recording, names: set[str]) -> str:
    told = [f"labelled {name}" for name in sorted(one.labels & names)]
    told += [f"shows {name}" for name in sorted(one.people & names)]
    return ", ".join(told)


def read_recordings(store: Store) -> list[Recording]:
    """All recordings that the folder knows, from its listing and from every receipt of `ingest` and `people`
    under any config, by id."""
    found: dict[str, Recording] = {}
    if store.exists(LISTING):
        for source in json.loads(store.read(LISTING))["sources"]:
            one = found.setdefault(source_id(source["path"]), Recording(source_id(source["path"])))
            one.paths.add(source["path"])
            one.labels |= people_of_labels(source["labels"])
    for table in _tables(store, "steps/ingest-", "/receipts/"):
        for row in table.to_pylist():
            one = found.setdefault(row["source_id"], Recording(row["source_id"]))
            one.paths |= {row["path"]} - {None}
            one.contents |= {row["content_sha256"]} - {None}
            one.labels |= people_of_labels({name: row.get(name) for name in PEOPLE_LABELS})
    for table in _tables(store, "steps/people-", "/data/"):
        for row in table.to_pylist():
            one = found.setdefault(row["source_id"], Recording(row["source_id"]))
            one.people.add(row["person"])
    return [found[one] for one in sorted(found)]


def _tables(store: Store, begin: str, inside: str) -> Iterator[pa.Table]:
    for name in walk(store):
        if name.startswith(begin) and inside in name and name.endswith(".parquet"):
            yield pq.ParquetFile(pa.BufferReader(store.read(name))).read()
