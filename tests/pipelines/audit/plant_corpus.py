"""Defects of the corpus as a whole: shards, tables, people, duplicates, rights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from plant import (
    Defect,
    Members,
    changed_flac,
    changed_video,
    edit_header,
    edit_samples,
    edit_table,
    read_shard,
    receipts,
    shards,
    shifted,
    train_shard,
    write_members,
    write_shard,
)


def _truncated_shard(corpus: Path, strength: int) -> None:
    path = train_shard(corpus)
    data = path.read_bytes()
    path.write_bytes(data[: (len(data) - 30_000, len(data) // 2, 700)[strength - 1]])


def _shard_gone(corpus: Path, strength: int) -> None:
    for path in (shards(corpus)[-1:], [train_shard(corpus)], shards(corpus))[strength - 1]:
        path.unlink()


def _bit_flipped(corpus: Path, strength: int) -> None:
    def flip(_: str, members: Members) -> None:
        data = bytearray(members["arkit52_valid.npy"])
        for at in range(1, (1, 8, 20)[strength - 1] + 1):
            data[-at] ^= 1
        members["arkit52_valid.npy"] = bytes(data)

    edit_samples(corpus, flip)


def _shard_altered(corpus: Path, strength: int) -> None:
    """Bits of the tar itself: of a header's padding, of a payload, of many."""
    path = train_shard(corpus)
    data = bytearray(path.read_bytes())
    for at in ((510,), (2000,), tuple(range(1024, 2048)))[strength - 1]:
        data[at] ^= 1
    path.write_bytes(bytes(data))


def _member_gone(corpus: Path, strength: int) -> None:
    def drop(_: str, members: Members) -> None:
        for name in [name for name in sorted(members) if name != "json"][: (1, 3, 100)[strength - 1]]:
            del members[name]

    edit_samples(corpus, drop)


def _sample_gone(corpus: Path, strength: int) -> None:
    path = train_shard(corpus)
    samples = read_shard(path)
    for key in sorted(samples)[: (1, 2, len(samples) - 1)[strength - 1]]:
        del samples[key]
    write_shard(path, samples)


def _layout(corpus: Path, strength: int) -> None:
    """KEY.json last; two samples mixed; all members sorted by their extension."""
    path = train_shard(corpus)
    samples = read_shard(path)
    members = [(f"{key}.{name}", data) for key, one in samples.items() for name, data in one.items()]
    if strength == 1:
        first = sorted(samples)[0]
        members.sort(key=lambda one: one[0] == f"{first}.json")
        members.sort(key=lambda one: one[0].partition(".")[0] != first)
    elif strength == 2:
        members.append(members.pop(1))
    else:
        members.sort(key=lambda one: one[0].partition(".")[2])
    write_members(path, members)


def _index_rows_gone(corpus: Path, strength: int) -> None:
    edit_table(corpus / "shards" / "index.parquet", lambda rows: rows[(1, 2, len(rows) - 1)[strength - 1] :])


def _index_twice(corpus: Path, strength: int) -> None:
    n = (1, 2, 100)[strength - 1]
    edit_table(
        corpus / "shards" / "index.parquet", lambda rows: sorted(rows + rows[:n], key=lambda row: row["key"])
    )


def _manifest_edited(corpus: Path, strength: int) -> None:
    def edit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in [row for row in rows if row["kind"] == "clip"][: (1, 2, 100)[strength - 1]]:
            row["status"], row["reason"] = "skipped", "face_small"
        return rows

    edit_table(corpus / "manifest.parquet", edit)


def _receipt_rows_gone(corpus: Path, strength: int) -> None:
    path = receipts(corpus, "cut")[0]
    edit_table(path, lambda rows: rows[(1, 2, len(rows))[strength - 1] :])


