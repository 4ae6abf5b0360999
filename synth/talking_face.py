"""Talking-face clips whose truth is known: a portrait turned in 3-D, with a mouth that follows its speech.

Used by `duologue demo` when no clips are given, and by tests.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.portrait_head import CENTRE, Floats, Image, load_portrait, open_mouth, rotation, see_head

SHOWN_PX = 270.0
"""Height of the part of the portrait that fills a frame, portrait pixels."""
SHOWN_CENTRE = (226.0, 132.0)
_HEAD_REACH_PX = (98.0, 108.0)  # half width and height that the head, however turned, stays inside


@dataclass(frozen=True)
class Motion:
    """What the head does, one value a frame.

    yaw_deg: positive turns the nose to the picture's right; pitch_deg: positive lowers it (both counted
    from the portrait's own pose, R = Rx(pitch) Ry(yaw)); mouth: 0 as photographed to 1 wide open.
    All float64 (T,).
    """

    yaw_deg: NDArray[np.float64]
    pitch_deg: NDArray[np.float64]
    mouth: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {self.yaw_deg.shape, self.pitch_deg.shape, self.mouth.shape}
        if len(shapes) != 1 or self.yaw_deg.ndim != 1:
            raise ValueError(f"yaw, pitch and mouth must be curves of one length, got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.yaw_deg)


def render_frames(motion: Motion, *, size_px: tuple[int, int] = (480, 640)) -> Iterator[Image]:
    """One uint8 (H, W, 3) RGB frame for each value of the motion; `size_px` is (height, width)."""
    portrait = load_portrait()
    height, width = size_px
    scale = height / SHOWN_PX
    x = (np.arange(width, dtype=np.float32) + 0.5 - 0.5 * width) / scale + SHOWN_CENTRE[0] - 0.5
    y = (np.arange(height, dtype=np.float32) + 0.5 - 0.5 * height) / scale + SHOWN_CENTRE[1] - 0.5
    grid = [np.ascontiguousarray(part, np.float32) for part in np.meshgrid(x, y)]
    still = cv2.remap(portrait.background, *grid, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    columns = slice(*np.searchsorted(x, (CENTRE[0] - _HEAD_REACH_PX[0], CENTRE[0] + _HEAD_REACH_PX[0])))
    rows = slice(*np.searchsorted(y, (CENTRE[1] - _HEAD_REACH_PX[1], CENTRE[1] + _HEAD_REACH_PX[1])))
    box = (rows, columns)
    for yaw_deg, pitch_deg, mouth in zip(motion.yaw_deg, motion.pitch_deg, motion.mouth, strict=True):
        picture, depth = open_mouth(portrait, float(mouth))
        head, cover = _draw_head(
            picture, depth, grid[0][box], grid[1][box], rotation(float(yaw_deg), float(pitch_deg))
        )
        frame = still.copy()
        frame[box] = np.round(frame[box] * (1.0 - cover) + head * cover).astype(np.uint8)
        yield frame


def _draw_head(
    picture: Image, depth: Floats, x: Floats, y: Floats, turn: NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Colour (h, w, 3) of the head at the given pixels and how much of each it covers (h, w, 1)."""
    size = (x.shape[1], x.shape[0])
    half = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    small = (cv2.resize(part, half, interpolation=cv2.INTER_AREA) for part in (x, y))
    seen = see_head(depth, *small, turn)
    u, v, clearance = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR) for part in seen)
    head = cv2.remap(picture, u, v, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    cover = np.clip(clearance / 6.0, 0.0, 1.0)[..., None]
    return head.astype(np.float32), cover.astype(np.float32)


def mouth_of_speech(
    pcm: NDArray[np.float32], rate_hz: int, *, fps: Fraction, frames: int
) -> NDArray[np.float64]:
    """Mouth opening 0..1 (frames,) from the loudness round each frame's time; silence is 0.

    RMS over a 60 ms Hann window, against its own 95th percentile, to the power 0.6 (loudness grows slower
    than amplitude); no filter follows, so the curve is not delayed.
    """
    half = round(0.03 * rate_hz)
    window = np.hanning(2 * half + 1)
    power = np.convolve(np.square(pcm.astype(np.float64)), window / window.sum(), mode="same")
    at = np.minimum([round(frame / fps * rate_hz) for frame in range(frames)], len(pcm) - 1)
    level = np.sqrt(np.maximum(power[at], 0.0))
    heard = level[level > 1e-4]
    if not len(heard):
        return np.zeros(frames)
    return np.asarray(np.clip(level / np.percentile(heard, 95), 0.0, 1.0) ** 0.6)


def write_clip(
    path: Path,
    motion: Motion,
    audio: NDArray[np.float32],
    rate_hz: int,
    *,
    fps: Fraction,
    size_px: tuple[int, int] = (480, 640),
    audio_codec: str = "aac",
) -> None:
    """Render into an .mp4 (H.264, `aac` or lossless `flac`); the same arguments give the same bytes.

    `audio` is float32 (N,) mono; frame i is shown at i / fps, as sample 0 is heard at 0.
    """
    import av
    from av.container.core import Flags

    with av.open(str(path), "w", format="mp4") as container:
        container.flags |= Flags.bitexact
        video = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
        video.height, video.width, video.pix_fmt = *size_px, "yuv420p"
        video.codec_context.thread_count = 1
        sound = container.add_stream(audio_codec, rate=rate_hz, layout="mono")
        sound.codec_context.thread_count = 1
        done = 0
        for number, picture in enumerate(render_frames(motion, size_px=size_px)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
            until = min(round((number + 1) / fps * rate_hz), len(audio))
            container.mux(sound.encode(_sound(audio[done:until], done, rate_hz, audio_codec)))
            done = until
        container.mux(video.encode(None))
        container.mux(sound.encode(_sound(audio[done:], done, rate_hz, audio_codec)))
        container.mux(sound.encode(None))


def _sound(pcm: NDArray[np.float32], start: int, rate_hz: int, codec: str) -> Any:
    import av

    if not len(pcm):
        return None
    form = "fltp" if codec == "aac" else "s16"
    samples = pcm if codec == "aac" else np.round(np.clip(pcm, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format=form, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
    return frame
