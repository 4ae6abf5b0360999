"""Arrays to file bytes: H.264 in MP4, FLAC, NPY. The same arrays give the same bytes."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any, cast

import av
import numpy as np
import soundfile
from av.video.reformatter import ColorRange, Interpolation, VideoReformatter
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason

RATE_HZ = 25
MAX_FLAC_CHANNELS = 8

_ALWAYS = {
    # x264's bytes change with the number of threads
    "threads": "1",
    # its macroblock tree reads memory it never wrote: now and then other bytes from equal frames
    # (docs/adr/0004-x264.md; test_bytes_do_not_depend_on_what_memory_held)
    "x264-params": "mbtree=0:rc-lookahead=0",
    "g": "25",
    "bf": "0",
}
LIP_OPTIONS = {**_ALWAYS, "preset": "veryfast", "crf": "12", "tune": "fastdecode"}
"""0.7 grey levels of mean error on four GRID clips (CRF 23: above 1.8), 25 kB/s, 0.23 ms a frame."""

FACE_OPTIONS = {**_ALWAYS, "preset": "superfast", "crf": "21"}
"""2.2 levels of mean error on the same clips, most of it the halved colour resolution; 40 kB/s, 0.8 ms."""

# bit-exact: the same bytes whatever vector instructions the CPU has; accurate: less of a green cast
_CONVERSION = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


class Mp4Writer:
    """Frames at 25 fps into an MP4 in memory. `grey` frames are (H, W), others (H, W, 3) RGB; sides even.

    Full-range 4:2:0. Grey goes into Y as it is, and Y is what a decoder gives back as `gray`.
    """

    def __init__(self, *, grey: bool, options: dict[str, str]) -> None:
        self._buffer = io.BytesIO()
        self._container = av.open(self._buffer, "w", format="mp4", options={"fflags": "+bitexact"})
        self._grey = grey
        self._options = options
        self._reformatter = VideoReformatter()
        self._stream: Any = None
        self._count = 0

    def add(self, image: NDArray[np.uint8]) -> None:
        """Encode the next frame."""
        if self._stream is None:
            self._open(image.shape[0], image.shape[1])
        frame = self._frame(image)
        frame.pts, frame.time_base = self._count, Fraction(1, RATE_HZ)
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> bytes:
        """Flush the encoder; returns the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._buffer.getvalue()

    def _open(self, height: int, width: int) -> None:
        stream = cast(Any, self._container.add_stream("libx264", rate=RATE_HZ, options=self._options))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        stream.codec_context.color_range = ColorRange.JPEG
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        stream.codec_context.time_base = Fraction(1, RATE_HZ)
        self._stream = stream

    def _frame(self, image: NDArray[np.uint8]) -> Any:
        if not self._grey:
            colour = av.VideoFrame.from_ndarray(image, format="rgb24")
            return self._reformatter.reformat(
                colour, format="yuvj420p", dst_color_range=ColorRange.JPEG, interpolation=_CONVERSION
            )
        height, width = image.shape
        neutral = np.full((height // 2, width), 128, np.uint8)  # U and V, half as wide, side by side
        return av.VideoFrame.from_ndarray(np.concatenate([image, neutral]), format="yuvj420p")


def flac_bytes(pcm: NDArray[np.float32], rate_hz: int) -> tuple[bytes, int]:
    """16-bit FLAC of (channels, n) samples, full scale ±1, and how many samples had to be clipped.

    Rounded to nearest without dither. Raises ItemError(UNSUPPORTED_AUDIO) for more than 8 channels, the most
    that FLAC holds.
    """
    if len(pcm) > MAX_FLAC_CHANNELS:
        raise ItemError(
            Reason.UNSUPPORTED_AUDIO, f"{len(pcm)} audio channels; FLAC holds {MAX_FLAC_CHANNELS}"
        )
    scaled = np.rint(pcm.astype(np.float64) * 32768.0)
    n_clipped = int(((scaled > 32767) | (scaled < -32768)).sum())
    return int16_flac(np.clip(scaled, -32768, 32767).astype(np.int16), rate_hz), n_clipped


def int16_flac(samples: NDArray[np.int16], rate_hz: int) -> bytes:
    """16-bit FLAC of (channels, n) samples, exactly these."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples.T, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def npy_bytes(array: NDArray[Any]) -> bytes:
    """An NPY file (format 1.0, C order, little endian)."""
    buffer = io.BytesIO()
    ordered = np.ascontiguousarray(array)
    little = ordered.astype(ordered.dtype.newbyteorder("<"), copy=False)
    np.lib.format.write_array(buffer, little, version=(1, 0), allow_pickle=False)
    return buffer.getvalue()
