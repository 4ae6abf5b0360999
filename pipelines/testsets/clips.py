"""clips: what the clean shards hold, and where in each clip somebody speaks. One item a shard.

What later steps need of a clip stands in its row, so that they read of the corpus only what they change.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from manifests.reasons import Reason, Status
from manifests.receipts import Row
from manifests.store import Store
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.testsets.clean import Part, clean_shards, read_shard
from pipelines.testsets.corpus import grid_of
from pipelines.testsets.grid import ActivityConfig

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

STREAMS = ("", "other.")
"""Where a clip's target lies: in a dialogue sample the user, `other`, speaks to the model."""


class Clips(Step[ActivityConfig]):
    """A row for each clip: members with digests, labels, active speech."""

    name = "clips"
    version = 1
    speed = 60.0
    libraries = ("numpy", "onnxruntime", "soundfile", "soxr")
    resources = Resources(cpus=1.0, memory_gb=0.7)
    measurements = pa.schema(
        [
            pa.field("shard", pa.string()),
            pa.field("split", pa.string()),
            pa.field("source", pa.string()),
            pa.field("speaker", pa.string()),
            pa.field("duration_s", pa.float64()),
            pa.field("members", pa.string()),  # JSON: extension -> [offset, bytes, sha256]
            pa.field("sounds", pa.string()),  # JSON: member -> [samples, rate_hz, channels]
            pa.field("arrays", pa.string()),  # JSON: member -> shape
            pa.field("active_s", pa.string()),  # JSON: [[start_s, stop_s], ...] of the target
            pa.field("header", pa.string()),  # the clean KEY.json
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """The shards of the split; shards are named by their contents."""
        for shard in clean_shards(corpus.source_root, grid_of(corpus).clips.split):
            yield Item(shard.name.removesuffix(".tar"), None, {"shard": shard.name}, shard.duration_s)

    def weights(self) -> tuple[str, ...]:
        """Silero VAD."""
        return ("silero_vad",)

    def open(self) -> None:
        """Load the network."""
        from extractors.speech import SpeechDetector
        from extractors.weights import locate

        self._detector = SpeechDetector(str(locate("silero_vad").path))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Read the shard once, sample by sample."""
        shard = item.inputs["shard"]
        rows = [
            self._row(item, key, parts, shard)
            for key, parts in read_shard(Store(workspace.source_root), shard)
        ]
        return rows or [
            item.row(status=Status.FAILED, reason=Reason.EMPTY_FILE, detail=f"{shard} holds no sample")
        ]

    def _row(self, item: Item, key: str, parts: list[Part], shard: str) -> Row:
        import soundfile

        payloads = {part.extension: part.data for part in parts}
        try:
            header = json.loads(payloads["json"])
            arrays = {name: _shape(data) for name, data in payloads.items() if name.endswith(".npy")}
            sounds = {name: _sound(data) for name, data in payloads.items() if name.endswith("flac")}
            active_s = self._active_s(payloads)
        except (KeyError, ValueError, soundfile.SoundFileError) as error:
            detail = f"{key} in {shard}: {type(error).__name__}: {error}"
            return item.row(key, status=Status.FAILED, reason=Reason.DECODE_FAILED, detail=detail)
        members = {
            part.extension: [part.offset, len(part.data), hashlib.sha256(part.data).hexdigest()]
            for part in parts
        }
        measures = {
            "shard": shard,
            "split": header["split"],
            "source": header["source"]["id"],
            "speaker": header.get("speaker") or header.get("person"),
            "duration_s": float(header["duration_s"]),
            "members": json.dumps(members, sort_keys=True),
            "sounds": json.dumps(sounds, sort_keys=True),
            "arrays": json.dumps(arrays, sort_keys=True),
            "active_s": json.dumps(active_s),
            "header": payloads["json"].decode(),
        }
        return item.row(key, measures=measures)

    def _active_s(self, payloads: dict[str, bytes]) -> list[list[float]]:
        """Where the target speaks; nothing without its 16 kHz recording."""
        from extractors.speech import HOP, RATE_HZ, speech_segments

        name = next((f"{stream}flac" for stream in reversed(STREAMS) if f"{stream}flac" in payloads), None)
        if name is None:
            return []
        import soundfile

        pcm, rate_hz = soundfile.read(io.BytesIO(payloads[name]), dtype="float32", always_2d=True)
        if rate_hz != RATE_HZ:
            raise ValueError(f"{name} has {rate_hz} Hz, not {RATE_HZ}")
        mono = np.pad(pcm.mean(axis=1), (0, -len(pcm) % HOP))
        self._detector.reset()
        found = speech_segments(
            self._detector.feed(mono.astype(np.float32)), threshold=self.config.speech_threshold
        )
        length_s = len(pcm) / rate_hz
        return [[max(0.0, start), min(stop, length_s)] for start, stop in found if start < length_s]


def _sound(data: bytes) -> list[int]:
    import soundfile

    info = soundfile.info(io.BytesIO(data))
    return [info.frames, info.samplerate, info.channels]


def _shape(data: bytes) -> list[int]:
    """Of an array, without reading its values."""
    buffer = io.BytesIO(data)
    np.lib.format.read_magic(buffer)
    shape, _, _ = np.lib.format.read_array_header_1_0(buffer)
    return list(shape)


def clip_rows(corpus: Corpus) -> list[dict[str, Any]]:
    """The clips that could be read, by key."""
    return [row for row in corpus.rows("clips") if row["status"] == Status.OK]
