"""Face landmarks: the direct backend beside MediaPipe's own VIDEO loop, and what a detector costs.

`speed`: CPU time a frame (all threads of the process counted) and frames/s of one and of two processes, on
one, two and four faces a frame: clips of one face each, side by side, so their frames must be of one size.
`num_faces` is the number of faces, at least two (with one, MediaPipe smooths), so MediaPipe runs its detector
for one face only. Both sides end with the same arrays; `equal` is the configuration that returns what
MediaPipe returns, `default` looks for further faces with YuNet on every k-th frame.

`detectors`: for each detector and each k (looks for further faces on every k-th frame), over all frames of
the clips: the share of the faces that YuNet on every frame has, faces it does not have, frames with another
number of faces, how far landmarks are from its landmarks (worst point of a face, in % of the face's size),
and CPU time a frame. A `CLIP.json` beside a clip may name its `cuts`, where everything is forgotten.

    python benchmarks/landmarks.py speed CLIP CLIP CLIP CLIP
    python benchmarks/landmarks.py detectors CLIP [CLIP …] [--every 1 2 3 5 8 12]
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.detectors import DetectorName, make_detector
from extractors.landmarks import Face, FaceLandmarker, make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.tracks import iou
from extractors.weights import locate

Frame = NDArray[np.uint8]
FRAME_MS = 40
REPEATS = 3
SIDES = ("mediapipe", "equal", "default")
DETECTORS: tuple[DetectorName, ...] = ("yunet", "mediapipe")


def frames(clip: Path) -> list[Frame]:
    """All frames, RGB."""
    video = probe(str(clip)).video
    assert video is not None
    with VideoReader(str(clip), stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
        return [frame.image for frame in reader.frames()]


def side(name: str, max_faces: int) -> FaceLandmarker:
    """One of the compared loops."""
    cv2.setNumThreads(1)
    task = str(locate("face_landmarker").path)
    if name == "mediapipe":
        return make_landmarker("mediapipe", task_path=task, max_faces=max_faces)
    if name == "equal":
        return make_landmarker(
            "direct", task_path=task, max_faces=max_faces, detect_every=1, keep_tracked=False
        )
    return make_landmarker("direct", task_path=task, max_faces=max_faces, detector=make_detector("yunet"))


def watch(landmarker: FaceLandmarker, video: list[Frame], cuts: Iterable[int] = ()) -> list[list[Face]]:
    """Faces of each frame; everything is forgotten at the cuts."""
    landmarker.reset()
    seen = []
    for number, image in enumerate(video):
        if number in cuts:
            landmarker.reset()
        seen.append(landmarker(image, FRAME_MS * number))
    return seen


def side_by_side(clips: list[Path], count: int) -> list[Frame]:
    """The first `count` clips beside each other, four as two rows of two."""
    videos = [frames(clip) for clip in clips[:count]]
    if count == 1:
        return videos[0]
    rows = [videos] if count == 2 else [videos[:2], videos[2:]]
    return [
        np.ascontiguousarray(np.vstack([np.hstack([video[i] for video in row]) for row in rows]))
        for i in range(min(map(len, videos)))
    ]


def throughput(name: str, clips: list[Path], count: int, start: object, done: object) -> None:
    """A process that watches one video REPEATS times between two barriers."""
    video = side_by_side(clips, count)
    landmarker = side(name, max(2, count))
    watch(landmarker, video[:5])
    start.wait()  # type: ignore[attr-defined]
    for _ in range(REPEATS):
        watch(landmarker, video)
    done.wait()  # type: ignore[attr-defined]
    landmarker.reset()  # MediaPipe's graph must be closed before the interpreter is


def two_processes_hz(name: str, clips: list[Path], count: int, n_frames: int) -> float:
    """Frames/s of two processes at once."""
    context = multiprocessing.get_context("spawn")
    start, done = context.Barrier(3), context.Barrier(3)
    workers = [context.Process(target=throughput, args=(name, clips, count, start, done)) for _ in range(2)]
    for worker in workers:
        worker.start()
    start.wait()
    begun = time.perf_counter()
    done.wait()
    wall_s = time.perf_counter() - begun
    for worker in workers:
        worker.join()
    return 2 * REPEATS * n_frames / wall_s


def one_process(video: list[Frame], count: int) -> tuple[dict[str, float], dict[str, float], float]:
    """CPU ms and wall ms a frame of each side, best of REPEATS turns, and the worst landmark difference."""
    sides = {name: side(name, max(2, count)) for name in SIDES}
    cpu, wall = dict.fromkeys(SIDES, np.inf), dict.fromkeys(SIDES, np.inf)
    seen = {}
    for _ in range(REPEATS):
        for name, landmarker in sides.items():
            watch(landmarker, video[:5])
            begun = time.process_time(), time.perf_counter()
            seen[name] = watch(landmarker, video)
            cpu[name] = min(cpu[name], (time.process_time() - begun[0]) / len(video) * 1000)
            wall[name] = min(wall[name], (time.perf_counter() - begun[1]) / len(video) * 1000)
    assert all(len(faces) == count for faces in seen["mediapipe"]), "MediaPipe must see every face"
    worst = max(
        float(np.abs(ours.landmarks - theirs.landmarks)[:, :2].max())
        for one, other in zip(seen["equal"], seen["mediapipe"], strict=True)
        for ours, theirs in zip(one, other, strict=True)
    )
    return cpu, wall, worst


def speed(clips: list[Path]) -> None:
    """Print the table of `speed`."""
    print(
        "| faces | side | CPU ms a frame | CPU ms a face | frames/s | of two processes | against MediaPipe |"
    )
    print("|---|---|---|---|---|---|---|")
    for count in (1, 2, 4):
        video = side_by_side(clips, count)
        cpu, wall, worst = one_process(video, count)
        both = {name: two_processes_hz(name, clips, count, len(video)) for name in SIDES}
        for name in SIDES:
            ratios = f"{cpu['mediapipe'] / cpu[name]:.2f} CPU, {both[name] / both['mediapipe']:.2f} frames/s"
            print(
                f"| {count} | {name} | {cpu[name]:.2f} | {cpu[name] / count:.2f} | {1000 / wall[name]:.0f} "
                f"| {both[name]:.0f} | {ratios} |"
            )
        print(f"| {count} | landmarks of `equal` within {worst:.3f} px | | | | | |")


@dataclass
class Tally:
    """What one detector and k did over all clips."""

    expected: int = 0
    hit: int = 0
    extra: int = 0
    other_count: int = 0
    frames: int = 0
    cpu_s: float = 0.0
    difference: list[float] = field(default_factory=list)

    def add(self, seen: list[list[Face]], reference: list[list[Face]]) -> None:
        """Compare the faces of a clip with those of the reference."""
        for ours, theirs in zip(seen, reference, strict=True):
            pairs = [(a, b) for a in ours for b in theirs if iou(a.box, b.box) > 0.5]
            self.expected += len(theirs)
            self.hit += len({id(b) for _, b in pairs})
            self.extra += len(ours) - len({id(a) for a, _ in pairs})
            self.other_count += len(ours) != len(theirs)
            self.frames += 1
            for a, b in pairs:
                apart = np.abs(a.landmarks - b.landmarks)[:, :2].max()
                self.difference.append(float(apart / (b.box[2:] - b.box[:2]).max()) * 100)

    def row(self, detector: str, every: int) -> str:
        """Its line of the table."""
        middle, high = np.quantile(self.difference, [0.5, 0.99])
        return (
            f"| {detector} | {every} | {self.hit / self.expected:.4f} | {self.extra} | {self.other_count} "
            f"| {middle:.2f} | {high:.2f} | {self.cpu_s / self.frames * 1000:.2f} |"
        )


def detectors(clips: list[Path], everies: list[int]) -> None:
    """Print the table of `detectors`."""
    task = str(locate("face_landmarker").path)
    cv2.setNumThreads(1)
    finders = {name: make_detector(name) for name in DETECTORS}
    tallies = {(name, every): Tally() for name in DETECTORS for every in everies}
    landmarkers = {
        (name, every): make_landmarker("direct", task_path=task, detector=finders[name], detect_every=every)
        for name, every in [("yunet", 1), *tallies]
    }
    for clip in clips:
        video = frames(clip)
        described = clip.with_suffix(".json")
        cuts = json.loads(described.read_text()).get("cuts", []) if described.is_file() else []
        reference = watch(landmarkers["yunet", 1], video, cuts)
        for key, tally in tallies.items():
            begun = time.process_time()
            seen = watch(landmarkers[key], video, cuts)
            tally.cpu_s += time.process_time() - begun
            tally.add(seen, reference)
    total = next(iter(tallies.values()))
    print(f"{total.frames} frames, {total.expected} faces with YuNet on every frame\n")
    print("| detector | k | recall | extra faces | frames with another count | difference, median % | 99 % "
          "| CPU ms a frame |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for (name, every), tally in tallies.items():
        print(tally.row(name, every))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("speed", "detectors"))
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--every", nargs="+", type=int, default=[1, 2, 3, 5, 8, 12])
    options = parser.parse_args()
    if options.what == "speed":
        speed(options.clips)
    else:
        detectors(options.clips, options.every)


if __name__ == "__main__":
    main()
