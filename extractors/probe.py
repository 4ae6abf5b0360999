"""What a file holds and when: ffprobe describes the streams, one pass over the packets times them."""

from __future__ import annotations

import hashlib
import os
import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from extractors.containers import CONTAINERS_WITHOUT_PTS, open_container, packets
from extractors.ffprobe import describe, no_streams
from manifests.reasons import ItemError, Reason


@dataclass(frozen=True, kw_only=True)
class StreamTiming:
    """One stream's packets on the container's own timeline; times are exact seconds."""

    start: Fraction | None
    """When the first sample or frame is presented: after edit lists and the priming of the codec."""
    stop: Fraction | None
    """Last presentation time plus that packet's duration."""
    n_packets: int
    """Packets that are presented (an edit list may hide some)."""
    n_corrupt: int
    """Packets the demuxer marked as damaged or cut short."""
    n_lost: int
    """Packets which the container's index puts beyond the end of the file (a copy that was cut short)."""


@dataclass(frozen=True, kw_only=True)
class VideoInfo(StreamTiming):
    """The chosen video stream."""

    index: int
    codec: str
    time_base: Fraction
    width: int
    """After rotation, px."""
    height: int
    rotation_deg: int
    """Counter-clockwise turn that puts the decoded picture upright: 0, 90, 180 or 270."""
    nominal_rate: Fraction | None
    """Frames per second as the container names it; never used for timing."""
    min_interval_s: float | None
    median_interval_s: float | None
    max_interval_s: float | None
    is_vfr: bool
    """Frame intervals differ by more than the rounding of the time base: variable rate, or holes."""


@dataclass(frozen=True, kw_only=True)
class AudioInfo(StreamTiming):
    """The chosen audio stream."""

    index: int
    codec: str
    time_base: Fraction
    rate_hz: int
    channels: int
    sample_format: str


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A readable media file with at least one stream of sound or pictures."""

    format_name: str
    size_bytes: int
    duration: Fraction | None
    """Seconds, as the container claims."""
    video: VideoInfo | None
    audio: AudioInfo | None
    other_streams: int
    """Streams that were not chosen: further tracks, subtitles, cover art, data."""

    @property
    def audio_offset(self) -> Fraction | None:
        """Start of the audio minus start of the video, seconds; positive when the audio is late."""
        if self.audio is None or self.video is None or self.audio.start is None or self.video.start is None:
            return None
        return self.audio.start - self.video.start


def sha256_file(path: str) -> str:
    """SHA-256 of a file's bytes, read in blocks, as hex digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def probe(path: str) -> Probe:
    """Streams, formats and true timing of a file. Decodes nothing.

    Chosen are the video stream marked default, else the largest picture (never cover art), and the audio
    stream marked default, else the first. Raises ItemError with EMPTY_FILE, NOT_MEDIA,
    UNREADABLE_CONTAINER or NO_STREAMS, and FfprobeMissingError.
    """
    size_bytes = Path(path).stat().st_size
    if size_bytes == 0:
        raise ItemError(Reason.EMPTY_FILE, "0 bytes")
    if not os.access(path, os.R_OK):
        raise ItemError(Reason.UNREADABLE_CONTAINER, "no permission to read the file")
    described = describe(path)
    video, audio = _choose_video(described["streams"]), _choose_audio(described["streams"])
    timings = _time_packets(path, [stream for stream in (video, audio) if stream is not None], size_bytes)
    video_timing = timings.get(video["index"]) if video else None
    audio_timing = timings.get(audio["index"]) if audio else None
    if video_timing is None and audio_timing is None:
        raise no_streams(described)
    duration = described["format"].get("duration")
    return Probe(
        format_name=described["format"]["format_name"],
        size_bytes=size_bytes,
        duration=None if duration is None else Fraction(duration),
        video=_video_info(video, video_timing) if video and video_timing else None,
        audio=_audio_info(audio, audio_timing) if audio and audio_timing else None,
        other_streams=len(described["streams"]) - len(timings),
    )


