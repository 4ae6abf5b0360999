"""SIGKILL of the whole process tree, ten times, in every step: the resumed shards are the same bytes."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

CLIPS = ("grid_bbaf2n.mpg", "grid_brbk7n.mpg", "grid_lbax4n.mpg")
BROKEN = ("text.mp4", "audio_only.m4a", "truncated.mpg")


# So little work would be worth neither a pool nor more than one unit
ALWAYS = ("--set", "engine.pool_start_s=0", "--set", "engine.unit_s=1")


def build_command(clips: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "build", str(clips), "--out", str(out), *ALWAYS, *options]


def build(clips: Path, out: Path, *options: str) -> None:
    done = subprocess.run(build_command(clips, out, *options), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def shards(out: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (out / "shards").iterdir()}


@pytest.fixture(scope="module")
def clips(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in CLIPS:
        (folder / name).write_bytes((media / "video" / name).read_bytes())
    for name in BROKEN:
        (folder / name).write_bytes((media / "broken" / name).read_bytes())
    (folder / "sidecar.csv").write_text("path,speaker,text\ngrid_bbaf2n.mpg,s1,bin blue at f two now\n")
    return folder


@pytest.fixture(scope="module")
def reference(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by the local engine, in one process, without interruption."""
    out = tmp_path_factory.mktemp("local")
    build(clips, out, "--engine", "local")
    assert len(shards(out)) > 1
    return out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ray_makes_the_same_bytes_with_any_number_of_workers(
    clips: Path, reference: Path, tmp_path: Path, workers: str
) -> None:
    build(clips, tmp_path, "--workers", workers)
    assert shards(tmp_path) == shards(reference)


def test_a_moved_corpus_makes_the_same_bytes(clips: Path, reference: Path, tmp_path: Path) -> None:
    moved = tmp_path / "else where"
    moved.mkdir()
    for path in clips.iterdir():
        (moved / path.name).write_bytes(path.read_bytes())  # copied: other folder, other times
    build(moved, tmp_path / "out", "--engine", "local")
    assert shards(tmp_path / "out") == shards(reference)


def test_a_finished_rerun_does_no_work_and_is_quick(clips: Path, reference: Path) -> None:
    def state() -> dict[Path, int]:
        kept = [path for path in reference.rglob("*") if path.is_file() and path.parent.name != "runs"]
        return {path: path.stat().st_mtime_ns for path in kept if path.suffix in (".parquet", ".tar", ".mp4")}

    before, begun_s = state(), _children_s()
    build(clips, reference)  # the Ray engine: it is not even started, which alone would take more
    assert state() == before
    assert _children_s() - begun_s < 6.0  # of CPU time: a test machine may be busy


def _children_s() -> float:
    """CPU time of the processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Killed = Callable[[Path], bool]


def started_unit(out: Path, step: str) -> Path | None:
    """Marker of a unit that has begun and not ended."""
    for folder in out.glob(f"steps/{step}-*/attempts"):
        for marker in folder.glob("*.json"):
            unit = marker.name.rsplit(".", 2)[0]
            if not (folder.parent / "receipts" / f"{unit}.parquet").exists():
                return marker
    return None


def payload_without_receipt(out: Path) -> Path | None:
    """A payload of `cut` that no receipt promises yet."""
    for folder in out.glob("steps/cut-*"):
        payloads = {path.name: path for path in (folder / "data").glob("*")}  # first: receipts come last
        for receipt in (folder / "receipts").glob("*.parquet"):
            for artifacts in pq.ParquetFile(receipt).read().column("artifacts").to_pylist():
                for artifact in artifacts:
                    payloads.pop(Path(artifact["name"]).name, None)
        if payloads:
            return min(payloads.values())
    return None


def kill_when(command: list[str], seen: Callable[[], object]) -> bool:
    """Run until `seen()` is true, then SIGKILL every process of the tree. False when it ended before."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    root, tree, listed = psutil.Process(process.pid), [], 0.0
    while not seen():
        if process.poll() is not None:
            return False
        if time.monotonic() - listed > 0.1:  # listing is slow: keep a fresh list at hand
            with suppress(psutil.NoSuchProcess):
                tree = [child.pid for child in root.children(recursive=True)]
            listed = time.monotonic()
    for pid in [*reversed(tree), process.pid]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    stragglers = [pid for pid in tree if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]
    psutil.wait_procs([psutil.Process(pid) for pid in stragglers], timeout=10)
    return True


FEW_KILLS = ["watch", "payload", "cut", "pack"]
TEN_KILLS = ["ingest", "ingest", "watch", "watch", "listen", "select", "cut", "payload", "cut", "pack"]


@pytest.mark.parametrize("kills", [FEW_KILLS, pytest.param(TEN_KILLS, marks=pytest.mark.slow)])
def test_kills_and_resumes_make_the_same_bytes(
    kills: list[str], clips: Path, reference: Path, tmp_path: Path
) -> None:
    command = build_command(clips, tmp_path, "--workers", "2", "--quiet")
    landed = []
    for moment in kills:
        step = "cut" if moment == "payload" else moment

        def seen(moment: str = moment) -> object:
            return (
                payload_without_receipt(tmp_path) if moment == "payload" else started_unit(tmp_path, moment)
            )

        for _ in range(6):
            for stale in tmp_path.glob("steps/*/attempts/*.json"):
                stale.unlink()  # as the next run would; else they would be taken for a unit that runs
            for folder in tmp_path.glob(f"steps/{step}-*/receipts"):
                sorted(folder.glob("*.parquet"))[0].unlink() if any(folder.iterdir()) else None
            if moment == "payload":
                for payload in tmp_path.glob("steps/cut-*/data/*"):
                    payload.unlink()
                for receipt in tmp_path.glob("steps/cut-*/receipts/*"):
                    receipt.unlink()
            if kill_when(command, seen) and seen():
                landed.append(moment)
                break
    assert landed == kills, "each kill must land inside its step"
    interrupted = json.loads(next(tmp_path.glob("steps/pack-*/attempts/*.json")).read_text())
    assert interrupted["state"] == "started"
    build(clips, tmp_path, "--workers", "2")
    assert shards(tmp_path) == shards(reference)
    assert not list(tmp_path.glob("steps/*/attempts/*.json")) and not list(tmp_path.glob(".tmp/*"))
