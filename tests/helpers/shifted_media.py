"""One recording several times, its content moved by a known time, for tests to build and compare."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.look import read_sample
from pipelines.sections import BuildConfig

FPS = 25
LEADS = {"whole": 0, "still": 4, "black": 20, "late": 0}
"""Frames put before the content of each source (its first picture, or black), and as much silence."""
LATE_START_S = Fraction(736, 100)
"""Where the time stamps of the source `late` begin."""
HIDDEN = range(34, 40)
"""Frames of the content whose lower face is painted over with skin: then validity and masks vary too."""
WORDS = [
    *(["bin", 0.92, 1.18], ["blue", 1.18, 1.38], ["at", 1.38, 1.45]),
    *(["f", 1.45, 1.61], ["two", 1.61, 1.86], ["now", 1.86, 2.1]),
]
"""Words of the sidecar, in seconds of the content, by PocketSphinx; clips are cut round them."""


@dataclass(frozen=True)
class Shifted:
    """One recording several times, its content moved by `shift_s` on the time line of each source."""

    url: str
    config: BuildConfig
    keys: dict[str, str]
    shift_s: dict[str, Fraction]

    def sample(self, name: str) -> dict[str, bytes]:
        """Members of the clip that was cut from a source."""
        return read_sample(Store(self.url), self.keys[name])[1]


def write_copies(clip: Path, folder: Path) -> None:
    """Lossless copies of a clip: as it is, later on its time line, and after a lead-in; and their sidecar."""
    frames, pcm, rate_hz = decode(clip)
    for number in HIDDEN:
        paint(frames[number], slice(130, 250), slice(96, 212), (147, 102, 152))
    with (folder / "sidecar.csv").open("w", newline="", encoding="utf-8") as handle:
        lines = csv.writer(handle)
        lines.writerow(["path", "words"])
        for name, lead in LEADS.items():
            before = frames[0].copy()
            if name == "black":
                paint(before, slice(None), slice(None), (16, 128, 128))
            silence = np.zeros((len(pcm), lead * rate_hz // FPS), np.int16)
            start_s = LATE_START_S if name == "late" else Fraction(0)
            write_lossless(
                folder / f"{name}.mkv",
                [before] * lead + frames,
                np.concatenate([silence, pcm], axis=1),
                rate_hz,
                start_s=start_s,
            )
            words = [[word, start + lead / FPS, stop + lead / FPS] for word, start, stop in WORDS]
            lines.writerow([f"{name}.mkv", json.dumps(words)])


def paint(planes: NDArray[np.uint8], rows: slice, columns: slice, colour: tuple[int, int, int]) -> None:
    """Fill a rectangle (even numbers) of an I420 picture with one colour (Y, U, V)."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    planes[:height][rows, columns] = colour[0]
    half = [slice(*(side and side // 2 for side in (one.start, one.stop))) for one in (rows, columns)]
    for part, value in zip(np.split(planes[height:], 2), colour[1:], strict=True):
        part.reshape(height // 2, width // 2)[half[0], half[1]] = value


def decode(path: Path) -> tuple[list[NDArray[np.uint8]], NDArray[np.int16], int]:
    """Frames as (H * 3/2, W) I420 planes, sound as int16 (channels, samples), and its rate."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16p")
        blocks = [
            out.to_ndarray() for frame in container.decode(audio=0) for out in resampler.resample(frame)
        ]
        return frames, np.concatenate(blocks, axis=1), int(container.streams.audio[0].rate)


def write_lossless(
    path: Path, frames: list[NDArray[Any]], pcm: NDArray[np.int16], rate_hz: int, *, start_s: Fraction
) -> None:
    """Matroska with lossless H.264 and FLAC; the first frame and the first sample stand at `start_s`."""
    with av.open(str(path), "w", format="matroska", options={"fflags": "+bitexact"}) as container:
        video: Any = container.add_stream("libx264", rate=FPS, options={"qp": "0", "preset": "ultrafast"})
        video.height, video.width = frames[0].shape[0] * 2 // 3, frames[0].shape[1]
        video.pix_fmt, video.gop_size, video.codec_context.thread_count = "yuv420p", 12, 1
        layout = {1: "mono", 2: "stereo"}[len(pcm)]
        sound: Any = container.add_stream("flac", rate=rate_hz, layout=layout)
        for number, planes in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv420p")
            frame.pts, frame.time_base = number + int(start_s * FPS), Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for at in range(0, pcm.shape[1], 1152):
            packed = np.ascontiguousarray(pcm[:, at : at + 1152].T).reshape(1, -1)
            block = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            block.sample_rate, block.time_base = rate_hz, Fraction(1, rate_hz)
            block.pts = at + int(start_s * rate_hz)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))
