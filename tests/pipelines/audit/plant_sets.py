"""Defects of test sets, dialogues and stereo recordings: who is mixed in, heard where, seen to speak."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import soundfile
from plant import Defect, Members, edit_samples, edit_table, read_shard, receipts, shards, write_shard


def _wrong_snr(corpus: Path, strength: int) -> None:
    """The label of a test set's sample is off."""
    off_db = (0.05, 0.5, 6.0)[strength - 1]
    path = next(path for path in shards(corpus) if "db-" in path.name)
    samples = read_shard(path)
    key = sorted(samples)[0]
    header = json.loads(samples[key]["json"])
    for plan in header["mix"]["plans"].values():
        plan["interferers"][0]["snr_db"] += off_db
    samples[key]["json"] = json.dumps(header).encode()
    write_shard(path, samples)


def _edit_where(corpus: Path, strength: int, of_interest: Any, change: Any) -> None:
    """1, 2 or all samples of the split with fewer of those of interest become like one of the other split.

    `change(mine, theirs)` alters a KEY.json. Samples are taken in the order of their keys.
    """
    found: dict[str, list[tuple[Path, str]]] = {}
    headers: dict[str, dict[str, Any]] = {}
    for path in shards(corpus):
        for key, members in read_shard(path).items():
            headers[key] = json.loads(members["json"])
            if of_interest(headers[key]):
                found.setdefault(headers[key]["split"], []).append((path, key))
    assert len(found) > 1, "needs samples of two splits"
    *_, fewest = sorted(found, key=lambda split: (-len(found[split]), split))
    theirs = next(headers[min(found[split])[1]] for split in sorted(found) if split != fewest)
    for path, key in sorted(found[fewest], key=lambda one: one[1])[: (1, 2, 10_000)[strength - 1]]:
        samples = read_shard(path)
        change(headers[key], theirs)
        samples[key]["json"] = json.dumps(headers[key]).encode()
        write_shard(path, samples)


def _interferer_leaks(corpus: Path, strength: int) -> None:
    """Somebody who disturbs clips of one split disturbs those of another."""

    def speech(header: dict[str, Any]) -> bool:
        return any(one.get("speaker") for one in (header.get("mix") or {}).get("sources", ()))

    _edit_where(
        corpus, strength, speech, lambda mine, theirs: mine["mix"].update(sources=theirs["mix"]["sources"])
    )


def _voice_leaks(corpus: Path, strength: int) -> None:
    """A voice of one split speaks for somebody of another."""

    def speak(mine: dict[str, Any], theirs: dict[str, Any]) -> None:
        for name in ("voice", "voice_identity"):
            mine["speakers"]["main"][name] = theirs["speakers"]["main"].get(name)

    _edit_where(corpus, strength, lambda header: "speakers" in header, speak)


def _faces_swapped(corpus: Path, strength: int) -> None:
    """The scores of both faces change places for a tenth, for nine tenths, for all of a dialogue."""
    share = (0.1, 0.9, 1.0)[strength - 1]

    def swap(_: str, members: Members) -> None:
        sides = [np.load(io.BytesIO(members[f"{side}.trust.npy"])) for side in ("main", "other")]
        n = round(share * len(sides[0]))
        for side, mine, theirs in zip(("main", "other"), sides, sides[::-1], strict=True):
            sink = io.BytesIO()
            np.save(sink, np.concatenate([theirs[:n], mine[n:]]))
            members[f"{side}.trust.npy"] = sink.getvalue()

    edit_samples(corpus, swap)


def _dialogue_channels_swapped(corpus: Path, strength: int) -> None:
    """Main hears other 6 dB below itself; as loud twice over; the channels are exchanged."""
    own, foreign = ((1.0, 0.5), (0.5, 1.0), (0.0, 1.0))[strength - 1]

    def swap(_: str, members: Members) -> None:
        for name in ("flac", "native.flac"):
            sounds = [soundfile.read(io.BytesIO(members[f"{side}.{name}"])) for side in ("main", "other")]
            for side, (mine, rate), (theirs, _) in zip(("main", "other"), sounds, sounds[::-1], strict=True):
                sink = io.BytesIO()
                soundfile.write(sink, 0.5 * (own * mine + foreign * theirs), rate, format="FLAC")
                members[f"{side}.{name}"] = sink.getvalue()

    edit_samples(corpus, swap)


def _channels_mislabelled(corpus: Path, strength: int) -> None:
    """The label `channels` of 1, 2 or all stereo recordings names the people the wrong way round."""
    tables = receipts(corpus, "ingest")
    rows: list[dict[str, Any]] = [row for path in tables for row in pq.read_table(path).to_pylist()]
    named = sorted(row["source_id"] for row in rows if row.get("channels"))
    wrong = named[: (1, 2, 100)[strength - 1]]
    for path in tables:
        edit_table(
            path,
            lambda rows: [
                row | {"channels": json.dumps(json.loads(row["channels"])[::-1])}
                if row["source_id"] in wrong
                else row
                for row in rows
            ],
        )


SETS: tuple[Defect, ...] = (
    Defect("wrong SNR", "snr_achieved", ("0.05 dB", "0.5 dB", "6 dB"), _wrong_snr),
    Defect(
        "leaked interferer", "leak_interferer", ("1 sample", "2 samples", "a whole split"), _interferer_leaks
    ),
)
"""Of test sets only."""

DIALOGUES: tuple[Defect, ...] = (
    Defect("leaked voice", "leak_voice", ("1 sample", "2 samples", "a whole split"), _voice_leaks),
    Defect(
        "exchanged channels of a dialogue",
        "channels_swapped",
        ("6 dB of cross-talk", "other louder by 6 dB", "exchanged"),
        _dialogue_channels_swapped,
    ),
    Defect(
        "exchanged faces of a dialogue",
        "faces_swapped",
        ("a tenth of it", "nine tenths", "all"),
        _faces_swapped,
    ),
)
"""Of dialogues only; faces need those of recordings."""

STEREO: tuple[Defect, ...] = (
    Defect(
        "channels labelled the wrong way",
        "channel_face",
        ("1 source", "2 sources", "all"),
        _channels_mislabelled,
    ),
    Defect(
        "channels labelled the wrong way, by voice",
        "channel_voices",
        ("1 source", "2 sources", "all"),
        _channels_mislabelled,
    ),
)
"""Of stereo recordings with a person a channel."""
