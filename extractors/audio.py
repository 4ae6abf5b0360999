"""Audio: samples at their native rate on the container's own time line, and 16 kHz mono made of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from fractions import Fraction
from types import TracebackType
from typing import Any, cast

import numpy as np
import soxr
from numpy.typing import NDArray

from extractors.containers import decoded, open_container, pick_stream
from extractors.timeline import Placed, Timeline
from manifests.reasons import ItemError, Reason

Pcm = NDArray[np.float32]
MAX_AMPLITUDE = 10.0
"""Frames with samples beyond this (full scale is 1) or without a value are silenced and counted: damaged
AAC decodes to bursts of 100 000."""
MONO_RATE_HZ = 16_000
_QUALITY = "HQ"  # 20-bit precision: its noise lies below that of 16-bit audio
_Piece = tuple[int, Pcm]
"""Number of the first sample, and (channels, n) samples."""


class AudioReader:
    """Samples of one audio stream. Use as a context manager; memory does not grow with the length.

    Sample i stands for the time `start` + i / `rate_hz`, to within 10 ms: see `Timeline`, which fills
    gaps with zeros and trims overlaps. Raises ItemError(UNREADABLE_CONTAINER) when the file does not open
    and ItemError(DECODE_FAILED) when nothing at all decodes.
    """

    rate_hz: int
    channels: int
    start: Fraction
    """Time of the first sample, exact seconds on the container's timeline."""
    padded_s: Fraction
    """Zeros that the last `read_span` put outside the stream, seconds."""

    def __init__(self, path: str, *, stream_index: int) -> None:
        self._path = path
        self._stream_index = stream_index
        self._passes = ExitStack()
        self.padded_s = Fraction(0)
        self._read_first_frame()
        self._timeline = self._new_timeline()
        self._cursor: Generator[_Piece] | None = None
        self._kept: list[_Piece] = []  # decoded pieces that a later span may still want

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._passes.close()
        self._cursor = None  # a later call would start afresh rather than read silence

    @property
    def gap_s(self) -> float:
        """Zeros put where the time stamps jump ahead, in the last pass so far, seconds."""
        return self._timeline.gap / self.rate_hz

    @property
    def overlap_s(self) -> float:
        """Sound dropped where the time stamps jump back, seconds."""
        return self._timeline.overlap / self.rate_hz

    @property
    def drift_s(self) -> float:
        """Time stamps minus decoded samples at the end, beyond the jumps: the clock's error, seconds."""
        return self._timeline.drift_s

    @property
    def n_errors(self) -> int:
        """Packets and frames that could not be decoded or placed, in the last pass so far."""
        return self._timeline.n_errors

    def blocks(
        self, start: Fraction | None = None, stop: Fraction | None = None, *, block_s: float = 1.0
    ) -> Iterator[Pcm]:
        """(channels, n) float32 blocks of `block_s`, the last one shorter; full scale is ±1.

        Covers the samples of the stream in [`start`, `stop`), both rounded to the nearest sample.
        """
        first = 0 if start is None else max(0, self._sample(start))
        last = None if stop is None else self._sample(stop)
        size = max(1, round(block_s * self.rate_hz))
        self._timeline = self._new_timeline()
        pieces = self._pieces(self._timeline)
        self._passes.callback(pieces.close)
        return _rechunk(_clip(pieces, first, last), size)

    def read_span(self, start: Fraction, stop: Fraction) -> Pcm:
        """(channels, round((stop - start) * rate_hz)) samples: that slice of the full decode, exactly.

        Zeros where the stream has no sound yet or no more (`padded_s` says how much). Decoding always
        runs forward from the beginning, the one way that is exact for every codec and container, and the
        position is kept: ask for spans in ascending order and the file is decoded once.
        """
        first = self._sample(start)
        length = math.floor((stop - start) * self.rate_hz + Fraction(1, 2))
        span = np.zeros((self.channels, length), np.float32)
        if self._cursor is None or (self._kept and first < self._kept[0][0] and self._kept[0][0] > 0):
            self._rewind()
        held = self._reach(first, first + length)
        covered = 0
        for position, pcm in held:
            low, high = max(first, position), min(first + length, position + pcm.shape[1])
            if low < high:
                span[:, low - first : high - first] = pcm[:, low - position : high - position]
                covered += high - low
        self.padded_s = Fraction(length - covered, self.rate_hz)
        return span

    def _rewind(self) -> None:
        self._timeline = self._new_timeline()
        self._cursor = self._pieces(self._timeline)
        self._passes.callback(self._cursor.close)
        self._kept = []

    def _reach(self, first: int, last: int) -> list[_Piece]:
        """Pieces that overlap [first, last); forgets those before."""
        cursor = cast("Generator[_Piece]", self._cursor)
        while not self._kept or _end(self._kept[-1]) < last:
            piece = next(cursor, None)
            if piece is None:
                break
            self._kept.append(piece)
            while len(self._kept) > 1 and _end(self._kept[0]) <= first:
                self._kept.pop(0)
        return self._kept

    def _sample(self, time: Fraction) -> int:
        return math.floor((time - self.start) * self.rate_hz + Fraction(1, 2))

    def _read_first_frame(self) -> None:
        errors: list[None] = []
        with closing(self._frames(lambda: errors.append(None))) as frames:
            frame = next(frames, None)
        if frame is None:
            raise ItemError(Reason.DECODE_FAILED, f"no audio frame decodes, {len(errors)} errors")
        self.rate_hz = frame.sample_rate
        self.channels = frame.layout.nb_channels
        self._first_pts = frame.pts or 0
        self._tick = Fraction(frame.time_base)
        self.start = self._first_pts * self._tick

    def _new_timeline(self) -> Timeline:
        return Timeline(first_pts=self._first_pts, tick=self._tick, rate_hz=self.rate_hz)

    def _frames(self, count_error: Callable[[], None]) -> Generator[Any]:
        with open_container(self._path) as container:
            stream = pick_stream(container, self._stream_index, "audio")
            stream.codec_context.thread_count = 1
            yield from decoded(container, stream, count_error)

    def _pieces(self, timeline: Timeline) -> Generator[_Piece]:
        """The stream without holes: what was decoded and the zeros between."""
        held: Any = None
        with closing(self._frames(timeline.count_error)) as frames:
            for frame in frames:
                if frame.sample_rate != self.rate_hz or frame.layout.nb_channels != self.channels:
                    timeline.count_error()  # the format changes in the middle: silence, not noise
                    continue
                if held is not None:
                    placed = timeline.place(held.pts, held.samples, following_pts=frame.pts)
                    yield from self._place(timeline, placed, held, held.samples)
                held = frame
        if held is not None:
            n_samples = _presented_samples(held)
            placed = timeline.place(held.pts, n_samples)
            yield from self._place(timeline, placed, held, n_samples)

    def _place(self, timeline: Timeline, placed: Placed, frame: Any, n_samples: int) -> Iterator[_Piece]:
        for position, n_zeros in placed.zeros:
            yield position, np.zeros((self.channels, n_zeros), np.float32)
        if placed.skip < n_samples:
            pcm = to_float32(frame)[:, placed.skip : n_samples]
            if not np.abs(pcm).max() < MAX_AMPLITUDE:  # "not <" catches NaN too
                timeline.count_error()
                pcm = np.zeros_like(pcm)
            yield placed.position, pcm


