"""What `watch` does with the frames of one video: shots, faces, tracks, identities, trust."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

from extractors.detectors import make_detector
from extractors.embedding import FaceEmbedder, make_embedder
from extractors.following import Follower
from extractors.identities import cluster_tracks
from extractors.jitter import REACH_FRAMES
from extractors.landmarks import Face, FaceLandmarker, make_landmarker
from extractors.media import Frame
from extractors.portraits import portrait_quality
from extractors.pose import euler_deg, rotation_of
from extractors.shots import ShotDetector
from extractors.tracks import Track
from extractors.weights import locate
from pipelines.sections import WatchConfig
from pipelines.steps.face_states import FaceStates

MIN_PROFILE_DEG = 40.0
"""A head turned at least so far is a profile."""

BLOCK_FRAMES = 16
BLOCK_BYTES = 48 << 20
"""Frames held at once, and their size at most: eight of 1080p."""


class Watcher:
    """Looks at one video after the other. Rows of faces come out late: see `extractors.following`."""

    def __init__(self, config: WatchConfig) -> None:
        self._config = config
        self._landmarker = _landmarker(config)
        self._embedder = _embedder(config)
        self._shots = ShotDetector()

    def begin(self) -> None:
        """A new video; nothing of the last one may reach it."""
        self._landmarker.reset()
        self._shots.reset()
        config = self._config
        self._follower = Follower(
            self._embedder,
            iou=config.track_iou,
            gap_frames=config.track_gap_frames,
            check_every=config.check_every,
        )
        self._states = FaceStates()
        self._waiting: dict[tuple[int, int], dict[str, Any]] = {}
        self._ready: deque[dict[str, Any]] = deque()
        self._profiles: dict[int, tuple[float, int]] = {}
        self._number = -1
        self._first: Fraction | None = None
        self._time_ms = -1
        self.n_shots = 0

    def look(self, frames: Iterable[Frame]) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
        """For each frame its row, and rows of faces (of it and earlier ones) that are now final.

        Of every `BLOCK_FRAMES` frames one part sees all before the next begins: that keeps its network in the
        caches of the processor, and changes no result.
        """
        for block in _blocks(frames):
            cuts = [bool(self._shots(frame.image, frame.pts)) for frame in block]
            faces = [self._faces(*pair) for pair in zip(block, cuts, strict=True)]
            for one in zip(block, cuts, faces, strict=True):
                yield self._follow(*one)

    def _faces(self, frame: Frame, is_cut: bool) -> list[Face]:
        self._first = frame.pts if self._first is None else self._first
        self._time_ms = max(self._time_ms + 1, round((frame.pts - self._first) * 1000))
        if is_cut:
            self._landmarker.reset()
        return self._landmarker(frame.image, self._time_ms)

    def _follow(
        self, frame: Frame, is_cut: bool, faces: list[Face]
    ) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        self._number += 1
        rows = []
        if is_cut:
            self._states = FaceStates()
            rows += self._follower.cut()
            self.n_shots += 1
        measured = self._states.measure(self._number, frame, faces)
        for index, row in enumerate(measured):
            self._waiting[self._number, index] = row
        qualities = [
            portrait_quality(face, row["sharpness"], visible=1 - row["mouth_occlusion"])
            for face, row in zip(faces, measured, strict=True)
        ]
        rows += self._follower.update(self._number, frame.image, faces, qualities)
        return self._frame_row(frame, len(faces)), self._final(rows, until=self._number - REACH_FRAMES)

    def finish(self) -> list[dict[str, Any]]:
        """The last rows of faces."""
        self.n_shots += self._number >= 0
        return self._final(self._follower.finish(), until=self._number)

    def tracks(self) -> list[dict[str, Any]]:
        """One row a track, with its identity within the video."""
        tracks = self._follower.tracks
        same_below = self._embedder.same_below if self._embedder else 0.0
        identities = cluster_tracks(tracks, same_below=same_below)
        return [self._track_row(*pair) for pair in zip(tracks, identities, strict=True)]

    def _frame_row(self, frame: Frame, n_faces: int) -> dict[str, Any]:
        return {
            "frame": self._number,
            "time_num": frame.pts.numerator,
            "time_den": frame.pts.denominator,
            "corrupt": frame.corrupt,
            "n_faces": n_faces,
            "shot": self.n_shots,
        }

    def _final(self, rows: Sequence[tuple[int, int, int]], *, until: int) -> list[dict[str, Any]]:
        """Rows up to frame `until` whose track is known; earlier their jitter may not be."""
        for number, index, track in rows:
            row = self._waiting.pop((number, index))
            row["track"] = track  # the row itself: its jitter is still to come
            turn_deg = abs(float(euler_deg(rotation_of(row["pose"].reshape(4, 4)))[0]))
            if turn_deg > max(MIN_PROFILE_DEG, self._profiles.get(track, (0.0, 0))[0]):
                self._profiles[track] = (turn_deg, number)
            self._ready.append(row)
        found = []
        while self._ready and self._ready[0]["frame"] <= until:
            found.append(self._ready.popleft())
        return found

    def _track_row(self, track: Track, identity: int) -> dict[str, Any]:
        known = len(track.embeddings) > 0
        return {
            "track": track.number,
            "shot": track.shot,
            "first_frame": track.first_frame,
            "last_frame": track.last_frame,
            "n_frames": track.n_frames,
            "identity": identity,
            "n_embedded": len(track.embeddings),
            "embedding": track.embeddings.mean(axis=0) if known else None,
            "embedding_spread": float(track.embeddings.var(axis=0).sum()) if known else None,
            "reference_frame": track.reference_frame,
            "reference_quality": track.reference_quality,
            "profile_frame": self._profiles.get(track.number, (0.0, None))[1],
        }


def _blocks(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    block: list[Frame] = []
    for frame in frames:
        block.append(frame)
        if len(block) == BLOCK_FRAMES or len(block) * frame.image.nbytes >= BLOCK_BYTES:
            yield block
            block = []
    if block:
        yield block


def _landmarker(config: WatchConfig) -> FaceLandmarker:
    task_path = str(locate("face_landmarker").path)
    if config.backend == "mediapipe":  # its graph has a detector of its own
        return make_landmarker("mediapipe", task_path=task_path, max_faces=config.max_faces)
    weights = str(locate("scrfd").path) if config.detector == "scrfd" else None
    return make_landmarker(
        "direct",
        task_path=task_path,
        detector=make_detector(config.detector, weights=weights, budget_px=config.detector_px),
        max_faces=config.max_faces,
        detect_every=config.detect_every,
    )


def _embedder(config: WatchConfig) -> FaceEmbedder | None:
    if config.embedder == "none":
        return None
    names = {"dlib": "dlib_face", "arcface": "arcface"}
    return make_embedder(config.embedder, str(locate(names[config.embedder]).path))