def _receipt_corrupt(corpus: Path, strength: int) -> None:
    path = receipts(corpus, "listen")[0]
    data = path.read_bytes()
    path.write_bytes((data[:-1] + b"?", data[: len(data) // 2], b"")[strength - 1])


def _duration(corpus: Path, strength: int) -> None:
    more_s = (0.0005, 0.04, 1.0)[strength - 1]
    edit_header(corpus, lambda header: header.update(duration_s=header["duration_s"] + more_s))


def _header(corpus: Path, strength: int) -> None:
    def spoil(_: str, members: Members) -> None:
        header = json.loads(members["json"])
        if strength == 1:
            del header["rates_hz"]
        members["json"] = (json.dumps(header).encode(), members["json"][:-40], b"")[strength - 1]

    edit_samples(corpus, spoil)


def _split(corpus: Path, strength: int) -> None:
    edit_header(corpus, lambda header: header.update(split=("Train", "test", "nowhere")[strength - 1]))


def _rename_in_other_split(corpus: Path, strength: int, change: Any) -> None:
    """Make samples of the smaller shard belong to somebody of the larger one: 1, 2 or all of them."""
    theirs = json.loads(read_shard(train_shard(corpus))[_first_key(corpus)]["json"])
    path = next(path for path in shards(corpus) if path != train_shard(corpus))
    samples = read_shard(path)
    for key in sorted(samples)[: (1, 2, 100)[strength - 1]]:
        header = json.loads(samples[key]["json"])
        change(header, theirs)
        samples[key]["json"] = json.dumps(header).encode()
    write_shard(path, samples)


def _first_key(corpus: Path) -> str:
    return sorted(read_shard(train_shard(corpus)))[0]


def _speaker_leaks(corpus: Path, strength: int) -> None:
    _rename_in_other_split(corpus, strength, lambda mine, theirs: mine.update(speaker=theirs["speaker"]))


def _person_leaks(corpus: Path, strength: int) -> None:
    _rename_in_other_split(corpus, strength, lambda mine, theirs: mine.update(person=theirs["person"]))


def _source_leaks(corpus: Path, strength: int) -> None:
    _rename_in_other_split(
        corpus, strength, lambda mine, theirs: mine["source"].update(id=theirs["source"]["id"])
    )


def _table_speaker_leaks(corpus: Path, strength: int) -> None:
    """In the receipts alone, without opening a shard: sources of two splits get one speaker."""
    splits = {}
    for path in shards(corpus):
        for key in read_shard(path):
            splits[key.partition("-")[0]] = path.name.partition("-")[0]
    wanted = [
        min(source for source in splits if splits[source] == split) for split in sorted(set(splits.values()))
    ]
    more = sorted(splits)[: (0, 1, 100)[strength - 1]]
    for path in receipts(corpus, "ingest"):
        edit_table(
            path,
            lambda rows: [
                row | {"speaker": "X"} if row["source_id"] in (*wanted, *more) else row for row in rows
            ],
        )


def _duplicate(corpus: Path, strength: int, change: Any) -> None:
    path = train_shard(corpus)
    samples = read_shard(path)
    key = sorted(samples)[0]
    samples["ffffffffffffffff-t00-0000000"] = change(samples[key]) if strength < 3 else dict(samples[key])
    write_shard(path, samples)


def _sound_twice(corpus: Path, strength: int) -> None:
    """The same bytes; 6 dB quieter; 7 ms later with noise 25 dB below."""

    def copy(members: Members) -> Members:
        def noisy(pcm: np.ndarray, rate: int) -> np.ndarray:
            noise = np.random.default_rng(1).normal(size=pcm.shape) * pcm.std() * 10 ** (-25 / 20)
            return shifted(pcm, round(0.007 * rate)) + noise

        return {
            **members,
            "flac": changed_flac(members["flac"], noisy if strength == 1 else lambda pcm, _: pcm / 2),
        }

    _duplicate(corpus, strength, copy)


def _face_twice(corpus: Path, strength: int) -> None:
    """The same bytes; coded again at a third of the rate; brighter and 4 pixels aside too."""

    def copy(members: Members) -> Members:
        def aside(frames: list[np.ndarray]) -> list[np.ndarray]:
            return [
                np.roll(np.clip(frame.astype(int) + 20, 0, 255), 4, axis=1).astype(np.uint8)
                for frame in frames
            ]

        change = aside if strength == 1 else list
        return {**members, "face.mp4": changed_video(members["face.mp4"], change, crf="32")}

    _duplicate(corpus, strength, copy)


def _right_gone(name: str) -> Any:
    def plant(corpus: Path, strength: int) -> None:
        edit_header(corpus, lambda header: header.update({name: (" ", "", None)[strength - 1]}))

    return plant


CORPUS: tuple[Defect, ...] = (
    Defect(
        "truncated shard", "shard_readable", ("30 kB gone", "half", "all but 700 bytes"), _truncated_shard
    ),
    Defect("missing shard", "shard_missing", ("the last", "the largest", "all"), _shard_gone),
    Defect("bad hash", "member_hash", ("1 bit", "8 bits", "20 bits"), _bit_flipped),
    Defect("altered tar", "shard_hash", ("1 bit of padding", "1 bit of KEY.json", "1 kB"), _shard_altered),
    Defect("missing member", "members_match", ("1", "3", "all but KEY.json"), _member_gone),
    Defect("missing sample", "samples_match", ("1", "2", "all but 1"), _sample_gone),
    Defect(
        "disordered shard", "shard_layout", ("KEY.json not first", "1 member astray", "by extension"), _layout
    ),
    Defect("dropped rows of the index", "index_matches", ("1", "2", "all but 1"), _index_rows_gone),
    Defect("rows twice in the index", "keys_unique", ("1", "2", "all"), _index_twice),
    Defect("edited manifest", "manifest_matches", ("1 row", "2 rows", "all clips"), _manifest_edited),
    Defect("dropped rows of a receipt", "books_balance", ("1", "2", "all"), _receipt_rows_gone),
    Defect("corrupt receipt", "receipts_readable", ("last byte", "half gone", "empty"), _receipt_corrupt),
    Defect("wrong duration", "duration_agrees", ("0.5 ms", "40 ms", "1 s"), _duration),
    Defect("broken KEY.json", "header_valid", ("a field gone", "cut short", "empty"), _header),
    Defect("wrong split", "header_valid", ("Train", "test", "nowhere"), _split),
    Defect("leaked speaker", "leak_speaker", ("1 sample", "2 samples", "a whole split"), _speaker_leaks),
    Defect(
        "leaked speaker, tables only", "leak_speaker", ("2 sources", "3 sources", "all"), _table_speaker_leaks
    ),
    Defect("leaked face", "leak_person", ("1 sample", "2 samples", "a whole split"), _person_leaks),
    Defect("leaked source", "leak_source", ("1 sample", "2 samples", "a whole split"), _source_leaks),
    Defect(
        "duplicate sound",
        "duplicate_sound",
        ("7 ms later, noise at 25 dB", "6 dB quieter", "same bytes"),
        _sound_twice,
    ),
    Defect(
        "duplicate face", "duplicate_face", ("brighter, 4 px aside", "coded again", "same bytes"), _face_twice
    ),
    Defect("missing licence", "sample_licence", ("blank", "empty", "null"), _right_gone("licence")),
    Defect("missing consent", "sample_consent", ("blank", "empty", "null"), _right_gone("consent")),
)
