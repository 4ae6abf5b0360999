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

from synth.demo_speech import SENTENCES, Speech, speak_track
from synth.portrait_head import (
    CENTRE,
    Floats,
    Image,
    close_eyes,
    load_portrait,
    open_mouth,
    rotation,
    see_head,
)

_HEAD_REACH_PX = (98.0, 108.0)  # half width and height that the head, however turned, stays inside


@dataclass(frozen=True)
class View:
    """The part of the portrait that fills a frame: its height and its middle (x, y), portrait pixels.

    The camera always faces the head's centre, so a view of another middle is the crop of a larger picture.
    """

    height_px: float = 270.0
    middle: tuple[float, float] = (226.0, 132.0)


CLOSE_UP = View()


@dataclass(frozen=True)
class Motion:
    """What the head does, one value a frame.

    yaw_deg: positive turns the nose to the picture's right; pitch_deg: positive lowers it (both counted
    from the portrait's own pose, R = Rx(pitch) Ry(yaw)); mouth: 0 as photographed to 1 wide open; blink: 0
    as photographed to 1, both eyes shut. All float64 (T,). MediaPipe finds the face from yaw -33 to 45 and
    pitch -24 to 24.
    """

    yaw_deg: NDArray[np.float64]
    pitch_deg: NDArray[np.float64]
    mouth: NDArray[np.float64]
    blink: NDArray[np.float64]

    def __post_init__(self) -> None:
        shapes = {curve.shape for curve in (self.yaw_deg, self.pitch_deg, self.mouth, self.blink)}
        if len(shapes) != 1 or self.yaw_deg.ndim != 1:
            raise ValueError(f"yaw, pitch, mouth and blink must be curves of one length, got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.yaw_deg)


def render_frames(
    motion: Motion, *, size_px: tuple[int, int] = (480, 640), view: View = CLOSE_UP
) -> Iterator[Image]:
    """One uint8 (H, W, 3) RGB frame for each value of the motion; `size_px` is (height, width)."""
    portrait = load_portrait()
    height, width = size_px
    scale = height / view.height_px
    x = (np.arange(width, dtype=np.float32) + 0.5 - 0.5 * width) / scale + view.middle[0] - 0.5
    y = (np.arange(height, dtype=np.float32) + 0.5 - 0.5 * height) / scale + view.middle[1] - 0.5
    xx, yy = (np.ascontiguousarray(part, np.float32) for part in np.meshgrid(x, y))
    still = np.asarray(
        cv2.remap(portrait.background, xx, yy, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.uint8
    )
    columns = slice(*np.searchsorted(x, (CENTRE[0] - _HEAD_REACH_PX[0], CENTRE[0] + _HEAD_REACH_PX[0])))
    rows = slice(*np.searchsorted(y, (CENTRE[1] - _HEAD_REACH_PX[1], CENTRE[1] + _HEAD_REACH_PX[1])))
    box = (rows, columns)
    curves = zip(motion.yaw_deg, motion.pitch_deg, motion.mouth, motion.blink, strict=True)
    for yaw_deg, pitch_deg, mouth, blink in curves:
        picture, depth = open_mouth(portrait, float(mouth))
        picture = close_eyes(picture, float(blink))
        turn = rotation(float(yaw_deg), float(pitch_deg))
        head, cover = _draw_head(picture, depth, xx[box], yy[box], turn)
        frame = still.copy()
        frame[box] = np.round(frame[box] * (1.0 - cover) + head * cover).astype(np.uint8)
        yield frame


def _draw_head(
    picture: Image, depth: Floats, x: Floats, y: Floats, turn: NDArray[np.float64]
) -> tuple[Floats, Floats]:
    """Colour (h, w, 3) of the head at the given pixels and how much of each it covers (h, w, 1)."""
    size = (x.shape[1], x.shape[0])
    # The surface is smooth: found at half the resolution, it is drawn at the full one
    half = (max(size[0] // 2, 1), max(size[1] // 2, 1))
    half_x, half_y = (np.asarray(cv2.resize(part, half), np.float32) for part in (x, y))
    seen = see_head(depth, half_x, half_y, turn)
    u, v, clearance = (np.asarray(cv2.resize(part, size), np.float32) for part in seen)
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
    view: View = CLOSE_UP,
    audio_codec: str = "aac",
) -> None:
    """Render into an .mp4 (H.264, `aac` or lossless `flac`); the same arguments give the same bytes.

    `audio` is float32 (N,) mono; frame i is shown at i / fps, as sample 0 is heard at 0.
    """
    import av

    with av.open(str(path), "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        video: Any = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "veryfast"})
        video.height, video.width, video.pix_fmt = *size_px, "yuv420p"
        video.codec_context.thread_count = 1
        sound: Any = container.add_stream(audio_codec, rate=rate_hz, layout="mono")
        sound.codec_context.thread_count = 1
        heard = 0
        for number, picture in enumerate(render_frames(motion, size_px=size_px, view=view)):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(video.encode(frame))
            until = len(audio) if number + 1 == len(motion) else round((number + 1) / fps * rate_hz)
            if len(audio[heard:until]):
                container.mux(sound.encode(_sound(audio[heard:until], heard, rate_hz, audio_codec)))
            heard = until
        container.mux(video.encode(None))
        container.mux(sound.encode(None))


def _sound(pcm: NDArray[np.float32], start: int, rate_hz: int, codec: str) -> Any:
    import av

    form = "fltp" if codec == "aac" else "s16"
    samples = pcm if codec == "aac" else np.round(np.clip(pcm, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(samples[None], format=form, layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
    return frame


@dataclass(frozen=True)
class DemoClip:
    """One clip of the demo corpus: what is said and where the head points, the rest follows.

    The head swings `yaw_swing_deg` to both sides of `yaw_deg`.
    """

    name: str
    texts: tuple[str, ...]
    yaw_deg: float
    yaw_swing_deg: float
    share: float  # of the seconds asked for
    silent: bool = False


DEMO_CLIPS = (
    DemoClip("frontal", SENTENCES[:3], 0.0, 6.0, 1.0),
    DemoClip("glances", SENTENCES[3:6], 0.0, 20.0, 0.9),
    DemoClip("turned-away", SENTENCES[6:], 37.0, 4.0, 0.6),
    DemoClip("silent", (), 5.0, 10.0, 0.6, silent=True),
)
"""Two clips a frontal preset keeps, one it rejects for its yaw, one for its silence."""

DEMO_LABELS = {
    "speaker": "astronaut",
    "language": "en",
    "licence": "portrait: NASA, public domain; voice: hibari-tts, Apache-2.0",
}
_RATE_HZ = 24_000


def demo_corpus(folder: Path, *, seconds_per_clip: float = 6.0, fps: Fraction = Fraction(25)) -> None:
    """Write the clips of `DEMO_CLIPS`, `sidecar.csv` and the truth of each clip as NAME.truth.json.

    Truth: yaw, pitch and mouth for every frame, `speech_spans_s` half-open. Raises ValueError when
    `seconds_per_clip` is too short for a sentence, and ImportError naming the extra that is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    labels = []
    for clip in DEMO_CLIPS:
        frames = round(seconds_per_clip * clip.share * fps)
        speech = _speech(clip, float(frames / fps))
        motion = _motion(clip, speech, frames, fps)
        path = folder / f"{clip.name}.mp4"
        write_clip(path, motion, speech.pcm, speech.rate_hz, fps=fps)
        truth = _truth(clip, motion, speech, fps)
        (folder / f"{clip.name}.truth.json").write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n")
        labels.append({"path": path.name, "text": " ".join(speech.texts), **DEMO_LABELS})
    with (folder / "sidecar.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, list(labels[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(labels)


def _speech(clip: DemoClip, duration_s: float) -> Speech:
    if clip.silent:
        return Speech(np.zeros(round(duration_s * _RATE_HZ), np.float32), _RATE_HZ, (), ())
    return speak_track(clip.texts, duration_s)


def _motion(clip: DemoClip, speech: Speech, frames: int, fps: Fraction) -> Motion:
    """Slow sines: yaw every 3.2 s; pitch, 3 degrees, every 2.3 s."""
    time_s = np.arange(frames) / float(fps)
    return Motion(
        clip.yaw_deg + clip.yaw_swing_deg * np.sin(2 * np.pi * time_s / 3.2),
        3.0 * np.sin(2 * np.pi * time_s / 2.3),
        0.8 * mouth_of_speech(speech.pcm, speech.rate_hz, fps=fps, frames=frames),
        np.zeros(frames),
    )


def _truth(clip: DemoClip, motion: Motion, speech: Speech, fps: Fraction) -> dict[str, Any]:
    return {
        "clip": clip.name,
        "fps": str(fps),
        "texts": list(speech.texts),
        "speech_spans_s": [list(span) for span in speech.spans_s],
        "yaw_deg": motion.yaw_deg.round(4).tolist(),
        "pitch_deg": motion.pitch_deg.round(4).tolist(),
        "mouth": motion.mouth.round(4).tolist(),
    }
