"""Time of the step `watch` beside its roofline, measured in the same run.

The roofline is what the unavoidable parts cost alone, in the fastest way known, one after the other:

- decode: every frame to RGB;
- shots: the shot detector on every frame;
- detect: the face detector on every k-th frame (the first belongs to `landmarks`);
- landmarks: crop, mesh, blendshapes and pose of every face, followed from frame to frame;
- identity: chip and embedding of every face on every n-th frame;
- occlusion: whether the mouth is hidden, of every face;
- crop: the grey crop of every face and its JPEG.

All but the decoder read frames that lie in memory. `watch` is the step itself, on the files: the same parts
and everything else (tracks, chips, sharpness, exposure, jitter, poses, rows, Parquet, digests, fsync).
`networks` are the inferences of `landmarks` alone, for comparison; they are counted there already.

Clips with as many faces are measured together. Each part is timed in rounds, first in one process, then in
several at once, which wait for each other before each part; the best round counts.

    python benchmarks/watch.py CLIP [CLIP …] [--processes 1 2] [--rounds 3]
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import platform
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import numpy as np
from numpy.typing import NDArray

from extractors.detectors import make_detector
from extractors.embedding import make_embedder
from extractors.landmarks import Face, make_landmarker
from extractors.media import VideoReader
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

ROOFLINE = ("decode", "shots", "detect", "landmarks", "identity", "occlusion", "crop")
CONFIG = WatchConfig()
TASK = str(locate("face_landmarker").path)
Part = Callable[[], object]
Times = dict[str, list[tuple[float, float]]]
"""Part -> CPU and wall seconds of each round."""


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


def decode(path: Path) -> tuple[list[NDArray[np.uint8]], list[Fraction]]:
    """All frames, RGB, and their times."""
    frames = [(frame.image, frame.pts) for frame in opened(path)]
    return [image for image, _ in frames], [pts for _, pts in frames]


def opened(path: Path) -> Any:
    """The frames of a clip."""
    video = probe(str(path)).video
    assert video is not None
    with VideoReader(str(path), stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
        yield from reader.frames()


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
    images, times = decode(path)
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


def measure(paths: list[Path], rounds: int, barrier: Any, results: Any) -> None:
    """One process: time every part, in step with the others."""
    clips = [see(path) for path in paths]
    times: Times = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        parts = {**of_pictures(clips), **of_networks(clips), "watch": step(clips, folder)}
        for number in range(rounds + 1):
            for name, part in parts.items():
                barrier.wait()
                begun = time.process_time(), time.perf_counter()
                part()
                if number:  # the first round warms up
                    times[name].append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    results.put(dict(times))


@dataclass(frozen=True)
class Measured:
    """Best times of the parts in ms a frame, means of the processes."""

    n_processes: int
    cpu_ms: dict[str, float]
    wall_ms: dict[str, float]

    def roofline(self, times_ms: dict[str, float]) -> float:
        """All unavoidable parts, one after the other."""
        return sum(times_ms[name] for name in ROOFLINE)


def run(paths: list[Path], n_frames: int, rounds: int, n_processes: int) -> Measured:
    """So many processes at once, each over all the clips."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(n_processes), context.Queue()
    arguments = (paths, rounds, barrier, results)
    workers = [context.Process(target=measure, args=arguments, daemon=True) for _ in range(n_processes)]
    for worker in workers:
        worker.start()
    found: list[Times] = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    best = [
        {name: np.mean([np.min([one[kind] for one in times[name]]) for times in found]) for name in found[0]}
        for kind in (0, 1)
    ]
    cpu_ms, wall_ms = ({name: 1000 * float(s) / n_frames for name, s in one.items()} for one in best)
    return Measured(n_processes, cpu_ms, wall_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{date.today()}, {platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    groups: dict[int, list[Path]] = defaultdict(list)
    n_frames: dict[int, int] = defaultdict(int)
    for path in map(Path.resolve, options.clips):
        seen = see(path)
        groups[seen.n_faces].append(path)
        n_frames[seen.n_faces] += len(seen.images)
    for count, paths in sorted(groups.items()):
        print(f"\n{count} face(s) a frame: {len(paths)} clips, {n_frames[count]} frames\n")
        found = [run(paths, n_frames[count], options.rounds, number) for number in options.processes]
        report(found)


def report(found: list[Measured]) -> None:
    """Print the breakdown and the ratios."""
    print("| CPU ms a frame | " + " | ".join(f"{one.n_processes} at once" for one in found) + " |")
    print("|---|" + "---|" * len(found))
    for name in ROOFLINE:
        print(f"| {name} | " + " | ".join(f"{one.cpu_ms[name]:.2f}" for one in found) + " |")
    rows = {
        "roofline": [one.roofline(one.cpu_ms) for one in found],
        "`watch`": [one.cpu_ms["watch"] for one in found],
        "(networks)": [one.cpu_ms["networks"] for one in found],
    }
    for name, values in rows.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in values) + " |")
    print("\n| processes | roofline, frames/s | `watch`, frames/s | ratio, CPU | ratio, wall |")
    print("|---|---|---|---|---|")
    for one in found:
        roof_ms, watch_ms = one.roofline(one.wall_ms), one.wall_ms["watch"]
        cpu = one.roofline(one.cpu_ms) / one.cpu_ms["watch"]
        rates = (f"{1000 * one.n_processes / ms:.0f}" for ms in (roof_ms, watch_ms))
        print(f"| {one.n_processes} | {' | '.join(rates)} | **{cpu:.2f}** | {roof_ms / watch_ms:.2f} |")


if __name__ == "__main__":
    main()
