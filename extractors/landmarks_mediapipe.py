"""The reference landmarker: MediaPipe's own graph through its Tasks API."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import Face, box_of, check_frame


class MediapipeLandmarker:
    """`FaceLandmarker` of MediaPipe in VIDEO mode, thresholds at their defaults (0.5).

    In VIDEO mode the graph tracks, and only for `max_faces == 1` it also smooths the landmarks with a
    one-euro filter (`face_landmarker_graph.cc`). A new graph is built by `reset`, because a running
    one cannot forget. `Face.score` is NaN: the API does not report it.
    """

    def __init__(self, task_path: str, *, max_faces: int = 4) -> None:
        self._task_path = task_path
        self._max_faces = max_faces
        self._graph: Any = None
        self._time_ms: int | None = None

    def reset(self) -> None:
        """Close the graph; the next frame starts a new one."""
        if self._graph is not None:
            self._close()
        self._graph = None
        self._time_ms = None

    def __call__(self, image: NDArray[np.uint8], time_ms: int) -> list[Face]:
        """Faces of a frame; see `extractors.landmarks.FaceLandmarker`."""
        import mediapipe

        check_frame(image, time_ms, self._time_ms)
        self._time_ms = time_ms
        if self._graph is None:
            self._graph = self._open()
        frame = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=image)
        result = self._graph.detect_for_video(frame, time_ms)
        height, width = image.shape[:2]
        scale = np.array([width, height, width], dtype=np.float32)
        faces = []
        for points, shapes, pose in zip(
            result.face_landmarks,
            result.face_blendshapes,
            result.facial_transformation_matrixes,
            strict=True,
        ):
            landmarks = np.array([(p.x, p.y, p.z) for p in points], dtype=np.float32) * scale
            blendshapes = np.array([shape.score for shape in shapes], dtype=np.float32)
            faces.append(
                Face(box_of(landmarks), float("nan"), landmarks, blendshapes, np.array(pose, np.float32))
            )
        return faces

    def _open(self) -> Any:
        from mediapipe.tasks.python import BaseOptions, vision

        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_path=self._task_path),
            running_mode=vision.RunningMode.VIDEO,
            num_faces=self._max_faces,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        graph = vision.FaceLandmarker.create_from_options(options)
        # MediaPipe's own destructor fails noisily when the interpreter is already shutting down.
        self._close = weakref.finalize(self, graph.close)
        return graph
