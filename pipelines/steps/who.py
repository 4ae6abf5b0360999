"""who: which face speaks, and whether its lips and its voice belong to one instant. Decides nothing.

Reads what `watch` kept of the faces, and the audio, shot by shot. Two tables a source
(`pipelines.steps.tables`): a score for each track and 25 Hz instant, and audio-visual offsets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.sections import WhoConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.heard import HeardTrack, heard_shots
from pipelines.steps.ingest import content_item, guard_unchanged, recording
from pipelines.steps.offsets import lips_offsets, syncnet_offsets
from pipelines.steps.tables import OFFSETS, SCORES, TableStream

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

FindOffsets = Callable[[list[HeardTrack]], Iterable[dict[str, Any]]]


class Who(Step[WhoConfig]):
    """One item a source with picture and sound."""

    name = "who"
    version = 2
    speed = 5.0
    libraries = ("av", "numpy", "opencv-python-headless", "scipy", "soxr", "torch")
    per_source = True
    upstream = ("watch",)
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema([pa.field("n_scored", pa.int64()), pa.field("n_speaking", pa.int64())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every source that was watched and can be heard."""
        if self.config.model == "none" and self.config.offset == "none":
            return
        watched = {row["source_id"]: row for row in corpus.rows("watch")}
        for row in corpus.rows("ingest"):
            seen = watched.get(row["source_id"])
            if seen and seen["status"] == row["status"] == Status.OK and row["audio_stream"] is not None:
                tables = [artifact["name"] for artifact in seen["artifacts"]]
                yield content_item(row, recording(row) | {"tables": tables})

    def weights(self) -> tuple[str, ...]:
        """Those of the networks chosen. Names enter the key, so what is missing is told before any work."""
        asked = () if self.config.model == "none" else (self.config.model,)
        return (*asked, "syncnet") if self.config.offset == "syncnet" else asked

    def open(self) -> None:
        """Load the networks."""
        from extractors.weights import locate

        self._speaker: Any = None
        self._syncnet: Any = None
        if self.config.model == "lr_asd":
            from extractors.active_speaker import ActiveSpeaker

            self._speaker = ActiveSpeaker(str(locate("lr_asd").path), device=self.config.device)
        if self.config.offset == "syncnet":
            from extractors.syncnet import SyncNet

            self._syncnet = SyncNet(str(locate("syncnet").path), device=self.config.device)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Score every track. Memory grows with the longest shot: about 0.5 GB an hour and face."""
        facts = item.inputs
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        counts = {"n_scored": 0, "n_speaking": 0}
        names = [f"{item.id}.{table}.parquet" for table in ("scores", "offsets")]
        with (
            self._offsets(path, facts) as find_offsets,
            workspace.writing(names[0]) as scores_file,
            workspace.writing(names[1]) as offsets_file,
            TableStream(scores_file, SCORES) as scores,
            TableStream(offsets_file, OFFSETS) as offsets,
        ):
            for tracks in heard_shots(path, facts, workspace.store):
                for row in self._scores(tracks):
                    scores.add(row)
                    counts["n_scored"] += 1
                    counts["n_speaking"] += row["score"] > 0
                for row in find_offsets(tracks):
                    offsets.add(row)
        guard_unchanged(path, facts["fingerprint"])
        return [item.row(artifacts=tuple(map(workspace.written, names)), measures=counts)]

    def _scores(self, tracks: list[HeardTrack]) -> Iterator[dict[str, Any]]:
        from extractors.active_speaker import smooth

        if self._speaker is None:
            return
        for track in tracks:
            scores = smooth(self._speaker(track.crops, track.pcm))
            for tick, score, near in zip(track.ticks, scores, track.near, strict=True):
                if near:
                    yield {"track": track.number, "tick": tick, "score": float(score)}

    @contextmanager
    def _offsets(self, path: str, facts: dict[str, Any]) -> Iterator[FindOffsets]:
        """Rows of offsets for the tracks of a shot. SyncNet has the picture decoded a second time."""
        if self._syncnet is None:
            yield lips_offsets if self.config.offset == "lips" else lambda tracks: ()
            return
        from extractors.media import VideoReader

        with VideoReader(
            path, stream_index=facts["video_stream"], rotation_deg=facts["rotation_deg"]
        ) as reader:
            frames = reader.frames()
            yield lambda tracks: syncnet_offsets(tracks, frames, self._syncnet)
