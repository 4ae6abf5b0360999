"""The contact sheet of a small shard made here, whose curves are known."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from pipelines.contact_sheet import contact_sheet, jaw_open, read_clips, yaw_deg

# The published order of MediaPipe's face blendshapes: jawOpen is number 25
JAW_OPEN = 25


def _video(pictures: list[np.ndarray[Any, Any]]) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def _npy(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _members(yaw: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> dict[str, bytes]:
    """A clip of 2 s: lips get lighter, jawOpen rises, the head turns."""
    face61 = np.zeros((25, 61), np.float32)
    angle = np.radians(yaw)
    face61[:, 52], face61[:, 54], face61[:, 56] = np.cos(angle), -np.sin(angle), 1.0  # columns of Ry(angle)
    face61[~valid] = 0.0
    arkit = np.zeros((50, 52), np.float32)
    arkit[:, JAW_OPEN] = np.linspace(0, 0.8, 50)
    flac = io.BytesIO()
    soundfile.write(flac, 0.3 * np.sin(np.arange(32_000) * 0.05), 16_000, format="FLAC")
    header = {"duration_s": 2.0, "speaker": "Zoë", "text": "it costs $5 and $6 _now_"}
    return {
        "arkit52.npy": _npy(arkit),
        "face.mp4": _video([np.full((64, 64, 3), 120, np.uint8)] * 50),
        "face61.npy": _npy(face61),
        "face61_valid.npy": _npy(valid),
        "flac": flac.getvalue(),
        "json": json.dumps(header).encode(),
        "lips.mp4": _video([np.full((96, 96, 3), 5 * number, np.uint8) for number in range(50)]),
    }


def _shard(path: Path, samples: dict[str, dict[str, bytes]]) -> Path:
    with tarfile.open(path, "w") as tar:
        for key, members in samples.items():
            for name, data in members.items():
                info = tarfile.TarInfo(f"{key}.{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(scope="module")
def full() -> dict[str, bytes]:
    valid = np.ones(25, bool)
    valid[10:15] = False
    return _members(np.linspace(-20.0, 40.0, 25), valid)


def test_curves_are_the_ones_put_in(tmp_path: Path, full: dict[str, bytes]) -> None:
    (clip,), total = read_clips([_shard(tmp_path / "a.tar", {"one": full})], 8)
    assert total == 1
    assert jaw_open(clip) == pytest.approx(np.linspace(0, 0.8, 50), abs=1e-6)
    expected = np.linspace(-20.0, 40.0, 25)
    expected[10:15] = np.nan
    assert yaw_deg(clip) == pytest.approx(expected, abs=1e-3, nan_ok=True)


def test_names_in_the_header_win(tmp_path: Path, full: dict[str, bytes]) -> None:
    header = {"duration_s": 2.0, "channels": {"arkit52.npy": ["jawOpen", *map(str, range(51))]}}
    members = {**full, "json": json.dumps(header).encode()}
    (clip,), _ = read_clips([_shard(tmp_path / "a.tar", {"one": members})], 8)
    assert not jaw_open(clip).any()


def test_same_shards_same_bytes(tmp_path: Path, full: dict[str, bytes]) -> None:
    shard = _shard(tmp_path / "a.tar", {"one": full})
    pictures = []
    for name in ("one.png", "two.png"):
        contact_sheet([shard], tmp_path / name)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1]


def test_lips_stand_at_their_time(tmp_path: Path, full: dict[str, bytes]) -> None:
    """The strip of ten frames must get lighter from left to right, as the video does."""
    contact_sheet([_shard(tmp_path / "a.tar", {"one": full})], tmp_path / "sheet.png")
    grey = np.asarray(Image.open(tmp_path / "sheet.png").convert("L"))
    strip = grey[(np.arange(10, 90) + int(1.25 * 110))][:, int(2.85 * 110) : int(12.85 * 110)]
    tiles = [float(np.median(tile)) for tile in np.array_split(strip, 10, axis=1)]
    assert tiles == pytest.approx([5 * (5 * number + 2) for number in range(10)], abs=12)


def test_missing_members_and_the_limit(tmp_path: Path, full: dict[str, bytes]) -> None:
    """Audio only, nothing but a header, no valid frame: each is drawn; clips beyond the limit are not."""
    audio_only = {name: full[name] for name in ("flac", "json")}
    blind = {**full, "face61_valid.npy": _npy(np.zeros(25, bool))}
    first = _shard(tmp_path / "a.tar", {"sound": audio_only, "bare": {"json": b"{}"}})
    second = _shard(tmp_path / "b.tar", {"blind": blind, "more": full})
    clips, total = read_clips([first, second], 3)
    assert [clip.key for clip in clips] == ["sound", "bare", "blind"]
    assert total == 4
    sizes = []
    for limit in (1, 3):
        contact_sheet([first, second], tmp_path / "sheet.png", max_clips=limit)
        sizes.append(Image.open(tmp_path / "sheet.png").size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[0][1] < sizes[1][1]


def test_no_sample_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sample"):
        contact_sheet([_shard(tmp_path / "a.tar", {})], tmp_path / "sheet.png")
