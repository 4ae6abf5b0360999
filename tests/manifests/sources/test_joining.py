from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
import trees

from extractors.probe import probe
from manifests.sidecar import Complaint
from manifests.sources.joining import carry, join
from manifests.sources.stage import Stage


def packets(path: Path, kind: str) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as media:
        stream = next(one for one in media.streams if one.type == kind)
        return [(float(p.pts * p.time_base), bytes(p)) for p in media.demux(stream) if p.pts is not None]


@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".mp3"])
def test_the_packets_are_those_of_both_files(tmp_path: Path, suffix: str) -> None:
    trees.lay(tmp_path, {"v.mp4": "", f"a{suffix}": ""})
    video, audio = tmp_path / "v.mp4", tmp_path / f"a{suffix}"
    stage = Stage(tmp_path / "stage")
    name = join(stage, "joined/x.mov", video, audio, [])
    assert name == "joined/x.mov"
    found = probe(str(stage.root / name))
    assert found.video is not None and found.audio is not None
    assert found.video.n_packets == 25 and not found.video.is_vfr
    for kind, given in (("video", video), ("audio", audio)):
        made, want = packets(stage.root / name, kind), packets(given, kind)
        assert b"".join(data for _, data in made) == b"".join(data for _, data in want)
        assert abs(made[0][0] - want[0][0]) < 1e-3 or suffix == ".mp3"


def test_the_sound_of_a_wav_is_sample_exact(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"v.mp4": "", "a.wav": ""})
    stage = Stage(tmp_path / "stage")
    name = join(stage, "x.mov", tmp_path / "v.mp4", tmp_path / "a.wav", [])
    with av.open(str(stage.root / str(name))) as media:
        made = np.concatenate([frame.to_ndarray() for frame in media.decode(audio=0)], axis=1)[0]
    assert np.array_equal(made, soundfile.read(tmp_path / "a.wav", dtype="int16")[0])


def test_it_is_made_once_and_again_when_a_file_changes(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"v.mp4": "", "a.wav": ""})
    stage, parts = Stage(tmp_path / "stage"), (tmp_path / "v.mp4", tmp_path / "a.wav")
    path = stage.root / str(join(stage, "x.mov", *parts, []))
    first, data = path.stat(), path.read_bytes()
    join(stage, "x.mov", *parts, [])
    assert path.stat().st_ino == first.st_ino
    path.unlink()
    join(stage, "x.mov", *parts, [])
    assert path.read_bytes() == data and path.stat().st_mtime_ns == first.st_mtime_ns, (
        "same inputs, same file"
    )
    parts[1].write_bytes(trees.sound(seconds=0.5))
    join(stage, "x.mov", *parts, [])
    assert path.read_bytes() != data


def test_what_cannot_be_joined_is_told(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"v.mp4": "no video", "a.wav": "", "w.mp4": ""})
    stage, complaints = Stage(tmp_path / "stage"), list[Complaint]()
    assert join(stage, "x.mov", tmp_path / "v.mp4", tmp_path / "a.wav", complaints) is None
    assert join(stage, "y.mov", tmp_path / "w.mp4", tmp_path / "w.mp4", complaints) is None, "no sound in it"
    assert [one.reason for one in complaints] == ["unreadable_container"] * 2
    assert not list(stage.root.rglob("*.mov"))


def test_a_file_is_carried_once(tmp_path: Path) -> None:
    trees.lay(tmp_path, {"t.txt": "hello"})
    stage = Stage(tmp_path / "stage")
    path = stage.root / carry(stage, "joined/t.txt", tmp_path / "t.txt")
    first = path.stat().st_ino
    carry(stage, "joined/t.txt", tmp_path / "t.txt")
    assert path.read_text() == "hello" and path.stat().st_ino == first
