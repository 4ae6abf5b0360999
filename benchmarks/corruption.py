"""Frames a second of each kind of visual corruption, in CPU time of one process.

Frames are those of the clips given, corrupted from their first to their last at one severity; landmarks are
found beforehand and not counted. Kinds take turns; of each the best round counts (what else the machine does
only adds). `crop` is the same on 96x96 grey frames, as a trainer does it on the fly.

    python benchmarks/corruption.py CLIP [CLIP …] [--severity 3] [--rounds 3] [--occluders FOLDER]
        [--json RESULT.json]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import cv2
import numpy as np
from common import machine, opened, save
from numpy.typing import NDArray

from extractors.detectors import make_detector
from extractors.landmarks import make_landmarker
from extractors.weights import locate
from synth.corruption.apply import apply
from synth.corruption.draw import plan_corruption
from synth.corruption.kinds import KINDS
from synth.corruption.occluders import Occluder, load_occluders, names_of

FRAME_MS = 40
CROP_PX = 96


def read(clip: Path, count: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Frames, and (T, 478, 2) landmarks of their first face."""
    frames = [frame.image for frame in opened(clip)][:count]
    task = str(locate("face_landmarker").path)
    find = make_landmarker("direct", task_path=task, detector=make_detector("yunet"))
    meshes = np.full((len(frames), 478, 2), np.nan)
    for t, image in enumerate(frames):
        for face in find(image, FRAME_MS * t)[:1]:
            meshes[t] = face.landmarks[:, :2]
    return frames, meshes


def crops(
    frames: list[NDArray[np.uint8]], meshes: NDArray[np.float64]
) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """96x96 grey round the mouth, and the landmarks there."""
    from extractors.landmarks import IBUG68_FROM_MESH
    from extractors.lips import lip_crop, plan_lips

    points = meshes[:, IBUG68_FROM_MESH]
    plan = plan_lips(points)
    moves = plan.transforms
    moved = np.einsum("tij,tpj->tpi", moves[:, :, :2], points) + moves[:, None, :, 2]
    return [lip_crop(image, plan, t) for t, image in enumerate(frames)], moved


def cpu_s(
    kind: Any,
    frames: list[NDArray[np.uint8]],
    meshes: NDArray[np.float64],
    severity: int,
    occluders: dict[str, Occluder],
) -> float:
    """CPU seconds of one clip corrupted."""
    category = KINDS[kind].occluder
    names = names_of(occluders, category) if category else ()
    plan = plan_corruption("benchmark", kind, severity, n_frames=len(frames), occluders=names)
    begin = time.process_time()
    apply(plan, frames, meshes, occluders)
    return time.process_time() - begin


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("clips", type=Path, nargs="+")
    arguments.add_argument("--severity", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--frames", type=int, default=75, help="of each clip at most")
    arguments.add_argument("--occluders", type=Path)
    arguments.add_argument("--json", type=Path)
    chosen = arguments.parse_args()
    before = machine()
    cv2.setNumThreads(1)
    occluders = load_occluders(chosen.occluders) if chosen.occluders else {}
    found: dict[str, dict[str, dict[str, float]]] = {}
    for clip in chosen.clips:
        whole = read(clip, chosen.frames)
        for title, (frames, meshes) in {"source": whole, "crop": crops(*whole)}.items():
            best = dict.fromkeys(KINDS, float("inf"))
            for _ in range(chosen.rounds):
                for kind in KINDS:
                    best[kind] = min(best[kind], cpu_s(kind, frames, meshes, chosen.severity, occluders))
            name = f"{clip.name} {title} {frames[0].shape[1]}x{frames[0].shape[0]}"
            found[name] = {
                kind: {"frames_per_s": round(len(frames) / best[kind], 1)} for kind in sorted(best)
            }
            print(name, *(f"{kind} {found[name][kind]['frames_per_s']:g}" for kind in KINDS), sep="\n  ")
    save(chosen.json, before, {"severity": chosen.severity, "cpu_frames_per_s": found})


if __name__ == "__main__":
    main()
