"""The parts of `benchmarks/watch.py`: what it times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from common import opened
from numpy.typing import NDArray

from extractors.detectors import make_detector
from extractors.embedding import make_embedder
from extractors.landmarks import Face, make_landmarker
from extractors.occlusion import MouthOcclusion
from extractors.probe import probe
from extractors.shots import ShotDetector
from extractors.tflite import Network
from extractors.track_crop import TrackCropper, encode_crop
from extractors.tracks import Tracker
from extractors.weights import locate
from manifests.sources.folder import fingerprint
from manifests.store import Store
from pipelines.sections import WatchConfig
from pipelines.step import Item, Workspace
from pipelines.steps.watch import Watch

CONFIG = WatchConfig()
TASK = str(locate("face_landmarker").path)
Part = Callable[[], object]


@dataclass
class Seen:
    """A clip in memory, and the faces that following it found: frame by frame, with their tracks."""

    path: Path
    images: list[NDArray[np.uint8]]
    times: list[Fraction]
    cuts: set[int]
    faces: list[list[tuple[int, Face]]] = field(default_factory=list)

    @property
    def n_faces(self) -> int:
        """The most faces of a frame."""
        return max(map(len, self.faces))


def follow(seen: Seen, landmarker: Any) -> list[list[Face]]:
    """Faces of each frame."""
    landmarker.reset()
    found = []
    for number, image in enumerate(seen.images):
        if number in seen.cuts:
            landmarker.reset()
        found.append(landmarker(image, 40 * number))
    return found


def see(path: Path) -> Seen:
    """Decode a clip and find its cuts, faces and tracks."""
    frames = [(frame.image, frame.pts) for frame in opened(path)]
    images, times = [image for image, _ in frames], [pts for _, pts in frames]
    shots = ShotDetector()
    cuts = {number for number, pair in enumerate(zip(images, times, strict=True)) if shots(*pair)}
    seen = Seen(path, images, times, cuts)
    tracker = Tracker(gap_frames=CONFIG.track_gap_frames)
    landmarker = make_landmarker("direct", task_path=TASK, detector=make_detector(CONFIG.detector))
    for number, faces in enumerate(follow(seen, landmarker)):
        tracks = tracker.update(number, [face.box for face in faces])
        seen.faces.append(list(zip(tracks, faces, strict=True)))
    return seen


def of_networks(clips: list[Seen]) -> dict[str, Part]:
    """The parts that run a network."""
    detector = make_detector(CONFIG.detector, budget_px=CONFIG.detector_px)
    landmarkers = {
        count: make_landmarker(
            "direct", task_path=TASK, detector=detector, max_faces=count, detect_every=10**9
        )
        for count in {max(1, clip.n_faces) for clip in clips}
    }
    embedder = make_embedder("dlib", str(locate("dlib_face").path))
    mesh = Network(TASK, "face_landmarks_detector.tflite", input_shape=(1, 256, 256, 3), pixel_scale=1 / 255)
    shapes = Network(TASK, "face_blendshapes.tflite", input_shape=(1, 146, 2))

    def detect() -> None:
        for clip in clips:
            for image in clip.images[CONFIG.detect_every :: CONFIG.detect_every]:
                detector(image, max_faces=CONFIG.max_faces)

    def landmarks() -> None:
        for clip in clips:
            follow(clip, landmarkers[max(1, clip.n_faces)])

    def identity() -> None:
        for clip in clips:
            for image, faces in list(zip(clip.images, clip.faces, strict=True))[:: CONFIG.check_every]:
                for _, face in faces:
                    embedder.embed(embedder.chip(image, face.landmarks))

    def networks() -> None:
        for _ in [face for clip in clips for faces in clip.faces for face in faces]:
            mesh.infer()
            shapes.infer()

    return {"detect": detect, "landmarks": landmarks, "identity": identity, "networks": networks}


def of_pictures(clips: list[Seen]) -> dict[str, Part]:
    """The parts that read pictures without one."""

    def frames() -> None:
        for clip in clips:
            for _ in opened(clip.path):
                pass

    def shots() -> None:
        detector = ShotDetector()
        for clip in clips:
            detector.reset()
            for image, pts in zip(clip.images, clip.times, strict=True):
                detector(image, pts)

    def occlusion() -> None:
        for clip in clips:
            judges: dict[int, MouthOcclusion] = defaultdict(MouthOcclusion)
            for image, faces in zip(clip.images, clip.faces, strict=True):
                for track, face in faces:
                    judges[track](image, face.landmarks)

    def crop() -> None:
        for clip in clips:
            croppers: dict[int, TrackCropper] = defaultdict(TrackCropper)
            for image, faces in zip(clip.images, clip.faces, strict=True):
                for track, face in faces:
                    encode_crop(croppers[track](image, face.box))

    return {"decode": frames, "shots": shots, "occlusion": occlusion, "crop": crop}


def interleaved(clips: list[Seen]) -> Part:
    """All parts of the roofline, frame by frame."""
    shots, detector = ShotDetector(), make_detector(CONFIG.detector, budget_px=CONFIG.detector_px)
    landmarker = make_landmarker(
        "direct",
        task_path=TASK,
        detector=detector,
        max_faces=CONFIG.max_faces,
        detect_every=CONFIG.detect_every,
    )
    embedder = make_embedder("dlib", str(locate("dlib_face").path))

    def run() -> None:
        for clip in clips:
            shots.reset()
            landmarker.reset()
            judges: dict[int, MouthOcclusion] = defaultdict(MouthOcclusion)
            croppers: dict[int, TrackCropper] = defaultdict(TrackCropper)
            for number, frame in enumerate(opened(clip.path)):
                if shots(frame.image, frame.pts):
                    landmarker.reset()
                for index, face in enumerate(landmarker(frame.image, 40 * number)):
                    judges[index](frame.image, face.landmarks)
                    encode_crop(croppers[index](frame.image, face.box))
                    if number % CONFIG.check_every == 0:
                        embedder.embed(embedder.chip(frame.image, face.landmarks))

    return run


def step(clips: list[Seen], folder: str) -> Part:
    """The step itself, one clip after the other."""
    watch = Watch(CONFIG)
    watch.open()
    workspace = Workspace(Store(folder), "watch", "/")
    items = []
    for number, clip in enumerate(clips):
        video = probe(str(clip.path)).video
        assert video is not None
        inputs = {
            "path": str(clip.path.relative_to("/")),
            "fingerprint": fingerprint(clip.path),
            "video_stream": video.index,
            "rotation_deg": video.rotation_deg,
        }
        items.append(Item(f"clip{number}", None, inputs))

    def run() -> None:
        for item in items:
            watch.run_item(item, workspace)

    return run
