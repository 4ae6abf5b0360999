"""Tracks: which face of this frame is which face of the last. Greedy overlap, gaps bridged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = NDArray[np.float32]


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes `(x0, y0, x1, y1)`; 0 for boxes without area."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = float(width) * float(height)
    areas = [float(box[2] - box[0]) * float(box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


@dataclass
class _Track:
    number: int
    box: Box
    frame: int


class Tracker:
    """Joins boxes to tracks frame by frame.

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
