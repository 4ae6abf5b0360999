"""What goes missing from outside: the corpus, a payload, a shard. Nothing is lost for good."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter

CLIPS = ("grid_bbaf2n.mpg", "grid_brbk7n.mpg")


def run(clips: Path, out: Path | str, *overrides: str, listing_of: Path | None = None) -> Built:
    config = load_config(preset="talking-face", overrides=overrides)
    corpus = Corpus(Store(out), str(clips), list_folder(listing_of or clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


def shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "shards").glob("*.tar")}


@pytest.fixture(scope="module")
def clips(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in CLIPS:
        shutil.copy(media / "video" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def whole(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert not run(clips, out).account.problems
    return out


@pytest.fixture
def out(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "out"))


def test_a_corpus_that_goes_away_and_comes_back(clips: Path, whole: Path, tmp_path: Path) -> None:
    away = run(tmp_path / "unmounted", tmp_path / "out", listing_of=clips)
    assert any("no row" in problem for problem in away.account.problems), "exit code 1"
    back = run(clips, tmp_path / "out")
    assert not back.account.problems and shards(tmp_path / "out") == shards(whole)


def test_files_that_vanish_after_ingest_cost_no_finished_shard(clips: Path, out: Path, whole: Path) -> None:
    broken = run(clips.parent / "gone", out, "watch.detect_every=2", listing_of=clips)
    assert broken.account.problems
    assert shards(out) == shards(whole), "while the sums do not balance, shards stay"
    again = run(clips, out, "watch.detect_every=2")
    assert not again.account.problems and again.account.clips["ok"] == 2


@pytest.mark.parametrize(
    "lost", ["steps/cut-*/data/*.lips.mp4", "steps/watch-*/data/*.faces.parquet", "shards/*.tar"]
)
def test_a_lost_file_is_made_again(clips: Path, out: Path, whole: Path, lost: str) -> None:
    for path in out.glob(lost):
        path.unlink()
    assert not run(clips, out).account.problems
    assert shards(out) == shards(whole)


def test_a_rotten_payload_never_reaches_a_shard(clips: Path, out: Path, whole: Path) -> None:
    rotten = sorted(out.glob("steps/cut-*/data/*.face61.npy"))[0]
    content = bytearray(rotten.read_bytes())
    content[-1] ^= 1
    rotten.write_bytes(content)
    found = run(clips, out, "pack.shuffle_seed=5")  # packs anew
    assert any("was altered" in problem and rotten.name in problem for problem in found.account.problems)
    assert shards(out) == shards(whole)
    rotten.unlink()
    assert not run(clips, out).account.problems


def test_sources_of_the_last_run_that_are_gone_are_told(clips: Path, out: Path, tmp_path: Path) -> None:
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    shutil.copy(clips / CLIPS[0], fewer / CLIPS[0])
    built = run(fewer, out)
    assert built.removed == (CLIPS[1],) and built.account.clips["ok"] == 1


def test_files_of_others_in_the_shards_folder_stay(clips: Path, out: Path) -> None:
    (out / "shards" / "NOTES.md").write_text("mine")
    run(clips, out, "select.min_face_px=4000")
    assert [path.name for path in sorted((out / "shards").iterdir())] == ["NOTES.md", "index.parquet"]


def test_an_object_store_holds_the_same_bytes(clips: Path, whole: Path, tmp_path: Path) -> None:
    built = run(clips, f"memory://{tmp_path.name}")
    assert not built.account.problems
    store = built.corpus.store
    found = {name: store.read(f"shards/{name}") for name in store.list("shards") if name.endswith(".tar")}
    assert found == shards(whole)


def test_awkward_names_go_all_the_way(media: Path, tmp_path: Path) -> None:
    source = media / "video" / CLIPS[0]
    names = [
        "-dash.mpg",
        "with space.mpg",
        "line\nbreak.mpg",
        "日本 ü.mpg",
        "50%.mpg",
        "a:b.mpg",
        "'q\"x;$(y).mpg",
    ]
    for name in names:
        (tmp_path / "in").mkdir(exist_ok=True)
        shutil.copy(source, tmp_path / "in" / name)
    shutil.copy(source, str(tmp_path / "in").encode() + b"/caf\xe9.mpg")
    built = run(tmp_path / "in", tmp_path / "out")
    assert not built.account.problems
    ends = {row["path"]: row["status"] for row in built.account.rows if row["kind"] == "source"}
    assert ends == {**dict.fromkeys(names, "ok"), "caf\\xe9.mpg": "failed"}
    assert built.account.reasons["name_not_utf8"] == 1


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "pipelines.cli", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_a_second_run_on_one_output_refuses_and_names_the_first(clips: Path, out: Path) -> None:
    import os
    import socket

    with Store(out).locked():
        second = command("build", str(clips), "--out", str(out), "--engine", "local")
    assert second.returncode == 2
    assert f"pid {os.getpid()} on {socket.gethostname()}" in second.stderr


def test_commands_on_a_finished_corpus(clips: Path, out: Path) -> None:
    assert command("status", str(out)).returncode == 0
    failed = command("failures", str(out), "--json")
    assert failed.returncode == 0 and failed.stdout == ""
    replayed = command("replay", str(out), CLIPS[0])
    assert replayed.returncode == 0, replayed.stderr
    assert replayed.stdout.count("ok (same as its receipt)") == 6, replayed.stdout
    planned = command("plan", str(clips), "--out", str(out), "--set", "select.min_face_px=138")
    assert planned.returncode == 0
    rows = [line.split("│") for line in planned.stdout.splitlines() if "│" in line]
    todo = {row[1].strip(): row[4].strip() for row in rows}
    assert todo["watch"] == todo["listen"] == todo["cut"] == "0" and todo["pack"] == "1"
    key = json.loads(command("failures", str(out), "--json").stdout or "{}")
    assert key == {}


def test_errors_are_one_message(clips: Path, tmp_path: Path) -> None:
    for arguments, message in (
        (["build", str(tmp_path / "no"), "--out", str(tmp_path / "o")], "no such file or folder"),
        (["build", str(clips), "--out", str(tmp_path / "o"), "--preset", "x"], "no preset 'x'"),
        (["build", str(clips), "--out", str(tmp_path / "o"), "--set", "select.min_face_px=["], "is not YAML"),
        (
            ["build", str(clips), "--out", str(tmp_path / "o"), "--set", "engine.resources.wacth.cpus=1"],
            "no step",
        ),
        (["status", str(tmp_path)], "give the --out folder of a build, testset or dialogue"),
        (["inspect", str(tmp_path), "x"], "run a build to its end first"),
    ):
        done = command(*arguments)
        assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr, done.stderr
