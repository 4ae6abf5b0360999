"""Accounting: what became of every source and clip, and whether the sums balance."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.schemas import INDEX, MANIFEST, validate
from pipelines.corpus import Corpus


@dataclass(frozen=True)
class Account:
    """The manifest of a corpus and the problems found in its sums (none: it balances)."""

    rows: tuple[dict[str, Any], ...]
    problems: tuple[str, ...]
    sources: Counter[str] = field(default_factory=Counter)
    clips: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def table(self) -> pa.Table:
        """The manifest as Arrow, validated."""
        table = pa.Table.from_pylist(list(self.rows), schema=MANIFEST)
        validate(table, MANIFEST)
        return table


def account(corpus: Corpus) -> Account:
    """Follow every source and every clip through all steps.

    A problem is a planned item without a row, a source or clip without an end, or an end that two
    steps tell differently: each is named.
    """
    problems = unanswered(corpus)
    in_shards = list(packed(corpus))
    clips = list(_clips(corpus, in_shards))
    rows = [*_sources(corpus, clips), *clips]
    listed = {source.id for source in corpus.listing.sources}
    told = {row["key"] for row in rows if row["kind"] == "source"}
    problems.extend(f"source {one}: no end" for one in sorted(listed - told))
    problems.extend(without_end(rows))
    times = Counter(row["key"] for row in in_shards)
    kept = {row["key"] for row in clips if row["status"] == Status.OK}
    problems.extend(f"clip {key}: in {times[key]} shards" for key in kept if times[key] != 1)
    problems.extend(f"clip {key}: in a shard but not kept" for key in times if key not in kept)
    rows.extend(complaints(corpus))
    problems.extend(whole_corpus_problems(corpus))
    return Account(
        rows=tuple(sorted(rows, key=lambda row: (row["kind"], row["key"]))),
        problems=tuple(problems),
        sources=Counter(row["status"] for row in rows if row["kind"] == "source"),
        clips=Counter(row["status"] for row in clips),
        reasons=Counter(row["reason"] for row in rows if row["reason"]),
    )


def index_table(corpus: Corpus) -> pa.Table:
    """One row a packed sample: which shard holds it, and what."""
    table = pa.Table.from_pylist(sorted(packed(corpus), key=lambda row: row["key"]), schema=INDEX)
    validate(table, INDEX)
    return table


def unanswered(corpus: Corpus) -> list[str]:
    """Steps with planned items that have no row."""
    told = []
    for name in corpus.steps:
        answered = {row["item"] for row in corpus.rows(name)}
        missing = len(corpus.items(name).keys() - answered)
        if missing:
            told.append(f"step {name}: {missing} planned items have no row")
    return told


def without_end(lines: Iterable[dict[str, Any]]) -> list[str]:
    """Lines of a manifest that are still open."""
    return [f"{line['kind']} {line['key']}: no end" for line in lines if line["status"] not in set(Status)]


def manifest_line(kind: str, key: str, **facts: Any) -> dict[str, Any]:
    """A line of a manifest: what is not told of it is null."""
    return {**dict.fromkeys(MANIFEST.names), "kind": kind, "key": key, **facts}


def end_of(row: dict[str, Any]) -> dict[str, Any]:
    """How a row of a receipt ended."""
    return {name: row[name] for name in ("status", "reason", "detail")}


def _sources(corpus: Corpus, clips: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A source ends where a step first failed it; else `ok` with a kept clip, else `skipped`."""
    kept = {row["source_id"] for row in clips if row["status"] == Status.OK}
    measuring = [name for name, step in corpus.steps.items() if step.per_source]
    found = {name: {row["source_id"]: row for row in reversed(corpus.rows(name))} for name in measuring}
    ended: dict[str, list[dict[str, Any]]] = {}
    for clip in clips:
        ended.setdefault(clip["source_id"], []).append(clip)
    selected: dict[str, list[dict[str, Any]]] = {}
    for row in corpus.rows("select"):
        selected.setdefault(row["source_id"], []).append(row)
    for source in corpus.listing.sources:
        told = [(name, found[name][source.id]) for name in measuring if source.id in found[name]]
        line = manifest_line(
            "source", source.id, source_id=source.id, path=shown(source.path), status="open", step=None
        )
        bad = next(((name, row) for name, row in told if row["status"] in ("failed", "quarantined")), None)
        if bad:
            line |= {"step": bad[0], **end_of(bad[1])}
        elif source.id in kept:
            line |= {"step": "pack", "status": str(Status.OK)}
        elif source.id in selected:
            line |= {"step": "select", **_source_without_clip(selected[source.id], ended.get(source.id, []))}
        yield line


