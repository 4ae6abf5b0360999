from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.media import VideoReader
from extractors.probe import probe
from manifests.reasons import ItemError, Reason

N_FRAMES = 100
BITS = 8
CODECS = {
    "mpeg1.mpg": ("mpeg", "mpeg1video", {"bf": "2", "g": "12"}),
    "mpeg2.ts": ("mpegts", "mpeg2video", {"bf": "2", "g": "12"}),
    "mpeg4.avi": ("avi", "mpeg4", {"bf": "2", "g": "12"}),
    "h264.avi": ("avi", "libx264", {"bf": "3", "g": "20"}),
    "h264.mp4": ("mp4", "libx264", {"bf": "3", "g": "20", "x264-params": "open-gop=1:scenecut=0"}),
    "h264.mkv": ("matroska", "libx264", {"bf": "3", "g": "20", "x264-params": "open-gop=1:scenecut=0"}),
    "refresh.mkv": ("matroska", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
    "hevc.mp4": ("mp4", "libx265", {"x265-params": "keyint=20:open-gop=1:log-level=none"}),
    "vp9.webm": ("webm", "libvpx-vp9", {"g": "20", "deadline": "realtime", "cpu-used": "8"}),
}


def numbered(number: int) -> NDArray[np.uint8]:
    """A picture that says its number: eight bars, light for a set bit, on a ground that moves."""
    image = np.zeros((64, 128, 3), np.uint8)
    image[32:] = (np.arange(128)[None, :, None] * 2 + 5 * number) % 200
    for bit in range(BITS):
        image[:32, bit * 16 : bit * 16 + 16] = 220 if number >> bit & 1 else 30
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    return sum(int(image[8:24, bit * 16 + 4 : bit * 16 + 12].mean() > 125) << bit for bit in range(BITS))


def write_numbered(path: Path, format_name: str, codec: str, options: dict[str, str]) -> None:
    with av.open(str(path), "w", format=format_name) as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 128, 64, "yuv420p", 2_000_000
        for number in range(N_FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered(number), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name, spec in CODECS.items():
        write_numbered(folder / name, *spec)
    return folder


def open_reader(path: Path) -> VideoReader:
    found = probe(str(path)).video
    assert found is not None
    return VideoReader(str(path), stream_index=found.index, rotation_deg=found.rotation_deg)


def fingerprints(
    reader: VideoReader, start: Fraction | None = None, stop: Fraction | None = None
) -> list[tuple[Fraction, str, bool]]:
    return [
        (frame.pts, hashlib.md5(frame.image.data).hexdigest(), frame.corrupt)
        for frame in reader.frames(start, stop)
    ]


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_once_in_order_at_its_time(clips: Path, name: str) -> None:
    with open_reader(clips / name) as reader:
        frames = list(reader.frames())
    assert [number_of(frame.image) for frame in frames] == list(range(N_FRAMES))
    assert [frame.index for frame in frames] == list(range(N_FRAMES))
    tolerance = Fraction(1, 1000)  # Matroska's clock
    for number, frame in enumerate(frames):
        assert abs(frame.pts - frames[0].pts - Fraction(number, 25)) <= tolerance
    assert reader.n_errors == 0
    assert not any(frame.corrupt for frame in frames)


@pytest.mark.parametrize("name", CODECS)
def test_seeking_equals_full_decode(clips: Path, name: str) -> None:
    with open_reader(clips / name) as reader:
        whole = fingerprints(reader)
        for first in range(0, N_FRAMES, 7):
            last = min(first + 9, N_FRAMES - 1)
            assert fingerprints(reader, whole[first][0], whole[last][0]) == whole[first:last]
        between = (whole[50][0] + whole[51][0]) / 2
        assert fingerprints(reader, between, whole[53][0]) == whole[51:53]
        assert fingerprints(reader, whole[-1][0] + 1, None) == []


@pytest.mark.parametrize(
    "name",
    [
        "grid_bbaf2n.mpg",
        "dialogue_grid_2spk.mp4",
        "face_noface.mov",
        "hardcuts.mp4",
        "pyfeat_no_face_caminandes.mp4",
    ],
)
def test_real_clips_seek_exactly(media: Path, name: str) -> None:
    with open_reader(media / "video" / name) as reader:
        whole = fingerprints(reader)
        for first in (1, len(whole) // 2, len(whole) - 6):
            assert fingerprints(reader, whole[first][0], whole[first + 5][0]) == whole[first : first + 5]


def test_seeking_equals_full_decode_in_a_damaged_file(clips: Path, tmp_path: Path) -> None:
    content = bytearray((clips / "h264.mp4").read_bytes())
    middle = content.find(b"mdat") + len(content) // 3
    content[middle : middle + 600] = np.random.default_rng(3).bytes(600)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    with open_reader(path) as reader:
        whole = fingerprints(reader)
        assert any(corrupt for *_, corrupt in whole)
        assert not whole[0][2]
        assert not whole[-1][2]  # a later keyframe heals
        for first in range(0, len(whole) - 6, 3):
            assert fingerprints(reader, whole[first][0], whole[first + 5][0]) == whole[first : first + 5]


def test_seek_reads_from_a_keyframe(clips: Path) -> None:
    with open_reader(clips / "h264.mp4") as reader:
        assert [frame.index for frame in reader.frames(Fraction(3), Fraction(77, 25))] == [None, None]


def test_image_layout(media: Path) -> None:
    # a width of 360 makes PyAV's rows longer than the picture
    with open_reader(media / "video" / "grid_bbaf2n.mpg") as reader:
        frame = next(reader.frames())
    assert frame.image.shape == (288, 360, 3)
    assert frame.image.dtype == np.uint8
    assert frame.image.flags.c_contiguous
    assert frame.image.flags.writeable


def test_rotation_is_undone(media: Path) -> None:
    path = media / "broken" / "rotated_displaymatrix90.mp4"
    with open_reader(path) as reader:
        upright = next(reader.frames()).image
    with VideoReader(str(path), stream_index=0) as reader:
        lying = next(reader.frames()).image
    assert upright.shape == (288, 360, 3)
    np.testing.assert_array_equal(upright, np.rot90(lying))
    # GRID: a blue wall at both upper corners, dark clothes at the bottom
    assert all(corner.mean(axis=(0, 1))[2] > 120 for corner in (upright[:40, :40], upright[:40, -40:]))
    assert upright[-30:, 120:240].mean() < upright[:30, 120:240].mean() - 40


@pytest.mark.parametrize(
    "colour", [(200, 30, 30), (20, 180, 40), (30, 40, 210), (128, 128, 128), (255, 255, 255)]
)
def test_colours_survive(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    path = tmp_path / "colour.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25, options={"qp": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), colour, np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with open_reader(path) as reader:
        image = next(reader.frames()).image
    assert np.abs(image.reshape(-1, 3).mean(axis=0) - colour).max() <= 3


@pytest.mark.parametrize("name", ["bitflips.mp4", "truncated.mpg", "truncated_faststart.mp4"])
def test_damage_is_marked_and_decodes_the_same_twice(media: Path, name: str) -> None:
    with open_reader(media / "broken" / name) as reader:
        first = fingerprints(reader)
        errors = reader.n_errors
        assert fingerprints(reader) == first
    assert errors + sum(corrupt for *_, corrupt in first) > 0
    assert len(first) > 20


def test_damage_spreads_to_the_next_keyframe(media: Path) -> None:
    # the only keyframe of this file is smeared over, and every later picture is made of it
    with open_reader(media / "broken" / "bitflips.mp4") as reader:
        assert [frame.corrupt for frame in reader.frames()] == [True] * 75


def test_nothing_decodes(clips: Path, tmp_path: Path) -> None:
    content = bytearray((clips / "mpeg1.mpg").read_bytes())
    found = probe(str(clips / "mpeg1.mpg")).video
    assert found is not None
    content[60:] = bytes(len(content) - 60)
    path = tmp_path / "zeroed.mpg"
    path.write_bytes(content)
    with (
        VideoReader(str(path), stream_index=found.index) as reader,
        pytest.raises(ItemError) as caught,
    ):
        list(reader.frames())
    assert caught.value.reason in {Reason.DECODE_FAILED, Reason.UNREADABLE_CONTAINER}


def test_wrong_stream(media: Path) -> None:
    with (
        VideoReader(str(media / "video" / "grid_bbaf2n.mpg"), stream_index=1) as reader,
        pytest.raises(ItemError, match="stream 1 is no video"),
    ):
        list(reader.frames())


def test_leaving_early_closes_the_file(clips: Path, count_open: Callable[[Path], int]) -> None:
    path = clips / "h264.mp4"
    with open_reader(path) as reader:
        frames = reader.frames()
        next(frames)
        assert count_open(path) == 1
    assert count_open(path) == 0


@pytest.fixture
def count_open() -> Callable[[Path], int]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("counting open files needs /proc")

    def count(path: Path) -> int:
        return sum(link.resolve() == path.resolve() for link in folder.iterdir() if link.exists())

    return count
