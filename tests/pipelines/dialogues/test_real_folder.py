"""Folders of recordings in one run: what is a dyad becomes two views, all else ends with its reason."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr
from real_dyads import Grid, both_views, matches, put, run_real, samples_of

from manifests.exports.run import run_export
from pipelines.build import Built
from pipelines.engine_ray import RayEngine

WITHIN_S = 0.12
"""The labels are an aligner's: its words begin up to 0.1 s before the energy does."""
SHORT_S = 6.5
"""Holds a turn of each."""


@pytest.fixture(scope="module")
def folder(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dyads and what looks like them."""
    root = tmp_path_factory.mktemp("dyads")
    grid = Grid.read(media)
    put(root, "stereo", grid.pcm, grid.words(), channels=json.dumps(["A", "B"]))
    put(root, "pair_a", grid.pcm[:, 0], grid.words("A"))
    put(root, "pair_b", grid.pcm[:, 1], grid.words("B"))
    short = grid.pcm[: round(SHORT_S * 16_000)]
    left, right = short.T
    silence = np.zeros_like(left)
    put(root, "swapped", short, grid.words(until_s=SHORT_S), channels=json.dumps(["B", "A"]))
    put(root, "named", left + right, grid.words(until_s=SHORT_S))
    put(root, "mute", np.stack([left, silence], axis=1))
    put(root, "lone_a", left)
    put(root, "uneven_a", left)
    put(root, "uneven_b", right[: len(right) // 2])
    put(root, "hush_a", left)
    put(root, "hush_b", silence)
    put(root, "copy_a", left + right)
    put(root, "copy_b", 0.9 * (left + right))
    shutil.copy(media / "audio" / "lyra_sample1_16k.wav", root / "alone.wav")
    (root / "text.wav").write_text("no sound at all", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def made(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Built]:
    """One run over all of them."""
    out = tmp_path_factory.mktemp("out")
    return out, run_real(folder, out, "labels.members=[speaking, turn_tokens, yield, vap]")


def test_every_recording_ends_with_its_reason(made: tuple[Path, Built]) -> None:
    built = made[1]
    assert built.account.problems == ()
    ends = {row["path"]: row["reason"] for row in built.account.rows if row["kind"] == "source"}
    assert ends == {
        "stereo.wav": None,
        "pair_a.wav": None,
        "pair_b.wav": None,
        "named.wav": None,
        "swapped.wav": "channels_swapped",
        "mute.wav": "silent_audio",
        "lone_a.wav": "corpus_part_missing",
        "uneven_a.wav": "sides_unequal",
        "uneven_b.wav": "sides_unequal",
        "hush_a.wav": "silent_audio",
        "hush_b.wav": "silent_audio",
        "copy_a.wav": "cross_talk",
        "copy_b.wav": "cross_talk",
        "alone.wav": "not_a_dyad",
        "text.wav": "not_media",
    }
    manifest = pq.read_table(made[0] / "manifest.parquet").to_pylist()
    assert {row["detail"] for row in manifest if row["path"] == "mute.wav"} == {
        "channel 1 of mute.wav (counted from 0) holds no sound"
    }
    assert built.account.sources["ok"] == 4 and built.account.clips == {"ok": 3}


def test_the_stereo_dialogue(media: Path, made: tuple[Path, Built]) -> None:
    grid = Grid.read(media)
    first, second = both_views(made[0], "stereo")
    for main, other, view in (("A", "B", first), ("B", "A", second)):
        assert view.header["speaker"] == main and view.header["separated"]
        for side, name in (("main", main), ("other", other)):
            labels = [turn for turn in grid.turns if turn["speaker"] == name]
            assert matches(view.turns(side), labels, WITHIN_S)
            assert view.words(side) == [word[0] for turn in labels for word in turn["words"]]
        ((start, stop),) = view.events("overlap")
        assert abs(start - 13.45) <= WITHIN_S and abs(stop - 15.12) <= WITHIN_S
    pcm, rate_hz = first.sound("main.native.flac")
    assert rate_hz == 16_000 and len(pcm) == 16.96 * 16_000
    assert np.array_equal(pcm, grid.pcm[: len(pcm), 0])
    assert np.array_equal(second.sound("main.flac")[0], first.sound("other.flac")[0])


def test_two_files_are_what_the_stereo_file_is(made: tuple[Path, Built]) -> None:
    for stereo, pair in zip(both_views(made[0], "stereo"), both_views(made[0], "pair"), strict=True):
        assert pair.header["sides_from"] == "recordings" and stereo.header["sides_from"] == "channels"
        names = {"json", "turns.json"}
        assert stereo.members.keys() == pair.members.keys()
        for name in stereo.members.keys() - names:
            assert stereo.members[name] == pair.members[name], name
        told = [json.loads(one.members["turns.json"]) for one in (stereo, pair)]
        for one in told:
            for side in ("main", "other"):
                del one["streams"][side]["speaker"]  # a and b: nobody told their names of the two files
        assert told[0] == told[1]


def test_moshi_hears_main_on_the_left(media: Path, made: tuple[Path, Built], tmp_path: Path) -> None:
    grid = Grid.read(media)
    assert run_export(str(made[0]), "moshi", str(tmp_path / "moshi")).ok == 6
    lines = [json.loads(one) for one in (tmp_path / "moshi" / "train.jsonl").read_text().splitlines()]
    by_path = {one["path"]: one["duration"] for one in lines}
    for main, view in enumerate(both_views(made[0], "stereo")):
        path = f"train/{view.key}.wav"
        assert by_path[path] == pytest.approx(16.96)
        pcm, rate_hz = soundfile.read(tmp_path / "moshi" / path, dtype="float32")
        assert rate_hz == 24_000
        for column, channel in ((0, main), (1, 1 - main)):
            heard = soxr.resample(grid.pcm[: round(16.96 * 16_000), channel], 16_000, 24_000)
            assert np.abs(pcm[:, column] - heard).max() < 1e-3
        words = json.loads((tmp_path / "moshi" / path).with_suffix(".json").read_text())["alignments"]
        wanted = grid.words("AB"[main])["alignments"]
        assert words == [[word, span, "SPEAKER_MAIN"] for word, span, _ in wanted]


def test_vap_reads_main_first(media: Path, made: tuple[Path, Built], tmp_path: Path) -> None:
    options = {"window_s": 5, "overlap_s": 1, "horizon_s": 2}
    assert run_export(str(made[0]), "vap", str(tmp_path / "vap"), options).ok == 4
    for main, view in enumerate(both_views(made[0], "stereo")):
        active = json.loads((tmp_path / "vap" / "vad" / f"{view.key}.json").read_text())
        for mine, name in zip(active, ("AB"[main], "AB"[1 - main]), strict=True):
            labels = [turn for turn in Grid.read(media).turns if turn["speaker"] == name]
            assert matches([(start, stop, "turn") for start, stop in mine], labels, WITHIN_S)
        pcm, rate_hz = soundfile.read(tmp_path / "vap" / "audio" / f"{view.key}.wav", dtype="float32")
        assert rate_hz == 16_000
        assert np.array_equal(pcm[:, 0], Grid.read(media).pcm[: len(pcm), main])


def test_a_transcript_tells_two_people_of_one_channel_apart(media: Path, made: tuple[Path, Built]) -> None:
    first, second = both_views(made[0], "named")
    assert first.header["sides_from"] == "labels" and not first.header["separated"]
    assert [first.header["speaker"], second.header["speaker"]] == ["A", "B"]
    for side, label in zip(("main", "other"), Grid.read(media).turns, strict=False):
        assert matches(first.turns(side), [label], WITHIN_S)
        assert first.words(side) == [word for word, *_ in label["words"]]


def test_a_second_run_does_nothing_and_lost_work_gives_the_same_bytes(
    folder: Path, made: tuple[Path, Built]
) -> None:
    out = made[0]
    before = {path.name: path.read_bytes() for path in (out / "shards").iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in (out / "steps").rglob("*.parquet")}
    run_real(folder, out, "labels.members=[speaking, turn_tokens, yield, vap]")
    assert {path: path.stat().st_mtime_ns for path in (out / "steps").rglob("*.parquet")} == stamps
    for name in ("dyads", "sides", "label", "pack"):
        for step in (out / "steps").glob(f"{name}-*"):
            shutil.rmtree(step)
    for tar in (out / "shards").glob("*.tar"):
        tar.unlink()
    assert run_real(folder, out, "labels.members=[speaking, turn_tokens, yield, vap]").account.problems == ()
    assert {path.name: path.read_bytes() for path in (out / "shards").iterdir()} == before


def test_a_long_dialogue_is_cut_between_turns(folder: Path, made: tuple[Path, Built], media: Path) -> None:
    out = made[0]
    run_real(folder, out, "dyads.max_s=10")
    views = [one for key, one in samples_of(out, "stereo").items() if key.endswith("-a")]
    told = [one.header["window"] for one in views]  # by key, and so by time
    edges = [[Fraction(one["start"]), Fraction(one["stop"])] for one in told]
    assert edges[0][0] == 0 and edges[-1][1] == Fraction(424, 25)
    assert [stop for _, stop in edges[:-1]] == [start for start, _ in edges[1:]]
    assert all(stop - start <= 10 for start, stop in edges) and len(edges) > 1
    assert [one["cut"] for one in told] == ["gap"] * (len(told) - 1) + ["end"]
    for (start, _), one in zip(edges, views, strict=True):
        pcm, _ = one.sound("main.flac")
        first = round(start * 16_000)
        assert np.array_equal(pcm, Grid.read(media).pcm[first : first + len(pcm), 0])
    said = [word for one in views for word in one.words("main") or []]
    labels = [turn for turn in Grid.read(media).turns if turn["speaker"] == "A"]
    assert said == [word[0] for turn in labels for word in turn["words"]]


@pytest.mark.slow
def test_ray_writes_the_same_shards(media: Path, tmp_path: Path) -> None:
    grid = Grid.read(media)
    put(tmp_path / "in", "stereo", grid.pcm, grid.words())
    run_real(tmp_path / "in", tmp_path / "local")
    with RayEngine(workers=2) as engine:
        assert run_real(tmp_path / "in", tmp_path / "ray", engine=engine).account.problems == ()
    shards = [
        {path.name: path.read_bytes() for path in (tmp_path / name / "shards").iterdir()}
        for name in ("local", "ray")
    ]
    assert shards[0] == shards[1] and len(shards[0]) == 2
