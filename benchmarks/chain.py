"""The whole vision chain beside the same work done by the separate public tools, each with its own decode.

The tools, one after the other, as their scripts do it:

- `lips`: AV-HuBERT's `detect_landmark.py` and `align_mouth.py`: dlib's frontal detector on the frame enlarged
  once and its 68 points, then a second decode that aligns, crops and encodes;
- `lips, not enlarged`: the same with the detector on the frame as it is, which finds faces from 80 px only;
- `ARKit`: MediaPipe's Tasks API in VIDEO mode, one face: 478 landmarks, 52 blendshapes, pose;
- `speaker`: LR-ASD's `Columbia_test.py`: a detector on every frame, crops of the track, the network.

Where a tool is slow for reasons of its own it is given our part instead, so the comparison leans its way:
OpenCV's warp and our encoder for the lips (skimage's warp takes 16 ms a frame), `cv2.FaceDetectorYN` instead
of S3FD (whose weights no package carries), one pass of the network where LR-ASD's script takes eleven.

Ours: the steps `watch`, `who` and `cut` (lips and arkit52), in this process, with receipts, tables and
digests. `cut` works on the frames that `select` keeps; its time is scaled to all frames, since the tools do
all. The other steps of a build have no counterpart above: they are shown, and counted in the second ratio.
Clips of one speaking face.

CPU time of all threads, models loaded before. In each round both sides see all clips, one after the other;
numbers and ratios are medians over the rounds.

    python benchmarks/chain.py CLIP [CLIP …] [--rounds 3] [--json RESULT.json]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import cv2
import dlib
import numpy as np
from common import machine, save
from numpy.typing import NDArray

from extractors.active_speaker import ActiveSpeaker, smooth
from extractors.audio import AudioReader, to_mono16k
from extractors.encode import LIP_OPTIONS, Mp4Writer
from extractors.landmarks import make_landmarker
from extractors.lips import lip_crop, plan_lips
from extractors.probe import probe
from extractors.track_crop import cut_square
from extractors.weights import locate
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.job import End, execute
from pipelines.step import Workspace

Frame = NDArray[np.uint8]
COUNTED = ("watch", "who", "cut")
TOOLS = ("lips", "ARKit", "speaker")
SETTINGS = ("cut.members=[lips,arkit52]",)
FRAME_MS = 40
BOXES_IN_MEDIAN = 13  # `scipy.signal.medfilt(…, kernel_size=13)` of LR-ASD's and TalkNet's scripts
CROP_SIDE, CROP_DOWN = 0.7, 0.2  # of the detector's box, see `extractors.track_crop`


def frames(clip: Path) -> Iterator[Frame]:
    """Frames (H, W, 3) BGR of a decode of one's own, as the tools read them."""
    capture = cv2.VideoCapture(str(clip))
    while True:
        there, image = capture.read()
        if not there:
            return
        yield np.asarray(image, np.uint8)


class Tools:
    """The separate tools. Each method takes a clip and returns how many frames it has a result for."""

    def __init__(self) -> None:
        self._detector = dlib.get_frontal_face_detector()
        self._predictor = dlib.shape_predictor(str(locate("dlib_68").path))
        task = str(locate("face_landmarker").path)
        self._landmarker = make_landmarker("mediapipe", task_path=task, max_faces=1)
        self._yunet = cv2.FaceDetectorYN.create(str(locate("yunet").path), "", (320, 320), 0.6)
        self._speaker = ActiveSpeaker(str(locate("lr_asd").path))

    def lips(self, clip: Path, *, enlarge: int = 1) -> int:
        """Lip crops by dlib's points."""
        points = []
        for image in frames(clip):
            grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
            found = self._detector(grey, enlarge)
            shape = self._predictor(grey, found[0]).parts() if found else ()
            points.append([(point.x, point.y) for point in shape] or np.full((68, 2), np.nan))
        plan = plan_lips(np.array(points, np.float64))
        video = Mp4Writer(grey=True, options=LIP_OPTIONS)
        for index, image in enumerate(frames(clip)):
            video.add(lip_crop(image, plan, index))
        video.finish()
        return int((~plan.interpolated).sum())

    def lips_not_enlarged(self, clip: Path) -> int:
        """The same, faster, for large faces only."""
        return self.lips(clip, enlarge=0)

    def arkit(self, clip: Path) -> int:
        """MediaPipe's 52 coefficients."""
        self._landmarker.reset()
        n_seen = 0
        for number, image in enumerate(frames(clip)):
            n_seen += len(self._landmarker(np.ascontiguousarray(image[:, :, ::-1]), FRAME_MS * number))
        return n_seen

    def speaker(self, clip: Path) -> int:
        """LR-ASD on its own face track. A frame without a face repeats the last box."""
        images, boxes = [], []
        for image in frames(clip):
            self._yunet.setInputSize((image.shape[1], image.shape[0]))
            _, found = self._yunet.detect(image)
            boxes.append(boxes[-1] if found is None else found[0, :4])
            images.append(image)
        x, y, width, height = np.array(boxes).T
        track = np.stack([x + width / 2, y + height / 2, np.maximum(width, height)])
        reach = BOXES_IN_MEDIAN // 2
        padded = np.pad(track, ((0, 0), (reach, reach)), mode="edge")
        windows = np.lib.stride_tricks.sliding_window_view(padded, BOXES_IN_MEDIAN, axis=1)
        crops = [
            cut_square(image[:, :, ::-1], x=x, y=y + CROP_DOWN * side, side=CROP_SIDE * side)
            for image, (x, y, side) in zip(images, np.median(windows, axis=2).T.tolist(), strict=True)
        ]
        audio = probe(str(clip)).audio
        assert audio is not None
        assert audio.start is not None and audio.stop is not None
        with AudioReader(str(clip), stream_index=audio.index) as reader:
            pcm = to_mono16k(reader.read_span(audio.start, audio.stop), reader.rate_hz)
        return int((smooth(self._speaker(np.stack(crops), pcm)) > 0).sum())

    def close(self) -> None:
        """MediaPipe's graph must end before the interpreter does."""
        self._landmarker.reset()

    def parts(self) -> dict[str, Callable[[Path], int]]:
        """By name."""
        return {
            "lips": self.lips,
            "lips, not enlarged": self.lips_not_enlarged,
            "ARKit": self.arkit,
            "speaker": self.speaker,
        }


