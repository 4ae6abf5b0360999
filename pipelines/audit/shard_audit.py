"""Opening a shard: is it whole and what the index promises; then each of its samples, one at a time."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import IO, Any

from manifests.ids import digest
from manifests.schemas import FORMAT_VERSION
from manifests.store import Store
from pipelines.audit.fingerprints import Band, Print, bands_of, face_bits, sound_signature
from pipelines.audit.groups import About, Group, Name
from pipelines.audit.payload.people import interferer_groups, people_of
from pipelines.audit.payload.rights import missing_rights
from pipelines.audit.payload.sample import Sample
from pipelines.audit.sketches import Example
from pipelines.audit.summarise import Summariser
from pipelines.audit.tasks import Promised, ShardTask

REQUIRED = ("format", "key", "split", "source", "duration_s", "members", "rates_hz")
"""Fields that every KEY.json has."""


@dataclass
class Heard:
    """What a sample tells about the corpus as a whole: who is in it, and what it sounds and looks like."""

    sources: list[tuple[str, About]] = field(default_factory=list)
    groups: list[tuple[Name, Group]] = field(default_factory=list)
    prints: list[tuple[Band, Print]] = field(default_factory=list)


class _Hashed:
    """A file that is hashed while it is read from its beginning to its end."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(size)
        self._sha.update(data)
        return data

    def finish(self) -> str:
        while self.read(1 << 20):
            pass
        return self._sha.hexdigest()


def audit_shard(store: Store, task: ShardTask, found: Summariser) -> Iterator[Heard]:
    """Read a shard from its beginning to its end; faults and rows go to `found`."""
    opened = _Shard(task, found)
    name = f"shards/{task.name}"
    if not store.exists(name):
        return  # told as `shard_missing` already
    found.looked("shard_readable")
    with store.open(name) as handle:
        hashed = _Hashed(handle)
        try:
            with tarfile.open(fileobj=hashed, mode="r|") as tar:  # type: ignore[call-overload]
                for key, members in opened.samples(tar):
                    yield opened.measure(key, members)
        except (tarfile.TarError, EOFError, OSError) as error:
            opened.fault("shard_readable", f"{error}")
        sha256 = hashed.finish()
    found.looked("shard_hash", int(task.sha256 is not None))
    if task.sha256 not in (None, sha256):
        opened.fault("shard_hash", f"{sha256[:16]}…, its receipt says {str(task.sha256)[:16]}…")
    opened.finish()


