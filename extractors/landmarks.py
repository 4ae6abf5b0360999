"""Faces of a frame: 478 landmarks, 52 blendshapes and the head pose, by one of two backends.

`direct` runs MediaPipe's networks with OpenVINO and is the fast path; `mediapipe` is the Tasks API, the
reference. Both need the same `face_landmarker.task`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from extractors.detectors import FaceDetector

N_LANDMARKS = 478

# The order of google-ai-edge/mediapipe `face_blendshapes_graph.cc`: `_neutral`, then 51 of ARKit's 52
# (there is no `tongueOut`).
BLENDSHAPE_NAMES: tuple[str, ...] = (
    "_neutral",
    "browDownLeft",
    "browDownRight",
    "browInnerUp",
    "browOuterUpLeft",
    "browOuterUpRight",
    "cheekPuff",
    "cheekSquintLeft",
    "cheekSquintRight",
    "eyeBlinkLeft",
    "eyeBlinkRight",
    "eyeLookDownLeft",
    "eyeLookDownRight",
    "eyeLookInLeft",
    "eyeLookInRight",
    "eyeLookOutLeft",
    "eyeLookOutRight",
    "eyeLookUpLeft",
    "eyeLookUpRight",
    "eyeSquintLeft",
    "eyeSquintRight",
    "eyeWideLeft",
    "eyeWideRight",
    "jawForward",
    "jawLeft",
    "jawOpen",
    "jawRight",
    "mouthClose",
    "mouthDimpleLeft",
    "mouthDimpleRight",
    "mouthFrownLeft",
    "mouthFrownRight",
    "mouthFunnel",
    "mouthLeft",
    "mouthLowerDownLeft",
    "mouthLowerDownRight",
    "mouthPressLeft",
    "mouthPressRight",
    "mouthPucker",
    "mouthRight",
    "mouthRollLower",
    "mouthRollUpper",
    "mouthShrugLower",
    "mouthShrugUpper",
    "mouthSmileLeft",
    "mouthSmileRight",
    "mouthStretchLeft",
    "mouthStretchRight",
    "mouthUpperUpLeft",
    "mouthUpperUpRight",
    "noseSneerLeft",
    "noseSneerRight",
)

# iBUG-68 (dlib) point -> mesh vertex, symmetric; left and right are those of the image. The mesh has no
# true jaw points: vertices of its silhouette (MediaPipe's face oval) stand in for 0..16. Of the mappings in
# use the vertices that lie nearest to auto_avsr's 68-point mean face were taken (mean of 8 GRID speakers,
# 256 px canvas: jaw 4 px off, brows 4, nose 3, eyes 1, lips 2; the widespread asymmetric list has jaw 7).
# fmt: off
IBUG68_FROM_MESH: tuple[int, ...] = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # 0-16 jaw
    70, 63, 105, 66, 107,  # 17-21 left brow, outer to inner
    336, 296, 334, 293, 300,  # 22-26 right brow, inner to outer
    168, 197, 5, 4,  # 27-30 nose bridge, top to tip
    98, 97, 2, 326, 327,  # 31-35 under the nose
    33, 160, 158, 133, 153, 144,  # 36-41 left eye, clockwise from the outer corner
    362, 385, 387, 263, 373, 380,  # 42-47 right eye, clockwise from the inner corner
    61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91,  # 48-59 outer lips
    78, 82, 13, 312, 308, 317, 14, 87,  # 60-67 inner lips
)
# fmt: on


@dataclass(frozen=True)
class Face:
    """One face of one frame.

    `box` (4,) float32: x0, y0, x1, y1 in px, the smallest and largest x and y of the landmarks, not
    clipped to the frame (from the chin to the hair line, not round the whole head).
    `score`: probability of the mesh network that a face is there, above 0.5 and almost always near 1; NaN
    from the `mediapipe` backend, whose API does not tell it.
    `landmarks` (478, 3) float32: x right and y down in px, z away from the camera in the same scale, 0 near
    the head's centre.
    `blendshapes` (52,) float32, 0..1, in `BLENDSHAPE_NAMES` order.
    `pose` (4, 4) float32: canonical face -> camera in cm (x right, y up, z towards the viewer), rotation
    times scale in the upper left; see `extractors.pose`.
    """

    box: NDArray[np.float32]
    score: float
    landmarks: NDArray[np.float32]
    blendshapes: NDArray[np.float32]
    pose: NDArray[np.float32]


class FaceLandmarker(Protocol):
    """Finds and follows the faces of one video at a time."""

    def reset(self) -> None:
        """Forget every face: call before each video, so that its result depends on nothing else."""

    def __call__(self, image: NDArray[np.uint8], time_ms: int) -> list[Face]:
        """Faces of `image` (H, W, 3) RGB, C-contiguous; `time_ms` must grow from call to call.

        Raises `ValueError` for another layout and for a time that does not grow.
        """


def make_landmarker(
    backend: Literal["direct", "mediapipe"],
    *,
    task_path: str,
    detector: FaceDetector | None = None,
    max_faces: int = 4,
    detect_every: int = 5,
    keep_tracked: bool = True,
) -> FaceLandmarker:
    """Load a landmarker. `task_path` names `face_landmarker.task`.

    `detector` finds the faces (see `extractors.detectors.make_detector`); None is MediaPipe's own.
    `max_faces` bounds the faces of a frame. `detect_every` and `keep_tracked` steer the `direct` backend
    (see `extractors.landmarks_direct.DirectLandmarker`); with 1 and False, no `detector`, and `max_faces`
    of 2 or more, it returns what `mediapipe` returns. `mediapipe` ignores both, and smooths over time when
    `max_faces` is 1, which `direct` never does. Raises `ValueError` for numbers below 1 and for a detector
    with `mediapipe`, whose graph has its own.
    """
    if max_faces < 1 or detect_every < 1:
        raise ValueError(f"max_faces={max_faces} and detect_every={detect_every} must be at least 1")
    if backend == "mediapipe":
        if detector is not None:
            raise ValueError("the mediapipe backend has a detector of its own: give none")
        from extractors.landmarks_mediapipe import MediapipeLandmarker

        return MediapipeLandmarker(task_path, max_faces=max_faces)
    from extractors.landmarks_direct import DirectLandmarker

    return DirectLandmarker(
        task_path,
        detector=detector,
        max_faces=max_faces,
        detect_every=detect_every,
        keep_tracked=keep_tracked,
    )


def box_of(landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(4,) x0, y0, x1, y1 of landmarks (N, 2 or 3), not clipped."""
    return np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])


def check_frame(image: NDArray[np.uint8], time_ms: int, last_time_ms: int | None) -> None:
    """Raise `ValueError` unless `image` and `time_ms` are what `FaceLandmarker` asks for.

    MediaPipe reads a non-contiguous array wrongly without a word and then finds no face.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.flags.c_contiguous:
        raise ValueError(f"frame must be contiguous (H, W, 3) uint8, not {image.shape} {image.dtype}")
    if last_time_ms is not None and time_ms <= last_time_ms:
        raise ValueError(f"frame at {time_ms} ms follows one at {last_time_ms} ms; reset() between videos")
