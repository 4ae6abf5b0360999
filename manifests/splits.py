"""Train, valid or test, so that no person, conversation or source is in two of them.

Pure: recordings and what links them in, splits out. Recordings that share a link are one group (union-find)
and go to one split. Groups that were placed before stay, and whoever joins them follows; the others are
placed so that every split gets its share of the hours and of what the recordings are labelled with.
docs/splits.md tells it at length.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from manifests.ids import digest

SPLITS = ("train", "valid", "test")

TABLE = pa.schema(
    [pa.field("name", pa.string(), nullable=False), pa.field("split", pa.string(), nullable=False)]
)
"""Who and what is of which split, as one run hands it to the next."""

_ANCHORS = {"test": 0, "valid": 1, "train": 2}
"""Splits that a corpus gives are taken in this order: where two of them meet in one recording, the test set,
which others compare with, is left whole."""


@dataclass(frozen=True)
class Linked:
    """A recording for `assign`: its source id and the names that must not be in two splits.

    `links` are names that stay: speakers, dialogues. `seen` are names of this run alone, such as a person
    whom face recognition numbers anew each time; they link like the others and are not remembered. `traits`
    are what every split should have its share of: `language=en`, `emotion=happy`. `given`: the split that
    the corpus says.
    """

    source: str
    links: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    duration_s: float = 0.0
    traits: frozenset[str] = frozenset()
    given: str | None = None


@dataclass(frozen=True)
class Assignment:
    """The split of every source but those of `conflicts`, which link two splits (source: why).

    `groups` names the group of every source. `table` is the `previous` of the next run.
    """

    splits: Mapping[str, str]
    conflicts: Mapping[str, str]
    groups: Mapping[str, str]
    table: Mapping[str, str]


def split_of(group: str, shares: Mapping[str, float], *, seed: int = 0) -> str:
    """The split that a group's name alone gives it: what decides where nothing else does.

    `shares` maps split names to positive weights; they need not sum to one.
    """
    point = int(digest("split", seed, group), 16) / 16**16 * sum(shares.values())
    for name in _ordered(shares):
        point -= shares[name]
        if point < 0:
            return name
    return max(shares, key=lambda one: shares[one])


def assign(
    recordings: Iterable[Linked],
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    previous: Mapping[str, str] | None = None,
) -> Assignment:
    """Give every recording its split. The same in any order of the recordings.

    `previous` is the `table` of an earlier run: its recordings keep their splits, and whoever appears in it
    keeps theirs. A recording that links two splits, old or given, is in none: it is told in `conflicts`.
    """
    found = _Groups(previous or {})
    before = previous or {}
    conflicts: dict[str, str] = {}
    kept: list[Linked] = []

    def turn(one: Linked) -> tuple[int, int, str]:
        known = _source(one.source) in before
        given = _ANCHORS.get(one.given or "", len(_ANCHORS))
        return (0 if known else 1 if one.given else 2), given, one.source

    for one in sorted(recordings, key=turn):
        problem = found.join(one)
        if problem is None:
            kept.append(one)
        else:
            conflicts[one.source] = problem
    groups: dict[str, list[Linked]] = defaultdict(list)
    for one in kept:
        groups[found.root(_source(one.source))].append(one)
    placed = _place(groups, found.splits, shares, seed)
    splits = {one.source: placed[root] for root, members in groups.items() for one in members}
    names = {root: min(_source(one.source) for one in members) for root, members in groups.items()}
    table = dict(before)
    for root, members in groups.items():
        for one in members:
            table |= dict.fromkeys((_source(one.source), *one.links), placed[root])
    in_group = {one.source: names[root] for root, members in groups.items() for one in members}
    return Assignment(splits, conflicts, in_group, dict(sorted(table.items())))


def _source(source: str) -> str:
    return f"source:{source}"


@dataclass
class _Groups:
    """Union-find over names, where a group may have a split."""

    previous: Mapping[str, str]
    splits: dict[str, str] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)

    def root(self, name: str) -> str:
        if name not in self._parents:
            self._parents[name] = name
            if name in self.previous:
                self.splits[name] = self.previous[name]
        while (parent := self._parents[name]) != name:
            self._parents[name] = name = self._parents[parent]  # halving keeps the paths short
        return name

    def join(self, one: Linked) -> str | None:
        """Make one group of all that a recording links; what is wrong when those are of two splits."""
        names = sorted((_source(one.source), *one.links, *one.seen))
        told = {name: self.splits[self.root(name)] for name in names if self.root(name) in self.splits}
        if one.given:
            told["the corpus"] = one.given
        if len(set(told.values())) > 1:
            return ", ".join(f"{name} says {split}" for name, split in sorted(told.items()))
        first, *others = {self.root(name): None for name in names}
        for other in others:
            self._parents[other] = first
            self.splits.pop(other, None)
        if told:
            self.splits[first] = next(iter(told.values()))
        return None


def _place(
    groups: Mapping[str, Sequence[Linked]], fixed: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """The split of every group: those that have none, the longest first, go where they leave the least
    squared distance of all shares from the wanted ones. Equal ones by their hash."""
    weights = {root: _weights(members) for root, members in groups.items()}
    totals: Counter[str] = Counter()
    for one in weights.values():
        totals.update(one)
    families = Counter(name.partition("=")[0] for name in totals)
    importance = {name: 1 / (totals[name] ** 2 * families[name.partition("=")[0]]) for name in totals}
    whole = sum(shares.values())
    loads: dict[str, Counter[str]] = {name: Counter() for name in _ordered(shares)}
    names = {root: min(_source(one.source) for one in members) for root, members in groups.items()}

    def order(root: str) -> tuple[float, str, str]:
        return -weights[root]["hours"], digest("place", seed, names[root]), names[root]

    def cost(split: str, root: str) -> float:
        rise = 0.0
        for name, size in weights[root].items():
            short = shares[split] / whole * totals[name] - loads[split][name]
            rise += importance[name] * (size * size - 2 * size * short)
        return rise

    placed = {}
    for root in sorted(groups, key=lambda one: (one not in fixed, *order(one))):
        split = fixed.get(root)
        if split is None:
            ranks = {name: digest("tie", seed, names[root], name) for name in loads}
            split = min(loads, key=lambda name: (round(cost(name, root), 12), ranks[name]))
        placed[root] = split
        if split in loads:
            loads[split].update(weights[root])
    return placed


def _weights(members: Iterable[Linked]) -> Counter[str]:
    """Seconds by what is to be balanced; a recording of unknown length counts a second."""
    found: Counter[str] = Counter()
    for one in members:
        for name in ("hours", *one.traits):
            found[name] += max(one.duration_s, 0.0) or 1.0  # type: ignore[assignment]
    return found


def leaks(recordings: Iterable[Linked], splits: Mapping[str, str]) -> dict[str, set[str]]:
    """Names that are in several splits, with those splits. Empty is what a corpus must be."""
    found: dict[str, set[str]] = defaultdict(set)
    for one in recordings:
        if one.source in splits:
            for name in (_source(one.source), *one.links, *one.seen):
                found[name].add(splits[one.source])
    return {name: where for name, where in found.items() if len(where) > 1}


def balance(
    recordings: Sequence[Linked], done: Assignment, shares: Mapping[str, float]
) -> list[dict[str, Any]]:
    """One row a split: wanted and reached share of the hours, counts, the share of its largest group, and the
    share it has of every trait. What the shares miss, people who cannot be parted explain."""
    seconds: Counter[str] = Counter()
    of_trait: dict[str, Counter[str]] = defaultdict(Counter)
    of_group: Counter[tuple[str, str]] = Counter()
    counts: Counter[str] = Counter()
    for one in recordings:
        split = done.splits.get(one.source)
        if split is None:
            continue
        length = max(one.duration_s, 0.0) or 1.0
        counts[split] += 1
        seconds[split] += length  # type: ignore[assignment]
        of_group[split, done.groups[one.source]] += length  # type: ignore[assignment]
        for trait in one.traits:
            of_trait[trait][split] += length  # type: ignore[assignment]
    whole, total = sum(shares.values()), sum(seconds.values())
    rows = []
    for split in _ordered({**shares, **seconds}):
        sizes = [size for (where, _), size in of_group.items() if where == split]
        rows.append(
            {
                "split": split,
                "share_wanted": round(shares.get(split, 0.0) / whole, 4),
                "share": round(seconds[split] / total, 4) if total else 0.0,
                "hours": round(seconds[split] / 3600, 4),
                "recordings": counts[split],
                "groups": len(sizes),
                "largest_group_share": round(max(sizes, default=0) / total, 4) if total else 0.0,
                "traits": {
                    trait: round(part[split] / sum(part.values()), 4)
                    for trait, part in sorted(of_trait.items())
                },
            }
        )
    return rows


def to_table(names: Mapping[str, str]) -> pa.Table:
    """`Assignment.table` as Arrow, sorted by name."""
    rows = [{"name": name, "split": split} for name, split in sorted(names.items())]
    return pa.Table.from_pylist(rows, schema=TABLE)


def from_table(table: pa.Table) -> dict[str, str]:
    """What `to_table` wrote. Raises ValueError for a table with other columns."""
    if not set(TABLE.names) <= set(table.column_names):
        raise ValueError(
            f"a table of splits has the columns {', '.join(TABLE.names)}, not {table.column_names}"
        )
    return dict(zip(table.column("name").to_pylist(), table.column("split").to_pylist(), strict=True))


def _ordered(names: Iterable[str]) -> list[str]:
    return sorted(names, key=lambda one: (SPLITS.index(one) if one in SPLITS else len(SPLITS), one))