class Ours:
    """The steps of a build, in this process."""

    def __init__(self, clips: Path) -> None:
        self._clips = clips
        config = load_config(preset="talking-face", overrides=SETTINGS)
        steps = build_steps(config)
        names = list(steps)
        self._steps = {name: steps[name] for name in names[: names.index("cut") + 1]}
        for step in self._steps.values():
            step.open()

    def run(self) -> tuple[dict[str, float], dict[str, int]]:
        """CPU seconds of each step over all clips, and frames with a result."""
        cpu_s = {}
        with tempfile.TemporaryDirectory() as folder:
            corpus = Corpus(Store(folder), str(self._clips), list_folder(self._clips), self._steps)
            for name, step in self._steps.items():
                workspace = Workspace(corpus.store, corpus.folder(name), corpus.source_root)
                units = corpus.todo(name)
                begun = time.process_time()
                outcomes = [execute(step, unit, workspace) for unit in units]
                cpu_s[name] = time.process_time() - begun
                assert all(one.end is End.COMMITTED for one in outcomes), (name, outcomes)
                corpus.refresh(name)
            return cpu_s, counts(corpus)


def counts(corpus: Corpus) -> dict[str, int]:
    """Frames of which ours has lips, coefficients and a speaker."""
    kept = [row for row in corpus.rows("select") if row["status"] == "ok"]
    items = corpus.items("cut").values()
    assert len(items) == len(corpus.listing.sources), [row["reason"] for row in corpus.rows("select")]
    return {
        "clips": len(kept),
        "ARKit": sum(row["n_frames_with_face"] for row in corpus.rows("watch")),
        "speaker": sum(row["n_speaking"] for row in corpus.rows("who")),
        "lips": sum(round(item.media_s * 25) for item in items),
    }


def measure(
    tools: Tools, ours: Ours, clips: list[Path], rounds: int
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """CPU seconds of each part in each round, and what both sides have."""
    times: dict[str, list[float]] = defaultdict(list)
    seen: dict[str, Any] = {}
    for number in range(rounds + 1):
        found = {}
        for name, part in tools.parts().items():
            begun = time.process_time()
            seen[name] = sum(part(clip) for clip in clips)
            found[name] = time.process_time() - begun
        cpu_s, seen["ours"] = ours.run()
        if not number:  # the first round warms up
            continue
        for name, value in (found | cpu_s).items():
            times[name].append(value)
    return {name: np.array(values) for name, values in times.items()}, seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    before = machine()
    print(before)
    n_frames = sum(1 for clip in options.clips for _ in frames(clip))
    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(options.clips):
            shutil.copy(clip, Path(folder, f"{number:03d}-{clip.name}"))
        tools, ours = Tools(), Ours(Path(folder))
        times, seen = measure(tools, ours, options.clips, options.rounds)
        tools.close()
    times["cut"] *= n_frames / seen["ours"]["lips"]
    save(options.json, before, report(times, n_frames) | {"frames": n_frames, "with_a_result": seen})


def report(times: dict[str, NDArray[np.float64]], n_frames: int) -> dict[str, Any]:
    """Print the breakdown and the ratios; returns them."""
    cpu_ms = {name: round(1000 * float(np.median(values)) / n_frames, 2) for name, values in times.items()}
    print(f"{n_frames} frames\n\n| CPU ms a frame | |\n|---|---|")
    for name, value in cpu_ms.items():
        print(f"| {name} | {value:.2f} |")
    enlarged = sum((times[name] for name in TOOLS), np.zeros(()))
    tools = {
        "as their scripts do it": enlarged,
        "dlib not enlarging": enlarged - times["lips"] + times["lips, not enlarged"],
    }
    apart = {*TOOLS, "lips, not enlarged"}
    steps = {
        "watch, who, cut": sum((times[name] for name in COUNTED), np.zeros(())),
        "all steps up to cut": sum((times[name] for name in times if name not in apart), np.zeros(())),
    }
    print(f"\n| the tools over | {' | '.join(steps)} |\n|---|---|---|")
    ratios = {}
    for tool, theirs in tools.items():
        ratios[tool] = {step: round(float(np.median(theirs / ours)), 2) for step, ours in steps.items()}
        print(f"| {tool} | {' | '.join(f'{value:.2f}' for value in ratios[tool].values())} |")
    return {"cpu_ms_a_frame": cpu_ms, "tools_over_ours": ratios}


if __name__ == "__main__":
    main()
