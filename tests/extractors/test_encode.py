from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from skimage import data

from extractors.encode import FACE_OPTIONS, LIP_OPTIONS, Mp4Writer, flac_bytes, npy_bytes
from manifests.reasons import ItemError


def moving_picture(n: int = 30, side: int = 96) -> np.ndarray:
    """(n, side, side, 3): a window that slides over a photograph."""
    photo = data.astronaut()
    return np.stack([photo[60 + t // 2 : 60 + t // 2 + side, 150 + t : 150 + t + side] for t in range(n)])


def encode(frames: np.ndarray, *, grey: bool, options: dict[str, str]) -> bytes:
    writer = Mp4Writer(grey=grey, options=options)
    for frame in frames:
        writer.add(np.ascontiguousarray(frame))
    return writer.finish()


def decode(content: bytes, pixels: str) -> np.ndarray:
    with av.open(io.BytesIO(content), mode="r") as video:
        return np.stack([frame.to_ndarray(format=pixels) for frame in video.decode(video=0)])


def test_lips_are_within_one_grey_level_for_every_decoder(tmp_path: Path) -> None:
    frames = np.stack([cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in moving_picture()])
    content = encode(frames, grey=True, options=LIP_OPTIONS)
    (tmp_path / "lips.mp4").write_bytes(content)
    capture, seen = cv2.VideoCapture(str(tmp_path / "lips.mp4")), []
    while (read := capture.read())[0]:
        seen.append(read[1][:, :, 0])
    for decoded in (decode(content, "gray"), decode(content, "rgb24")[..., 0], np.array(seen)):
        assert decoded.shape == frames.shape
        assert np.abs(decoded.astype(int) - frames).mean() < 1.0
        assert abs(decoded.mean() - frames.mean()) < 0.5, "full range, not stretched"


def test_grey_keeps_black_and_white() -> None:
    frames = np.zeros((5, 96, 96), np.uint8)
    frames[:, :, 48:] = 255
    decoded = decode(encode(frames, grey=True, options=LIP_OPTIONS), "gray")
    assert decoded[:, :, :40].max() <= 2 and decoded[:, :, 56:].min() >= 253


def test_face_crops_keep_their_colours() -> None:
    frames = moving_picture(side=224)
    decoded = decode(encode(frames, grey=False, options=FACE_OPTIONS), "rgb24")
    assert decoded.shape == frames.shape and np.abs(decoded.astype(int) - frames).mean() < 4
    assert np.abs(decoded.mean(axis=(0, 1, 2)) - frames.mean(axis=(0, 1, 2))).max() < 1.5


def test_frames_are_40_ms_apart_and_bytes_repeat() -> None:
    frames = moving_picture()
    content = encode(frames, grey=False, options=FACE_OPTIONS)
    assert content == encode(frames, grey=False, options=FACE_OPTIONS)
    with av.open(io.BytesIO(content), mode="r") as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert np.allclose(times, np.arange(30) * 0.04)


@pytest.mark.parametrize("channels", [1, 2, 6, 8])
def test_flac_round_trip_is_exact_to_16_bits(channels: int) -> None:
    pcm = np.random.default_rng(0).uniform(-0.99, 0.99, (channels, 4801)).astype(np.float32)
    content, n_clipped = flac_bytes(pcm, 48_000)
    read, rate_hz = soundfile.read(io.BytesIO(content), always_2d=True)
    assert (read.shape, rate_hz, n_clipped) == ((4801, channels), 48_000, 0)
    assert np.abs(read.T - pcm).max() <= 0.5 / 32768 + 1e-9
    assert content == flac_bytes(pcm, 48_000)[0]


def test_clipping_is_counted_and_does_not_wrap() -> None:
    content, n_clipped = flac_bytes(np.array([[0.5, 1.2, -1.5, -1.0]], np.float32), 16_000)
    read, _ = soundfile.read(io.BytesIO(content))
    assert n_clipped == 2 and np.allclose(read, [0.5, 32767 / 32768, -1, -1])


def test_nine_channels_are_refused_with_a_reason() -> None:
    with pytest.raises(ItemError, match="9 audio channels"):
        flac_bytes(np.zeros((9, 10), np.float32), 16_000)


@pytest.mark.parametrize("array", [np.arange(6, dtype=">f4").reshape(2, 3).T, np.array([True, False])])
def test_npy_is_plain_and_repeats(array: np.ndarray) -> None:
    content = npy_bytes(array)
    read = np.load(io.BytesIO(content), allow_pickle=False)
    assert (read == array).all() and read.dtype.byteorder in "=|<" and read.flags.c_contiguous
    assert content == npy_bytes(array.copy())


def digest_with_memory(perturb: str, extra: str = "") -> str:
    """What a fresh process encodes when glibc fills the memory it hands out with a pattern."""
    helper = Path(__file__).parents[1] / "helpers" / "encode_digest.py"
    environment = {**os.environ, "MALLOC_PERTURB_": perturb}
    command = [sys.executable, str(helper), extra]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_bytes_do_not_depend_on_what_memory_held() -> None:
    assert len({digest_with_memory(perturb) for perturb in ("0", "1", "255")}) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="MALLOC_PERTURB_ is glibc's")
def test_the_test_above_can_fail() -> None:
    """x264's macroblock tree is what we switch off; once this fails, x264 is mended and it may come back."""
    assert len({digest_with_memory(perturb, "mbtree=1:rc-lookahead=10") for perturb in ("0", "1")}) == 2
