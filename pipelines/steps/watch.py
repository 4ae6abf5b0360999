"""watch: the one decode of the video. Measures every frame; decides nothing.

Two tables a source: `frames` (one row a decoded frame) and `faces` (one row a face and frame), written
as they are measured, so memory does not grow with the length of the video.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.sections import WatchConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import content_item, guard_unchanged, rational, recording

if TYPE_CHECKING:
    from extractors.landmarks import Face
    from extractors.media import Frame
    from pipelines.corpus import Corpus

FRAMES = pa.schema(
    [
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("time_num", pa.int64(), nullable=False),  # PTS in seconds = time_num / time_den
        pa.field("time_den", pa.int64(), nullable=False),
        pa.field("corrupt", pa.bool_(), nullable=False),
        pa.field("n_faces", pa.int32(), nullable=False),
    ]
)
FACES = pa.schema(
    [
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("track", pa.int32(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("box", pa.list_(pa.float32(), 4), nullable=False),  # x0 y0 x1 y1, px
        pa.field("sharpness", pa.float32(), nullable=False),  # variance of the Laplacian
        pa.field("pose", pa.list_(pa.float32(), 16), nullable=False),  # canonical face -> camera, cm
        pa.field("blendshapes", pa.list_(pa.float32(), 52), nullable=False),
        pa.field("landmarks", pa.list_(pa.float32(), 478 * 3), nullable=False),  # px, to 1/64
    ]
)
ROWS_A_GROUP = 512
LANDMARK_STEP = 64.0  # coordinates are kept to 1/64 px: far below their noise, and they compress


class Watch(Step[WatchConfig]):
    """One item a source with video."""

    name = "watch"
    version = 1
    speed = 4.0
    libraries = ("av", "mediapipe", "numpy", "opencv-python-headless", "openvino")
    per_source = True
    upstream = ("ingest",)
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema(
        [
            pa.field("n_frames", pa.int64()),
            pa.field("n_corrupt_frames", pa.int64()),
            pa.field("n_decode_errors", pa.int64()),
            pa.field("n_frames_with_face", pa.int64()),
            pa.field("n_tracks", pa.int32()),
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
        """Both backends read the networks of the same file."""
        return ("face_landmarker",)

    def open(self) -> None:
        """Load the landmarker."""
        from extractors.landmarks import make_landmarker
        from extractors.weights import locate

        self._landmarker = make_landmarker(
            self.config.backend,
            task_path=str(locate("face_landmarker").path),
            max_faces=self.config.max_faces,
            **self._following(),
        )

    def _following(self) -> dict[str, Any]:
        """Options of the direct backend; MediaPipe's own graph looks for faces on every frame."""
        if self.config.backend == "mediapipe":
            return {}
        return {"detect_every": self.config.detect_every, "keep_tracked": True}

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Decode once, measure each frame, write both tables as they grow."""
        from extractors.media import VideoReader
        from extractors.tracks import Tracker

        facts = item.inputs
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        self._landmarker.reset()  # state of one video must not reach the next
        tracker = Tracker(iou=self.config.track_iou, gap_frames=self.config.track_gap_frames)
        names = (f"{item.id}.frames.parquet", f"{item.id}.faces.parquet")
        with (
            VideoReader(
                path, stream_index=facts["video_stream"], rotation_deg=facts["rotation_deg"]
            ) as reader,
            workspace.writing(names[0]) as frames_file,
            workspace.writing(names[1]) as faces_file,
        ):
            found = self._measure(reader.frames(), tracker, frames_file, faces_file)
            found["n_decode_errors"] = reader.n_errors
        guard_unchanged(path, facts["fingerprint"])
        return [item.row(artifacts=tuple(workspace.written(name) for name in names), measures=found)]

    def _measure(
        self, frames: Iterable[Frame], tracker: Any, frames_file: IO[bytes], faces_file: IO[bytes]
    ) -> dict[str, Any]:
        from extractors.quality import sharpness

        seen = {"n_frames": 0, "n_corrupt_frames": 0, "n_frames_with_face": 0}
        first: Fraction | None = None
        last: Fraction | None = None
        time_ms = -1
        with TableStream(frames_file, FRAMES) as frame_rows, TableStream(faces_file, FACES) as face_rows:
            for number, frame in enumerate(frames):
                first = frame.pts if first is None else first
                last = frame.pts
                time_ms = max(time_ms + 1, round((frame.pts - first) * 1000))
                faces = self._landmarker(frame.image, time_ms)
                tracks = tracker.update(number, [face.box for face in faces])
                frame_rows.add(_frame_row(number, frame, len(faces)))
                for face, track in zip(faces, tracks, strict=True):
                    face_rows.add(_face_row(number, frame, track, face, sharpness(frame.image, face.box)))
                seen["n_frames"] += 1
                seen["n_corrupt_frames"] += frame.corrupt
                seen["n_frames_with_face"] += bool(faces)
        return {
            **seen,
            "n_tracks": tracker.n_tracks,
            "first_frame": rational(first),
            "last_frame": rational(last),
        }


def _frame_row(number: int, frame: Frame, n_faces: int) -> dict[str, Any]:
    return {
        "frame": number,
        "time_num": frame.pts.numerator,
        "time_den": frame.pts.denominator,
        "corrupt": frame.corrupt,
        "n_faces": n_faces,
    }


def _face_row(number: int, frame: Frame, track: int, face: Face, sharp: float) -> dict[str, Any]:
    return {
        "frame": number,
        "track": track,
        "time_s": float(frame.pts),
        "score": face.score,
        "box": face.box,
        "sharpness": sharp,
        "pose": face.pose.reshape(-1),
        "blendshapes": face.blendshapes,
        "landmarks": (np.round(face.landmarks * LANDMARK_STEP) / LANDMARK_STEP).reshape(-1),
    }


class TableStream:
    """A Parquet table written row by row, in row groups of fixed size."""

    def __init__(self, handle: IO[bytes], schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        # split mantissa bytes of the long float columns: rounded coordinates then compress well
        floats = [f"{field.name}.list.element" for field in schema if pa.types.is_fixed_size_list(field.type)]
        self._writer = pq.ParquetWriter(
            handle, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=floats or False
        )

    def __enter__(self) -> TableStream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) == ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = []
        for field in self._schema:
            values = [row[field.name] for row in self._rows]
            if pa.types.is_fixed_size_list(field.type):
                flat = pa.array(np.concatenate(values).astype(np.float32))
                columns.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
            else:
                columns.append(pa.array(values, field.type))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []
