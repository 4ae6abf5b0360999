"""Frames per second of `duologue build` beside the roofline measured in the same run.

The roofline is what the unavoidable parts cost alone, each in the fastest way known, on one core, times
the cores: decoding (PyAV to RGB), finding faces (BlazeFace, on the frames the step looks at), landmarks
(crop, mesh, blendshapes and pose of the direct backend). `bare_networks` leaves out even the crop and the
pose. `build` does all of it and everything else: tracks, tables, speech, the second decode, crops,
encoding, shards, Ray.

    python benchmarks/build.py CLIP [CLIP …] [--minutes 8] [--workers 2]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import numpy as np

from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.tflite import Network
from extractors.weights import locate
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine_ray import RayEngine
from pipelines.journal import step_times
from pipelines.reporter import QuietReporter

SECONDS_A_PART = 4.0


def rate_hz(work: Callable[[], int]) -> float:
    """Median over three of how often a second `work` gets through one of its units."""
    rates = []
    work()  # warm up
    for _ in range(3):
        done, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < SECONDS_A_PART / 3:
            done += work()
        rates.append(done / (time.perf_counter() - begun))
    return float(np.median(rates))


def decode(clips: list[Path]) -> Callable[[], int]:
    """Decode each clip once to RGB."""
    probes = [(str(path), probe(str(path)).video) for path in clips]

    def work() -> int:
        frames = 0
        for path, video in probes:
            assert video is not None
            with VideoReader(path, stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
                frames += sum(1 for _ in reader.frames())
        return frames

    return work


def network(member: str, shape: tuple[int, ...], **options: float) -> Callable[[], int]:
    """One inference of a network on noise."""
    net = Network(str(locate("face_landmarker").path), member, input_shape=shape, **options)
    noise = np.random.default_rng(0).integers(0, 255, shape)
    net.input[...] = noise.astype(net.input.dtype)

    def work() -> int:
        net.infer()
        return 1

    return work


def landmarker(clip: Path) -> Callable[[], int]:
    """Crop, mesh, blendshapes and pose of one face a frame, tracked, without looking for others."""
    video = probe(str(clip)).video
    assert video is not None
    with VideoReader(str(clip), stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
        images = [frame.image for frame in reader.frames()]
    direct = make_landmarker(
        "direct", task_path=str(locate("face_landmarker").path), max_faces=1, detect_every=10**9
    )

    def work() -> int:
        direct.reset()
        for number, image in enumerate(images):
            direct(image, 40 * number)
        return len(images)

    return work


def roofline(clips: list[Path], *, detect_every: int) -> dict[str, float]:
    """Rates of the parts on one core, and of all of them one after another."""
    parts = {
        "decode": rate_hz(decode(clips)),
        "detect": rate_hz(
            network("face_detector.tflite", (1, 128, 128, 3), pixel_scale=1 / 127.5, pixel_offset=-1.0)
        ),
        "mesh": rate_hz(network("face_landmarks_detector.tflite", (1, 256, 256, 3), pixel_scale=1 / 255)),
        "blendshapes": rate_hz(network("face_blendshapes.tflite", (1, 146, 2))),
    }
    parts["landmarker"] = rate_hz(landmarker(clips[0]))
    shared_s = 1 / parts["decode"] + 1 / parts["detect"] / detect_every
    return {
        **parts,
        "all": 1 / (shared_s + 1 / parts["landmarker"]),
        "bare_networks": 1 / (shared_s + 1 / parts["mesh"] + 1 / parts["blendshapes"]),
    }


def corpus_of(clips: list[Path], folder: Path, minutes: float) -> None:
    """Copies of the clips, each a source of its own, until there are so many minutes."""
    total_s, number = 0.0, 0
    while total_s < minutes * 60:
        source = clips[number % len(clips)]
        video = probe(str(source)).video
        assert video is not None and video.stop is not None and video.start is not None
        shutil.copy(source, folder / f"{number:04d}-{source.name}")
        total_s += float(video.stop - video.start)
        number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    config = load_config(preset="talking-face")
    roof = roofline(options.clips, detect_every=config.watch.detect_every)
    with tempfile.TemporaryDirectory() as folder:
        clips, out = Path(folder, "clips"), Path(folder, "out")
        clips.mkdir()
        corpus_of(options.clips, clips, options.minutes)
        corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
        engine = RayEngine.of(config.engine, corpus.steps.values(), workers=options.workers)
        begun = time.perf_counter()
        built = build(corpus, config, engine=engine, reporter=QuietReporter())
        wall_s = time.perf_counter() - begun
        assert not built.account.problems, built.account.problems
        frames = sum(row["n_frames"] for row in corpus.rows("watch"))
        times = step_times(corpus.store, {name: corpus.key(name) for name in corpus.steps})
        kept = built.account.clips["ok"]
    busy_s = sum(one.wall_s for one in times.values())
    result = {
        "date": str(date.today()),
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "workers": options.workers,
        "frames": frames,
        "clips_kept": kept,
        "roofline_fps_one_core": {name: round(rate, 1) for name, rate in roof.items()},
        "roofline_fps": round(roof["all"] * options.workers, 1),
        "build_fps": round(frames / wall_s, 1),
        "build_over_roofline": round(frames / wall_s / (roof["all"] * options.workers), 3),
        "build_over_bare_networks": round(frames / wall_s / (roof["bare_networks"] * options.workers), 3),
        "wall_s": round(wall_s, 1),
        "wall_s_not_in_units": round(wall_s - busy_s / options.workers, 1),
        "worker_ms_a_frame": {name: round(1000 * one.wall_s / frames, 3) for name, one in times.items()},
        "watch_over_roofline": round(frames / times["watch"].wall_s / roof["all"], 3),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
