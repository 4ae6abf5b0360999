"""What `av_offset.py` tries: clips, the trials made of them, and what came of those."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors import av_offset as av
from extractors.audio import AudioReader, to_mono16k
from extractors.landmarks import make_landmarker
from extractors.lip_motion import lip_features
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.weights import locate

Pcm = NDArray[np.float32]
RATE_HZ = av.AUDIO_RATE_HZ
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
LONGEST_WINDOW_S = 2.5


@dataclass(frozen=True)
class Clip:
    name: str
    person: int
    times_s: NDArray[np.float64]
    lips: NDArray[np.float64]
    pcm: Pcm
    start_s: float


@dataclass(frozen=True)
class Trial:
    clip: Clip
    kind: str
    start_s: float
    stop_s: float
    shift_frames: int
    voice: Pcm  # from the instant clip.start_s + shift on

    @property
    def in_sync(self) -> bool:
        return self.kind.startswith("own")

    @property
    def times(self) -> slice:
        low, high = np.searchsorted(self.clip.times_s, [self.start_s - 1e-6, self.stop_s - 1e-6])
        return slice(int(low), int(high))

    def sound(self) -> tuple[Pcm, float]:
        """What a file cut to the window holds, and when it starts."""
        begin_s = self.clip.start_s + self.shift_frames * av.FRAME_S
        low = max(0, round((self.start_s - begin_s) * RATE_HZ))
        high = max(low, round((self.stop_s - begin_s) * RATE_HZ))
        return self.voice[low:high], begin_s + low / RATE_HZ

    def is_right(self, offset_frames: float) -> bool:
        return self.in_sync and abs(offset_frames + self.shift_frames) <= 1


@dataclass(frozen=True)
class Outcomes:
    """What was made of trials: arrays with an entry a trial."""

    kinds: NDArray[np.str_]
    seconds: NDArray[np.float64]
    offsets: NDArray[np.float64]
    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]

    def reliability(self) -> list[dict[str, Any]]:
        rows = []
        for low, high in pairwise(BINS):
            inside = (self.confidence >= low) & ((self.confidence < high) | (high == BINS[-1]))
            if inside.any():
                row = {"from": low, "to": high, "trials": int(inside.sum())}
                row["mean_confidence"] = mean(self.confidence[inside])
                row["right"] = mean(self.right[inside])
                rows.append(row)
        return rows

    def by_kind(self, threshold: float) -> list[dict[str, Any]]:
        rows = []
        for kind in dict.fromkeys(self.kinds.tolist()):
            its = self.kinds == kind
            sure = self.confidence[its] >= threshold
            row = {"kind": kind, "trials": int(its.sum()), "right": mean(self.right[its])}
            row["mean_confidence"] = mean(self.confidence[its])
            row["believed"] = mean(sure)
            row["believed_and_wrong"] = mean(sure & ~self.right[its])
            rows.append(row)
        return rows

    def believed(self, threshold: float) -> dict[str, Any]:
        sure = self.confidence >= threshold
        whole = (self.kinds == "own") & (self.seconds > LONGEST_WINDOW_S)
        return {
            "threshold": threshold,
            "believed": int(sure.sum()),
            "of_them_right": mean(self.right[sure]) if sure.any() else None,
            "whole_clips_right": mean(self.right[whole]),
            "whole_clips_believed": mean(sure[whole]),
        }


def read_clip(path: Path, person: int) -> Clip:
    found = probe(str(path))
    assert found.video is not None and found.audio is not None, f"{path} lacks a stream"
    landmarker = make_landmarker("direct", task_path=str(locate("face_landmarker").path), max_faces=1)
    times_s, landmarks = [], []
    with VideoReader(str(path), stream_index=found.video.index) as reader:
        for frame in reader.frames():
            faces = landmarker(frame.image, round(frame.pts * 1000))
            times_s.append(float(frame.pts))
            landmarks.append(faces[0].landmarks if faces else np.full((478, 3), np.nan))
    with AudioReader(str(path), stream_index=found.audio.index) as reader:
        pcm = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
        start_s = float(reader.start)
    return Clip(path.stem, person, np.array(times_s), lip_features(np.array(landmarks)), pcm, start_s)


def voices(clip: Clip, clips: list[Clip], rng: np.random.Generator) -> Iterator[tuple[str, Pcm]]:
    others = [other.pcm for other in clips if other.person != clip.person]
    length = min(len(pcm) for pcm in [clip.pcm, *others])
    own = clip.pcm[:length]
    babble = np.sum([pcm[:length] / np.std(pcm) for pcm in others], axis=0, dtype=np.float32)
    babble *= np.std(own) / np.std(babble)
    yield "own", own
    yield "own, 10 dB", own + babble * np.float32(10**-0.5)
    yield "own, 0 dB", own + babble
    yield "backwards", own[::-1]
    for index in rng.permutation(len(others))[:2]:
        yield "another's", others[index]


def make_trials(clips: list[Clip], seed: int) -> list[Trial]:
    rng = np.random.default_rng(seed)
    trials = []
    for clip in clips:
        first, last = clip.times_s[0], clip.times_s[-1] + av.FRAME_S
        for kind, voice in voices(clip, clips, rng):
            for length_s in (1.6, 2.0, LONGEST_WINDOW_S, last - first):
                start_s = rng.uniform(first, last - length_s)
                shift = int(rng.integers(-8, 9))
                trials.append(Trial(clip, kind, start_s, start_s + length_s, shift, voice))
    return trials


def try_all(trials: list[Trial], measures: list[av.AvOffset]) -> Outcomes:
    pairs = list(zip(trials, measures, strict=True))
    return Outcomes(
        np.array([trial.kind for trial in trials]),
        np.array([trial.stop_s - trial.start_s for trial in trials]),
        np.array([found.offset_frames for found in measures]),
        np.array([found.confidence for found in measures]),
        np.array([trial.is_right(found.offset_frames) for trial, found in pairs]),
    )


def measure(trial: Trial) -> av.AvOffset:
    pcm, start_s = trial.sound()
    clip = trial.clip
    return av.measure_offset(clip.times_s[trial.times], clip.lips[trial.times], pcm, start_s=start_s)


def mean(values: NDArray[Any]) -> float:
    return round(float(values.mean()), 3)
