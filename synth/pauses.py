"""Pause stress sets: silences of half a second to two put into a turn, at word boundaries, with room tone.

A model that answers in them has taken a pause for the end of a turn. Everything else about the clip moves
along exactly: samples, video frames, coefficients, words and labels, through one `TimeMap`. Nothing of the
clip is changed or lost.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from manifests.ids import digest
from synth.levels import FULL_SCALE, Pcm, Spans
from synth.room_tone import Mono, made_tone, quiet_parts, quilted_tone

MIN_PAUSE_S, MAX_PAUSE_S = Fraction(1, 2), Fraction(2)
"""AV-Dialog's stress set (arXiv 2511.11124)."""
GRID_HZ = Fraction(25, 2)
"""Lengths of pauses are whole frames of the slowest stream, so that every stream moves by whole frames."""
BLEND_S = Fraction(6, 25)
_FADE_S = 0.005
Span = tuple[Fraction, Fraction]
Fill = Literal["hold", "blend", "idle"]


class PauseError(ValueError):
    """Pauses that cannot be put in: why."""


@dataclass(frozen=True)
class Pause:
    """`length` seconds of silence, put in at `at` seconds of the clip as it was."""

    at: Fraction
    length: Fraction


@dataclass(frozen=True)
class FrameMap:
    """Of each new frame: `before` and `after` (m,) int, the old frames next to it (equal outside of pauses);
    `inserted` (m,) bool; `place` (m,) int, its number within its pause, `of` (m,) int, that pause's length.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    inserted: NDArray[np.bool_]
    place: NDArray[np.int64]
    of: NDArray[np.int64]


@dataclass(frozen=True)
class TimeMap:
    """Where the time of a clip of `duration` seconds went. Pauses ascend, one at most at a place.

    A thing that begins where a pause was put in begins after it; a thing that ends there ends before it.
    """

    duration: Fraction
    pauses: tuple[Pause, ...]

    def __post_init__(self) -> None:
        places = [one.at for one in self.pauses]
        if places != sorted(set(places)) or not all(0 < at < self.duration for at in places):
            raise PauseError("pauses must ascend, one at a place, inside the clip")
        if any(one.length <= 0 for one in self.pauses):
            raise PauseError("a pause has a length above 0")

    @property
    def new_duration(self) -> Fraction:
        """Seconds."""
        return self.duration + sum(one.length for one in self.pauses)

    def start(self, time: Fraction) -> Fraction:
        """Where something that began at `time` begins now."""
        return time + sum(one.length for one in self.pauses if one.at <= time)

    def stop(self, time: Fraction) -> Fraction:
        """Where something that ended at `time` ends now."""
        return time + sum(one.length for one in self.pauses if one.at < time)

    def spans(self, spans: Sequence[Span], *, split: bool = False) -> tuple[Span, ...]:
        """Labels, moved. One that a pause falls into grows by it (a turn), or is split by it (activity)."""
        found: list[Span] = []
        for start, stop in spans:
            inside = [one.at for one in self.pauses if start < one.at < stop] if split else []
            edges = [start, *inside, stop]
            found += [(self.start(a), self.stop(b)) for a, b in pairwise(edges)]
        return tuple(found)

    def silences(self) -> tuple[Span, ...]:
        """The pauses themselves, on the new time line: none of them is the end of a turn."""
        return tuple((self.stop(one.at), self.stop(one.at) + one.length) for one in self.pauses)

    def labels(self) -> list[dict[str, Any]]:
        """The truth of a stress set, times as "n/d" by `canonical_json`."""
        return [{"start": start, "stop": stop, "turn_end": False} for start, stop in self.silences()]

    def frames(self, n_frames: int, rate_hz: Fraction | int) -> FrameMap:
        """Of a stream of `n_frames` at `rate_hz`: the frame in which a pause is put in comes before it.

        Raises PauseError where a pause is no whole number of frames, or comes after the last one.
        """
        before, inserted, place, of = ([np.zeros(0, np.int64)] for _ in range(4))
        done = 0
        for one in self.pauses:
            first, n_new = math.ceil(one.at * rate_hz), _whole(one.length, rate_hz)
            if first > n_frames:
                raise PauseError(f"a pause at {one.at} s, but the stream ends after {n_frames} frames")
            kept = np.arange(done, first)
            before += [kept, np.full(n_new, first - 1)]
            inserted += [np.zeros(len(kept), np.int64), np.ones(n_new, np.int64)]
            place += [np.zeros(len(kept), np.int64), np.arange(n_new)]
            of += [np.zeros(len(kept), np.int64), np.full(n_new, n_new)]
            done = first
        rest = np.arange(done, n_frames)
        old = np.concatenate([*before, rest]).astype(np.int64)
        new = np.concatenate([*inserted, np.zeros(len(rest))]).astype(bool)
        zeros = np.zeros(len(rest), np.int64)
        return FrameMap(
            before=old,
            after=np.minimum(old + new, n_frames - 1),
            inserted=new,
            place=np.concatenate([*place, zeros]),
            of=np.concatenate([*of, zeros]),
        )


def plan_pauses(
    words: Sequence[Span],
    duration: Fraction,
    *parts: Any,
    count: int = 1,
    min_s: Fraction = MIN_PAUSE_S,
    max_s: Fraction = MAX_PAUSE_S,
) -> TimeMap:
    """`count` pauses between words ([start, stop) s, in order), places and lengths drawn by `parts`.

    Each lies in the middle between two words. Raises PauseError where there are fewer boundaries.
    """
    boundaries = [(before[1] + after[0]) / 2 for before, after in pairwise(words)]
    places = sorted({at for at in boundaries if 0 < at < duration})
    if len(places) < count:
        raise PauseError(f"{count} pauses do not fit between {len(words)} words")
    ranked = sorted(places, key=lambda at: digest("pause at", *parts, at))
    low, high = math.ceil(min_s * GRID_HZ), math.floor(max_s * GRID_HZ)
    if low > high:
        raise PauseError(f"no whole number of 80 ms lies between {min_s} and {max_s} s")
    lengths = [
        (low + int(digest("pause length", *parts, number), 16) % (high - low + 1)) / GRID_HZ
        for number in range(count)
    ]
    return TimeMap(duration, tuple(map(Pause, sorted(ranked[:count]), lengths)))


@dataclass(frozen=True)
class Paused:
    """`pcm` (n,) float32, full scale 1, and whether its room tone had to be made (`tone` "made")."""

    pcm: NDArray[np.float32]
    tone: Literal["own", "made", "given"]


def paused_sound(
    pcm: Pcm,
    rate_hz: int,
    time_map: TimeMap,
    speech: Spans,
    *parts: Any,
    tone: Mono | None = None,
    made_dbfs: float | None = None,
) -> Paused:
    """The clip's sound (n,) with pauses of room tone, quilted of what lies between its `speech` (samples).

    Every sample of the clip is kept as it is. The tone blends in and out over 5 ms with what follows and
    precedes the place in the clip, so that nothing clicks. `tone`: take the pauses from this instead;
    `made_dbfs`: make pink noise of that level where the clip has no tone of its own; else that raises
    RoomToneError. Raises PauseError for a clip whose length is not the map's.
    """
    places = [math.ceil(one.at * rate_hz) for one in time_map.pauses]
    lengths = [_whole(one.length, rate_hz) for one in time_map.pauses]
    if pcm.ndim != 1 or abs(Fraction(len(pcm), rate_hz) - time_map.duration) * rate_hz > 1:
        raise PauseError(f"{pcm.shape} samples at {rate_hz} Hz are not {time_map.duration} s of one channel")
    sound = pcm.astype(np.float32)
    if pcm.dtype == np.int16:
        sound /= np.float32(FULL_SCALE)
    made: Literal["own", "made", "given"] = "own" if tone is None else "given"
    if tone is None:
        try:
            parts_of_tone = quiet_parts(sound, rate_hz, speech)
            tone = quilted_tone(sound, parts_of_tone, sum(lengths), rate_hz, *parts)
        except ValueError:
            if made_dbfs is None:
                raise
            made, tone = "made", made_tone(sum(lengths), rate_hz, made_dbfs, *parts)
    if len(tone) < sum(lengths):
        raise PauseError(f"{len(tone)} samples of room tone for pauses of {sum(lengths)}")
    heard: list[NDArray[np.float32]] = []
    done = used = 0
    for at, length in zip(places, lengths, strict=True):
        silence = _blended(tone[used : used + length], sound[at:], sound[:at], round(_FADE_S * rate_hz))
        heard += [sound[done:at], silence]
        done, used = at, used + length
    return Paused(np.concatenate([*heard, sound[done:]]), made)


def _blended(tone: Mono, following: Mono, preceding: Mono, fade: int) -> Mono:
    """Tone that begins as the clip would have gone on, and ends as the clip came to this place."""
    silence = tone.copy()
    fade = min(fade, len(following), len(preceding), len(silence) // 2)
    if fade:
        rise = np.sin((np.arange(fade) + 0.5) * (math.pi / 2 / fade)).astype(np.float32)
        silence[:fade] = silence[:fade] * rise + following[:fade] * rise[::-1]
        silence[-fade:] = silence[-fade:] * rise[::-1] + preceding[-fade:] * rise
    return silence


def paused_frames(
    frames: NDArray[Any],
    rate_hz: Fraction | int,
    time_map: TimeMap,
    *,
    fill: Fill = "blend",
    idle: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Frames (n, …) of pictures, coefficients or labels with the pauses put in; the dtype stays.

    `hold`: the frame before goes on (for labels and tokens). `blend`: it goes on, and over the last 0.24 s
    turns into the frame after, as a face that comes back to speaking. `idle`: frames (m, …) of the same
    person at rest play forth and back, blended in and out over 0.24 s. Raises PauseError as
    `TimeMap.frames`, and for idle frames that are missing or of another shape.
    """
    found = time_map.frames(len(frames), rate_hz)
    paused: NDArray[Any] = frames[found.before].copy()
    where = np.flatnonzero(found.inserted)
    if fill == "hold" or not len(where):
        return paused
    place, of = found.place[where], found.of[where]
    reach = np.minimum(math.floor(BLEND_S * rate_hz), of // 2)
    shape = (-1, *(1 for _ in frames.shape[1:]))
    out = _smooth((place + 1 - (of - reach)) / (reach + 1)).reshape(shape)
    resting: NDArray[Any] = frames[found.before[where]].astype(np.float64)
    if fill == "idle":
        if idle is None or not len(idle) or idle.shape[1:] != frames.shape[1:]:
            raise PauseError("idle frames are missing, or of another shape than the clip's")
        there_and_back = np.concatenate([np.arange(len(idle)), np.arange(len(idle) - 2, 0, -1)])
        playing = idle[there_and_back[place % len(there_and_back)]].astype(np.float64)
        into = _smooth((place + 1) / (reach + 1)).reshape(shape)
        resting = (1 - into) * resting + into * playing
    mixed = (1 - out) * resting + out * frames[found.after[where]]
    paused[where] = np.rint(mixed) if np.issubdtype(frames.dtype, np.integer) else mixed
    return paused


def _whole(length: Fraction, rate_hz: Fraction | int) -> int:
    frames = length * rate_hz
    if frames.denominator != 1:
        raise PauseError(f"a pause of {length} s is no whole number of frames at {rate_hz} Hz")
    return int(frames)


def _smooth(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """0 below 0, 1 above 1, without a corner between."""
    x = np.clip(share, 0.0, 1.0)
    return np.asarray(x * x * (3 - 2 * x))
