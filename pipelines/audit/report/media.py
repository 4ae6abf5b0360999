"""Small pictures and clips of a sample, that any browser shows. The same bytes for the same sample."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.overlay import VIDEO_OPTIONS

Members = Mapping[str, bytes]

FACE_PX = 144
LIP_PX = 72
LIP_FRAMES = 8
MAX_CLIP_S = 20
"""A longer sample plays its first 20 s."""
AUDIO_BIT_RATE = 64_000
_TIME_BASE = Fraction(1, 90_000)


def pictures_of(members: Members, name: str) -> list[bytes]:
    """The sample's videos of that name: one, or those of `main` and `other`."""
    return [members[one] for one in (name, f"main.{name}", f"other.{name}") if one in members]


def face_picture(videos: Sequence[bytes]) -> bytes:
    """JPEG of the middle frame, of both people side by side."""
    return _jpeg([_square(_frames_at(video, [0.5])[0], FACE_PX) for video in videos])


def lip_strip(video: bytes) -> bytes:
    """JPEG of frames from the middles of `LIP_FRAMES` equal parts of the clip, side by side."""
    parts = [(number + 0.5) / LIP_FRAMES for number in range(LIP_FRAMES)]
    return _jpeg([_square(frame, LIP_PX) for frame in _frames_at(video, parts)])


def sound_of(members: Members) -> tuple[NDArray[np.float32], int] | None:
    """(channels, n) samples and their rate in Hz: mono, or main at the left and other at the right."""
    import soundfile

    names = ["flac"] if "flac" in members else [f"{side}.flac" for side in ("main", "other")]
    if any(name not in members for name in names):
        return None
    read = [soundfile.read(io.BytesIO(members[name]), dtype="float32", always_2d=True) for name in names]
    longest = max(len(pcm) for pcm, _ in read)
    channels = [np.pad(pcm.mean(axis=1), (0, longest - len(pcm))) for pcm, _ in read]
    return np.asarray(np.stack(channels), np.float32), int(read[0][1])


def clip(videos: Sequence[bytes], sound: tuple[NDArray[np.float32], int] | None) -> bytes:
    """An MP4 of at most `MAX_CLIP_S`: one video as it is, two side by side; with the sound as AAC."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        heard = None if sound is None else _sound_stream(container, *sound)  # before the first packet
        if len(videos) == 1:
            _copy_video(container, videos[0])
        elif videos:
            _join_videos(container, videos)
        if sound is not None:
            _add_sound(container, heard, *sound)
    return buffer.getvalue()


def _copy_video(container: Any, video: bytes) -> None:
    with av.open(io.BytesIO(video), mode="r") as source:
        stream = source.streams.video[0]
        target = container.add_stream_from_template(stream)
        container.start_encoding()  # from here on the stream has a time base
        for packet in source.demux(stream):
            if packet.dts is None or packet.pts is None or packet.pts * packet.time_base >= MAX_CLIP_S:
                continue  # the packet that ends a stream has no time
            packet.stream = target
            container.mux(packet)


def _join_videos(container: Any, videos: Sequence[bytes]) -> None:
    sources = [av.open(io.BytesIO(video), mode="r") for video in videos]
    try:
        stream: Any = None
        for frames in zip(*(source.decode(video=0) for source in sources), strict=False):
            at_s = frames[0].pts * frames[0].time_base
            if at_s >= MAX_CLIP_S:
                break
            side = frames[0].height // 2 * 2
            picture = np.hstack([_square(frame.to_ndarray(format="rgb24"), side) for frame in frames])
            if stream is None:
                stream = container.add_stream("libx264", options=VIDEO_OPTIONS)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = _TIME_BASE
            joined = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            joined.pts, joined.time_base = round(at_s / _TIME_BASE), _TIME_BASE
            container.mux(stream.encode(joined))
        if stream is not None:
            container.mux(stream.encode(None))
    finally:
        for source in sources:
            source.close()


def _sound_stream(container: Any, pcm: NDArray[np.float32], rate_hz: int) -> Any:
    stream = container.add_stream("aac", rate=rate_hz, layout=_layout(pcm))
    stream.bit_rate = AUDIO_BIT_RATE
    return stream


def _layout(pcm: NDArray[np.float32]) -> str:
    return "mono" if len(pcm) == 1 else "stereo"


def _add_sound(container: Any, stream: Any, pcm: NDArray[np.float32], rate_hz: int) -> None:
    layout = _layout(pcm)
    heard = np.clip(np.nan_to_num(pcm[:, : MAX_CLIP_S * rate_hz]), -1.0, 1.0)
    edges = [*range(0, heard.shape[1], 1024), heard.shape[1]]
    for start, stop in pairwise(edges):
        block = np.ascontiguousarray(heard[:, start:stop])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _frames_at(video: bytes, parts: Sequence[float]) -> list[NDArray[np.uint8]]:
    """(H, W, 3) RGB frames at shares of a video's length. Raises ValueError for a video without frames."""
    with av.open(io.BytesIO(video), mode="r") as container:
        n_frames = sum(1 for _ in container.decode(video=0))
    if not n_frames:
        raise ValueError("no frame can be decoded")
    wanted = [min(int(part * n_frames), n_frames - 1) for part in parts]
    kept: dict[int, NDArray[np.uint8]] = {}
    with av.open(io.BytesIO(video), mode="r") as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in wanted:
                kept[number] = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    return [kept[number] for number in wanted]


def _square(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _jpeg(pictures: Sequence[NDArray[np.uint8]]) -> bytes:
    row = cv2.cvtColor(np.hstack(pictures), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, 82])[1].tobytes()
