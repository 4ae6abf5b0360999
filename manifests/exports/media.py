"""What exports do to media: FLAC to WAV without a changed bit, and looking into an MP4 before it is handed
on."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.corpus_reader import Sample
from manifests.exports.base import DamagedSample, ExportReason

SPEECH_HZ = 16_000
VIDEO_HZ = 25
MAX_MP4_AUDIO_LATE = 1
"""Samples that audio may differ from the length that KEY.json tells."""


def pcm(sample: Sample, member: str) -> tuple[NDArray[np.int16], int]:
    """Samples of a 16-bit FLAC, `(n, channels)`, and their rate. Raises DamagedSample."""
    import soundfile

    try:
        found, rate_hz = soundfile.read(io.BytesIO(sample.read(member)), dtype="int16", always_2d=True)
    except soundfile.SoundFileError as error:
        raise DamagedSample(ExportReason.MEMBER_DAMAGED, f"{member}: {error}") from error
    return found, int(rate_hz)


def mono_16k(sample: Sample, member: str = "flac") -> NDArray[np.int16]:
    """The 16 kHz mono samples `(n,)`, as long as KEY.json says (one sample more or less passes)."""
    found, rate_hz = pcm(sample, member)
    if rate_hz != SPEECH_HZ or found.shape[1] != 1:
        told = f"{member}: {found.shape[1]} channels at {rate_hz} Hz, not 1 at {SPEECH_HZ}"
        raise DamagedSample(ExportReason.WRONG_LENGTH, told)
    should = Fraction(duration(sample)) * SPEECH_HZ
    if abs(len(found) - should) > MAX_MP4_AUDIO_LATE:
        raise DamagedSample(ExportReason.WRONG_LENGTH, f"{member}: {len(found)} samples, not {should}")
    return found[:, 0]


def wav(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """A 16-bit WAV of `(n,)` or `(n, channels)` samples, exactly these."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def duration(sample: Sample) -> Fraction:
    """Exact length in seconds, from the rationals in KEY.json where there are any."""
    source = sample.header.get("source") or {}
    if "start" in source and "stop" in source:
        return Fraction(source["stop"]) - Fraction(source["start"])
    return Fraction(str(sample.header["duration_s"]))


@dataclass(frozen=True)
class Picture:
    """An MP4's video, from its packets: one is one frame, and nothing is decoded."""

    n_frames: int
    height: int
    width: int
    rate_hz: Fraction


def picture(sample: Sample, member: str) -> Picture:
    """Look into an MP4 and check it against KEY.json: 25 fps, as long as the sample. Raises DamagedSample.

    Frames are counted as packets, never read from the container's header.
    """
    import av

    try:
        with open_media(sample.read(member)) as container:
            stream = container.streams.video[0]
            n_frames = sum(bool(packet.size) for packet in container.demux(stream))
            found = Picture(n_frames, stream.height, stream.width, Fraction(stream.average_rate or 0))
    except (av.FFmpegError, IndexError) as error:
        raise DamagedSample(ExportReason.MEMBER_DAMAGED, f"{member}: {error}") from error
    should = duration(sample) * VIDEO_HZ
    if found.n_frames != should or found.rate_hz != VIDEO_HZ:
        told = f"{member}: {found.n_frames} frames at {found.rate_hz} fps, not {should} at {VIDEO_HZ}"
        raise DamagedSample(ExportReason.WRONG_LENGTH, told)
    return found


def open_media(data: bytes) -> Any:
    """A container of bytes, opened for reading with PyAV."""
    import av

    return av.open(io.BytesIO(data))


def frames(data: bytes, pixels: str) -> list[NDArray[np.uint8]]:
    """All pictures of an MP4: `gray` `(H, W)` or `rgb24` `(H, W, 3)`."""
    with open_media(data) as container:
        return [frame.to_ndarray(format=pixels) for frame in container.decode(video=0)]


def array(sample: Sample, member: str) -> NDArray[Any]:
    """An NPY member. Raises DamagedSample."""
    try:
        found: NDArray[Any] = np.load(io.BytesIO(sample.read(member)), allow_pickle=False)
    except ValueError as error:
        raise DamagedSample(ExportReason.MEMBER_DAMAGED, f"{member}: {error}") from error
    return found
