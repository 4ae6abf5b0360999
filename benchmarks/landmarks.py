"""Face landmarks: the direct backend beside MediaPipe's own VIDEO loop, and what a detector costs.

`speed`: CPU time a frame (all threads of the process counted) of one process, and of as many as there are
cores at once, on one, two and four faces a frame: clips of one face each, side by side, so their frames must
be of one size. `num_faces` is the number of faces, at least two (with one, MediaPipe smooths), so MediaPipe
runs its detector for one face only. Both sides end with the same arrays; `equal` is the configuration that
returns what MediaPipe returns, `default` looks for further faces with YuNet on every k-th frame. Sides take
turns; of each frame the best round counts (what else the machine does only adds), and the first frame, where
all sides start up, does not.

`detectors`: for each detector and each k (looks for further faces on every k-th frame), over all frames of
the clips: the share of the faces that YuNet on every frame has, faces it does not have, frames with another
number of faces, how far landmarks are from its landmarks (worst point of a face, in % of the face's size),
and CPU time a frame. A `CLIP.json` beside a clip may name its `cuts`, where everything is forgotten.

    python benchmarks/landmarks.py speed CLIP CLIP CLIP CLIP [--rounds 5] [--json RESULT.json]
    python benchmarks/landmarks.py detectors CLIP [CLIP …] [--every 1 2 3 5 8 12]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import cv2
import numpy as np
from common import at_once, machine, opened, save
from numpy.typing import NDArray

from extractors.detectors import DetectorName, make_detector
from extractors.landmarks import Face, FaceLandmarker, make_landmarker
from extractors.pose import rotation_of
from extractors.tracks import iou
from extractors.weights import locate

Frame = NDArray[np.uint8]
FRAME_MS = 40
SIDES = ("mediapipe", "equal", "default")
DETECTORS: tuple[DetectorName, ...] = ("yunet", "mediapipe")


def frames(clip: Path) -> list[Frame]:
    """All frames, RGB."""
    return [frame.image for frame in opened(clip)]


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


@dataclass(frozen=True)
class Timed:
    """CPU and wall ms a frame of each side, and how far `equal` is from MediaPipe at worst."""

    cpu_ms: dict[str, float]
    wall_ms: dict[str, float]
    apart: tuple[float, float, float]


def timed(landmarker: FaceLandmarker, video: list[Frame]) -> tuple[NDArray[np.float64], list[list[Face]]]:
    """(frames, 2) CPU and wall seconds, and the faces."""
    landmarker.reset()
    seen, times = [], []
    for number, image in enumerate(video):
        begun = time.process_time(), time.perf_counter()
        seen.append(landmarker(image, FRAME_MS * number))
        times.append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    return np.array(times), seen


def worst(ours: list[list[Face]], theirs: list[list[Face]]) -> tuple[float, float, float]:
    """Largest difference of landmarks in px, of blendshapes and of rotations in degrees."""
    pairs = [pair for both in zip(ours, theirs, strict=True) for pair in zip(*both, strict=True)]
    turns = [rotation_of(a.pose) @ rotation_of(b.pose).T for a, b in pairs]
    return (
        max(float(np.abs(a.landmarks - b.landmarks)[:, :2].max()) for a, b in pairs),
        max(float(np.abs(a.blendshapes - b.blendshapes).max()) for a, b in pairs),
        max(float(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1)))) for turn in turns),
    )


def race(clips: list[Path], count: int, rounds: int, barrier: Any) -> Timed:
    """One process: all sides in turn, in step with the other processes."""
    video = side_by_side(clips, count)
    sides = {name: side(name, max(2, count)) for name in SIDES}
    times: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SIDES}
    seen = {}
    for _ in range(rounds):
        for name, landmarker in sides.items():
            barrier.wait()
            found, seen[name] = timed(landmarker, video)
            times[name].append(found)
    sides["mediapipe"].reset()  # its graph must be closed before the interpreter is
    assert all(len(faces) == count for faces in seen["mediapipe"]), "MediaPipe must see every face"
    means = {name: 1000 * np.min(times[name], axis=0)[1:].mean(axis=0) for name in SIDES}
    cpu_ms, wall_ms = ({name: float(mean[kind]) for name, mean in means.items()} for kind in (0, 1))
    return Timed(cpu_ms, wall_ms, worst(seen["equal"], seen["mediapipe"]))


def run(clips: list[Path], count: int, rounds: int, n_processes: int) -> Timed:
    """So many processes at once; their mean."""
    found: list[Timed] = at_once(n_processes, race, clips, count, rounds)
    cpu_ms = {name: float(np.mean([one.cpu_ms[name] for one in found])) for name in SIDES}
    wall_ms = {name: float(np.mean([one.wall_ms[name] for one in found])) for name in SIDES}
    return Timed(cpu_ms, wall_ms, found[0].apart)


def speed(clips: list[Path], rounds: int) -> dict[str, Any]:
    """Print the table of `speed`; returns its numbers."""
    cores = len(os.sched_getaffinity(0))
    results: dict[str, Any] = {}
    print(f"| faces | side | CPU ms a frame | a further face | of {cores} processes at once | their frames/s "
          "| against MediaPipe: CPU | at once, CPU | frames/s |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    before: dict[str, float] = {}
    last = 0
    for count in (1, 2, 4):
        alone, both = (run(clips, count, rounds, number) for number in (1, cores))
        for name in SIDES:
            further = (alone.cpu_ms[name] - before[name]) / (count - last) if before else float("nan")
            ratios = [one.cpu_ms["mediapipe"] / one.cpu_ms[name] for one in (alone, both)]
            print(
                f"| {count} | {name} | {alone.cpu_ms[name]:.2f} | {further:.2f} | {both.cpu_ms[name]:.2f} "
                f"| {1000 * cores / both.wall_ms[name]:.0f} | **{ratios[0]:.2f}** | {ratios[1]:.2f} "
                f"| {both.wall_ms['mediapipe'] / both.wall_ms[name]:.2f} |"
            )
        pixels, shapes, degrees = alone.apart
        print(f"| {count} | `equal` within {pixels:.3f} px, {shapes:.4f}, {degrees:.3f}° | | | | | | | |")
        before, last = alone.cpu_ms, count
        results[f"{count} face(s) a frame"] = {"alone": asdict(alone), f"{cores} at once": asdict(both)}
    return results


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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.what == "speed":
        before = machine()
        print(before)
        save(options.json, before, speed(options.clips, options.rounds))
    else:
        detectors(options.clips, options.every)


if __name__ == "__main__":
    main()
