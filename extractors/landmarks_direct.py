"""The fast landmarker: MediaPipe's networks run by OpenVINO, with MediaPipe's graph written out.

Follows google-ai-edge/mediapipe `face_landmarker_graph.cc` (tracking), `face_landmarks_detector_graph.cc`
(mesh) and `face_blendshapes_graph.cc`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from extractors.blaze import BlazeFace
from extractors.detectors import FaceDetector
from extractors.face_crop import Cropper
from extractors.face_geometry import PoseSolver
from extractors.face_roi import (
    Roi,
    around_landmarks,
    overlap,
    project,
    scaled_by,
    without_duplicates,
)
from extractors.landmarks import BLENDSHAPE_NAMES, N_LANDMARKS, Face, box_of, check_frame
from extractors.tflite import Network

_SIDE = 256
_MIN_PRESENCE = 0.5  # `min_face_presence_confidence`
_MAX_OVERLAP = 0.5  # `min_tracking_confidence`: above it two regions are one face
_CLOSER = 0.85  # of faces of 12 px (GRID, shrunk) the mesh sees 87 % in its own region, 97 % in this one

# YuNet draws upright points on any face. Of regions turned by quarters the mesh is surest in the right one
# for all of 120 upright faces and 121 of 124 others (GRID and stills, whole or shrunk to 30 px); smaller ones
# it may well see upside down.
_TURNS = tuple(quarter * math.pi / 2 for quarter in range(4))
_TURNED_FROM_PX = 48.0  # side of the region round a face 30 px wide

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


class _Mesh(NamedTuple):
    score: float
    landmarks: NDArray[np.float32]


class DirectLandmarker:
    """`FaceLandmarker` without MediaPipe.

    A face is followed from frame to frame by the region of its landmarks. The detector looks for further
    faces while fewer than `max_faces` are followed: on every frame while none is, on a frame where one was
    lost, else on every `detect_every`-th frame since `reset` (a frame count, so that the result depends on
    nothing else; a further face may come in `detect_every - 1` frames late). A face that is new is looked
    at more than once: in the detector's region turned by quarters, since not every detector knows which way
    up a face is, then in the region of the landmarks found there, so that its first frame is measured as
    the following ones are. A region where nothing is seen is looked at once more closely, which holds small
    faces.

    `keep_tracked=False` with MediaPipe's detector and `detect_every=1` is what MediaPipe's graph does
    instead: where the detector finds a face that is followed already, its region wins, so a face is cut out
    differently whenever the detector misses it, and a new face is looked at once. Keeping the followed
    region made landmarks of still heads a third calmer and held faces behind hands (96 frames of two such
    clips against 68). Landmarks are not smoothed.

    `detector`: None is MediaPipe's own.
    """

    def __init__(
        self,
        task_path: str,
        *,
        detector: FaceDetector | None = None,
        max_faces: int = 4,
        detect_every: int = 5,
        keep_tracked: bool = True,
    ) -> None:
        self._detector = detector if detector is not None else BlazeFace(task_path)
        self._mesh = Network(
            task_path,
            "face_landmarks_detector.tflite",
            input_shape=(1, _SIDE, _SIDE, 3),
            pixel_scale=1 / 255,
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
        meshes = self._followed(image) if self._keep_tracked else self._as_graph(image)
        self._tracked = [around_landmarks(mesh.landmarks) for mesh in meshes]
        self._n_frames += 1
        return [self._face(mesh, (image.shape[1], image.shape[0])) for mesh in meshes]

    def _followed(self, image: NDArray[np.uint8]) -> list[_Mesh]:
        """Faces that are followed, then new ones."""
        tracked = without_duplicates(self._tracked, max_overlap=_MAX_OVERLAP)
        meshes = [mesh for roi in tracked if (mesh := self._look_closer(image, roi)) is not None]
        lost = len(meshes) < len(tracked)
        due = lost or not tracked or self._n_frames % self._detect_every == 0
        if due and len(meshes) < self._max_faces:
            known = [around_landmarks(mesh.landmarks) for mesh in meshes]
            for roi in self._detected(image):
                mesh = self._look_at_new(image, roi) if _is_new(roi, known) else None
                region = None if mesh is None else around_landmarks(mesh.landmarks)
                if mesh is not None and region is not None and _is_new(region, known):
                    meshes.append(mesh)
                    known.append(region)
        return meshes[: self._max_faces]

    def _as_graph(self, image: NDArray[np.uint8]) -> list[_Mesh]:
        """Faces as MediaPipe's graph has them: a detected region replaces the followed one."""
        rois = without_duplicates(self._tracked, max_overlap=_MAX_OVERLAP)
        due = not rois or self._n_frames % self._detect_every == 0
        if due and len(self._tracked) < self._max_faces:
            rois = without_duplicates([*rois, *self._detected(image)], max_overlap=_MAX_OVERLAP)
        meshes = [self._look(image, roi) for roi in rois[: self._max_faces]]
        return [mesh for mesh in meshes if mesh.score > _MIN_PRESENCE]

    def _detected(self, image: NDArray[np.uint8]) -> list[Roi]:
        return [found.region for found in self._detector(image, max_faces=self._max_faces)]

    def _look_at_new(self, image: NDArray[np.uint8], roi: Roi) -> _Mesh | None:
        """The face in a detected region: whichever way up it is, in the region of its own landmarks."""
        turns = _TURNS if roi.width >= _TURNED_FROM_PX else _TURNS[:1]
        turned = (roi._replace(rotation=roi.rotation + turn) for turn in turns)
        mesh = max((self._look(image, one) for one in turned), key=lambda mesh: mesh.score)
        if mesh.score <= _MIN_PRESENCE:
            mesh = self._look(image, scaled_by(roi, _CLOSER))
        if mesh.score <= _MIN_PRESENCE:
            return None
        return self._look_closer(image, around_landmarks(mesh.landmarks))

    def _look_closer(self, image: NDArray[np.uint8], roi: Roi) -> _Mesh | None:
        """The face in a region or, where none is seen, in a tighter one."""
        mesh = self._look(image, roi)
        if mesh.score <= _MIN_PRESENCE:
            mesh = self._look(image, scaled_by(roi, _CLOSER))
        return mesh if mesh.score > _MIN_PRESENCE else None

    def _look(self, image: NDArray[np.uint8], roi: Roi) -> _Mesh:
        """What the network draws in a region, face or not."""
        self._crop(image, roi)
        self._mesh.infer()
        score = 1 / (1 + math.exp(-float(self._mesh.output(1).item())))
        points = self._mesh.output(0).reshape(N_LANDMARKS, 3)
        size = image.shape[1], image.shape[0]
        return _Mesh(score, project(points, roi, side=_SIDE, image_size=size))

    def _face(self, mesh: _Mesh, image_size: tuple[int, int]) -> Face:
        score, landmarks = mesh
        self._shapes.input[0] = landmarks[_BLENDSHAPE_POINTS, :2]
        self._shapes.infer()
        blendshapes = self._shapes.output(0).reshape(len(BLENDSHAPE_NAMES)).copy()
        return Face(box_of(landmarks), score, landmarks, blendshapes, self._pose(landmarks, image_size))


def _is_new(roi: Roi, known: list[Roi]) -> bool:
    return all(overlap(roi, other) <= _MAX_OVERLAP for other in known)
