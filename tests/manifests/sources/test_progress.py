"""How far unpacking and fetching are, as whoever watches is told."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from manifests.sources.archives import unpack_all
from manifests.sources.progress import Progress, watched
from manifests.sources.remote import fetch
from manifests.sources.stage import Stage
from pipelines.listing import read_listing


def tar(path: Path, sizes: dict[str, int]) -> Path:
    with tarfile.open(path, "w") as out:
        for name, size in sizes.items():
            info = tarfile.TarInfo(name)
            info.size = size
            out.addfile(info, io.BytesIO(os.urandom(size)))
    return path


@pytest.fixture
def tars(tmp_path: Path) -> Path:
    folder = tmp_path / "tars"
    folder.mkdir()
    for number in range(3):
        tar(folder / f"{number}.tar", {f"{number}{n}.bin": 400_000 for n in range(4)})
    return folder


def unpacked(tars: Path, stage: Path) -> list[Progress]:
    told: list[Progress] = []
    with watched(told.append):
        assert len(unpack_all(tars, Stage(stage), [], ["0.tar", "1.tar", "2.tar"])) == 3
    return told


def test_bytes_only_grow_and_end_at_all_of_them(tars: Path, tmp_path: Path) -> None:
    told = unpacked(tars, tmp_path / "stage")
    done = [one.done_bytes for one in told]
    total = sum(path.stat().st_size for path in tars.iterdir())
    assert done == sorted(done) and done[-1] == total
    assert {one.total_bytes for one in told} == {total} and {one.what for one in told} == {"unpack"}
    assert list(dict.fromkeys(one.name for one in told)) == ["0.tar", "1.tar", "2.tar"]
    middle = [one for one in told if one.name == "1.tar" and total / 3 < one.done_bytes < total / 2]
    assert middle, "told inside an archive, not only at its end"


def test_what_was_done_before_counts_from_the_start_and_is_not_told_alone(tars: Path, tmp_path: Path) -> None:
    total = sum(path.stat().st_size for path in tars.iterdir())
    unpack_all(tars, Stage(tmp_path / "stage"), [], ["0.tar", "1.tar"])
    told = unpacked(tars, tmp_path / "stage")
    assert {one.name for one in told} == {"2.tar"} and told[0].done_bytes >= 2 * total / 3
    assert unpacked(tars, tmp_path / "stage") == []


def test_fetching_is_told_too(tars: Path, tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe({f"/progress/{path.name}": path.read_bytes() for path in tars.iterdir()})
    told: list[Progress] = []
    with watched(told.append):
        fetch("memory://progress", Stage(tmp_path / "stage"))
    assert told[-1].done_bytes == told[-1].total_bytes == sum(p.stat().st_size for p in tars.iterdir())
    assert {one.what for one in told} == {"fetch"}


def test_nobody_needs_to_watch(tars: Path, tmp_path: Path) -> None:
    assert unpack_all(tars, Stage(tmp_path / "stage"), [], ["0.tar"])


@pytest.mark.parametrize("quiet", [False, True])
def test_a_listing_shows_lines_where_nobody_looks(quiet: bool, tmp_path: Path, capsys: Any) -> None:
    folder, wav = tmp_path / "tars", io.BytesIO()
    folder.mkdir()
    soundfile.write(wav, np.zeros(1_600_000, np.int16), 16_000, format="WAV")
    with tarfile.open(folder / "x.tar", "w") as out:
        info = tarfile.TarInfo("talk.wav")
        info.size = len(wav.getvalue())
        out.addfile(info, io.BytesIO(wav.getvalue()))
    read_listing(str(folder), str(tmp_path / "out"), reader="webdataset", quiet=quiet)
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    if quiet:
        assert told == []
        return
    assert {one["event"] for one in told} == {"unpack"} and {one["file"] for one in told} == {"x.tar"}
    assert told[-1]["done_bytes"] == told[-1]["total_bytes"] == (folder / "x.tar").stat().st_size
    assert 2 <= len(told) <= 11
