"""Tracks: which face of this frame is which face of the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float32]


@dataclass(eq=False)
class Track:
    """One face in one shot, gaps included. Grows while the video is followed."""

    shot: int
    number: int = -1
    """From 0 in order of appearance; -1 until its first row is given out."""
    first_frame: int = -1
    last_frame: int = -1
    n_frames: int = 0
    """Frames in which it was seen."""
    embedded_frames: list[int] = field(default_factory=list)
    embeddings: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """(K, D) of `embedded_frames`; (0, 0) when the face was never fit to be recognised."""
    reference_frame: int | None = None
    """Where the face shows best; None when it never looks at the camera with open eyes."""
    reference_quality: float = 0.0
    """See `extractors.portraits`."""

    def add(self, frame: int, quality: float) -> None:
        """The face is seen in a further frame."""
        self.first_frame = frame if not self.n_frames else self.first_frame
        self.last_frame = frame
        self.n_frames += 1
        if quality > self.reference_quality:
            self.reference_frame, self.reference_quality = frame, quality

    def embed(self, frame: int, embedding: NDArray[np.float32], *, keep: int) -> None:
        """Remember an embedding (D,). Of more than `keep`, every second is forgotten."""
        known = self.embeddings.reshape(-1, len(embedding))
        self.embeddings = np.concatenate([known, embedding[None]])
        self.embedded_frames = [*self.embedded_frames, frame]
        if len(self.embeddings) > keep:
            self.embeddings, self.embedded_frames = self.embeddings[::2], self.embedded_frames[::2]


def overlaps(some: Sequence[Box], others: Sequence[Box]) -> NDArray[np.float64]:
    """(N, M) intersection over union of boxes `(x0, y0, x1, y1)`; 0 for boxes without area."""
    one = np.array(some, np.float64).reshape(-1, 1, 4)
    other = np.array(others, np.float64).reshape(1, -1, 4)
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared = np.prod(np.maximum(sides, 0), axis=-1)
    areas = [np.prod(np.maximum(box[..., 2:] - box[..., :2], 0), axis=-1) for box in (one, other)]
    union = areas[0] + areas[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0), np.float64)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes `(x0, y0, x1, y1)`; 0 for boxes without area."""
    return float(overlaps([one], [other])[0, 0])


@dataclass
class _Track:
    number: int
    box: Box
    frame: int


class Tracker:
    """Joins boxes to tracks frame by frame, by boxes alone (`extractors.following` also looks at the face).

    A box joins the track it overlaps most, if by at least `iou`; each track takes one box; a track not
    seen for more than `gap_frames` frames ends. Defaults as SyncNet and TalkNet track (IoU 0.5,
    gap 10 frames). Track numbers count from 0 in order of appearance and are never reused.
    """

    def __init__(self, *, iou: float = 0.5, gap_frames: int = 10) -> None:
        self._iou = iou
        self._gap = gap_frames
        self._live: list[_Track] = []
        self.n_tracks = 0

    def update(self, frame: int, boxes: Sequence[Box]) -> list[int]:
        """Track numbers of the boxes of a frame. Frames must come in increasing order."""
        self._live = [track for track in self._live if frame - track.frame <= self._gap + 1]
        pairs = sorted(
            (
                (-iou(track.box, box), track.number, index, track)
                for track in self._live
                for index, box in enumerate(boxes)
            ),
            key=lambda pair: pair[:3],
        )
        numbers: dict[int, int] = {}
        for overlap, number, index, track in pairs:
            if -overlap >= self._iou and index not in numbers and number not in numbers.values():
                numbers[index] = number
                track.box, track.frame = boxes[index], frame
        for index, box in enumerate(boxes):
            if index not in numbers:
                numbers[index] = self.n_tracks
                self._live.append(_Track(self.n_tracks, box, frame))
                self.n_tracks += 1
        return [numbers[index] for index in range(len(boxes))]
