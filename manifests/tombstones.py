"""Tombstones: who was forgotten, written so that a later run does not bring them back.

The file holds digests of names, source ids and contents, never the names: enough to recognise a person that
somebody names or a recording that somebody lists again, not to read who it was. Who guesses a name can still
try it. Files of two folders are merged by uniting them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from manifests.ids import digest
from manifests.sources import Listing, SourceFile
from manifests.store import Store

FILE = "tombstones.json"
FORMAT = 1
PEOPLE_LABELS = ("speaker", "speakers", "channels")
"""Labels of a sidecar that say who is in a recording; the last two are JSON lists."""


@dataclass(frozen=True)
class Tombstones:
    """Digests of names (speaker labels and names of persons), of source ids and of contents' SHA-256."""

    names: frozenset[str] = field(default=frozenset())
    sources: frozenset[str] = field(default=frozenset())
    contents: frozenset[str] = field(default=frozenset())

    def has_name(self, name: str) -> bool:
        """Whether somebody of that name was forgotten."""
        return _digest("name", name) in self.names

    def has_source(self, source_id: str) -> bool:
        """Whether the recording of that id was."""
        return _digest("source", source_id) in self.sources

    def has_content(self, sha256: str) -> bool:
        """Whether a recording with that content was, whatever it is called now."""
        return _digest("content", sha256) in self.contents

    def holds(self, source: SourceFile) -> bool:
        """Whether a listed recording is one of a forgotten person, by its path or by who it says is in it."""
        return self.has_source(source.id) or any(map(self.has_name, people_of_labels(source.labels)))

    def added(
        self, *, names: Iterable[str] = (), sources: Iterable[str] = (), contents: Iterable[str] = ()
    ) -> Tombstones:
        """With more in it."""
        return replace(
            self,
            names=self.names | {_digest("name", one) for one in names},
            sources=self.sources | {_digest("source", one) for one in sources},
            contents=self.contents | {_digest("content", one) for one in contents},
        )

    def __bool__(self) -> bool:
        return bool(self.names or self.sources or self.contents)

    def __or__(self, other: Tombstones) -> Tombstones:
        return Tombstones(
            self.names | other.names, self.sources | other.sources, self.contents | other.contents
        )


def _digest(kind: str, value: str) -> str:
    return digest("tombstone", kind, value, length=64)


def people_of_labels(labels: dict[str, Any]) -> set[str]:
    """Everybody that a recording's labels name."""
    found: set[str] = set()
    for label in PEOPLE_LABELS:
        value = labels.get(label)
        if not value:
            continue
        told = json.loads(value) if label != "speaker" else [value]
        found.update(one for one in told if isinstance(one, str))
    return found


def read_tombstones(store: Store) -> Tombstones:
    """Those of an output folder; empty ones where nobody was forgotten.

    Raises ValueError for a file that cannot be read: going on without it would bring people back.
    """
    if not store.exists(FILE):
        return Tombstones()
    try:
        found = json.loads(store.read(FILE))
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']}; this version reads {FORMAT}")
        parts = (frozenset(found[name]) for name in ("names", "sources", "contents"))
        return Tombstones(*parts)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{store.path(FILE)} cannot be read ({error}); restore it from a copy") from error


def write_tombstones(store: Store, tombstones: Tombstones) -> None:
    """Keep them in an output folder."""
    parts = {name: sorted(getattr(tombstones, name)) for name in ("names", "sources", "contents")}
    store.write(FILE, json.dumps({"format": FORMAT} | parts, indent=1).encode() + b"\n")


def living(listing: Listing, tombstones: Tombstones) -> tuple[Listing, int]:
    """A listing without the recordings of forgotten people, and how many those are."""
    kept = tuple(source for source in listing.sources if not tombstones.holds(source))
    return replace(listing, sources=kept), len(listing.sources) - len(kept)
