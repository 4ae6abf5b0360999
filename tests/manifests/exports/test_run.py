"""The commit protocol, the books and the errors of an export, for every format."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from made_corpus import Made, flac, header, talk, turns_json, two, write_corpus

from manifests.corpus_reader import CorpusError
from manifests.exports import EXPORTS
from manifests.exports.base import EXPORT_REMEDIES, ExportError, ExportReason
from manifests.exports.run import option_models, run_export
from manifests.store import Store, StoreLockedError

OF_DIALOGUES = {"moshi", "vap", "full-duplex-bench"}
MODEL = "auto_avsr_unigram5000.model"


@pytest.fixture(scope="module")
def talks(tmp_path_factory: pytest.TempPathFactory) -> str:
    samples = [talk(n, "valid" if n == 4 else "train", text="bin blue" if n else "") for n in range(6)]
    samples[2].members.pop("lips.mp4")
    return str(write_corpus(tmp_path_factory.mktemp("talks") / "corpus", samples))


@pytest.fixture(scope="module")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> str:
    samples = [two(n, "train" if n else "test", turns=turns_json()) for n in range(3)]
    return str(write_corpus(tmp_path_factory.mktemp("dialogues") / "corpus", samples, per_shard=1))


def options(name: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    if name == "dualhyp":
        pytest.importorskip("h5py")
    if name == "auto-avsr":
        pytest.importorskip("sentencepiece")
        return {"sentencepiece": request.getfixturevalue("models") / MODEL}
    return {"lhotse-shar": {"arrays": ["face61.npy"]}}.get(name, {})


def corpus_for(name: str, request: pytest.FixtureRequest) -> str:
    found: str = request.getfixturevalue("dialogues" if name in OF_DIALOGUES else "talks")
    return found


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class KilledError(BaseException):
    """Nothing in the product may catch it."""


def kill_at(patch: pytest.MonkeyPatch, count: int) -> list[str]:
    """Let the process die in the middle of writing its `count`-th file."""
    real, begun = Store.writing, list[str]()

    def writing(self: Store, name: str) -> Any:
        begun.append(name)
        if len(begun) == count:
            raise KilledError
        return real(self, name)

    patch.setattr(Store, "writing", writing)
    return begun


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_that_was_killed_again_and_again_gives_the_same_bytes(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    corpus, given = corpus_for(name, request), options(name, request)
    with pytest.MonkeyPatch.context() as patch:
        written = kill_at(patch, 0)
        whole = run_export(corpus, name, str(tmp_path / "whole"), given)
    killed = tmp_path / "killed"
    n_killed = 0
    for count in sorted({2, len(written) // 3, len(written) // 2, len(written) - 2, len(written) - 1}):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(patch, count)
            try:
                run_export(corpus, name, str(killed), given)
            except KilledError:
                n_killed += 1
                assert not (killed / "export.json").exists()
    again = run_export(corpus, name, str(killed), given)
    assert n_killed >= 2
    assert tree(killed) == tree(tmp_path / "whole")
    assert (again.ok, again.skipped, again.failed) == (whole.ok, whole.skipped, whole.failed)


def test_sigkill_between_shards_and_resume(dialogues: str, tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\nfrom manifests.exports.run import run_export\n"
        "run_export(sys.argv[1], 'moshi', sys.argv[2], {}, lambda *_: os.kill(os.getpid(), signal.SIGKILL))"
    )
    out = tmp_path / "out"
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script, dialogues, str(out)], env=os.environ, check=False
        )
        assert done.returncode == -signal.SIGKILL
    told: list[tuple[int, int]] = []
    report = run_export(dialogues, "moshi", str(out), {}, lambda *one: told.append(one))
    run_export(dialogues, "moshi", str(tmp_path / "whole"))
    assert report.shards_done_before >= 1
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("name", EXPORTS)
def test_the_books_balance_and_nothing_else_is_left(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    corpus = corpus_for(name, request)
    report = run_export(corpus, name, str(tmp_path / "out"), options(name, request))
    rows = pq.read_table(tmp_path / "out" / "export.parquet").to_pylist()
    index = pq.read_table(Path(corpus) / "shards" / "index.parquet").to_pylist()
    assert [row["key"] for row in rows] == [row["key"] for row in index]
    assert Counter(row["status"] for row in rows) == Counter(
        {k: v for k, v in (("ok", report.ok), ("skipped", report.skipped), ("failed", report.failed)) if v}
    )
    assert report.n_samples == len(index) == report.ok + report.skipped + report.failed
    assert all((row["status"] == "ok") == (row["reason"] is None) for row in rows)
    assert all(row["detail"] and row["reason"] in set(ExportReason) for row in rows if row["status"] != "ok")
    assert not {".export", ".tmp", "run.lock"} & {path.name for path in (tmp_path / "out").iterdir()}


def test_a_sample_without_text_or_lips_is_skipped_with_its_reason(talks: str, tmp_path: Path) -> None:
    run_export(talks, "avhubert", str(tmp_path / "out"))
    rows = pq.read_table(tmp_path / "out" / "export.parquet").to_pylist()
    told = {int(row["key"][:16], 16): (row["reason"], row["detail"]) for row in rows if row["reason"]}
    assert told == {0: ("no_text", "KEY.json has no text"), 2: ("member_missing", "no lips.mp4")}


def test_damage_fails_and_is_not_skipped(tmp_path: Path) -> None:
    good, noise, late = (talk(n, "train") for n in range(3))
    noise.members["flac"] = b"fLaC" + bytes(200)
    late.members["lips.mp4"] = talk(2, "train", n_frames=26).members["lips.mp4"]
    corpus = write_corpus(tmp_path / "corpus", [good, noise, late])
    report = run_export(str(corpus), "avhubert", str(tmp_path / "out"))
    assert (report.ok, report.failed, report.skipped) == (1, 2, 0)
    assert report.reasons == {"member_damaged": 1, "wrong_length": 1}


def test_only_the_splits_that_were_asked_for(talks: str, tmp_path: Path) -> None:
    report = run_export(talks, "energon", str(tmp_path / "out"), {"splits": ["valid"]})
    assert (report.ok, report.reasons) == (1, {"split_not_wanted": 5})
    assert {path.name.split("-")[0] for path in (tmp_path / "out").glob("*.tar")} == {"valid"}


def test_a_finished_export_is_left_alone_and_told_again(talks: str, tmp_path: Path) -> None:
    first = run_export(talks, "llama-avsr", str(tmp_path / "out"))
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    second = run_export(talks, "llama-avsr", str(tmp_path / "out"))
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")} == before
    assert (second.ok, second.skipped, second.notes) == (first.ok, first.skipped, first.notes)


def test_another_export_is_never_mixed_in(talks: str, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run_export(talks, "llama-avsr", out)
    with pytest.raises(ExportError, match="finished export with another options"):
        run_export(talks, "llama-avsr", out, {"dataset": "other"})
    with pytest.raises(ExportError, match="finished export with another format"):
        run_export(talks, "avhubert", out)
    with pytest.MonkeyPatch.context() as patch:
        kill_at(patch, 9)
        with pytest.raises(KilledError):
            run_export(talks, "llama-avsr", str(tmp_path / "begun"))
    with pytest.raises(ExportError, match="started export with another options"):
        run_export(talks, "llama-avsr", str(tmp_path / "begun"), {"dataset": "other"})


def test_a_folder_with_something_else_in_it_is_refused(talks: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ExportError, match="not empty and holds no export"):
        run_export(talks, "energon", str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_exports_into_one_folder_do_not_run_at_once(talks: str, tmp_path: Path) -> None:
    with Store(tmp_path / "out" / ".export").locked(), pytest.raises(StoreLockedError):
        run_export(talks, "energon", str(tmp_path / "out"))


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        (
            "moshi",
            {},
            "moshi needs json, main.flac, other.flac, turns.json: none of the 6 samples .* has that",
        ),
        ("auto-avsr", {}, "sentencepiece: Field required"),
        ("auto-avsr", {"sentencepiece": "/nowhere.model"}, "/nowhere.model is no SentencePiece model"),
        ("avhubert", {"speed": 9}, "speed: Extra inputs are not permitted"),
        ("avhubert", {"splits": ["dev"]}, "the corpus has no dev; it has train, valid"),
        ("llama-avsr", {"dataset": "a,b"}, "no folder name without comma"),
        ("nemo", {}, "no format 'nemo'; there are avhubert, vsp-llm"),
    ],
)
def test_what_cannot_be_exported_is_told_before_any_work(
    talks: str, tmp_path: Path, name: str, given: dict[str, Any], told: str
) -> None:
    pytest.importorskip("sentencepiece")
    with pytest.raises(ExportError, match=told):
        run_export(talks, name, str(tmp_path / "out"), given)
    assert not (tmp_path / "out").exists()


def test_half_a_corpus_is_an_error_and_leaves_no_marker(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", [talk(n, "train") for n in range(4)])
    shard = sorted((corpus / "shards").glob("*.tar"))[-1]
    shard.write_bytes(shard.read_bytes()[:20_000])
    with pytest.raises(CorpusError, match=shard.name):
        run_export(str(corpus), "avhubert", str(tmp_path / "out"))
    assert not (tmp_path / "out" / "export.json").exists()


def test_every_format_has_options_and_every_reason_a_remedy() -> None:
    assert set(option_models()) == set(EXPORTS)
    assert set(EXPORT_REMEDIES) == set(ExportReason)


PEAK = """
import resource, sys
from manifests.exports.run import run_export
report = run_export(sys.argv[1], sys.argv[2], sys.argv[3])
print(report.ok, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["avhubert", "hf-datasets"])
def test_ten_thousand_samples_in_bounded_memory(tmp_path: Path, name: str) -> None:
    """The peak of 10 000 samples (0.6 GB of members) beside that of 1 000, each in a process of its own."""
    one = talk(1, "train", n_frames=5)
    members = {**one.members, "flac": flac(np.zeros(6400, np.int16), 16_000), "noise.npy": bytes(50_000)}

    def peak_mib(n_samples: int) -> int:
        keys = [f"{number:016x}-t00-0000000" for number in range(n_samples)]
        made = (Made(key, "train", header(key, "train", 5, text="bin blue"), members) for key in keys)
        folder = write_corpus(tmp_path / str(n_samples), made, per_shard=500)
        command = [sys.executable, "-c", PEAK, str(folder), name, str(tmp_path / f"out-{n_samples}")]
        ok, mib = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
        assert ok == n_samples
        return mib

    small, large = peak_mib(1_000), peak_mib(10_000)
    assert large < small + 100, (small, large)


def test_the_marker_says_what_was_exported(talks: str, tmp_path: Path) -> None:
    run_export(talks, "latentsync", str(tmp_path / "out"), {"min_frames": 54})
    marker = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (marker["format"], marker["options"]["min_frames"]) == ("latentsync", 54)
    assert marker["counts"]["n_samples"] == 6
