"""cut: the second decode, of kept spans only. Lips, face, audio and coefficients of one clip at a time.

An item is a clip: its id covers the source's content, the track and the exact span, so a moved
threshold computes newly kept clips and finds the others done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from extractors.extractor import EXTRACTORS, FaceExtractor, extractor_class
from manifests.ids import digest
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.clip_sections import CutConfig
from pipelines.step import Item, Resources, Step, Unit, Workspace, library_versions
from pipelines.steps.documents import cut_document, document_item, is_document
from pipelines.steps.ingest import guard_unchanged
from pipelines.steps.members import AUDIO_MEMBERS
from pipelines.steps.pictures import cut_pictures
from pipelines.steps.select import MEASURES
from pipelines.steps.series import Clip

if TYPE_CHECKING:
    from extractors.audio import AudioReader
    from pipelines.corpus import Corpus


class Cut(Step[CutConfig]):
    """One item a kept clip."""

    name = "cut"
    version = 2
    speed = 8.0
    per_clip = True
    libraries = ("av", "numpy", "opencv-python-headless", "soundfile", "soxr")
    upstream = ("watch", "who")
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema(
        [
            pa.field("missing", pa.string()),  # JSON: member -> reason
            pa.field("clipped_samples", pa.int64()),
            pa.field("audio_padded_s", pa.float64()),
            pa.field("face61_valid_share", pa.float64()),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """The work list of `select`."""
        from extractors.media import SEEKABLE_CONTAINERS

        recordings = {row["source_id"]: row for row in corpus.rows("ingest")}
        watched = {row["source_id"]: row for row in corpus.rows("watch")}
        scored = {
            row["source_id"]: row["artifacts"][0]["name"] for row in corpus.rows("who") if row["artifacts"]
        }
        items = corpus.items("select")
        for row in corpus.rows("select"):
            if row["status"] != Status.OK:
                continue
            source, seen = recordings[row["source_id"]], watched.get(row["source_id"])
            tables = [artifact["name"] for artifact in seen["artifacts"]] if seen else []
            if is_document(source):
                yield document_item(row, items[row["item"]].inputs["recording"], MEASURES)
                continue
            facts = [source["content_sha256"], row["track"], row["start"], row["stop"], row["has_audio"]]
            inputs = {
                "key": row["key"],
                "recording": items[row["item"]].inputs["recording"],
                "track": row["track"],
                "start": row["start"],
                "stop": row["stop"],
                "has_audio": row["has_audio"],
                "tables": tables,
                "scores": scored.get(row["source_id"]),
                "tick": row["tick"],
                "measures": {name: row[name] for name in MEASURES},
            }
            length_s = float(Fraction(row["stop"]) - Fraction(row["start"]))
            reach_s = 0.0 if source["container"] in SEEKABLE_CONTAINERS else float(Fraction(row["start"]))
            item_id = f"{row['key']}-{digest(facts, length=8)}"
            yield Item(item_id, row["source_id"], inputs, length_s, reach_s)

    def weights(self) -> tuple[str, ...]:
        """Those of the extractors and landmarks that the config asks for."""
        names = {name for one in self._classes().values() for name in one.weights}
        return tuple(sorted(names | ({"dlib_68"} if self.config.lip_landmarks == "dlib68" else set())))

    def made_of(self) -> dict[str, Any]:
        """The extractors have versions and libraries of their own."""
        versions = {
            name: [one.version, library_versions(one.libraries)] for name, one in self._classes().items()
        }
        return super().made_of() | versions

    def _classes(self) -> dict[str, type[FaceExtractor]]:
        return {name: extractor_class(name) for name in self.config.members if name in EXTRACTORS}

    def open(self) -> None:
        """Load the extractors."""
        options = self.config.options
        self._extractors = {name: one(**options.get(name, {})) for name, one in self._classes().items()}

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """Clips come in the order of their sources: the audio of each is opened once for all of its clips."""
        self._audio: tuple[str, AudioReader] | None = None
        try:
            return super().run(unit, workspace)
        finally:
            self._close_audio()

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write every member the config asks for and the source allows."""
        if is_document(item.inputs["recording"]):
            return [self._document(item, workspace)]
        clip = Clip.of(item)
        path = workspace.source_path(clip.source["path"])
        guard_unchanged(path, clip.source["fingerprint"])
        payloads: dict[str, bytes] = {}
        measures: dict[str, Any] = {}
        missing: dict[str, str] = {}
        if clip.track is None:
            pictured = set(self.config.members) - set(AUDIO_MEMBERS)
            missing |= dict.fromkeys(pictured, str(Reason.NO_FACE))
        else:
            made = cut_pictures(clip, path, workspace.store, config=self.config, extractors=self._extractors)
            payloads |= made.payloads
            measures |= made.measures
            missing |= made.missing
        if clip.has_audio:
            payloads |= self._sound(clip, path, measures)
        else:
            missing |= dict.fromkeys(AUDIO_MEMBERS, str(Reason.NO_AUDIO))
        guard_unchanged(path, clip.source["fingerprint"])
        wanted = {name: missing[name] for name in sorted(missing) if name in self.config.members}
        measures["missing"] = json.dumps(wanted)
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        return [item.row(artifacts=tuple(artifacts), measures=measures)]

    def _document(self, item: Item, workspace: Workspace) -> Row:
        """The text of a piece, and nothing else."""
        text = cut_document(item, workspace)
        artifact = workspace.put(f"{item.id}.txt", text.encode("utf-8"))
        missing = {
            name: str(Reason.NO_AUDIO if name in AUDIO_MEMBERS else Reason.NO_VIDEO)
            for name in sorted(self.config.members)
        }
        return item.row(artifacts=(artifact,), measures={"missing": json.dumps(missing)})

    def _sound(self, clip: Clip, path: str, measures: dict[str, Any]) -> dict[str, bytes]:
        """Audio at its native rate and channels, and 16 kHz mono made of it."""
        from extractors.audio import MONO_RATE_HZ, to_mono16k
        from extractors.encode import flac_bytes, npy_bytes
        from extractors.filterbank import stacked_filterbank

        reader = self._reader(clip, path)
        pcm = reader.read_span(clip.start, clip.stop)
        measures["audio_padded_s"] = float(reader.padded_s)
        payloads: dict[str, bytes] = {}
        clipped = 0
        if "native" in self.config.members:
            payloads["native.flac"], clipped = flac_bytes(pcm, reader.rate_hz)
        mono = to_mono16k(pcm, reader.rate_hz)
        if "flac" in self.config.members:
            payloads["flac"], more = flac_bytes(mono[None], MONO_RATE_HZ)
            clipped += more
        if "fbank104" in self.config.members:
            payloads["fbank104.npy"] = npy_bytes(stacked_filterbank(mono, n_frames=clip.n_ticks))
        measures["clipped_samples"] = clipped
        return payloads

    def _reader(self, clip: Clip, path: str) -> AudioReader:
        from extractors.audio import AudioReader

        if self._audio is None or self._audio[0] != path:
            self._close_audio()
            self._audio = (path, AudioReader(path, stream_index=clip.source["audio_stream"]))
        return self._audio[1]

    def _close_audio(self) -> None:
        if self._audio is not None:
            self._audio[1].__exit__(None, None, None)
        self._audio = None
