"""80:10:10 by speaker: people who talk with each other, however indirectly, are in one split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from manifests.splits import split_of
from synth.rewriting.scripts import Dialogue

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}
"""AVLM's shares."""


def dialogue_splits(
    dialogues: Iterable[Dialogue], shares: Mapping[str, float] = SHARES, *, seed: int = 0
) -> dict[str, str]:
    """Split of each dialogue, by id.

    A group of people is named by its smallest name, so it stays where it is unless it grows by a smaller
    one. Shares hold for groups: a corpus in which everybody talks with everybody is one group.
    """
    parent: dict[str, str] = {}

    def root(person: str) -> str:
        parent.setdefault(person, person)
        while parent[person] != person:
            parent[person] = parent[parent[person]]
            person = parent[person]
        return person

    first: dict[str, str] = {}
    for dialogue in dialogues:
        people = [dialogue.person(name) for name in dialogue.speakers]
        for person in people:
            low, high = sorted((root(people[0]), root(person)))
            parent[high] = low
        first[dialogue.id] = people[0]
    return {name: split_of(root(person), shares, seed=seed) for name, person in first.items()}