def _source_without_clip(rows: list[dict[str, Any]], clips: list[dict[str, Any]]) -> dict[str, Any]:
    """The end of a source none of whose clips was kept: the most frequent reason among them."""
    ends = clips or [end_of(row) for row in rows]
    reason = Counter(str(row["reason"]) for row in ends).most_common(1)[0][0]
    worst = next(row for row in ends if str(row["reason"]) == reason)
    limits = sorted({limit["reason"] for row in rows for limit in row["failed_limits"] or []})
    return {
        "status": worst["status"],
        "reason": reason,
        "detail": worst["detail"],
        "failed_limits": limits or None,
    }


def _clips(corpus: Corpus, in_shards: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A clip that select rejected ends there; one it kept ends where a step over clips first failed it."""
    paths = {source.id: shown(source.path) for source in corpus.listing.sources}
    shards = {row["key"]: row for row in in_shards}
    told = [(name, *_by_clip(corpus, name)) for name, step in corpus.steps.items() if step.per_clip]
    for row in corpus.rows("select"):
        if row["start"] is None and row["text_start"] is None:
            continue  # a source without any clip: told as a source
        line = manifest_line("clip", row["key"], source_id=row["source_id"], path=paths.get(row["source_id"]))
        if row["start"] is not None:  # a piece of a document has no time
            line |= {"start_s": float(Fraction(row["start"])), "stop_s": float(Fraction(row["stop"]))}
        line |= {"failed_limits": [limit["reason"] for limit in row["failed_limits"]] or None}
        if row["status"] != Status.OK:
            yield line | {"step": "select", **end_of(row)}
        else:
            shard = shards.get(row["key"], {})
            place = {"split": shard.get("split"), "shard": shard.get("shard")}
            yield line | place | _end_of_clip(row["key"], told)


Told = tuple[str, set[str], dict[str, dict[str, Any]]]


def _by_clip(corpus: Corpus, name: str) -> tuple[set[str], dict[str, dict[str, Any]]]:
    """Keys of the clips that a step should do, and its row for each that it did."""
    items = corpus.items(name)
    planned = {item.inputs["key"] for item in items.values()}
    return planned, {items[row["item"]].inputs["key"]: row for row in corpus.rows(name)}


def _end_of_clip(key: str, told: list[Told]) -> dict[str, Any]:
    end: dict[str, Any] = {"step": told[0][0], "status": "open"}
    for name, planned, rows in told:
        if key in rows:
            end = {"step": name, **end_of(rows[key])}
        elif key in planned:
            end = {"step": name, "status": "open"}
        if end["status"] != Status.OK:
            break
    return end


def packed(corpus: Corpus) -> Iterator[dict[str, Any]]:
    """A row of the index for each sample in a shard, by what its KEY.json says."""
    items = corpus.items("pack")
    for row in corpus.rows("pack"):
        if row["status"] != Status.OK:
            continue
        shard = items[row["item"]].inputs
        for sample in shard["samples"]:
            header = json.loads(sample["members"][0]["inline"])
            yield {
                "key": sample["key"],
                "shard": shard["name"],
                "split": header["split"],
                "source_id": header["source"]["id"],
                "duration_s": float(header["duration_s"]),
                "members": [member["extension"] for member in sample["members"]],
                "bytes": sum(member["bytes"] for member in sample["members"]),
            }


def shown(path: str) -> str:
    """A path as Arrow can hold it: bytes that are not UTF-8 are escaped."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def whole_corpus_problems(corpus: Corpus) -> Iterator[str]:
    """Items over the corpus as a whole (shards, gathers) that did not end well belong to no source."""
    for name in corpus.steps:
        for row in corpus.rows(name):
            if row["source_id"] is None and row["status"] != Status.OK:
                detail = (row["detail"] or "").partition("\n")[0]
                yield f"step {name}: {row['key']} is {row['status']} ({row['reason']}): {detail}"


def complaints(corpus: Corpus) -> Iterator[dict[str, Any]]:
    """A line for everything that a reader found wrong beside the recordings."""
    for number, complaint in enumerate(corpus.listing.complaints):
        yield manifest_line(
            "complaint",
            f"{number:06d} {shown(complaint.where)}",
            path=shown(complaint.where),
            status=str(Status.FAILED),
            reason=str(complaint.reason),
            detail=complaint.detail,
            step="ingest",
        )
