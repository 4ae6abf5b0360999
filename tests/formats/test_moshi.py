"""What moshi-finetune asks (kyutai-labs/moshi-finetune:finetune/data/dataset.py, interleaver.py), read with
its own sphn."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from made_corpus import MadeCorpus, flac, turns_json, two, write_corpus

from manifests.exports.run import run_export

RATE_HZ = 24_000


@pytest.fixture
def exported(dialogues: MadeCorpus, out: Path) -> Path:
    run_export(dialogues.path, "moshi", str(out))
    return out


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lists_are_sorted_and_their_paths_are_relative_and_exist(
    exported: Path, dialogues: MadeCorpus
) -> None:
    """`json.loads(line)` with `path` and `duration`; every `*jsonl` below the folder is a list."""
    assert {path.name for path in exported.rglob("*jsonl")} == {"train.jsonl", "valid.jsonl"}
    found = [one for name in ("train", "valid") for one in lines(exported / f"{name}.jsonl")]
    assert len(found) == len(dialogues.samples)
    paths = [str(one["path"]) for one in lines(exported / "train.jsonl")]
    assert paths == sorted(paths)
    for one in found:
        path = exported / str(one["path"])
        assert not Path(str(one["path"])).is_absolute()
        assert one["duration"] == soundfile.info(path).frames / RATE_HZ == 40.0
        assert path.with_suffix(".json").is_file()  # `os.path.splitext(path)[0] + ".json"`


def test_words_of_main_sorted_by_start_and_where_they_were(exported: Path) -> None:
    """`dicho` halves the list by `alignment[k][1][0]`: unsorted words would be lost without an error."""
    for path in exported.rglob("*-na-*.json"):
        found = json.loads(path.read_text())["alignments"]
        assert found == [["m0", [4.5, 9.0], "SPEAKER_MAIN"], ["m1", [11.5, 16.0], "SPEAKER_MAIN"]]


def test_with_the_user_s_words_all_are_sorted(dialogues: MadeCorpus, out: Path) -> None:
    run_export(dialogues.path, "moshi", str(out), {"other_words": True})
    for path in out.rglob("*-na-*.json"):
        found = json.loads(path.read_text())["alignments"]
        assert [one[0] for one in found] == ["o0", "o1", "m0", "o2", "m1", "o3"]
        assert all(one[1][0] <= following[1][0] for one, following in pairwise(found))


def tones(seconds: float, hz: float, rate_hz: int) -> np.ndarray:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.rint(12_000 * np.sin(2 * np.pi * hz * time)).astype(np.int16)


@pytest.mark.parametrize("native_hz", [None, 24_000, 44_100])
def test_main_is_left_and_other_right_and_neither_moves(tmp_path: Path, native_hz: int | None) -> None:
    """A tone of 300 Hz (main) and 800 Hz (other), against the same tones made at 24 kHz; ±1 sample."""
    made = two(1, "train", turns=turns_json())
    for side, hz in (("main", 300.0), ("other", 800.0)):
        made.members[f"{side}.flac"] = flac(tones(40, hz, 16_000), 16_000)
        if native_hz:
            made.members[f"{side}.native.flac"] = flac(tones(40, hz, native_hz), native_hz)
    corpus = write_corpus(tmp_path / "corpus", [made])
    run_export(str(corpus), "moshi", str(tmp_path / "out"))
    found, rate_hz = soundfile.read(next((tmp_path / "out" / "train").glob("*.wav")), dtype="int16")
    assert (rate_hz, found.shape) == (RATE_HZ, (40 * RATE_HZ, 2))
    inside = slice(RATE_HZ, -RATE_HZ)
    for channel, hz in enumerate((300.0, 800.0)):
        truth = tones(40, hz, RATE_HZ)
        one_sample = 12_000 * 2 * np.pi * hz / RATE_HZ
        assert np.abs(found[inside, channel].astype(int) - truth[inside]).max() < one_sample / 10


def test_sphn_reads_every_segment_without_moving_the_sound(exported: Path, dialogues: MadeCorpus) -> None:
    sphn = pytest.importorskip("sphn", reason="sphn, moshi-finetune's reader, is not installed")
    segments = sphn.dataset_jsonl(
        str(exported / "valid.jsonl"),
        duration_sec=10,
        num_threads=1,
        sample_rate=RATE_HZ,
        pad_last_segment=True,
    ).seq(skip=0, step_by=1)
    whole, _ = soundfile.read(next((exported / "valid").glob("*.wav")), dtype="float32")
    seen = list(segments)
    assert [one["start_time_sec"] for one in seen] == [0.0, 10.0, 20.0, 30.0]
    for number, one in enumerate(seen):
        begin = number * 10 * RATE_HZ
        assert one["unpadded_len"] == 10 * RATE_HZ
        assert np.allclose(one["data"].T, whole[begin : begin + 10 * RATE_HZ], atol=2 / 32768)


def test_dialogues_in_which_main_says_nothing_known_are_skipped(tmp_path: Path) -> None:
    silent, unknown = turns_json(), turns_json()
    silent["streams"]["main"]["words"] = []
    unknown["streams"]["main"]["words"] = None
    made = [
        two(1, "train", turns=silent),
        two(2, "train", turns=unknown),
        two(3, "train", turns=turns_json()),
    ]
    report = run_export(str(write_corpus(tmp_path / "corpus", made)), "moshi", str(tmp_path / "out"))
    assert (report.ok, report.reasons) == (1, {"no_words": 2})


def test_two_sides_that_are_not_equally_long_fail(tmp_path: Path) -> None:
    made = two(1, "train", turns=turns_json())
    made.members["other.flac"] = flac(made.pcm["other.flac"][:-1280], 16_000)
    report = run_export(str(write_corpus(tmp_path / "corpus", [made])), "moshi", str(tmp_path / "out"))
    assert (report.failed, report.reasons) == (1, {"wrong_length": 1})