class _Shard:
    """What is known of a shard while it is read."""

    def __init__(self, task: ShardTask, found: Summariser) -> None:
        self._task = task
        self._found = found
        self._hashes: list[tuple[str, list[list[str]]]] = []

    def fault(self, check: str, detail: str, key: str = "") -> None:
        self._found.fault(check, Example(0.0, key or self._task.name, detail, shard=self._task.name))

    def samples(self, tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Key and members of each sample in order."""
        key: str | None = None
        members: dict[str, bytes] = {}
        self._found.looked("shard_layout")
        for info in tar:
            stem, _, extension = info.name.partition(".")
            file = tar.extractfile(info)
            if file is None or "/" in info.name or not extension:
                self.fault("shard_layout", f"{info.name} is no member of a sample")
                continue
            if stem != key:
                if key is not None:
                    yield key, members
                key, members = stem, {}
                if extension != "json":
                    self.fault("shard_layout", f"begins with {extension}, not with json", stem)
            if extension in members:
                self.fault("shard_layout", f"{extension} stands twice", stem)
            members[extension] = file.read()
            if len(members[extension]) != info.size:
                raise tarfile.ReadError(f"{info.name} is cut short")
        if key is not None:
            yield key, members

    def measure(self, key: str, members: dict[str, bytes]) -> Heard:
        """Judge one sample against what was promised, and measure what is in it."""
        self._found.looked("samples_match")
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
        seen = Counter(one for one, _ in self._hashes)
        if seen[key]:
            self.fault("shard_layout", "its members do not stand together", key)
        self._hashes.append((key, [[name, sha] for name, sha in hashes.items()]))
        promised = self._task.samples.get(key)
        if promised is None:
            self.fault("samples_match", "in the shard, not in the index", key)
            promised = Promised(self._task.name.partition("-")[0], float("nan"), tuple(members))
        self._compare(key, hashes, promised)
        header = self._header(key, members)
        if header is None:
            return Heard()
        sample = Sample(key, self._task.name, header, members, promised, self._found, self._task.base_url)
        try:
            return measure_sample(sample)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            self.fault("header_valid", f"cannot be measured as KEY.json tells: {error!r}", key)
            return Heard()

    def finish(self) -> None:
        """What can be said once the whole shard was read."""
        here = {key for key, _ in self._hashes}
        for key in sorted(self._task.samples.keys() - here):
            self._found.looked("samples_match")
            self.fault("samples_match", "in the index, not in the shard", key)
        self._found.looked("shard_name")
        told = self._task.name.removesuffix(".tar").rpartition("-")[2]
        contents = digest(self._hashes, length=8)
        if contents != told:
            self.fault("shard_name", f"its contents give {contents}, its name says {told}")

    def _compare(self, key: str, hashes: dict[str, str], promised: Promised) -> None:
        self._found.looked("members_match")
        lacking, extra = set(promised.members) - hashes.keys(), hashes.keys() - set(promised.members)
        if lacking or extra:
            self.fault("members_match", _differences("the index", lacking, extra), key)
        self._found.looked("member_hash", len(promised.hashes))
        for name, sha in promised.hashes:
            if hashes.get(name, sha) != sha:
                self.fault("member_hash", f"{name} is not what was planned", key)

    def _header(self, key: str, members: dict[str, bytes]) -> dict[str, Any] | None:
        """KEY.json, with everything that is wrong with it told; None where nothing can be read of it."""
        self._found.looked("header_valid")
        try:
            header = json.loads(members.get("json", b""))
        except ValueError as error:
            self.fault("header_valid", f"KEY.json: {error}", key)
            return None
        if not isinstance(header, dict) or any(name not in header for name in REQUIRED):
            lacking = [name for name in REQUIRED if not isinstance(header, dict) or name not in header]
            self.fault("header_valid", f"KEY.json lacks {', '.join(lacking)}", key)
            return None
        if str(header["format"]).split(".")[0] != FORMAT_VERSION.split(".")[0]:
            self.fault("header_valid", f"format {header['format']}, read as {FORMAT_VERSION}", key)
        if header["key"] != key:
            self.fault("header_valid", f"KEY.json is of {header['key']}", key)
        self._split(key, header)
        told = set(header["members"]) | {"json"}
        if told != set(members):
            self.fault(
                "members_match", _differences("KEY.json", told - set(members), set(members) - told), key
            )
        return header

    def _split(self, key: str, header: dict[str, Any]) -> None:
        """Index and KEY.json must name one split, and the shard too; or the condition, in a test set."""
        split, promised = str(header["split"]), self._task.samples.get(key)
        if promised is not None and split != promised.split:
            self.fault("header_valid", f"split {split}, the index says {promised.split}", key)
        prefix = str((header.get("set") or {}).get("condition", split))
        if not self._task.name.startswith(f"{prefix}-"):
            self.fault("header_valid", f"{prefix}, the shard is {self._task.name}", key)


def _differences(who: str, lacking: set[str], extra: set[str]) -> str:
    told = [f"lacks {', '.join(sorted(lacking))}"] if lacking else []
    told += [f"has {', '.join(sorted(extra))} too"] if extra else []
    return f"{' and '.join(told)}, says {who}"


def measure_sample(sample: Sample) -> Heard:
    """Every measure of a sample; rows and faults go to its summariser."""
    from pipelines.audit.payload import arrays, lips, mixes, pictures, sounds, texts, turns

    sounds.measure_sounds(sample)
    pictures.measure_pictures(sample)
    arrays.measure_lengths(sample)
    arrays.measure_arrays(sample)
    arrays.measure_tokens(sample)
    texts.measure_texts(sample)
    turns.measure_turns(sample)
    mixes.measure_mixes(sample)
    row = sample.row(
        duration_off_s=_duration_off_s(sample),
        **missing_rights(sample.header),
        **sounds.agreement(sample),
        **sounds.fbank_delay(sample),
        **lips.lips_delay(sample),
        **pictures.trust_facts(sample),
    )
    sample.found.add_rows("samples", [row])
    source = str(sample.header["source"].get("id"))
    told = ("sample", (str(sample.header["split"]), sample.key))
    return Heard([(source, told)], list(_groups(sample)), list(_prints(sample)))


def _duration_off_s(sample: Sample) -> float:
    source = sample.header["source"]
    told = [sample.promised.duration_s]
    if "start" in source and "stop" in source:
        told.append(float(Fraction(source["stop"]) - Fraction(source["start"])))
    return max(abs(sample.duration_s - one) for one in told)


def _groups(sample: Sample) -> Iterator[tuple[Name, Group]]:
    """Who is in the sample, by KEY.json. Rows of speakers and faces are counted in tables: these add none."""
    header, split = sample.header, str(sample.header["split"])
    counted = Group(1, round(1000 * sample.duration_s), {split: 1}, {split: sample.key})
    for check, name in people_of(header):
        yield (check, name), counted if check == "leak_voice" else _at(split, sample.key)
    named = set(interferer_groups(header, sample.promised_base))
    for who, home in sorted(named):
        yield who, counted if home == split else _at(home, sample.key)


def _at(split: str, key: str) -> Group:
    """Nothing more than that somebody is there."""
    return Group(0, 0, {split: 0}, {split: key})


def _prints(sample: Sample) -> Iterator[tuple[Band, Print]]:
    """Of a test set none: it holds each clip once a condition."""
    if "base" in sample.header:
        return
    split = str(sample.header["split"])
    sound = sample.sound("flac")
    if sound is not None and sound[1] == 16_000:
        signature = sound_signature(sound[0].mean(axis=0, dtype="float64"))
        sample.found.looked("duplicate_sound")
        if signature is not None:
            yield from bands_of("duplicate_sound", Print(sample.key, sample.shard, split, signature))
    frames = sample.picture("face.mp4")
    if frames is not None:
        sample.found.looked("duplicate_face")
        bits = face_bits(frames)
        if bits is not None:
            yield from bands_of("duplicate_face", Print(sample.key, sample.shard, split, bits))
