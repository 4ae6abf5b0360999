"""cut: the second decode, of kept spans only. Lips, face, audio and coefficients of one clip at a time.

An item is a clip: its id covers the source's content, the track and the exact span, so a moved
threshold computes newly kept clips and finds the others done.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.config import CutConfig
from pipelines.step import Item, Resources, Step, Unit, Workspace
from pipelines.steps.ingest import guard_unchanged
from pipelines.steps.select import MEASURES
from pipelines.steps.series import Clip, Series, read_series

if TYPE_CHECKING:
    from extractors.audio import AudioReader
    from extractors.media import Frame
    from pipelines.corpus import Corpus

VIDEO_MEMBERS = ("lips", "face", "arkit52", "face61")
AUDIO_MEMBERS = ("flac", "native")
MAX_GAP_S = 0.1
"""A coefficient between two measurements further apart than this is marked invalid: one missed frame at
25 fps is bridged, and video of 12 fps still counts as measured."""


class Cut(Step[CutConfig]):
    """One item a kept clip."""

    name = "cut"
    version = 1
    speed = 8.0
    libraries = ("av", "numpy", "opencv-python-headless", "soundfile", "soxr")
    upstream = ("watch",)
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
        items = corpus.items("select")
        for row in corpus.rows("select"):
            if row["status"] != Status.OK:
                continue
            source, seen = recordings[row["source_id"]], watched.get(row["source_id"])
            tables = [artifact["name"] for artifact in seen["artifacts"]] if seen else []
            facts = [source["content_sha256"], row["track"], row["start"], row["stop"], row["has_audio"]]
            inputs = {
                "key": row["key"],
                "recording": items[row["item"]].inputs["recording"],
                "track": row["track"],
                "start": row["start"],
                "stop": row["stop"],
                "has_audio": row["has_audio"],
                "tables": tables,
                "measures": {name: row[name] for name in MEASURES},
            }
            length_s = float(Fraction(row["stop"]) - Fraction(row["start"]))
            reach_s = 0.0 if source["container"] in SEEKABLE_CONTAINERS else float(Fraction(row["start"]))
            item_id = f"{row['key']}-{digest(facts, length=8)}"
            yield Item(item_id, row["source_id"], inputs, length_s, reach_s)

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """Clips come in the order of their sources: the audio of each is opened once for all of its clips."""
        self._audio: tuple[str, AudioReader] | None = None
        try:
            return super().run(unit, workspace)
        finally:
            self._close_audio()

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write every member the config asks for and the source allows."""
        clip = Clip.of(item)
        path = workspace.source_path(clip.source["path"])
        guard_unchanged(path, clip.source["fingerprint"])
        payloads: dict[str, bytes] = {}
        measures: dict[str, Any] = {}
        missing: dict[str, str] = {}
        if clip.track is None:
            missing |= dict.fromkeys(VIDEO_MEMBERS, str(Reason.NO_FACE))
        else:
            payloads |= self._pictures(clip, path, read_series(workspace.store, clip), measures)
        if clip.has_audio:
            payloads |= self._sound(clip, path, measures)
        else:
            missing |= dict.fromkeys(AUDIO_MEMBERS, str(Reason.NO_AUDIO))
        guard_unchanged(path, clip.source["fingerprint"])
        wanted = {name: missing[name] for name in sorted(missing) if name in self.config.members}
        measures["missing"] = json.dumps(wanted)
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        return [item.row(artifacts=tuple(artifacts), measures=measures)]

    def _pictures(self, clip: Clip, path: str, series: Series, measures: dict[str, Any]) -> dict[str, bytes]:
        """Video and coefficients of the clip's track."""
        from extractors.coefficients import coefficients
        from extractors.encode import npy_bytes

        payloads: dict[str, bytes] = {}
        times_s = np.array([float(time) for time in series.frame_pts])[series.seen]
        grid_s = np.array([float(time) for time in clip.grid])
        found = coefficients(times_s, series.blendshapes, series.poses, grid_s, max_gap_s=MAX_GAP_S)
        measures["face61_valid_share"] = float(found.face61_valid.mean())
        for name in ("arkit52", "face61"):
            if name in self.config.members:
                payloads[f"{name}.npy"] = npy_bytes(getattr(found, name))
                payloads[f"{name}_valid.npy"] = npy_bytes(getattr(found, f"{name}_valid"))
        if {"lips", "face"} & set(self.config.members):
            payloads |= self._videos(clip, path, series)
        return payloads

    def _videos(self, clip: Clip, path: str, series: Series) -> dict[str, bytes]:
        """Lip ROI and face crop, both from one decode of the span."""
        from extractors import crops, encode, lips
        from extractors.landmarks import IBUG68_FROM_MESH
        from extractors.resampling import nearest_indices

        chosen = nearest_indices(series.frame_pts, clip.grid)
        landmarks = _on_frames(series.landmarks[:, IBUG68_FROM_MESH, :2], series, chosen)
        lip_plan = lips.plan_lips(landmarks)
        crop_plan = crops.plan_crops(_on_frames(series.boxes, series, chosen), scale=self.config.face_scale)
        lip_video = encode.Mp4Writer(grey=True, options=encode.LIP_OPTIONS)
        face_video = encode.Mp4Writer(grey=False, options=encode.FACE_OPTIONS)
        for index, frame in enumerate(_frames_at([series.frame_pts[one] for one in chosen], clip, path)):
            if "lips" in self.config.members:
                lip_video.add(lips.lip_crop(frame.image, lip_plan, index))
            if "face" in self.config.members:
                crop = crops.face_crop(frame.image, crop_plan, index, size_px=self.config.face_px)
                face_video.add(crop)
        payloads: dict[str, bytes] = {}
        if "lips" in self.config.members:
            payloads["lips.mp4"] = lip_video.finish()
            payloads["lips_interpolated.npy"] = encode.npy_bytes(lip_plan.interpolated)
        if "face" in self.config.members:
            payloads["face.mp4"] = face_video.finish()
        return payloads

    def _sound(self, clip: Clip, path: str, measures: dict[str, Any]) -> dict[str, bytes]:
        """Audio at its native rate and channels, and 16 kHz mono made of it."""
        from extractors.audio import MONO_RATE_HZ, to_mono16k
        from extractors.encode import flac_bytes

        reader = self._reader(clip, path)
        pcm = reader.read_span(clip.start, clip.stop)
        measures["audio_padded_s"] = float(reader.padded_s)
        payloads: dict[str, bytes] = {}
        clipped = 0
        if "native" in self.config.members:
            payloads["native.flac"], clipped = flac_bytes(pcm, reader.rate_hz)
        if "flac" in self.config.members:
            payloads["flac"], more = flac_bytes(to_mono16k(pcm, reader.rate_hz)[None], MONO_RATE_HZ)
            clipped += more
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


def _on_frames(values: np.ndarray[Any, Any], series: Series, chosen: list[int]) -> np.ndarray[Any, Any]:
    """Values (N, …) of the frames with the face, on the chosen frames (T, …); NaN where it was not seen."""
    every = np.full((len(series.frame_pts), *values.shape[1:]), np.nan)
    every[series.seen] = values
    return every[chosen]


def _frames_at(times: list[Fraction], clip: Clip, path: str) -> Iterator[Frame]:
    """The source frames with these PTS (ascending, may repeat), decoded again.

    Raises ItemError when the second decode does not give the frames of the first.
    """
    from extractors.media import VideoReader

    video, rotation = clip.source["video_stream"], clip.source["rotation_deg"]
    with VideoReader(path, stream_index=video, rotation_deg=rotation) as reader:
        frames = reader.frames(times[0], times[-1] + Fraction(1, 10**6))
        frame = next(frames, None)
        for time in times:
            while frame is not None and frame.pts < time:
                frame = next(frames, None)
            if frame is None or frame.pts != time:
                raise ItemError(Reason.DECODE_FAILED, f"no frame at {float(time):.3f} s in the second decode")
            yield frame
