"""A head rendered by 3-D projection turns and blinks as planned, and the `face61` of its shard says so.

The truth is the plan of the render, with the filter of docs/format.md applied by hand. One fact of the
portrait is measured, in frames before it moves: how it holds its head (a constant rotation).
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from small_build import run_build

from manifests.store import Store
from pipelines.config import load_config
from pipelines.look import read_sample
from synth.demo_speech import SENTENCES, speak
from synth.portrait_head import CAMERA_PX, CENTRE, rotation
from synth.talking_face import Motion, View, mouth_of_speech, write_clip

Floats = NDArray[np.float64]

FPS, FRAMES = 25, 100
STILL = 20
"""The head does not move before this frame."""
BLINKS = (38, 59, 80)
"""Middle frames of blinks of 0.2 s; on whichever frame the clip begins, some lie in each half of 80 ms."""
VIEW = View(2 * CAMERA_PX * np.tan(np.radians(63 / 2)), CENTRE)
"""What a camera sees whose vertical field is 63 degrees, as MediaPipe's face geometry takes it to be: seen
through another lens, a head that turns seems to turn by more or less."""


def plan() -> tuple[Motion, NDArray[np.float32], int]:
    """Rest, then two slow sines that are never in step; and two sentences.

    The head's shape is drawn by hand (`synth/portrait_head.py`), good for this range: of single pictures with
    a yaw of 15 degrees and a pitch of 8 up, MediaPipe's own pose is up to 5 degrees off.
    """
    parts = [speak(text) for text in SENTENCES[:2]]
    rate_hz = parts[0][1]
    gap = np.zeros(rate_hz // 4, np.float32)
    spoken = np.concatenate([gap, parts[0][0], gap, parts[1][0]])
    pcm = np.zeros(FRAMES * rate_hz // FPS, np.float32)
    pcm[: len(spoken)] = spoken[: len(pcm)]
    moving_s = np.clip(np.arange(FRAMES) - STILL, 0, None) / FPS
    blink = np.zeros(FRAMES)
    for middle in BLINKS:
        blink[middle - 2 : middle + 3] = 0.4, 1.0, 1.0, 1.0, 0.4
    # up to 9 mm, as in calm speech; a wide-open mouth moves MediaPipe's pose by up to 2 degrees
    mouth = 0.4 * mouth_of_speech(pcm, rate_hz, fps=Fraction(FPS), frames=FRAMES)
    yaw_deg = 18 * np.sin(2 * np.pi * moving_s / 3.2)
    pitch_deg = 5 * np.sin(2 * np.pi * moving_s / 2.3)
    return Motion(yaw_deg, pitch_deg, mouth, blink), pcm, rate_hz


@dataclass(frozen=True)
class Seen:
    """`face61` of the one clip, and which frames of the plan its 12.5 Hz frames stand for."""

    motion: Motion
    first: int
    rotations: Floats  # (n, 3, 3)
    blink: Floats  # (n,)

    def planned(self, curve: Floats) -> Floats:
        """A curve of the plan at 12.5 Hz: [1, 3, 3, 1] / 8 about the middle of each frame."""
        at = self.first + 2 * np.arange(len(self.blink))[:, None] + np.arange(-1, 3)
        return np.asarray(curve[np.minimum(at, FRAMES - 1)] @ [1, 3, 3, 1] / 8)

    def turned(self) -> Floats:
        """Rotations since rest, (n, 3, 3)."""
        resting = self.first + 2 * np.arange(len(self.blink)) + 2 < STILL
        assert resting.sum() >= 4
        u, _, v = np.linalg.svd(self.rotations[resting].mean(axis=0))
        return np.asarray(self.rotations @ (u @ v).T)


@pytest.fixture(scope="module")
def seen(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Rendered, built and read back. `who` is left out: its network does not take the render for real."""
    folder, out = tmp_path_factory.mktemp("render"), tmp_path_factory.mktemp("corpus")
    motion, pcm, rate_hz = plan()
    write_clip(folder / "head.mp4", motion, pcm, rate_hz, fps=Fraction(FPS), size_px=(1080, 720), view=VIEW)
    overrides = ["who.model=none", "who.offset=none", "cut.members=[face61]"]
    keys = run_build(folder, out, load_config(preset="talking-face", overrides=overrides))
    _, members = read_sample(Store(out), keys["head"])
    header = json.loads(members["json"])
    face61, valid = (np.load(io.BytesIO(members[name])) for name in ("face61.npy", "face61_valid.npy"))
    assert valid.all() and header["rates_hz"]["face61.npy"] == 12.5
    names = header["channels"]["face61.npy"]
    blinks = face61[:, [names.index(f"eyeBlink{side}") for side in ("Left", "Right")]]
    columns = face61[:, [names.index(f"rotation_{axis}{n}") for n in (0, 1) for axis in "xyz"]]
    one, two = columns[:, :3].astype(np.float64), columns[:, 3:].astype(np.float64)
    first = Fraction(header["source"]["start"]) * FPS
    assert first.denominator == 1
    return Seen(motion, int(first), np.stack([one, two, np.cross(one, two)], axis=-1), blinks.mean(axis=1))


def angle_deg(one: Floats, other: Floats) -> Floats:
    """Of the rotation from one to the other, (n,)."""
    cosine = (np.einsum("nij,nij->n", one, other) - 1) / 2
    return np.asarray(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def truth(seen: Seen) -> Floats:
    angles = zip(seen.planned(seen.motion.yaw_deg), seen.planned(seen.motion.pitch_deg), strict=True)
    return np.stack([rotation(*pair) for pair in angles])


def test_rotation_is_within_three_degrees_in_every_frame(seen: Seen) -> None:
    assert len(seen.blink) >= 40
    off_deg = angle_deg(seen.turned(), truth(seen))
    assert off_deg.max() < 3.0, off_deg.round(1)


def test_signs_are_those_of_the_format(seen: Seen) -> None:
    """Yaw positive: the nose points to the picture's right; pitch positive: down."""
    nose = seen.turned() @ [0.0, 0.0, 1.0]  # x right, y up
    yaw, pitch = seen.planned(seen.motion.yaw_deg), seen.planned(seen.motion.pitch_deg)
    assert np.corrcoef(nose[:, 0], yaw)[0, 1] > 0.95
    assert np.corrcoef(nose[:, 1], pitch)[0, 1] < -0.95


def test_rotation_is_not_a_frame_early_or_late(seen: Seen) -> None:
    turned, planned = seen.turned(), truth(seen)
    mean_deg = {
        lag: angle_deg(turned[3 + lag : len(turned) - 3 + lag], planned[3:-3]).mean() for lag in range(-3, 4)
    }
    assert min(mean_deg, key=lambda lag: mean_deg[lag]) == 0, mean_deg


def test_each_blink_is_in_its_frame(seen: Seen) -> None:
    planned = seen.planned(seen.motion.blink)
    halves = set()
    for middle in BLINKS:
        frame, half = divmod(middle - seen.first, 2)  # the frame of 80 ms that holds the middle
        near = slice(frame - 4, frame + 5)
        assert int(planned[near].argmax()) == 4
        assert int(seen.blink[near].argmax()) == 4, seen.blink[near].round(2)
        halves.add(half)
    assert halves == {0, 1}
    open_eyes = seen.blink[planned == 0]
    assert seen.blink[planned > 0.8].min() > open_eyes.max() + 0.2, "nothing else looks like a blink"
