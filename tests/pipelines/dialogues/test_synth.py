"""Dialogues made of scripts: what their samples hold, and what trainers are given of them."""

from __future__ import annotations

import io
import json
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scripted_dialogues import SCRIPTS, VOICES, synthesise, write_scripts
from typer.testing import CliRunner

from manifests.corpus_reader import CorpusReader
from manifests.exports.run import run_export
from pipelines.cli import app
from pipelines.dialogues.pairs import pairs
from pipelines.dialogues.sections import SynthConfig
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter
from pipelines.testsets.grid import GridConfig
from pipelines.testsets.testset import make_set, open_set


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every sample: members decoded."""
    reader = CorpusReader(str(folder))
    return {
        sample.key: {name: _decoded(name, sample.read(name)) for name in sample.row.members}
        for shard in reader.shards
        for sample in reader.samples(shard)
    }


def _decoded(name: str, data: bytes) -> Any:
    if name.endswith("json"):
        return json.loads(data)
    if name.endswith("npy"):
        return np.load(io.BytesIO(data), allow_pickle=False)
    return soundfile.read(io.BytesIO(data), dtype="int16")[0]


def test_both_views_hold_both_streams_on_the_grids(made: Path) -> None:
    samples = read(made)
    assert set(samples) == {"garden-a", "garden-b", "tea-a", "tea-b"}
    for key, sample in samples.items():
        header = sample["json"]
        n_frames = round(header["duration_s"] * 12.5)
        assert header["duration_s"] == n_frames * 2 / 25  # whole frames of 80 ms
        for side in ("main", "other"):
            assert len(sample[f"{side}.flac"]) == 1280 * n_frames
            assert len(sample[f"{side}.native.flac"]) == 1920 * n_frames
            assert len(sample[f"{side}.speaking.npy"]) == 2 * n_frames
            assert len(sample[f"{side}.turn_tokens.npy"]) == 2 * n_frames
        for name in ("yield", "yield_valid", "yield_holder"):
            assert len(sample[f"{name}.npy"]) == n_frames and header["rates_hz"][f"{name}.npy"] == 12.5
        assert header["rates_hz"].keys() == {name for name in sample if not name.endswith("json")}
        assert header["licence"] == "Apache-2.0; flite: BSD-like"
        assert header["origin"] == "synthetic" and header["borrowed"] == {} and header["unplaced"] == []
        swapped = samples[key[:-1] + ("b" if key.endswith("a") else "a")]
        assert np.array_equal(sample["main.flac"], swapped["other.flac"])
        assert header["speakers"]["main"] == swapped["json"]["speakers"]["other"]


def test_the_turns_are_those_of_the_script_in_its_order(made: Path) -> None:
    sample = read(made)["garden-a"]
    wanted = SCRIPTS[0]["turns"]
    turns = [one for one in sample["json"]["turns"] if one["kind"] == "turn"]
    assert [one["text"] for one in turns] == [turn["text"] for turn in wanted]
    assert [one["side"] for one in turns] == ["main", "other", "main", "other"]
    assert [one["emotion"] for one in turns] == [turn["emotion"] for turn in wanted]
    (nod,) = (one for one in sample["json"]["turns"] if one["kind"] == "backchannel")
    host = turns[1]
    assert nod["side"] == "main" and Fraction(host["start"]) < Fraction(nod["start"]) < Fraction(host["stop"])
    # asked for after "evening,", and put at the end of a word so many words from there
    (asked,) = wanted[1]["backchannels"]
    words = [one for one in sample["turns.json"]["streams"]["other"]["words"] if one[1] >= host["start"]]
    spoken = [one for one in words if Fraction(host["start"]) <= Fraction(one[1]) < Fraction(host["stop"])]
    before = sum(Fraction(word[2]) <= Fraction(nod["start"]) for word in spoken)
    assert before == asked["after_word"] + nod["moved_words"] and host["moved_words"] is None
    # the words of turns.json are the script's, and lie where the sound is
    streams = sample["turns.json"]["streams"]
    for side, first in (("main", 0), ("other", 1)):
        said = " ".join(turn["text"] for turn in wanted[first::2]).split()
        said += nod["text"].split() if side == "main" else []
        words = streams[side]["words"]
        assert sorted(word for word, *_ in words) == sorted(said)
        pcm = sample[f"{side}.native.flac"].astype(float)
        heard = np.concatenate(
            [pcm[round(Fraction(a) * 24_000) : round(Fraction(b) * 24_000)] for _, a, b, _ in words]
        )
        assert np.sqrt((heard**2).mean()) > 10 * np.sqrt((pcm[:2400] ** 2).mean())


def test_pairs_are_a_turn_of_the_other_and_mains_answer(made: Path) -> None:
    samples = read(made)
    texts = [turn["text"] for turn in SCRIPTS[0]["turns"]]
    for key, first in (("garden-b", 0), ("garden-a", 1)):
        told = samples[key]["pairs.json"]
        asked = [(one["input"]["text"], one["response"]["text"]) for one in told]
        assert asked == list(zip(texts[first::2], texts[first + 1 :: 2], strict=False))
        where = [(one["input"]["clips"], one["response"]["clips"]) for one in told]
        clips = [turn["clips"] for turn in SCRIPTS[0]["turns"]]
        assert where == list(zip(clips[first::2], clips[first + 1 :: 2], strict=False))
    assert samples["garden-b"]["pairs.json"][0]["input"]["emotion"] == "Happy"
    assert samples["tea-b"]["pairs.json"][0]["input"]["clips"] == []
    assert pairs([]) == []


def test_moshi_finetune_gets_main_left_and_words_sorted(made: Path, tmp_path: Path) -> None:
    """Field by field, as kyutai-labs/moshi-finetune reads it."""
    report = run_export(str(made), "moshi", str(tmp_path / "moshi"), {"other_words": True})
    assert (report.ok, report.failed, report.skipped) == (4, 0, 0)
    lines = [json.loads(line) for line in (tmp_path / "moshi" / "train.jsonl").read_text().splitlines()]
    assert [set(line) for line in lines] == [{"path", "duration"}] * 4
    samples = read(made)
    for line in lines:
        wav = tmp_path / "moshi" / line["path"]
        pcm, rate_hz = soundfile.read(wav, dtype="int16")
        sample = samples[wav.stem]
        assert rate_hz == 24_000 and line["duration"] == len(pcm) / 24_000 == sample["json"]["duration_s"]
        assert np.array_equal(pcm[:, 0], sample["main.native.flac"])
        assert np.array_equal(pcm[:, 1], sample["other.native.flac"])
        alignments = json.loads(wav.with_suffix(".json").read_text())["alignments"]
        assert [start for _, (start, _), _ in alignments] == sorted(start for _, (start, _), _ in alignments)
        streams = sample["turns.json"]["streams"]
        for side, label in (("main", "SPEAKER_MAIN"), ("other", "SPEAKER_OTHER")):
            own = [[word, span] for word, span, speaker in alignments if speaker == label]
            assert own == [
                [
                    word,
                    [
                        pytest.approx(float(Fraction(a)), abs=1e-6),
                        pytest.approx(float(Fraction(b)), abs=1e-6),
                    ],
                ]
                for word, a, b, _ in streams[side]["words"]
            ]


def test_full_duplex_bench_and_vap_take_them(made: Path, tmp_path: Path) -> None:
    report = run_export(str(made), "full-duplex-bench", str(tmp_path / "fdb"), {})
    assert report.ok >= 1 and report.ok + report.reasons["no_events"] == 4
    assert list((tmp_path / "fdb").rglob("input.wav"))
    vap = run_export(
        str(made), "vap", str(tmp_path / "vap"), {"window_s": 2.0, "overlap_s": 0.5, "horizon_s": 0.5}
    )
    assert vap.ok == 4
    for path in (tmp_path / "vap" / "vad").rglob("*.json"):
        left, right = json.loads(path.read_text())
        ipus = read(made)[path.stem]["turns.json"]["streams"]
        for spans, side in ((left, "main"), (right, "other")):
            assert np.allclose(
                spans, [[float(Fraction(a)), float(Fraction(b))] for a, b in ipus[side]["ipus"]]
            )


def make_noisy(corpus: Path, out: Path) -> None:
    grid = {"name": "noisy", "clips": {"split": None}, "materialize": True}
    chosen = GridConfig.model_validate(grid | {"audio": [{"kind": "white", "snr_db": [0]}]})
    made = make_set(open_set(str(corpus), str(out), chosen), engine=LocalEngine(), reporter=QuietReporter())
    assert not made.account.problems


def test_noise_for_the_user_changes_nothing_else(made: Path, tmp_path: Path) -> None:
    make_noisy(made, tmp_path / "set")
    clean, noisy = read(made), read(tmp_path / "set")
    assert len(noisy) == len(clean) * 2  # and a clean condition
    for key, sample in clean.items():
        changed = noisy[f"{key}-white_0db"]
        same = {name for name in changed if np.array_equal(changed[name], sample[name])}
        assert set(changed) - same == {"other.flac", "json"}, key
        assert set(sample) - set(changed) == {"other.native.flac"}  # it is that of the clean clip
        assert set(changed["json"]["missing"]) == {"other.native.flac"}
        speaking = np.repeat(sample["other.speaking.npy"].astype(bool), 640)
        user = sample["other.flac"].astype(float)
        noise = changed["other.flac"] - user
        snr_db = 10 * np.log10((user[speaking] ** 2).mean() / (noise[speaking] ** 2).mean())
        assert abs(snr_db) < 1.0  # 0 was asked for, over what a detector takes for speech
        assert changed["json"]["labels"] == sample["json"]["labels"]


def test_tokens_text_streams_and_vap_labels_of_both_sides(made: Path, models: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "out")
    labels = {
        "members": ["vap"],
        "tokenizer": str(models / "auto_avsr_unigram5000.model"),
        "text_rate_hz": 25.0,
    }
    synthesise(tmp_path, SCRIPTS, tokenize={"codecs": ["lyra"]}, labels=labels)
    for sample in read(tmp_path / "out").values():
        header = sample["json"]
        n_frames = round(header["duration_s"] * 12.5)
        for side in ("main", "other"):
            assert sample[f"{side}.lyra.npy"].shape == (46, 4 * n_frames)
            assert (
                header["tokens"][f"{side}.lyra.npy"]["rate_hz"]
                == header["rates_hz"][f"{side}.lyra.npy"]
                == 50
            )
            stream, about = sample[f"{side}.text.npy"], header["labels"][f"{side}.text.npy"]
            assert len(stream) == 2 * n_frames and header["rates_hz"][f"{side}.text.npy"] == 25.0
            n_words = len(sample["turns.json"]["streams"][side]["words"])
            assert (~np.isin(stream, (about["pad_id"], about["epad_id"]))).sum() >= n_words > 3
        assert abs(len(sample["vap.npy"]) - header["duration_s"] * 50) <= 100  # but for its horizon
        assert "yield.npy" not in sample and header["rates_hz"]["vap.npy"] == 50
    # tokens of a user who is noisy now are not the clean ones; everything of main stays
    make_noisy(tmp_path / "out", tmp_path / "set")
    clean = read(tmp_path / "out")["tea-a"]
    noisy = read(tmp_path / "set")["tea-a-white_0db"]
    assert set(clean) - set(noisy) == {"other.native.flac", "other.lyra.npy"} == set(noisy["json"]["missing"])
    assert "other.lyra.npy" not in noisy["json"]["tokens"] and "main.lyra.npy" in noisy["json"]["tokens"]


def equal_shards(one: Path, other: Path) -> None:
    for name in ("index.parquet", *CorpusReader(str(one)).shards):
        assert (other / "shards" / name).read_bytes() == (one / "shards" / name).read_bytes(), name


def test_order_units_and_folders_change_no_byte(made: Path, tmp_path: Path) -> None:
    (spoken,) = (made / "steps").glob("speak-*")  # that voices say the same again, the test with Ray tells
    shutil.copytree(spoken, tmp_path / "out" / "steps" / spoken.name)
    synthesise(tmp_path, SCRIPTS[::-1], engine={"unit_s": 0.1})
    equal_shards(made, tmp_path / "out")


@pytest.mark.slow
def test_ray_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    scripts = write_scripts(tmp_path / "scripts.jsonl", SCRIPTS)
    call = [
        "dialogue",
        "synth",
        str(scripts),
        "--out",
        str(tmp_path / "out"),
        "--engine",
        "ray",
        "--workers",
        "1",
    ]
    call += [part for voice in VOICES for part in ("--voice", voice)]
    done = CliRunner().invoke(app, [*call, "--set", "pack.split_shares={train: 1}"])
    assert done.exit_code == 0, done.output
    equal_shards(made, tmp_path / "out")


def test_a_finished_run_does_nothing_and_another_offset_speaks_nothing_anew(
    made: Path, tmp_path: Path
) -> None:
    shutil.copytree(made, tmp_path / "out")
    before = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "steps").rglob("*") if path.is_file()
    }
    synthesise(tmp_path, SCRIPTS)
    after = {
        path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "steps").rglob("*") if path.is_file()
    }
    assert after == before
    synthesise(tmp_path, SCRIPTS, arrange={"offsets": "stivers2009"})
    steps = sorted(path.name.rpartition("-")[0] for path in (tmp_path / "out" / "steps").iterdir())
    assert steps.count("speak") == 1 and steps.count("arrange") == 2


def test_styles_make_no_dialogue() -> None:
    rewrite = {
        "server": {"base_url": "http://localhost:1/v1"},
        "model": "m",
        "kinds": ["style"],
        "styles": ["calm"],
    }
    with pytest.raises(ValueError, match="style makes variants"):
        SynthConfig.model_validate({"rewrite": rewrite})
