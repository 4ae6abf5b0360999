"""80:10:10 by speaker: people who talk with each other, however indirectly, are in one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from manifests.splits import split_of
from synth.rewriting.scripts import Dialogue

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""AVLM's shares."""
_FIRST = {"test": 0, "valid": 1, "train": 2}
"""Where people of two splits meet, the test set, which others compare with, is left whole."""


@dataclass(frozen=True)
class Placed:
    """`splits`: of each dialogue, by id; those of `conflicts` (id: why) have none."""

    splits: dict[str, str]
    conflicts: dict[str, str] = field(default_factory=dict)


def dialogue_splits(
    dialogues: Iterable[Dialogue],
    shares: Mapping[str, float] = SHARES,
    *,
    seed: int = 0,
    given: Mapping[str, str] | None = None,
) -> Placed:
    """Split of each dialogue.

    A group of people is named by its smallest name, so it stays where it is unless it grows by a smaller
    one. Shares hold for groups: a corpus in which everybody talks with everybody is one group.

    `given`: people whose split is settled, such as those whose voices come from another corpus; who talks
    with them follows. A dialogue that would bring two splits together conflicts, and links nobody. The order
    of the dialogues plays no part.
    """
    anchors = dict(given or {})  # by root
    parent: dict[str, str] = {}

    def root(person: str) -> str:
        parent.setdefault(person, person)
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    first: dict[str, str] = {}
    conflicts: dict[str, str] = {}
    for dialogue in sorted(dialogues, key=lambda one: (_rank(one, given or {}), one.id)):
        people = [dialogue.person(name) for name in dialogue.speakers]
        settled = {anchors[root(one)]: one for one in people if root(one) in anchors}
        if len(settled) > 1:
            told = " and ".join(f"{one} is of {split}" for split, one in sorted(settled.items()))
            conflicts[dialogue.id] = f"{told}, themselves or through those they talk with"
            continue
        for person in people:
            low, high = sorted((root(people[0]), root(person)))
            parent[high] = low
        for split in settled:
            anchors[root(people[0])] = split
        first[dialogue.id] = people[0]
    groups = {name: root(person) for name, person in first.items()}
    splits = {
        name: anchors.get(group) or split_of(group, shares, seed=seed) for name, group in groups.items()
    }
    return Placed(splits, conflicts)


def _rank(dialogue: Dialogue, given: Mapping[str, str]) -> int:
    """Dialogues of people who are settled go first, those of the test set before the others."""
    splits = [given.get(dialogue.person(name)) for name in dialogue.speakers]
    return min(_FIRST.get(one, len(_FIRST)) if one else len(_FIRST) + 1 for one in splits)
