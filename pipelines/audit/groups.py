"""Who is in which split, and for how long: rows grouped by a name, through a join on the source.

A source's rows are aggregated where they are read, so that what travels is a few facts a source and not its
rows. Which split a face is in is told by its sources; `--deep` adds what each KEY.json says.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa

from pipelines.audit.catalog import CHECKS
from pipelines.audit.model import GroupCheck
from pipelines.audit.sketches import N_WORST, Example, Worst

LABELS_OF = {
    "balance_speaker": "speaker",
    "balance_language": "language",
    "balance_emotion": "emotion",
    "balance_gender": "gender",
    "leak_speaker": "speaker",
}
"""Checks over a label of the source."""
NOBODY = "(none)"
About = tuple[str, Any]
Name = tuple[str, str]
"""A check's id and the name of a group."""
N_PARTITIONS = 64
"""A worker joins one of them at a time: of the others it holds no more than bytes."""


@dataclass
class Group:
    """Rows of one name: how many, how long, in which splits, and the first key of each split."""

    n: int = 0
    ms: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def merge(self, other: Self) -> None:
        """Add what the other has seen."""
        self.n += other.n
        self.ms += other.ms
        for split, count in other.splits.items():  # Counter.update takes three times as long
            self.splits[split] = self.splits.get(split, 0) + count
        for split, key in other.first.items():
            self.first[split] = min(key, self.first.get(split, key))


