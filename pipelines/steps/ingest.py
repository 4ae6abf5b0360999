"""ingest: open every source once, hash it, and write down its streams and their true timing.

A document (text alone, which readers list only where it was meant as one) is read to its end instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from manifests.sidecar import LABEL_SCHEMA
from manifests.sources.folder import fingerprint, is_text
from manifests.tombstones import read_tombstones
from pipelines.sections import IngestConfig
from pipelines.step import Item, Resources, SourceChangedError, Step, Workspace

if TYPE_CHECKING:
    from extractors.probe import Probe
    from pipelines.corpus import Corpus

RECORDING = pa.schema(
    [
        pa.field("path", pa.string()),
        pa.field("fingerprint", pa.string()),
        pa.field("content_sha256", pa.string()),
        pa.field("bytes", pa.int64()),
        pa.field("container", pa.string()),
        pa.field("container_duration_s", pa.float64()),  # what the container claims; never relied on
        pa.field("other_streams", pa.int32()),
        # times are exact rationals "n/d" in seconds on the container's own timeline
        pa.field("video_stream", pa.int32()),
        pa.field("video_codec", pa.string()),
        pa.field("video_start", pa.string()),
        pa.field("video_stop", pa.string()),
        pa.field("video_rate", pa.string()),
        pa.field("video_frames", pa.int64()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("rotation_deg", pa.int32()),
        pa.field("is_vfr", pa.bool_()),
        pa.field("video_lost_packets", pa.int64()),  # in the index, beyond the end of the file
        pa.field("audio_stream", pa.int32()),
        pa.field("audio_codec", pa.string()),
        pa.field("audio_start", pa.string()),
        pa.field("audio_stop", pa.string()),
        pa.field("audio_rate_hz", pa.int32()),
        pa.field("audio_channels", pa.int32()),
        pa.field("audio_lost_packets", pa.int64()),
        pa.field("audio_offset_s", pa.float64()),  # audio start - video start; positive: audio is late
        *LABEL_SCHEMA,
    ]
)


DOCUMENT = "text"
"""The container of a source that is text alone: it has no stream and no time."""


class Ingest(Step[IngestConfig]):
    """One item a source file; a file that changed on disk, or in the sidecar, is a new item."""

    name = "ingest"
    version = 2
    speed = 400.0
    libraries = ("av",)
    per_source = True
    measurements = RECORDING
    resources = Resources(cpus=1.0, memory_gb=0.5)

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every listed source."""
        for source in corpus.listing.sources:
            inputs = {"path": source.path, "fingerprint": source.fingerprint, "labels": source.labels}
            yield Item(f"{source.id}-{digest(inputs, length=8)}", source.id, inputs, source.bytes / 1e6)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Probe and hash. Raises ItemError when the file is neither usable media nor a document."""
        from extractors.probe import probe, sha256_file

        try:
            item.inputs["path"].encode()
        except UnicodeEncodeError as error:
            raise ItemError(Reason.NAME_NOT_UTF8, repr(item.inputs["path"])) from error
        path = workspace.source_path(item.inputs["path"])
        guard_unchanged(path, item.inputs["fingerprint"])
        measures = describe_document(path) if is_text(path) else describe(probe(path))
        measures |= {"path": item.inputs["path"], "fingerprint": item.inputs["fingerprint"]}
        measures |= {"content_sha256": sha256_file(path), **item.inputs["labels"]}
        guard_unchanged(path, item.inputs["fingerprint"])
        if read_tombstones(workspace.store).has_content(measures["content_sha256"]):
            raise ItemError(Reason.FORGOTTEN, "its content is that of a forgotten person's recording")
        return [item.row(measures=measures)]


def guard_unchanged(path: str, expected: str) -> None:
    """Raises SourceChangedError when a source is gone or is not the file that was listed."""
    try:
        same = fingerprint(Path(path)) == expected
    except OSError as error:
        raise SourceChangedError(f"{path} cannot be read any more: {error}") from error
    if not same:
        raise SourceChangedError(f"{path} changed since it was listed")


def describe(found: Probe) -> dict[str, Any]:
    """A probe as receipt columns."""
    measures: dict[str, Any] = {
        "bytes": found.size_bytes,
        "container": found.format_name,
        "container_duration_s": None if found.duration is None else float(found.duration),
        "other_streams": found.other_streams,
    }
    if found.video is not None:
        video = asdict(found.video)
        measures |= {
            "video_stream": video["index"],
            "video_codec": video["codec"],
            "video_start": rational(video["start"]),
            "video_stop": rational(video["stop"]),
            "video_rate": rational(video["nominal_rate"]),
            "video_frames": video["n_packets"],
            "width": video["width"],
            "height": video["height"],
            "rotation_deg": video["rotation_deg"],
            "is_vfr": video["is_vfr"],
            "video_lost_packets": video["n_lost"],
        }
    if found.audio is not None:
        audio = found.audio
        measures |= {
            "audio_stream": audio.index,
            "audio_codec": audio.codec,
            "audio_start": rational(audio.start),
            "audio_stop": rational(audio.stop),
            "audio_rate_hz": audio.rate_hz,
            "audio_channels": audio.channels,
            "audio_lost_packets": audio.n_lost,
        }
        offset = found.audio_offset
        measures["audio_offset_s"] = None if offset is None else float(offset)
    return measures


def describe_document(path: str) -> dict[str, Any]:
    """A document as receipt columns. Raises ItemError for one that cannot be read or says nothing."""
    from extractors.documents import read_document

    read_document(path)
    return {"bytes": Path(path).stat().st_size, "container": DOCUMENT, "other_streams": 0}


def rational(value: Fraction | None) -> str | None:
    """A time as the text "n/d", which `Fraction` reads back exactly."""
    return None if value is None else f"{value.numerator}/{value.denominator}"


RECORDING_FACTS = (
    *("path", "fingerprint", "content_sha256"),
    *("video_stream", "video_start", "video_stop", "video_rate", "rotation_deg", "width", "height"),
    *("audio_stream", "audio_start", "audio_stop", "audio_rate_hz", "audio_channels"),
    *("video_lost_packets", "audio_lost_packets", "container"),
)


def recording(row: dict[str, Any]) -> dict[str, Any]:
    """What later steps need to open a source again, from its ingest row."""
    return {name: row[name] for name in RECORDING_FACTS}


def media_s(row: dict[str, Any]) -> float:
    """Length of a recording by its packets' own time stamps, seconds."""
    spans = [
        float(Fraction(row[f"{kind}_stop"]) - Fraction(row[f"{kind}_start"]))
        for kind in ("video", "audio")
        if row[f"{kind}_start"] and row[f"{kind}_stop"]
    ]
    return max(spans, default=0.0)


def content_item(row: dict[str, Any], inputs: dict[str, Any]) -> Item:
    """An item over a whole source, named by its content: another file in its place is another item."""
    return Item(f"{row['source_id']}-{row['content_sha256'][:12]}", row["source_id"], inputs, media_s(row))
