"""The stretch of a source that a sample was cut from, with what was measured drawn on it."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.corpus import Corpus
from pipelines.steps.seen import matrix

LONGER_SIDE_PX = 960
COLOURS = {True: (0, 158, 115), False: (230, 159, 0), None: (86, 180, 233)}
"""RGB of the followed face by whether it speaks (Okabe and Ito's colours, told apart by nearly everybody)."""
OTHER = (150, 160, 170)
_DOING = {None: "", True: " speaks", False: " silent"}
_FONT_SCALE = 0.5
VIDEO_OPTIONS = {"threads": "1", "preset": "fast", "crf": "26"}


@dataclass(frozen=True)
class SeenFace:
    """A face of one frame as the tables of `watch` and `who` have it; None: not known who speaks."""

    track: int
    box: NDArray[np.float64]
    landmarks: NDArray[np.float64]
    speaks: bool | None


def faces_around(
    corpus: Corpus, source_id: str, start: Fraction, stop: Fraction
) -> dict[int, list[SeenFace]]:
    """Faces of the source's frames in [start, stop), by frame number."""
    (watched,) = [row for row in corpus.rows("watch") if row["source_id"] == source_id]
    store = corpus.store
    first = Fraction(watched["first_frame"])
    inside = [("time_s", ">=", float(start)), ("time_s", "<", float(stop))]
    columns = ["frame", "track", "time_s", "box", "landmarks"]
    with store.open(watched["artifacts"][1]["name"]) as handle:
        faces = pq.read_table(handle, filters=inside, columns=columns)
    scores = _scores(corpus, source_id, store)
    boxes, meshes = matrix(faces, "box", 4), matrix(faces, "landmarks", 478 * 3).reshape(-1, 478, 3)
    found: dict[int, list[SeenFace]] = {}
    frames = zip(*(faces.column(name).to_pylist() for name in ("frame", "track", "time_s")), strict=True)
    for row, (frame, track, time_s) in enumerate(frames):
        score = scores.get((track, round((time_s - float(first)) * 25)))
        speaks = None if score is None else score > 0
        found.setdefault(frame, []).append(SeenFace(track, boxes[row], meshes[row], speaks))
    return found


def _scores(corpus: Corpus, source_id: str, store: Store) -> dict[tuple[int, int], float]:
    for row in corpus.rows("who"):
        if row["source_id"] == source_id and row["artifacts"]:
            with store.open(row["artifacts"][0]["name"]) as handle:
                table = pq.read_table(handle).to_pydict()
            return dict(zip(zip(table["track"], table["tick"], strict=True), table["score"], strict=True))
    return {}


def overlaid(
    corpus: Corpus, recording: dict[str, Any], source_id: str, start: Fraction, stop: Fraction, *, track: int
) -> Iterator[tuple[Fraction, NDArray[np.uint8]]]:
    """Time and picture (RGB, longer side at most 960 px) of each frame in [start, stop), drawn upon.

    The followed track's box is green while it speaks, orange while not and blue where that is not known;
    other faces are grey.
    """
    from extractors.media import VideoReader

    faces = faces_around(corpus, source_id, start, stop)
    times = _frame_times(corpus, source_id)
    path = str(Path(corpus.source_root, recording["path"]))
    stream, rotation = recording["video_stream"], recording["rotation_deg"]
    with VideoReader(path, stream_index=stream, rotation_deg=rotation) as reader:
        for frame in reader.frames(start, stop):
            scale = min(1.0, LONGER_SIDE_PX / max(frame.image.shape[:2]))
            size = [int(side * scale) // 2 * 2 for side in frame.image.shape[1::-1]]
            picture = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8)
            for face in faces.get(times.get(frame.pts, -1), ()):
                draw_face(picture, face, scale, followed=face.track == track)
            yield frame.pts, picture


def _frame_times(corpus: Corpus, source_id: str) -> dict[Fraction, int]:
    (watched,) = [row for row in corpus.rows("watch") if row["source_id"] == source_id]
    with corpus.store.open(watched["artifacts"][0]["name"]) as handle:
        table = pq.read_table(handle, columns=["frame", "time_num", "time_den"]).to_pydict()
    times = zip(table["time_num"], table["time_den"], table["frame"], strict=True)
    return {Fraction(num, den): number for num, den, number in times}


def draw_face(picture: NDArray[np.uint8], face: SeenFace, scale: float, *, followed: bool) -> None:
    """Box, contours of the mesh, track number and what it does, onto an RGB picture."""
    colour = COLOURS[face.speaks] if followed else OTHER
    points = np.round(face.landmarks[:, :2] * scale * 8).astype(np.int32)
    for one, other in _contours():
        cv2.line(picture, points[one].tolist(), points[other].tolist(), colour, 1, cv2.LINE_AA, 3)
    x0, y0, x1, y1 = (int(value) for value in np.round(face.box * scale))
    cv2.rectangle(picture, (x0, y0), (x1, y1), colour, 2)
    _label(picture, f"t{face.track:02d}{_DOING[face.speaks]}", (x0 - 1, y0), colour)


def _label(
    picture: NDArray[np.uint8], text: str, corner: tuple[int, int], colour: tuple[int, int, int]
) -> None:
    """Black text on a plate of that colour, standing on the corner as far as the picture has room."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, 1)
    left = min(max(0, corner[0]), max(0, picture.shape[1] - width - 8))
    bottom = min(max(height + 8, corner[1]), picture.shape[0])
    cv2.rectangle(picture, (left, bottom - height - 8), (left + width + 8, bottom), colour, cv2.FILLED)
    at = (left + 4, bottom - 4)
    cv2.putText(picture, text, at, cv2.FONT_HERSHEY_SIMPLEX, _FONT_SCALE, (0, 0, 0), 1, cv2.LINE_AA)


@cache
def _contours() -> Sequence[tuple[int, int]]:
    """Edges of lips, eyes, brows and the face's oval between mesh vertices."""
    from mediapipe.tasks.python.vision import FaceLandmarksConnections

    return tuple((edge.start, edge.end) for edge in FaceLandmarksConnections.FACE_LANDMARKS_CONTOURS)


def clip_video(
    frames: Iterator[tuple[Fraction, NDArray[np.uint8]]],
    start: Fraction,
    audio: tuple[NDArray[np.float32], int] | None,
) -> bytes:
    """An MP4 (H.264, AAC) that browsers play: frames at their own times from `start`, and its sound."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = None
        sound: Any = container.add_stream("aac", rate=audio[1], layout="mono") if audio else None
        for pts, picture in frames:
            if stream is None:
                stream = container.add_stream("libx264", options=VIDEO_OPTIONS)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = Fraction(1, 90_000)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round((pts - start) * 90_000), Fraction(1, 90_000)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))
        if audio is not None:
            _add_sound(container, sound, *audio)
    return buffer.getvalue()


def _add_sound(container: Any, stream: Any, pcm: NDArray[np.float32], rate_hz: int) -> None:
    block = 1024
    for at in range(0, len(pcm), block):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm[None, at : at + block]), format="fltp", layout="mono"
        )
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, at, Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
