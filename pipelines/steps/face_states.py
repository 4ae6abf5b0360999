"""What is measured of each face of a frame, with the little memory that some measures need.

A face is followed here by its box alone, from one frame to the next: whose face it is, `extractors.following`
decides later. A measure begins anew where the box is lost or the shot changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.jitter import REACH_FRAMES, interocular, landmark_jitter
from extractors.landmarks import IBUG68_FROM_MESH, Face
from extractors.media import Frame
from extractors.occlusion import MouthOcclusion
from extractors.quality import look_at
from extractors.track_crop import TrackCropper, encode_crop
from extractors.tracks import Tracker

LANDMARK_STEP = 64.0
"""Coordinates are kept to 1/64 px: far below their noise, and they compress."""

STEADY = slice(17, 48)
"""Of iBUG-68: brows, nose and eyes. Jaw and lips move when one speaks."""

JITTER_WINDOW = 2 * REACH_FRAMES + 1


@dataclass
class _Recent:
    row: dict[str, Any]
    points: NDArray[np.float64]  # (68, 3) px
    time_s: float


@dataclass
class _State:
    cropper: TrackCropper = field(default_factory=TrackCropper)
    occlusion: MouthOcclusion = field(default_factory=MouthOcclusion)
    recent: deque[_Recent] = field(default_factory=lambda: deque(maxlen=JITTER_WINDOW))


class FaceStates:
    """Measures the faces of one shot, frame by frame.

    `jitter` of a row is filled in two frames later: rows must not be written before.
    """

    def __init__(self) -> None:
        self._tracker = Tracker(gap_frames=0)
        self._states: dict[int, _State] = {}

    def measure(self, number: int, frame: Frame, faces: Sequence[Face]) -> list[dict[str, Any]]:
        """A row (of `pipelines.steps.tables.FACES`, without its track) for each face of the frame."""
        tracks = self._tracker.update(number, [face.box for face in faces])
        self._states = {track: self._states.get(track) or _State() for track in tracks}
        return [
            _measured(number, frame, face, self._states[track])
            for face, track in zip(faces, tracks, strict=True)
        ]


def _measured(number: int, frame: Frame, face: Face, state: _State) -> dict[str, Any]:
    look = look_at(frame.image, face.box)
    row: dict[str, Any] = {
        "frame": number,
        "time_s": float(frame.pts),
        "score": face.score,
        "box": face.box,
        "sharpness": look.sharpness,
        "luma": look.luma_mean,
        "dark_share": look.dark_share,
        "bright_share": look.bright_share,
        "mouth_occlusion": state.occlusion(frame.image, face.landmarks),
        "jitter": float("nan"),
        "pose": face.pose.reshape(-1),
        "blendshapes": face.blendshapes,
        "landmarks": (np.round(face.landmarks * LANDMARK_STEP) / LANDMARK_STEP).reshape(-1),
        "crop": encode_crop(state.cropper(frame.image, face.box)),
    }
    points = face.landmarks[list(IBUG68_FROM_MESH)].astype(np.float64)
    state.recent.append(_Recent(row, points, row["time_s"]))
    if len(state.recent) == JITTER_WINDOW:
        points = np.stack([one.points for one in state.recent])
        times_s = np.array([one.time_s for one in state.recent])
        trembling = landmark_jitter(points[:, STEADY], times_s, interocular(points))
        state.recent[REACH_FRAMES].row["jitter"] = float(trembling[REACH_FRAMES])
    return row
