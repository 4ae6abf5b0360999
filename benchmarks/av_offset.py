"""How good the audio-visual offset is, and how honest its confidence: a reliability table.

Each clip shows one person who speaks, in sync. Trials are made of it: windows of 1.6 s to the whole, its own
voice moved by -8 … +8 frames, clean and with the other clips' voices 10 dB below and as loud; and as many in
which no offset is right: another clip's voice, or its own backwards. A trial is right within one frame.

    python benchmarks/av_offset.py CLIP ...                                  # report
    python benchmarks/av_offset.py --fit ANNA1.mpg,ANNA2.mpg BEN.mpg CARL.mpg  # the numbers of the extractor

`--fit` takes the clips of one person joined by commas. Numbers are fitted to these clips and must be reported
on other people's. Needs `face_landmarker`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from extractors import av_offset as av
from extractors.audio import AudioReader, to_mono16k
from extractors.landmarks import make_landmarker
from extractors.lip_motion import LIP_FEATURES, lip_features
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.weights import locate

Pcm = NDArray[np.float32]
RATE_HZ = av.AUDIO_RATE_HZ
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
RIDGE = 1.0


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


def make_trials(clips: list[Clip]) -> list[Trial]:
    rng = np.random.default_rng(0)
    trials = []
    for clip in clips:
        first, last = clip.times_s[0], clip.times_s[-1] + av.FRAME_S
        for kind, voice in voices(clip, clips, rng):
            for length_s in (1.6, 2.0, 2.5, last - first):
                start_s = rng.uniform(first, last - length_s)
                shift = int(rng.integers(-8, 9))
                trials.append(Trial(clip, kind, start_s, start_s + length_s, shift, voice))
    return trials


def fit_map(clips: list[Clip]) -> NDArray[np.float64]:
    """Ridge regression of the standardised motion of the lips on the speech about it; each person counts by
    the square root of their number of clips."""
    size = len(av.TAPS) * 4
    left, right = np.zeros((size, size)), np.zeros((size, len(LIP_FEATURES)))
    for clip in clips:
        speech = av.speech_features(clip.pcm)
        assert speech is not None
        motion = av.lip_motion(clip.times_s, clip.lips, start_s=clip.start_s)
        heard = av.context(speech)[motion.first : motion.first + len(motion.values)]
        seen = motion.values[: len(heard)]
        weight = sum(other.person == clip.person for other in clips) ** -0.5
        left += weight * heard.T @ heard
        right += weight * heard.T @ ((seen - seen.mean(axis=0)) / seen.std(axis=0))
    return np.linalg.solve(left + RIDGE * np.trace(left) / size * np.eye(size), right)


def fit(clips: list[Clip]) -> None:
    """Print the map, and the two numbers of the confidence, whose trials never meet their person's map."""
    print("LIPS_FROM_SPEECH:")
    for row in fit_map(clips) / np.abs(fit_map(clips)).max():
        print("   [" + ", ".join(f"{value:.3f}" for value in row) + "],")
    maps = {
        person: fit_map([clip for clip in clips if clip.person != person])
        for person in {clip.person for clip in clips}
    }
    ratios, right, weights = [], [], []
    trials = make_trials(clips)
    n_in_sync = sum(trial.in_sync for trial in trials)
    for trial in trials:
        pcm, start_s = trial.sound()
        speech = av.speech_features(pcm)
        assert speech is not None
        motion = av.lip_motion(trial.clip.times_s[trial.times], trial.clip.lips[trial.times], start_s=start_s)
        predicted = av.context(speech) @ maps[trial.clip.person]
        ratio = av.evidence(*av.correlate(motion, predicted))
        ratios.append(ratio)
        right.append(trial.is_right((len(ratio) // 2 - int(ratio.argmax())) / 4))
        weights.append(1 / (n_in_sync if trial.in_sync else len(trials) - n_in_sync))

    def loss(numbers: NDArray[np.float64]) -> float:
        confidence = np.array([av.posterior(ratio, numbers[0], numbers[1]) for ratio in ratios])
        confidence = np.clip(confidence, 1e-6, 1 - 1e-6)
        return -float(np.average(np.log(np.where(right, confidence, 1 - confidence)), weights=weights))

    found = minimize(loss, [3.0, 0.0], method="Nelder-Mead")
    print(f"_EVIDENCE_A_SECOND, _NO_SYNC = {found.x[0]:.2f}, {found.x[1]:.2f}; {len(trials)} trials")


def report(clips: list[Clip]) -> None:
    """Print each clip under every whole shift, and the reliability of the trials."""
    print("clip                        unshifted  confidence  right of 17 shifts")
    for clip in clips:
        trials = [Trial(clip, "own", clip.times_s[0], 1e9, shift, clip.pcm) for shift in range(-8, 9)]
        found = [measure(trial) for trial in trials]
        n_right = sum(t.is_right(f.offset_frames) for t, f in zip(trials, found, strict=True))
        line = f"{clip.name:28s}{found[8].offset_frames:+9.2f}{found[8].confidence:12.2f}"
        print(f"{line}{n_right:20d}")
    trials = make_trials(clips)
    outcomes = [(trial, measure(trial)) for trial in trials]
    confidence = np.array([found.confidence for _, found in outcomes])
    right = np.array([trial.is_right(found.offset_frames) for trial, found in outcomes])
    print("\nconfidence   trials  mean confidence  right")
    for low, high in pairwise(BINS):
        inside = (confidence >= low) & ((confidence < high) | (high == BINS[-1]))
        if inside.any():
            mean, share = confidence[inside].mean(), right[inside].mean()
            print(f"{low:.1f} - {high:.1f}   {inside.sum():6d}{mean:17.2f}{share:7.2f}")
    print("\nkind         trials  mean confidence  right  confidence > 0.5 and wrong")
    kinds = np.array([trial.kind for trial in trials])
    for kind in dict.fromkeys(kinds.tolist()):
        its = kinds == kind
        wrong = (confidence[its] > 0.5) & ~right[its]
        print(
            f"{kind:12s} {its.sum():6d}{confidence[its].mean():17.2f}{right[its].mean():7.2f}"
            f"{wrong.mean():28.2f}"
        )


def measure(trial: Trial) -> av.AvOffset:
    pcm, start_s = trial.sound()
    clip = trial.clip
    return av.measure_offset(clip.times_s[trial.times], clip.lips[trial.times], pcm, start_s=start_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--fit", action="store_true")
    options = parser.parse_args()
    clips = [
        read_clip(Path(name), person)
        for person, names in enumerate(options.clips)
        for name in names.split(",")
    ]
    (fit if options.fit else report)(clips)


if __name__ == "__main__":
    main()
