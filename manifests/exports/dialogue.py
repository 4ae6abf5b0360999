"""Two people in one sample: what the exports of dialogues read of it.

They read `main.flac` and `other.flac` (16 kHz mono, equally long), `main.native.flac` and `other.native.flac`
where there are any, and of `turns.json` (docs/turns.md) the spans in which each is heard, words, turns and
events. Times are exact rationals "n/d" in seconds from the start of the sample, spans half-open. Fields that
are not named here are passed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from manifests.corpus_reader import Sample
from manifests.exports.base import DamagedSample, ExportReason
from manifests.exports.media import mono_16k, pcm

SideName = Literal["main", "other"]
SIDES: tuple[SideName, SideName] = ("main", "other")
TURNS = "turns.json"
TURNS_MAJOR = "1"
AUDIO = ("main.flac", "other.flac")

Span = tuple[Fraction, Fraction]
Word = tuple[str, Fraction, Fraction]


@dataclass(frozen=True)
class Side:
    """One person: words with their times (None: nobody knows them) and IPUs, sorted by start."""

    speaker: str
    words: tuple[Word, ...] | None
    activity: tuple[Span, ...]


@dataclass(frozen=True)
class Turn:
    """A stretch of one person: `turn` takes the floor; `within` and `backchannel` do not."""

    side: SideName
    kind: str
    start: Fraction
    stop: Fraction


@dataclass(frozen=True)
class Event:
    """What happens between turns and in them: `side` had the floor before it, `by` (or nobody) comes in."""

    kind: str
    side: SideName
    by: SideName | None
    start: Fraction
    stop: Fraction


@dataclass(frozen=True)
class Dialogue:
    """`turns.json` of one sample."""

    main: Side
    other: Side
    turns: tuple[Turn, ...]
    events: tuple[Event, ...]

    def side(self, name: SideName) -> Side:
        """The side called `name`."""
        return self.main if name == "main" else self.other


def dialogue(sample: Sample) -> Dialogue:
    """Read `turns.json`. Raises DamagedSample(TURNS_UNREADABLE) naming what is wrong."""
    try:
        found = json.loads(sample.read(TURNS))
        if str(found["format"]).split(".")[0] != TURNS_MAJOR:
            raise ValueError(f"format {found['format']}; this version reads {TURNS_MAJOR}")
        main, other = (_side(found["streams"][name]) for name in SIDES)
        turns = [
            Turn(_name(one["side"]), one["kind"], *_span(one["start"], one["stop"])) for one in found["turns"]
        ]
        events = [
            Event(
                one["kind"],
                _name(one["side"]),
                None if one["by"] is None else _name(one["by"]),
                *_span(one["start"], one["stop"]),
            )
            for one in found["events"]
        ]
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        told = f"{TURNS}: {type(error).__name__} {error}"
        raise DamagedSample(ExportReason.TURNS_UNREADABLE, told) from error
    return Dialogue(main, other, tuple(turns), tuple(events))


def seconds(time: Fraction) -> float:
    """A time as lists of trainers hold it: seconds to the microsecond."""
    return round(float(time), 6)


def stereo(sample: Sample, *, native: bool) -> tuple[NDArray[np.int16], int]:
    """`(n, 2)` samples, left main and right other, and their rate: native where both have one, else 16 kHz.

    Raises DamagedSample when the two are not equally long or not equally fast.
    """
    names = [f"{side}.native.flac" for side in SIDES]
    if native and all(name in sample for name in names):
        found = [pcm(sample, name) for name in names]
        rates = {rate_hz for _, rate_hz in found}
        sounds = [_mono(samples) for samples, _ in found]
    else:
        rates, sounds = {16_000}, [mono_16k(sample, name) for name in AUDIO]
    if len(rates) > 1 or len(sounds[0]) != len(sounds[1]):
        told = f"main has {len(sounds[0])} samples and other {len(sounds[1])}, at {sorted(rates)} Hz"
        raise DamagedSample(ExportReason.WRONG_LENGTH, told)
    return np.stack(sounds, axis=1), rates.pop()


def _mono(samples: NDArray[np.int16]) -> NDArray[np.int16]:
    if samples.shape[1] == 1:
        return samples[:, 0]
    mean: NDArray[np.int16] = np.rint(samples.mean(axis=1)).astype(np.int16)
    return mean


def _side(found: Any) -> Side:
    words = found["words"]
    if words is not None:
        told = ((str(word), *_span(low, high)) for word, low, high, *_ in words)
        words = tuple(sorted(told, key=lambda one: one[1:]))
    return Side(str(found["speaker"]), words, tuple(sorted(_span(low, high) for low, high in found["ipus"])))


def _name(found: Any) -> SideName:
    if found not in SIDES:
        raise ValueError(f"side {found!r}")
    name: SideName = found
    return name


def _span(start: Any, stop: Any) -> Span:
    low, high = Fraction(start), Fraction(stop)
    if not 0 <= low <= high:
        raise ValueError(f"[{start}, {stop}) is no span")
    return low, high
