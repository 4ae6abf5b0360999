"""H.264 and back: what a bad connection leaves of the picture. The only part that needs PyAV."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.picture import Picture
from synth.corruption.plan import Corruption

_OPTIONS = {
    # x264's bytes change with the number of threads, and its macroblock tree reads memory it never wrote
    "threads": "1",
    "x264-params": "mbtree=0:rc-lookahead=0:sync-lookahead=0",
    "preset": "veryfast",
    "tune": "zerolatency",
    "bf": "0",
    "g": "250",
}


def recompressed(pictures: Iterable[Picture], corruption: Corruption) -> Iterator[Picture]:
    """The pictures, those of each span as x264 leaves them at the constant quantiser `qp`.

    Each span is a stream of its own that begins with a keyframe. Frames are held back only as long as codecs
    hold them.
    """
    through: _Codec | None = None
    waiting: deque[Picture] = deque()
    for picture in pictures:
        begins = any(start == picture.tick for start, _ in corruption.spans)
        if through is not None and (begins or not corruption.covers(picture.tick)):
            yield from _paired(waiting, through.finish())
            through = None
        if not corruption.covers(picture.tick):
            yield picture
            continue
        if through is None:
            through = _Codec(picture.image.shape, round(corruption.values["qp"]))
        waiting.append(picture)
        yield from _paired(waiting, through.add(picture.image))
    if through is not None:
        yield from _paired(waiting, through.finish())


def _paired(waiting: deque[Picture], images: Iterable[NDArray[np.uint8]]) -> Iterator[Picture]:
    for image in images:
        yield waiting.popleft().with_image(image)


class _Codec:
    """x264 and FFmpeg's decoder, one thread each. Odd sides are padded by their last row or column."""

    def __init__(self, shape: tuple[int, ...], qp: int) -> None:
        import av
        from av.video.reformatter import Interpolation, VideoReformatter

        self._size = shape[:2]
        self._is_grey = len(shape) == 2
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.height, encoder.width = (side + side % 2 for side in self._size)
        encoder.pix_fmt, encoder.framerate = "yuv420p", 25
        encoder.options = {**_OPTIONS, "qp": str(qp)}
        encoder.thread_count = 1
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.thread_count, decoder.thread_type = 1, "NONE"
        self._encoder, self._decoder = encoder, decoder
        self._video_frame = av.VideoFrame
        self._reformat = VideoReformatter().reformat
        # bit-exact: the same bytes whatever vector instructions the CPU has
        self._how = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
        self._count = 0

    def add(self, image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
        """Encode a frame; gives those that come out."""
        colour = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if self._is_grey else image
        height, width = self._size
        padded = cv2.copyMakeBorder(colour, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        frame = self._video_frame.from_ndarray(np.ascontiguousarray(padded, np.uint8), format="rgb24")
        frame = self._reformat(frame, format="yuv420p", interpolation=self._how)
        frame.pts = self._count
        self._count += 1
        return self._decoded(self._encoder.encode(frame))

    def finish(self) -> Iterator[NDArray[np.uint8]]:
        """What is still inside."""
        yield from self._decoded([*self._encoder.encode(None), None])

    def _decoded(self, packets: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
        height, width = self._size
        for packet in packets:
            for frame in self._decoder.decode(packet):
                colour: Any = self._reformat(frame, format="rgb24", interpolation=self._how).to_ndarray()
                image = np.ascontiguousarray(colour[:height, :width], np.uint8)
                grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if self._is_grey else image
                yield np.asarray(grey, np.uint8)
