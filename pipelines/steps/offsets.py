"""Two ways for `who` to measure the audio-visual offset of the tracks of a shot.

Both give rows of the table of offsets: one for each track and stretch of about half a minute, since an offset
may change where a recording was edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from pipelines.steps.heard import RATE_HZ, HeardTrack

if TYPE_CHECKING:
    from extractors.av_offset import AvOffset
    from extractors.media import Frame
    from extractors.syncnet import SyncNet, SyncNetOffset

WINDOW_S = 30.0
MARGIN_S = 1.0
"""Sound heard beyond a stretch; an offset is sought within 0.6 s."""


def lips_offsets(tracks: list[HeardTrack]) -> Iterator[dict[str, Any]]:
    """From the lengths of the mouth that `watch` stored."""
    from extractors.av_offset import measure_offset

    for track in tracks:
        for stretch_s in stretches(track):
            start_s, stop_s = stretch_s
            inside = (track.times_s >= start_s) & (track.times_s < stop_s)
            skipped = max(0, round((start_s - MARGIN_S - track.start_s) * RATE_HZ))
            heard = track.pcm[skipped : max(0, round((stop_s + MARGIN_S - track.start_s) * RATE_HZ))]
            heard_from_s = track.start_s + skipped / RATE_HZ
            found = measure_offset(track.times_s[inside], track.lips[inside], heard, start_s=heard_from_s)
            yield _row(track, stretch_s, "lips", found)


def syncnet_offsets(
    tracks: list[HeardTrack], frames: Iterator[Frame], network: SyncNet
) -> Iterator[dict[str, Any]]:
    """By SyncNet, which needs the picture in colour: `frames` of the source, from the shot's first on.

    Takes frames up to the last one it needs. Holds the crops of a stretch, 4 MB a second and face.
    """
    from extractors.av_offset import NOTHING

    reels = [_Reel(track, stretch_s) for track in tracks for stretch_s in stretches(track)]
    found: list[AvOffset | SyncNetOffset] = [NOTHING] * len(reels)
    waiting = [at for at, reel in enumerate(reels) if reel.wanted]
    for frame in frames if waiting else ():
        for at in waiting:
            if reels[at].take(frame):
                found[at] = network(*reels[at].developed())
        waiting = [at for at in waiting if reels[at].wanted]
        if not waiting:
            break
    if waiting:
        raise RuntimeError("the second decode ended before the first")
    for reel, offset in zip(reels, found, strict=True):
        yield _row(reel.track, reel.stretch_s, "syncnet", offset)


def stretches(track: HeardTrack) -> list[tuple[float, float]]:
    """[start, stop) of each stretch, seconds: equal parts of the track of 20 to 45 s, if it is so long."""
    first, last = track.times_s[0], track.times_s[-1]
    n_parts = max(1, round((last - first) / WINDOW_S))
    return list(pairwise(np.linspace(first, np.nextafter(last, np.inf), n_parts + 1).tolist()))


class _Reel:
    """The colour crops of one stretch of a track, one a tick, taken while the picture is decoded again."""

    def __init__(self, track: HeardTrack, stretch_s: tuple[float, float]) -> None:
        from extractors.syncnet import face_squares

        instants_s = track.start_s + np.arange(len(track.ticks)) / TICK_HZ
        low, high = np.searchsorted(instants_s, stretch_s).tolist()
        self.track = track
        self.stretch_s = stretch_s
        self._pcm = track.pcm[low * RATE_HZ // TICK_HZ : high * RATE_HZ // TICK_HZ]
        rows = track.rows[low:high]
        squares = face_squares(track.boxes)[rows]
        self._squares: list[NDArray[np.float64]] = list(squares[::-1])
        self._crops: list[NDArray[np.uint8]] = []
        self.wanted: list[int] = track.frames[rows][::-1].tolist()
        """Numbers of the frames still to come, the next one last."""

    def take(self, frame: Frame) -> bool:
        """Cut the face from a frame for each tick that shows it; True once the reel is full."""
        from extractors.syncnet import cut_face

        before = len(self.wanted)
        while self.wanted and self.wanted[-1] == frame.index:
            self.wanted.pop()
            x, y, side = self._squares.pop()
            self._crops.append(cut_face(frame.image, x=x, y=y, side=side))
        return before > 0 and not self.wanted

    def developed(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Crops and sound, which the reel then forgets."""
        crops, self._crops = self._crops, []
        return np.stack(crops), self._pcm


def _row(
    track: HeardTrack, stretch_s: tuple[float, float], method: str, found: AvOffset | SyncNetOffset
) -> dict[str, Any]:
    return {
        "track": track.number,
        "start_s": stretch_s[0],
        "stop_s": stretch_s[1],
        "method": method,
        "offset_frames": found.offset_frames,
        "confidence": found.confidence,
    }
