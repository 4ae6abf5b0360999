"""Decoding video: every frame once, in the order of presentation, with its exact time."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from extractors.containers import CONTAINERS_WITHOUT_PTS, decoded, open_container, pick_stream
from manifests.reasons import ItemError, Reason

SEEKABLE_CONTAINERS = frozenset({"mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"})
"""Those that store exact times and an index of keyframes. MPEG-PS and -TS land behind the target, AVI
has no presentation times: they are decoded from the start. Guarded by test_seeking_equals_full_decode."""

_Timed = tuple[Fraction, Any, bool]
"""Presentation time, av frame, damaged."""

# bit-exact: the same RGB whatever vector instructions the CPU has
_CONVERSION = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One decoded picture."""

    index: int | None
    """Number in the full decode; None when decoding began in the middle."""
    pts: Fraction
    """Presentation time, exact seconds on the container's timeline."""
    image: NDArray[np.uint8]
    """(H, W, 3) RGB, C-contiguous, upright; H and W are the same for all frames of a stream."""
    corrupt: bool
    """The decoder reported damage here, or earlier with no undamaged keyframe since: damage spreads."""


class VideoReader:
    """Frames of one video stream. Use as a context manager; memory does not grow with the length.

    `stream_index` and `rotation_deg` are those of `probe`. Decoding and colour conversion use one thread
    and bit-exact arithmetic, so the same file gives the same bytes. Pictures whose size changes within
    the stream are scaled to the size that the container names.
    """

    def __init__(self, path: str, *, stream_index: int, rotation_deg: int = 0) -> None:
        if rotation_deg % 90:
            raise ValueError(f"rotation_deg must be a multiple of 90, not {rotation_deg}")
        self._path = path
        self._stream_index = stream_index
        self._quarter_turns = rotation_deg // 90 % 4
        self._passes = ExitStack()
        self.n_errors = 0
        """Packets that could not be decoded and frames out of order, in the last call of `frames`."""

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._passes.close()

    def frames(self, start: Fraction | None = None, stop: Fraction | None = None) -> Iterator[Frame]:
        """Frames with `start` <= pts < `stop` (seconds), identical to those of a full decode.

        Damage is marked (`Frame.corrupt`) or counted (`n_errors`); decoding goes on when it can and ends
        quietly when it cannot. Raises ItemError(UNREADABLE_CONTAINER) when the file does not open and
        ItemError(DECODE_FAILED) when nothing at all decodes.
        """
        frames = self._span(start, stop)
        self._passes.callback(frames.close)
        return frames

    def _span(self, start: Fraction | None, stop: Fraction | None) -> Generator[Frame]:
        self.n_errors = 0
        with ExitStack() as stack:
            decoder = stack.enter_context(_Decoder(self._path, self._stream_index))
            frames = decoder.frames() if start is None else decoder.frames_from(start)
            is_whole = start is None or frames is None
            if frames is None:  # a container that seeks badly is read anew from its beginning
                decoder = stack.enter_context(_Decoder(self._path, self._stream_index))
                frames = decoder.frames()
            seen = -1
            for seen, (pts, frame, corrupt) in enumerate(frames):
                self.n_errors = decoder.n_errors
                if stop is not None and pts >= stop:
                    break
                if start is None or pts >= start:
                    image = np.ascontiguousarray(np.rot90(decoder.rgb(frame), self._quarter_turns))
                    index = seen if is_whole else None
                    yield Frame(index=index, pts=pts, image=image, corrupt=corrupt)
            self.n_errors = decoder.n_errors
            if seen < 0:
                raise ItemError(Reason.DECODE_FAILED, f"no video frame decodes, {self.n_errors} errors")


class _Decoder:
    """One pass over a stream."""

    def __init__(self, path: str, stream_index: int) -> None:
        self._container = open_container(path)
        self._stream = pick_stream(self._container, stream_index, "video")
        context = self._stream.codec_context
        context.thread_count = 1
        context.thread_type = "NONE"
        self._size = (context.width, context.height)
        self._reformatter = VideoReformatter()
        self._clock = _Clock(self._container.format.name, self._stream)
        self.n_errors = 0

    def __enter__(self) -> _Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def frames_from(self, start: Fraction) -> Iterator[_Timed] | None:
        """Frames from a keyframe at or before `start`; None when the container led to no safe place.

        After a random access point every frame that follows it in presentation order is exact
        (H.264 recovery point, HEVC CRA, closed MPEG GOPs); leading pictures are not, but they come
        before it. Hence a first frame at or before `start` proves the place good.
        """
        if self._container.format.name not in SEEKABLE_CONTAINERS:
            return None
        try:
            offset = math.floor(start / self._stream.time_base)
            self._container.seek(offset, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return None
        frames = self.frames()
        first = next(frames, None)
        if first is None or first[0] > start or first[2] or not first[1].key_frame:
            return None
        return chain([first], frames)

    def frames(self) -> Iterator[_Timed]:
        """Frames with strictly growing times; those that go back in time are dropped and counted."""
        last: Fraction | None = None
        damaged = False
        errors_seen = 0
        for frame in decoded(self._container, self._stream, self._count):
            if frame.key_frame:
                damaged, errors_seen = False, self.n_errors
            damaged = damaged or frame.is_corrupt or self.n_errors > errors_seen
            pts = self._clock.time(frame, last)
            if last is not None and pts <= last:
                self._count()
                continue
            last = pts
            yield pts, frame, damaged

    def rgb(self, frame: Any) -> NDArray[np.uint8]:
        """(H, W, 3) before rotation."""
        width, height = self._size
        converted = self._reformatter.reformat(
            frame,
            width=width or frame.width,
            height=height or frame.height,
            format="rgb24",
            interpolation=_CONVERSION,
            threads=1,
        )
        return np.asarray(converted.to_ndarray(), np.uint8)

    def _count(self) -> None:
        self.n_errors += 1


class _Clock:
    """When a frame is presented."""

    def __init__(self, format_name: str, stream: Any) -> None:
        self._by_decoding_time = format_name in CONTAINERS_WITHOUT_PTS
        self._tick: Fraction = stream.time_base
        self._interval = 1 / stream.average_rate if stream.average_rate else self._tick
        self._delay: int | None = None

    def time(self, frame: Any, last: Fraction | None) -> Fraction:
        """Seconds. A frame without a time stamp follows the last one at the average rate."""
        if self._by_decoding_time:
            stamp = frame.dts
            if stamp is not None:
                # the decoder holds frames back to reorder them; the first one tells how many
                self._delay = stamp if self._delay is None else self._delay
                stamp -= self._delay
        else:
            stamp = frame.dts if frame.pts is None else frame.pts
        if stamp is None:
            return Fraction(0) if last is None else last + self._interval
        return self._tick * int(stamp)
