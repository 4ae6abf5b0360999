"""Pictures and clips show what lies in the shard, judged by decoding them with PyAV."""

from __future__ import annotations

import io
from typing import Any

import av
import cv2
import numpy as np
import pytest
from made_audit import dialogue
from made_corpus import flac, mp4
from numpy.typing import NDArray

from pipelines.audit.report import media
from pipelines.audit.report.media import clip, face_picture, lip_strip, pictures_of, sound_of


def frames_of(data: bytes) -> NDArray[np.uint8]:
    with av.open(io.BytesIO(data)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


def sound_in(data: bytes) -> tuple[NDArray[np.float32], int]:
    with av.open(io.BytesIO(data)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(blocks, axis=1), container.streams.audio[0].rate


def jpeg(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE))


def likeness(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one.astype(float) - other.astype(float)).mean())


def test_strip_holds_eight_frames_in_order() -> None:
    video = mp4(3, 40, 96)
    strip = jpeg(lip_strip(video))
    assert strip.shape == (72, 8 * 72)
    frames = frames_of(video)
    for part in range(8):
        shown = strip[:, part * 72 : part * 72 + 72]
        small = [cv2.resize(frame, (72, 72), interpolation=cv2.INTER_AREA) for frame in frames]
        best = int(np.argmin([likeness(shown, one) for one in small]))
        assert abs(best - (part * 5 + 2)) <= 1  # the middle of its part of five frames


def test_face_is_the_middle_frame() -> None:
    video = mp4(4, 30, 64)
    want = cv2.resize(frames_of(video)[15], (144, 144), interpolation=cv2.INTER_AREA)
    assert likeness(jpeg(face_picture([video])), want) < 3
    assert jpeg(face_picture([video, video])).shape == (144, 288)


def test_one_video_is_copied_and_gets_its_sound() -> None:
    video = mp4(5, 50, 64)
    tone = (16_000 * np.sin(2 * np.pi * 500 * np.arange(32_000) / 16_000)).astype(np.int16)
    made = clip([video], sound_of({"flac": flac(tone, 16_000)}))
    assert np.array_equal(frames_of(made), frames_of(video))
    pcm, rate_hz = sound_in(made)
    spectrum = np.abs(np.fft.rfft(pcm[0, 4000:20_000]))
    assert rate_hz == 16_000 and np.argmax(spectrum) * rate_hz / 16_000 == pytest.approx(500, abs=2)


def test_a_dialogue_is_side_by_side_with_main_at_the_left() -> None:
    members = dialogue(100, 0).members
    made = clip(pictures_of(members, "face.mp4"), sound_of(members))
    frames, main = frames_of(made), frames_of(members["main.face.mp4"])
    assert frames.shape == (200, 64, 128)
    assert likeness(frames[50, :, :64], main[50]) < 4 < likeness(frames[50, :, 64:], main[50])
    pcm, rate_hz = sound_in(made)
    heard = np.square(pcm[:, int(0.6 * rate_hz) : int(0.9 * rate_hz)]).mean(axis=1)
    assert heard[0] > 1e-3 and heard[1] < 1e-5  # of these two only main makes a sound before 1 s


def test_a_long_clip_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "MAX_CLIP_S", 1)
    made = clip([mp4(6, 50, 64)], (np.zeros((1, 32_000), np.float32), 16_000))
    assert len(frames_of(made)) == 25
    assert sound_in(made)[0].shape[1] <= 17_024  # 1 s and a frame of AAC


def test_sound_alone_is_a_clip_and_halves_do_not_make_one() -> None:
    silent = flac(np.zeros(16_000, np.int16), 16_000)
    assert sound_in(clip([], sound_of({"main.flac": silent, "other.flac": silent})))[0].shape[0] == 2
    assert sound_of({"main.flac": silent}) is None


def test_same_bytes_again() -> None:
    members = dialogue(100, 1).members
    videos = pictures_of(members, "face.mp4")
    assert clip(videos, sound_of(members)) == clip(videos, sound_of(members))
    assert lip_strip(videos[0]) == lip_strip(videos[0])