def _choose_video(streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    usable = [
        stream
        for stream in streams
        if stream.get("codec_type") == "video"
        and stream.get("width", 0) > 0
        and not _disposition(stream, "attached_pic")
    ]
    return min(
        usable,
        key=lambda one: (-_disposition(one, "default"), -one["width"] * one["height"], one["index"]),
        default=None,
    )


def _choose_audio(streams: list[dict[str, Any]]) -> dict[str, Any] | None:
    usable = [
        stream
        for stream in streams
        if stream.get("codec_type") == "audio"
        and stream.get("channels", 0) > 0
        and int(stream.get("sample_rate", 0)) > 0
    ]
    return min(usable, key=lambda one: (-_disposition(one, "default"), one["index"]), default=None)


def _disposition(stream: dict[str, Any], name: str) -> int:
    return int(stream.get("disposition", {}).get(name, 0))


@dataclass
class _Tally:
    """What the pass over the packets notes of one stream, in units of its time base."""

    time_base: Fraction
    first_claimed: int | None
    n_corrupt: int = 0
    n_lost: int = 0
    times: array[int] = field(default_factory=lambda: array("q"))
    stop: int | None = None

    def add(self, packet: Any, *, by_decoding_time: bool) -> None:
        self.n_corrupt += packet.is_corrupt
        time = packet.dts if by_decoding_time or packet.pts is None else packet.pts
        if packet.is_discard or time is None:
            return
        self.times.append(time)
        end = time + (packet.duration or 0)
        self.stop = end if self.stop is None else max(self.stop, end)

    def timing(self, *, is_audio: bool) -> dict[str, Any]:
        first = min(self.times, default=None)
        if is_audio and first is not None and self.first_claimed is not None:
            # libavformat's start leaves out the samples that only prime the codec
            first = max(first, self.first_claimed)
        return {
            "start": None if first is None else first * self.time_base,
            "stop": None if self.stop is None else self.stop * self.time_base,
            "n_packets": len(self.times),
            "n_corrupt": self.n_corrupt,
            "n_lost": self.n_lost,
        }


def _time_packets(path: str, chosen: Iterable[dict[str, Any]], size_bytes: int) -> dict[int, _Tally]:
    """One demuxing pass; streams without a single packet are left out."""
    with open_container(path) as container:
        by_decoding_time = container.format.name in CONTAINERS_WITHOUT_PTS
        tallies = {stream["index"]: _tally(container, stream) for stream in chosen}
        if not tallies:
            return {}
        streams = [container.streams[index] for index in tallies]
        for packet in packets(container, streams, lambda: None):  # what came before the damage counts
            if packet.size:  # the empty ones only flush decoders
                tallies[packet.stream_index].add(packet, by_decoding_time=by_decoding_time)
        for index, tally in tallies.items():
            entries = container.streams[index].index_entries
            tally.n_lost = sum(entry.pos + entry.size > size_bytes for entry in entries)
    return {index: tally for index, tally in tallies.items() if tally.times}


def _tally(container: Any, described: dict[str, Any]) -> _Tally:
    index = described["index"]
    if index >= len(container.streams) or container.streams[index].type != described["codec_type"]:
        raise ItemError(Reason.UNREADABLE_CONTAINER, f"ffprobe and libav disagree about stream {index}")
    stream = container.streams[index]
    return _Tally(time_base=stream.time_base, first_claimed=stream.start_time)


def _video_info(stream: dict[str, Any], tally: _Tally) -> VideoInfo:
    rotation_deg = _rotation_deg(stream)
    sides = (stream["width"], stream["height"])
    width, height = sides if rotation_deg % 180 == 0 else sides[::-1]
    gaps = np.diff(np.sort(np.frombuffer(tally.times, np.int64)))
    tick_s = float(tally.time_base)
    low, median, high = (float(f(gaps)) * tick_s if len(gaps) else None for f in (np.min, np.median, np.max))
    uneven = low is not None and high is not None and median is not None
    return VideoInfo(
        index=stream["index"],
        codec=stream.get("codec_name", "unknown"),
        time_base=tally.time_base,
        width=width,
        height=height,
        rotation_deg=rotation_deg,
        nominal_rate=_nominal_rate(stream, median),
        min_interval_s=low,
        median_interval_s=median,
        max_interval_s=high,
        # rounding to ticks moves each time by half a tick, hence an interval by one, two intervals by two
        is_vfr=uneven and high - low > max(2 * tick_s, median / 50),  # type: ignore[operator]
        **tally.timing(is_audio=False),
    )


def _rotation_deg(stream: dict[str, Any]) -> int:
    """Of the display matrix, as av_display_rotation_get gives it, to the nearest quarter turn."""
    for side_data in stream.get("side_data_list", []):
        if "rotation" in side_data:
            return round(float(side_data["rotation"]) / 90) * 90 % 360
    return 0


def _nominal_rate(stream: dict[str, Any], median_interval_s: float | None) -> Fraction | None:
    """Of the two rates ffprobe names, the one nearer to the typical interval.

    The "real" rate is a guess that explodes on variable rate, the average is bent by one long frame.
    """
    named = [stream.get(key, "0/0") for key in ("r_frame_rate", "avg_frame_rate")]
    rates = [Fraction(text) for text in named if not re.search(r"/0|^0/", text)]
    if median_interval_s:
        rates.sort(key=lambda rate: abs(float(1 / rate) - median_interval_s))
    return rates[0] if rates else None


def _audio_info(stream: dict[str, Any], tally: _Tally) -> AudioInfo:
    return AudioInfo(
        index=stream["index"],
        codec=stream.get("codec_name", "unknown"),
        time_base=tally.time_base,
        rate_hz=int(stream["sample_rate"]),
        channels=stream["channels"],
        sample_format=stream.get("sample_fmt", "unknown"),
        **tally.timing(is_audio=True),
    )
