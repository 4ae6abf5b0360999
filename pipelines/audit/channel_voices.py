"""Stereo recordings whose label `channels` says who is on which channel: is it so?

Two things tell, both measured by the step `voices`, which knows a voice a channel: how alike the voices are
to those of the same names in other recordings, and which channel the labelled speaker is seen to speak.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.reasons import Status
from manifests.store import Store
from pipelines.audit.sketches import Example

VOICES_CHECK, FACE_CHECK = "channel_voices", "channel_face"
MIN_VOICE_S = 2.0
"""Less speech does not make a voice that can be known again: the embedder's window is 1.6 s."""
SURE_FACE = 0.3
"""Confidence from which a face is taken to speak a voice (`extractors.face_voice`)."""
Voice = NDArray[np.float64]


@dataclass(frozen=True)
class Stereo:
    """A recording told apart by its channels: the name on each, and the table of its voices."""

    source_id: str
    names: tuple[str, str]
    speaker: str | None
    table: str


@dataclass(frozen=True)
class Channel:
    """What is heard on a channel: a unit vector, None where it is too short; and the face that speaks it."""

    voice: Voice | None
    face: int | None


def check_channels(
    store: Store, folders: Mapping[str, str]
) -> tuple[dict[str, int], list[tuple[str, Example]]]:
    """How many recordings were looked at by each check, and those whose channels are exchanged.

    Voices are compared with the mean of all others of that name, so that one exchanged recording does not
    vouch for itself. Memory grows with the names, not with the recordings: tables are read twice.
    """
    stereo = list(_stereo(store, folders))
    sums: dict[str, Voice] = {}
    counts: dict[str, int] = {}
    for one in stereo:
        for name, channel in zip(one.names, _channels(store, one), strict=True):
            if channel.voice is not None:
                sums[name] = sums.get(name, 0.0) + channel.voice
                counts[name] = counts.get(name, 0) + 1
    looked = {VOICES_CHECK: 0, FACE_CHECK: 0}
    faults: list[tuple[str, Example]] = []
    for one in stereo:
        channels = _channels(store, one)
        told = {
            VOICES_CHECK: _by_voices(one, channels, sums, counts),
            FACE_CHECK: _by_face(one, channels),
        }
        for check, detail in told.items():
            looked[check] += detail is not None
            if detail:
                faults.append((check, Example(0.0, one.source_id, detail)))
    return looked, faults


def _by_voices(
    one: Stereo, channels: tuple[Channel, Channel], sums: Mapping[str, Voice], counts: Mapping[str, int]
) -> str | None:
    """What is wrong; empty: nothing; None: it cannot be told."""
    from extractors.channels import swapped

    voices = [channel.voice for channel in channels if channel.voice is not None]
    if len(voices) < 2 or any(counts[name] < 2 for name in one.names):
        return None
    others = [sums[name] - voice for name, voice in zip(one.names, voices, strict=True)]
    likeness = np.array([[_cosine(voice, other) for other in others] for voice in voices])
    verdict = swapped(likeness)
    if verdict is None:
        return None
    own, crossed = (float(np.mean(np.diag(m))) for m in (likeness, likeness[:, ::-1]))
    told = f"voices are {crossed:.2f} like the other name's elsewhere, {own:.2f} like their own"
    return f"{', '.join(one.names)}: {told}" if verdict else ""


def _by_face(one: Stereo, channels: tuple[Channel, Channel]) -> str | None:
    if one.speaker not in one.names:
        return None
    claimed = one.names.index(one.speaker)
    faces = [channel.face for channel in channels]
    if (faces[0] is None) == (faces[1] is None):  # none is sure, or both people are seen
        return None
    heard = 0 if faces[0] is not None else 1
    if heard == claimed:
        return ""
    return f"the face is seen to speak what channel {heard} holds; by the label {one.speaker} is on {claimed}"


def _stereo(store: Store, folders: Mapping[str, str]) -> Iterator[Stereo]:
    """Recordings that have a name a channel and were told apart by them, by id."""
    if not {"ingest", "voices"} <= folders.keys():
        return
    names: dict[str, tuple[tuple[str, str], str | None]] = {}
    for row in _rows(store, folders["ingest"], ("source_id", "channels", "speaker")):
        told = json.loads(row["channels"]) if row.get("channels") else []
        if len(told) == 2 and told[0] != told[1] and all(isinstance(one, str) for one in told):
            names[row["source_id"]] = (told[0], told[1]), row.get("speaker")
    for row in _rows(store, folders["voices"], ("source_id", "status", "voices_from", "artifacts")):
        if row["source_id"] in names and row["status"] == Status.OK and row.get("voices_from") == "channels":
            table = next(one["name"] for one in row["artifacts"] if one["name"].endswith(".voices.parquet"))
            yield Stereo(row["source_id"], *names[row["source_id"]], table)


def _rows(store: Store, folder: str, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Of all receipts in order; one that cannot be read is told where the tables are read."""
    for name in sorted(store.list(f"{folder}/receipts")):
        try:
            with store.open(f"{folder}/receipts/{name}") as handle, pq.ParquetFile(handle) as file:
                there = [column for column in columns if column in file.schema_arrow.names]
                yield from file.read(columns=there).to_pylist()
        except (pa.ArrowInvalid, OSError):
            continue


def _channels(store: Store, one: Stereo) -> tuple[Channel, Channel]:
    found = [Channel(None, None), Channel(None, None)]
    try:
        with store.open(one.table) as handle:
            rows = pq.read_table(handle).to_pylist()
    except (pa.ArrowInvalid, OSError):
        rows = []
    for row in rows:
        voice = np.asarray(row["embedding"], np.float64)
        size = float(np.linalg.norm(voice))
        is_known = row["total_s"] >= MIN_VOICE_S and size > 0
        face = row["identity"] if row["confidence"] >= SURE_FACE else None
        if row["voice"] in (0, 1):
            found[row["voice"]] = Channel(voice / size if is_known else None, face)
    return found[0], found[1]


def _cosine(one: Voice, other: Voice) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size else 0.0