class Mono16k:
    """Streaming conversion to 16 kHz mono with flat memory.

    The mix is the plain mean of the channels (all of them, with no weights for surround layouts); the
    resampler is libsoxr's linear-phase "HQ", which delays nothing. The output does not depend on how the
    input is cut into blocks, and its total length is exactly round(n * 16000 / rate_hz).
    """

    def __init__(self, *, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._stream = (
            None
            if rate_hz == MONO_RATE_HZ
            else soxr.ResampleStream(rate_hz, MONO_RATE_HZ, 1, quality=_QUALITY)
        )
        self._n_in = 0
        self._n_out = 0

    def feed(self, pcm: NDArray[np.float32]) -> NDArray[np.float32]:
        """(channels, n) samples in, (m,) samples out: those that are certain by now."""
        mono = np.ascontiguousarray(pcm.mean(axis=0, dtype=np.float32))
        self._n_in += len(mono)
        if self._stream is None:
            return mono
        return self._take(self._stream.resample_chunk(mono))

    def flush(self) -> NDArray[np.float32]:
        """The last (m,) samples; the object is done."""
        if self._stream is None:
            return np.zeros(0, np.float32)
        rest = self._take(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        missing = self._total() - self._n_out
        return np.pad(rest, (0, max(missing, 0)))

    def _take(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        kept = block[: max(self._total() - self._n_out, 0)]
        self._n_out += len(kept)
        return kept

    def _total(self) -> int:
        return (2 * self._n_in * MONO_RATE_HZ + self._rate_hz) // (2 * self._rate_hz)


def to_mono16k(pcm: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """(channels, n) at `rate_hz` to (round(n * 16000 / rate_hz),) at 16 kHz; see `Mono16k`."""
    converter = Mono16k(rate_hz=rate_hz)
    return np.concatenate([converter.feed(pcm), converter.flush()])


def to_float32(frame: Any) -> Pcm:
    """(channels, n) float32 of an av audio frame of any sample format; integers become ±1 full scale."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return np.ascontiguousarray((samples.astype(np.float32) - 128) / 128)
    if samples.dtype.kind == "i":
        # a power of two: exact for 16 and 24 bits, which is what a float32 holds
        return np.ascontiguousarray(
            samples.astype(np.float32) * np.float32(2.0 ** (1 - 8 * samples.itemsize))
        )
    return np.ascontiguousarray(samples, np.float32)


def _presented_samples(frame: Any) -> int:
    """Of the last frame: without the padding of the encoder, where the container's clock can tell."""
    per_tick = Fraction(frame.time_base or 0) * frame.sample_rate
    named = math.floor((frame.duration or 0) * per_tick + Fraction(1, 2))
    return int(named if per_tick <= 1 and 0 < named < frame.samples else frame.samples)


def _end(piece: _Piece) -> int:
    return piece[0] + int(piece[1].shape[1])


def _clip(pieces: Iterable[_Piece], first: int, last: int | None) -> Iterator[Pcm]:
    for position, pcm in pieces:
        if last is not None and position >= last:
            return
        low = max(first - position, 0)
        high = pcm.shape[1] if last is None else min(pcm.shape[1], last - position)
        if low < high:
            yield pcm[:, low:high]


def _rechunk(pieces: Iterable[Pcm], size: int) -> Iterator[Pcm]:
    held: list[Pcm] = []
    n_held = 0
    for piece in pieces:
        held.append(piece)
        n_held += piece.shape[1]
        while n_held >= size:
            joined = np.concatenate(held, axis=1)
            yield np.ascontiguousarray(joined[:, :size])
            held, n_held = [joined[:, size:]], n_held - size
    if n_held:
        yield np.ascontiguousarray(np.concatenate(held, axis=1))
