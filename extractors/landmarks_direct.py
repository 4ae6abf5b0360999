"""The fast landmarker: MediaPipe's networks run by OpenVINO, with MediaPipe's graph written out.

Follows google-ai-edge/mediapipe `face_landmarker_graph.cc` (tracking), `face_landmarks_detector_graph.cc`
(mesh) and `face_blendshapes_graph.cc`.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from extractors.blaze import BlazeFace
from extractors.face_crop import Cropper
from extractors.face_geometry import PoseSolver
from extractors.face_roi import Roi, around_landmarks, overlap, project, without_duplicates
from extractors.landmarks import BLENDSHAPE_NAMES, N_LANDMARKS, Face, box_of, check_frame
from extractors.tflite import Network

_SIDE = 256
_MIN_PRESENCE = 0.5  # `min_face_presence_confidence`
_MIN_SCORE = 0.5  # `min_face_detection_confidence`
_MAX_OVERLAP = 0.5  # `min_tracking_confidence`: above it two regions are one face

# What the blendshape network looks at (`kLandmarksSubsetIdxs`).
# fmt: off
_BLENDSHAPE_POINTS = np.array([
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70,
    78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149,
    150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195,
    197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300,
    308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454,
    466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
])
# fmt: on


class DirectLandmarker:
    """`FaceLandmarker` without MediaPipe.

    A face is followed from frame to frame by the region of its landmarks. The detector looks for further
    faces while fewer than `max_faces` are followed: on every frame while none is, else on every
    `detect_every`-th frame since `reset` (a frame count, so that the result depends on nothing else; a
    second face may come in `detect_every - 1` frames late).

    Where the detector finds a face that is followed already, `keep_tracked` keeps the followed region.
    `keep_tracked=False` with `detect_every=1` is what MediaPipe's graph does: its detector's region wins,
    so a face is cut out differently whenever the detector misses it. Keeping the region made landmarks of
    still heads a third calmer and held faces behind hands (96 frames of two such clips against 68).
    Landmarks are not smoothed.
    """

    def __init__(
        self, task_path: str, *, max_faces: int = 4, detect_every: int = 5, keep_tracked: bool = True
    ) -> None:
        self._detector = BlazeFace(task_path, min_score=_MIN_SCORE)
        self._mesh = Network(
            task_path, "face_landmarks_detector.tflite", input_shape=(1, _SIDE, _SIDE, 3), pixel_scale=255.0
        )
        self._crop = Cropper(self._mesh.input[0])
        self._shapes = Network(
            task_path, "face_blendshapes.tflite", input_shape=(1, len(_BLENDSHAPE_POINTS), 2)
        )
        self._pose = PoseSolver(task_path)
        self._max_faces = max_faces
        self._detect_every = detect_every
        self._keep_tracked = keep_tracked
        self.reset()

    def reset(self) -> None:
        """Forget every face and restart the frame count."""
        self._tracked: list[Roi] = []
        self._n_frames = 0
        self._time_ms: int | None = None

    def __call__(self, image: NDArray[np.uint8], time_ms: int) -> list[Face]:
        """Faces of a frame; see `extractors.landmarks.FaceLandmarker`."""
        check_frame(image, time_ms, self._time_ms)
        self._time_ms = time_ms
        faces = [face for roi in self._regions(image) if (face := self._face(image, roi)) is not None]
        self._tracked = [around_landmarks(face.landmarks) for face in faces]
        self._n_frames += 1
        return faces

    def _regions(self, image: NDArray[np.uint8]) -> list[Roi]:
        """Where to look in this frame: tracked regions and newly detected ones, one a face."""
        tracked = without_duplicates(self._tracked, max_overlap=_MAX_OVERLAP)
        due = not tracked or self._n_frames % self._detect_every == 0
        if len(self._tracked) >= self._max_faces or not due:
            return tracked
        found = self._detector(image, max_faces=self._max_faces)
        if self._keep_tracked:
            new = without_duplicates(found, max_overlap=_MAX_OVERLAP)
            tracked += [roi for roi in new if all(overlap(roi, known) <= _MAX_OVERLAP for known in tracked)]
            return tracked[: self._max_faces]
        return without_duplicates([*tracked, *found], max_overlap=_MAX_OVERLAP)[: self._max_faces]

    def _face(self, image: NDArray[np.uint8], roi: Roi) -> Face | None:
        """The face in a region, or None where the network sees none."""
        size = image.shape[1], image.shape[0]
        self._crop(image, roi)
        self._mesh.infer()
        score = 1 / (1 + math.exp(-float(self._mesh.output(1).item())))
        if score <= _MIN_PRESENCE:
            return None
        points = self._mesh.output(0).reshape(N_LANDMARKS, 3)
        landmarks = project(points, roi, side=_SIDE, image_size=size)
        self._shapes.input[0] = landmarks[_BLENDSHAPE_POINTS, :2]
        self._shapes.infer()
        blendshapes = self._shapes.output(0).reshape(len(BLENDSHAPE_NAMES)).copy()
        return Face(box_of(landmarks), score, landmarks, blendshapes, self._pose(landmarks, size))
