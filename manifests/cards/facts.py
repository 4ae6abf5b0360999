"""What a card says of a corpus: counted from its index, every KEY.json, and its manifest."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.corpus_reader import CorpusReader
from manifests.schemas import FORMAT_VERSION
from manifests.store import Store

MANIFEST = "manifest.parquet"
TALLIED = ("language", "gender", "emotion", "role")
RIGHTS = ("licence", "consent")
NOT_GIVEN = "(not given)"
MEASURED = {
    "dnsmos_ovrl": "DNSMOS, overall",
    "snr_db": "SNR, dB",
    "face_px": "face height, px",
    "mean_abs_yaw_deg": "mean absolute yaw, degrees",
    "av_offset_frames": "A/V offset, frames of 40 ms",
    "face61_valid_share": "share of valid face61 frames",
}


@dataclass
class Part:
    """Samples of one split."""

    samples: int = 0
    duration_s: float = 0.0
    bytes: int = 0
    shards: set[str] = field(default_factory=set)
    sources: set[str] = field(default_factory=set)
    speakers: set[str] = field(default_factory=set)
    people: set[str] = field(default_factory=set)


@dataclass
class Facts:
    """All that a card is made of. Durations in seconds, by value of a label in `labels`."""

    index_sha256: str
    parts: dict[str, Part] = field(default_factory=dict)
    shards: dict[str, tuple[str, int]] = field(default_factory=dict)  # name -> (sha256, bytes)
    members: Counter[str] = field(default_factory=Counter)
    labels: dict[str, dict[str, float]] = field(default_factory=dict)
    labelled: dict[str, Counter[str]] = field(default_factory=dict)
    """Samples by value of a label: text alone takes no time."""
    measured: dict[str, list[float]] = field(default_factory=dict)
    durations_s: list[float] = field(default_factory=list)
    steps: dict[str, set[str]] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)
    untrained: set[str] = field(default_factory=set)
    fitted: dict[str, str] = field(default_factory=dict)
    endings: set[str] = field(default_factory=set)
    """What stands after the last `-` of the keys: ticks, or the conditions of a test set."""
    ends: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # kind, status, reason

    @property
    def samples(self) -> int:
        """All of them."""
        return sum(part.samples for part in self.parts.values())

    @property
    def duration_s(self) -> float:
        """Of all of them."""
        return sum(self.durations_s)

    def shared(self, kind: str) -> dict[str, list[str]]:
        """Speakers, people or sources that are in more than one split, and in which."""
        where: dict[str, list[str]] = {}
        for split, part in sorted(self.parts.items()):
            for one in sorted(getattr(part, kind)):
                where.setdefault(one, []).append(split)
        return {one: splits for one, splits in where.items() if len(splits) > 1}


def read_facts(corpus: CorpusReader) -> Facts:
    """Walk the corpus once; members other than KEY.json are not read. Raises CorpusError."""
    facts = Facts(corpus.digest)
    for shard in corpus.shards:
        artifact = corpus.store.artifact(f"shards/{shard}")
        facts.shards[shard] = (artifact.sha256, artifact.bytes)
        for sample in corpus.samples(shard):
            _add(facts, sample.row.split, shard, sample.row.members, sample.header)
    for shard, (_, size) in facts.shards.items():
        for part in facts.parts.values():
            part.bytes += size if shard in part.shards else 0
    facts.ends = _ends(corpus.store)
    return facts


def _add(facts: Facts, split: str, shard: str, members: tuple[str, ...], header: dict[str, Any]) -> None:
    part = facts.parts.setdefault(split, Part())
    duration_s = float(header["duration_s"])
    part.samples += 1
    part.duration_s += duration_s
    part.shards.add(shard)
    for own, value in (
        (part.sources, (header.get("source") or {}).get("id")),
        (part.speakers, header.get("speaker")),
        (part.people, header.get("person")),
    ):
        if value:
            own.add(value)
    facts.members.update(members)
    facts.durations_s.append(duration_s)
    for label in (*RIGHTS, *TALLIED):
        value = header.get(label) or NOT_GIVEN
        lengths = facts.labels.setdefault(label, {})
        lengths[str(value)] = lengths.get(str(value), 0.0) + duration_s
        facts.labelled.setdefault(label, Counter())[str(value)] += 1
    for name in MEASURED:
        value = (header.get("measures") or {}).get(name)
        if value is not None:
            facts.measured.setdefault(name, []).append(float(value))
    _add_provenance(facts, header)
    facts.endings.add(str(header["key"]).rpartition("-")[2])


def _add_provenance(facts: Facts, header: dict[str, Any]) -> None:
    provenance = header.get("provenance") or {}
    for step, key in (provenance.get("steps") or {}).items():
        facts.steps.setdefault(step, set()).add(key)
    facts.weights |= provenance.get("weights_sha256") or {}
    for member, about in (header.get("tokens") or {}).items():
        if about.get("trained") is False:
            facts.untrained.add(member)
        if about.get("fitted_on"):
            facts.fitted[member] = str(about["fitted_on"].get("clips_sha256") or "unknown clips")


def _ends(store: Store) -> Counter[tuple[str, str, str]]:
    """How sources, clips and complaints ended, with reasons; nothing where there is no manifest."""
    if not store.exists(MANIFEST):
        return Counter()
    columns = ["kind", "status", "reason"]
    rows = pq.ParquetFile(pa.BufferReader(store.read(MANIFEST))).read(columns=columns).to_pylist()
    return Counter((row["kind"], row["status"], row["reason"] or "") for row in rows)


def quantiles(values: list[float]) -> tuple[float, float, float]:
    """Lowest, middle and highest."""
    ordered = sorted(values)
    return ordered[0], ordered[len(ordered) // 2], ordered[-1]


__all__ = ["FORMAT_VERSION", "Facts", "Part", "quantiles", "read_facts"]