@dataclass
class Groups:
    """The summary of all groups of a check: how many, how many bad, the worst and the largest."""

    n: int = 0
    n_bad: int = 0
    n_rows: int = 0
    ms: int = 0
    worst: Worst = field(default_factory=Worst)
    largest: Worst = field(default_factory=Worst)

    def add(self, check: str, name: str, group: Group) -> None:
        """One more group. There may be as many as sources: words are made of the few that are kept."""
        rule = CHECKS[check]
        assert isinstance(rule, GroupCheck)
        n_splits = sum(1 for split in group.splits if split)
        bad = {"leak": n_splits > 1, "single": group.n > 1, "share": False}[rule.rule]
        self.n += 1
        self.n_bad += bad
        self.n_rows += group.n
        self.ms += group.ms
        if bad and self.worst.may_take(-float(group.n)):
            key = min(group.first.values(), default="")
            told = f"{name} in {_told(group)}" if n_splits else name
            self.worst.add(Example(-float(group.n), key, told, float(group.n)))
        if self.largest.may_take(-float(group.ms)):
            self.largest.add(Example(-float(group.ms), name, _told(group), group.ms / 1000, bad=bad))

    def merge(self, other: Self) -> None:
        """Add what the other has seen."""
        for name in ("n", "n_bad", "n_rows", "ms"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.worst.merge(other.worst)
        self.largest.merge(other.largest)

    def facts(self) -> dict[str, Any]:
        """As plain JSON; `largest` has the seconds of each group."""
        largest = [
            {"name": one.key, "seconds": one.value, "splits": one.detail} for one in self.largest.examples
        ]
        return {
            "n": self.n,
            "n_bad": self.n_bad,
            "n_rows": self.n_rows,
            "seconds": self.ms / 1000,
            "largest": largest[:N_WORST],
            "worst": self.worst.facts(),
        }


def _put(groups: dict[Any, Group], name: Any, group: Group) -> None:
    """Merge a group into those of its name."""
    if name in groups:
        groups[name].merge(group)
    else:  # a copy: it may be put under further names
        groups[name] = Group(group.n, group.ms, group.splits.copy(), group.first.copy())


def _told(group: Group) -> str:
    splits = ((split, count) for split, count in sorted(group.splits.items()) if split)
    return ", ".join(f"{split}: {count} ({group.first[split]})" for split, count in splits)


def facts_of(name: str, table: pa.Table) -> Iterator[tuple[str, About]]:
    """What a batch of a table tells about each source, aggregated."""
    if name == "index":
        grouped = table.group_by(["source_id", "split"]).aggregate(
            [([], "count_all"), ("duration_s", "sum"), ("key", "min")]
        )
        for row in grouped.to_pylist():
            ms = round(1000 * row["duration_s_sum"])
            yield row["source_id"], ("index", (row["split"], row["count_all"], ms, row["key_min"]))
    elif name == "ingest":
        names = [
            one for one in (*dict.fromkeys(LABELS_OF.values()), "content_sha256") if one in table.schema.names
        ]
        for row in table.select(["source_id", *names]).to_pylist():
            yield row.pop("source_id"), ("ingest", row)
    elif name == "select" and "identity" in table.schema.names:
        for row in table.group_by(["source_id", "identity"]).aggregate([]).to_pylist():
            if row["identity"] is not None:
                yield row["source_id"], ("select", row["identity"])
    elif name == "faces":
        for row in table.select(["source_id", "identity", "person"]).to_pylist():
            yield row["source_id"], ("faces", (row["identity"], row["person"]))


NEEDS = {
    "index": {"source_id", "split", "duration_s", "key"},
    "ingest": {"source_id", "content_sha256", *LABELS_OF.values()},
    "select": {"source_id", "identity"},
    "faces": {"source_id", "identity", "person"},
}
"""Columns that `facts_of` reads."""


def join(facts: Iterable[Iterable[tuple[str, About]]]) -> Iterator[tuple[Any, Any]]:
    """From all about the sources of a partition: groups that others may share, and the summary of the rest.

    A source's own groups are judged here, since all about a source is together. What others share with it (a
    speaker, a face, content) goes on, by the partition of its name, to `judged`.
    """
    sources: dict[str, list[About]] = {}
    for told in facts:
        for source, about in told:
            sources.setdefault(source, []).append(about)
    groups: dict[Name, Group] = {}
    own = Groups()
    for source in sorted(sources):
        for name, group in groups_of(source, sources[source]):
            if name[0] == "leak_source":
                own.add(*name, group)
            else:
                _put(groups, name, group)
    yield from partitioned((name[1], (name, group)) for name, group in sorted(groups.items()))
    if own.n:
        yield ("leak_source", ""), own


def judged(told: Iterable[Iterable[tuple[str, tuple[Name, Group]]]]) -> Iterator[tuple[Name, Groups]]:
    """The summary of each check, from the groups of a partition: one is judged when all of it is there."""
    groups: dict[Name, Group] = {}
    for some in told:
        for _, (full_name, group) in some:
            _put(groups, full_name, group)
    found: dict[str, Groups] = {}
    for (check, name), group in sorted(groups.items()):
        found.setdefault(check, Groups()).add(check, name, group)
    for check, summary in found.items():
        yield (check, ""), summary


def partitioned(facts: Iterable[tuple[str, Any]]) -> Iterator[tuple[int, list[tuple[str, Any]]]]:
    """Facts by the partition of their name: one element a partition travels, not one a source."""
    parts: dict[int, list[tuple[str, Any]]] = {}
    for name, about in facts:
        parts.setdefault(zlib.crc32(name.encode()) % N_PARTITIONS, []).append((name, about))
    yield from parts.items()


def groups_of(source: str, told: Iterable[About]) -> Iterator[tuple[Name, Group]]:
    """The groups that a source belongs to, from all that the tables tell about it."""
    packed: dict[str, Group] = {}
    labels: dict[str, Any] = {}
    shown: set[int] = set()
    people: dict[int, str] = {}
    for kind, about in told:
        if kind == "index":
            split, n, ms, key = about
            _put(packed, split, Group(n, ms, {split: n}, {split: key}))
        elif kind == "sample":
            split, key = about
            _put(packed, split, Group(0, 0, {split: 0}, {split: key}))
        elif kind == "ingest":
            labels = about
        elif kind == "select":
            shown.add(about)
        else:
            people[about[0]] = about[1]
    if labels.get("content_sha256"):
        yield ("duplicate_source", labels["content_sha256"]), Group(1, 0, {}, {source: source})
    if not packed:
        return
    whole = Group()
    for group in packed.values():
        whole.merge(group)
    yield ("leak_source", source), whole
    for check, label in LABELS_OF.items():
        name = labels.get(label)
        if name is not None or check.startswith("balance"):
            yield (check, name or NOBODY), whole
    for identity in shown & people.keys():
        yield ("leak_person", people[identity]), whole
