from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.sidecar import Complaint
from manifests.sources.archives import unpack
from manifests.sources.stage import PARTIAL, Stage


def tar(path: Path, members: list[tuple[str, bytes | str]], *, mode: str = "w") -> Path:
    """Bytes are files, text is what a symbolic link points to."""
    with tarfile.open(path, mode) as out:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.mtime = 1_000_000_000
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                out.addfile(info)
            else:
                info.size = len(content)
                out.addfile(info, io.BytesIO(content))
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_no_member_leaves_its_folder_and_none_is_a_link(tmp_path: Path) -> None:
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(b"secret")
    members: list[tuple[str, bytes | str]] = [
        ("good/a.mp4", b"a"),
        ("../out.mp4", b"evil"),
        ("good/../../out.mp4", b"evil"),
        (str(tmp_path / "abs.mp4"), b"evil"),
        ("link.mp4", str(secret)),
        ("folder", ".."),
        ("folder/b.mp4", b"b"),  # through the link, had it been made
        ("good/a.mp4/c.mp4", b"under a file"),
        ("good/a.mp4", b"twice"),
    ]
    stage, complaints = Stage(tmp_path / "stage"), list[Complaint]()
    folder = unpack(tar(tmp_path / "x.tar", members), stage, complaints)
    assert folder is not None and folder.startswith("x.")
    assert files_below(stage.root / folder) == {"good/a.mp4": b"a", "folder/b.mp4": b"b"}
    assert not (tmp_path / "out.mp4").exists() and not (tmp_path / "abs.mp4").exists()
    assert [one.reason for one in complaints] == ["unsafe_archive"] * 7
    assert not any(one.is_symlink() for one in stage.root.rglob("*"))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("ab./\\\n é", min_size=1, max_size=9), max_size=6))
def test_whatever_the_names_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    home = tmp_path_factory.mktemp("home")
    path = tar(home / "x.tar", [(name, b"x") for name in names])
    complaints: list[Complaint] = []
    folder = unpack(path, Stage(home / "deep" / "stage"), complaints)
    assert folder is not None
    assert {one.name for one in home.iterdir()} == {"x.tar", "deep"}
    assert [one.name for one in (home / "deep").iterdir()] == ["stage"]
    written = len(files_below(home / "deep" / "stage" / folder))
    assert written + len(complaints) == len(names), "each is there, or told"


def test_the_folder_is_named_by_the_bytes_and_made_once(tmp_path: Path) -> None:
    stage, complaints = Stage(tmp_path / "stage"), list[Complaint]()
    path = tar(tmp_path / "x.tar", [("a.mp4", b"a"), ("l", "a.mp4")])
    first = unpack(path, stage, complaints)
    assert first is not None
    written = (stage.root / first / "a.mp4").stat()
    assert unpack(path, stage, complaints) == first
    os.utime(path, (1, 1))  # touched, not changed
    assert unpack(path, stage, complaints) == first
    again = (stage.root / first / "a.mp4").stat()
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)
    assert len(complaints) == 3, "the refused member is told every time"
    tar(path, [("a.mp4", b"b")])
    assert unpack(path, stage, complaints) != first


def test_a_killed_run_goes_on_after_the_last_whole_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path / "stage")
    path = tar(tmp_path / "x.tar", [(f"{n}.mp4", bytes([n]) * 3000) for n in range(4)])

    class Killed(BaseException):
        pass

    def kill(copy: object, into: io.BufferedWriter, size: int = 0) -> None:
        into.write(b"half")
        raise Killed

    whole = __import__("shutil").copyfileobj
    calls: list[int] = []

    def twice(copy: object, into: object, size: int = 0) -> None:
        calls.append(1)
        (kill if len(calls) == 3 else whole)(copy, into, size)

    monkeypatch.setattr("shutil.copyfileobj", twice)
    with pytest.raises(Killed):
        unpack(path, stage, [])
    assert [one.name for one in stage.root.iterdir() if not one.name.startswith(".")] == ["duologue-stage"]
    folder = unpack(path, stage, [])
    assert folder is not None and len(calls) == 3 + 2, "two members were there already"
    assert files_below(stage.root / folder) == {f"{n}.mp4": bytes([n]) * 3000 for n in range(4)}
    assert not list((stage.root / PARTIAL).iterdir())


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_an_archive_that_was_cut_short_is_told_and_leaves_nothing(tmp_path: Path, mode: str) -> None:
    path = tar(tmp_path / "x.tar", [("a.mp4", os.urandom(40_000))], mode=mode)
    path.write_bytes(path.read_bytes()[:20_000])
    stage, complaints = Stage(tmp_path / "stage"), list[Complaint]()
    assert unpack(path, stage, complaints) is None
    assert [one.reason for one in complaints] == ["corpus_malformed"] and "copy it again" in complaints[
        0
    ].detail
    assert not list((stage.root / PARTIAL).iterdir())
