"""watch: the one decode of the video. Measures every face of every frame; decides nothing.

Three tables a source (`pipelines.steps.tables`): frames with their shot, faces, and tracks with their
identity. The first two are written as they are measured, so memory does not grow with the video.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.sections import WatchConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import content_item, guard_unchanged, rational, recording
from pipelines.steps.tables import FACES, FRAMES, TRACKS, TableStream

if TYPE_CHECKING:
    from extractors.media import Frame
    from pipelines.corpus import Corpus
    from pipelines.steps.watching import Watcher

WEIGHTS_OF = {
    "yunet": ("yunet",),
    "scrfd": ("scrfd",),
    "mediapipe": (),
    "dlib": ("dlib_face",),
    "arcface": ("arcface",),
    "none": (),
}
"""Weights behind the choices of detector and embedder."""


class Watch(Step[WatchConfig]):
    """One item a source with video."""

    name = "watch"
    version = 3
    speed = 3.5
    libraries = (
        *("av", "dlib-bin", "mediapipe", "numpy", "onnxruntime"),
        *("opencv-python-headless", "openvino", "scenedetect-headless", "scipy"),
    )
    per_source = True
    upstream = ("ingest",)
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema(
        [
            pa.field("n_frames", pa.int64()),
            pa.field("n_corrupt_frames", pa.int64()),
            pa.field("n_decode_errors", pa.int64()),
            pa.field("n_frames_with_face", pa.int64()),
            pa.field("n_shots", pa.int32()),
            pa.field("n_tracks", pa.int32()),
            pa.field("n_identities", pa.int32()),
            pa.field("first_frame", pa.string()),  # PTS of the first and last frame, "n/d" seconds
            pa.field("last_frame", pa.string()),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every readable source with a video stream."""
        for row in corpus.rows("ingest"):
            if row["status"] == Status.OK and row["video_stream"] is not None:
                yield content_item(row, recording(row))

    def weights(self) -> tuple[str, ...]:
        """Both landmarkers read the networks of one file; detector and embedder have their own."""
        detector = self.config.detector if self.config.backend == "direct" else "none"
        choices = (detector, self.config.embedder)
        return ("face_landmarker", *(name for choice in choices for name in WEIGHTS_OF[choice]))

    def open(self) -> None:
        """Load the networks."""
        from pipelines.steps.watching import Watcher

        self._watcher = Watcher(self.config)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Decode once, measure each frame, write the tables as they grow."""
        from extractors.media import VideoReader

        facts = item.inputs
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        names = [f"{item.id}.{table}.parquet" for table in ("frames", "faces", "tracks")]
        with (
            VideoReader(
                path, stream_index=facts["video_stream"], rotation_deg=facts["rotation_deg"]
            ) as reader,
            workspace.writing(names[0]) as frames_file,
            workspace.writing(names[1]) as faces_file,
        ):
            found = _measure(self._watcher, reader.frames(), frames_file, faces_file)
            found["n_decode_errors"] = reader.n_errors
        tracks = self._watcher.tracks()
        with workspace.writing(names[2]) as tracks_file, TableStream(tracks_file, TRACKS) as rows:
            for track in tracks:
                rows.add(track)
        found["n_tracks"] = len(tracks)
        found["n_identities"] = len({track["identity"] for track in tracks})
        guard_unchanged(path, facts["fingerprint"])
        return [item.row(artifacts=tuple(workspace.written(name) for name in names), measures=found)]


def _measure(
    watcher: Watcher, frames: Iterable[Frame], frames_file: IO[bytes], faces_file: IO[bytes]
) -> dict[str, Any]:
    seen = {"n_frames": 0, "n_corrupt_frames": 0, "n_frames_with_face": 0}
    first: Fraction | None = None
    last: Fraction | None = None
    watcher.begin()
    with TableStream(frames_file, FRAMES) as frame_rows, TableStream(faces_file, FACES) as face_rows:
        for frame_row, faces in watcher.look(frames):
            last = Fraction(frame_row["time_num"], frame_row["time_den"])
            first = last if first is None else first
            frame_rows.add(frame_row)
            for face in faces:
                face_rows.add(face)
            seen["n_frames"] += 1
            seen["n_corrupt_frames"] += frame_row["corrupt"]
            seen["n_frames_with_face"] += bool(frame_row["n_faces"])
        for face in watcher.finish():
            face_rows.add(face)
    return {
        **seen,
        "n_shots": watcher.n_shots,
        "first_frame": rational(first),
        "last_frame": rational(last),
    }
