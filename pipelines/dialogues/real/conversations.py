"""Which recordings are of one dialogue, and whose side each one is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.ids import digest
from manifests.reasons import Reason
from manifests.sources import Listing, SourceFile

ROLES = {"main": 0, "other": 1}


@dataclass(frozen=True)
class Conversation:
    """Recordings of one dialogue, the first side's first. `fault`: why it is known to be no dyad, if so."""

    id: str
    name: str
    sources: tuple[SourceFile, ...]
    fault: tuple[Reason, str] | None = None

    @property
    def lone_half(self) -> bool:
        """One recording that is labelled as one person's."""
        return len(self.sources) == 1 and bool({"role", "speaker"} & self.sources[0].labels.keys())


def conversations(listing: Listing) -> Iterator[Conversation]:
    """Every recording in exactly one, grouped by the label `dialogue`; one without is on its own."""
    groups: dict[str, list[SourceFile]] = {}
    for source in listing.sources:
        groups.setdefault(source.labels.get("dialogue") or source.path, []).append(source)
    for name in sorted(groups):
        sources = tuple(sorted(groups[name], key=_side))
        if len(sources) == 1:
            yield Conversation(sources[0].id, name, sources)
        else:
            yield Conversation(digest("dialogue", name, length=16), name, sources, _fault(sources))


def _side(source: SourceFile) -> tuple[int, str]:
    return ROLES.get(source.labels.get("role", ""), len(ROLES)), source.path


def _fault(sources: tuple[SourceFile, ...]) -> tuple[Reason, str] | None:
    named = ", ".join(source.path for source in sources[:4])
    if len(sources) > 2:
        return Reason.NOT_A_DYAD, f"{len(sources)} recordings of one dialogue: {named}"
    roles, speakers = ({source.labels.get(label) for source in sources} for label in ("role", "speaker"))
    if roles == set(ROLES) or (len(speakers) == 2 and None not in speakers):
        return None
    detail = f"neither `role` (main, other) nor `speaker` tells whose recordings these are: {named}"
    return Reason.NOT_A_DYAD, detail
