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

Two more show where the difference goes, and count in no sum: `interleaved` does the parts of the roofline
frame by frame, as a single decode must, and nothing else (what it takes more may be caches gone cold);
`networks` are the inferences of `landmarks` alone.

Clips with as many faces are measured together. All parts run one after the other in each round, first in
one process, then in several at once, which wait for each other before each part. Every number is the median
over the rounds, and so is the ratio of a round's sum to its `watch`: minima would favour the short parts.

    python benchmarks/watch.py CLIP [CLIP …] [--processes 1 2] [--rounds 5] [--json RESULT.json]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import numpy as np
from common import at_once, machine, save
from numpy.typing import NDArray
from watch_parts import interleaved, of_networks, of_pictures, see, step

ROOFLINE = ("decode", "shots", "detect", "landmarks", "identity", "occlusion", "crop")
Times = dict[str, list[tuple[float, float]]]
"""Part -> CPU and wall seconds of each round."""


def measure(paths: list[Path], rounds: int, barrier: Any) -> Times:
    """One process: time every part, in step with the others."""
    clips = [see(path) for path in paths]
    times: Times = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        parts = {
            **of_pictures(clips),
            **of_networks(clips),
            "interleaved": interleaved(clips),
            "watch": step(clips, folder),
        }
        for number in range(rounds + 1):
            for name, part in parts.items():
                barrier.wait()
                begun = time.process_time(), time.perf_counter()
                part()
                if number:  # the first round warms up
                    times[name].append((time.process_time() - begun[0], time.perf_counter() - begun[1]))
    return dict(times)


@dataclass(frozen=True)
class Measured:
    """Times of so many processes at once in ms a frame: (processes, rounds) of each part."""

    n_processes: int
    cpu_ms: dict[str, NDArray[np.float64]]
    wall_ms: dict[str, NDArray[np.float64]]

    def ratio(self, kind: Literal["cpu_ms", "wall_ms"]) -> float:
        """Roofline over `watch`: the median of the rounds."""
        times_ms = getattr(self, kind)
        return float(np.median(times_ms["roofline"] / times_ms["watch"]))

    def summary(self) -> dict[str, Any]:
        """Medians, for a file."""
        return {
            "processes": self.n_processes,
            "cpu_ms_a_frame": {name: round(float(np.median(ms)), 2) for name, ms in self.cpu_ms.items()},
            "ratio_cpu": round(self.ratio("cpu_ms"), 3),
            "ratio_wall": round(self.ratio("wall_ms"), 3),
        }


def run(paths: list[Path], n_frames: int, rounds: int, n_processes: int) -> Measured:
    """So many processes at once, each over all the clips."""
    found: list[Times] = at_once(n_processes, measure, paths, rounds)
    times_ms = {name: 1000 / n_frames * np.array([times[name] for times in found]) for name in found[0]}
    times_ms["roofline"] = sum((times_ms[name] for name in ROOFLINE), np.zeros(()))
    cpu_ms, wall_ms = ({name: each[:, :, kind] for name, each in times_ms.items()} for kind in (0, 1))
    return Measured(n_processes, cpu_ms, wall_ms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--processes", nargs="+", type=int, default=[1, len(os.sched_getaffinity(0))])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = machine()
    print(before)
    groups: dict[int, list[Path]] = defaultdict(list)
    n_frames: dict[int, int] = defaultdict(int)
    results: dict[str, Any] = {}
    for path in map(Path.resolve, options.clips):
        seen = see(path)
        groups[seen.n_faces].append(path)
        n_frames[seen.n_faces] += len(seen.images)
    for count, paths in sorted(groups.items()):
        print(f"\n{count} face(s) a frame: {len(paths)} clips, {n_frames[count]} frames\n")
        found = [run(paths, n_frames[count], options.rounds, number) for number in options.processes]
        report(found)
        results[f"{count} face(s) a frame"] = [one.summary() for one in found]
    save(options.json, before, results)


def report(found: list[Measured]) -> None:
    """Print the breakdown and the ratios."""
    print("| CPU ms a frame | " + " | ".join(f"{one.n_processes} at once" for one in found) + " |")
    print("|---|" + "---|" * len(found))
    for name in (*ROOFLINE, "roofline", "watch", "interleaved", "networks"):
        print(f"| {name} | " + " | ".join(f"{np.median(one.cpu_ms[name]):.2f}" for one in found) + " |")
    print("\n| processes | roofline, frames/s | `watch`, frames/s | ratio, CPU | ratio, wall |")
    print("|---|---|---|---|---|")
    for one in found:
        rates = (1000 * one.n_processes / np.median(one.wall_ms[name]) for name in ("roofline", "watch"))
        print(
            f"| {one.n_processes} | {' | '.join(f'{rate:.0f}' for rate in rates)} "
            f"| **{one.ratio('cpu_ms'):.2f}** | {one.ratio('wall_ms'):.2f} |"
        )


if __name__ == "__main__":
    main()
