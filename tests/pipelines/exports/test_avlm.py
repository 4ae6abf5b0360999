"""Prompt sets of corpora that are made here: what each line must hold is known beforehand."""

from __future__ import annotations

import io
import json
import re
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from made_corpus import Made, header, write_corpus
from made_exchanges import EMOTIONS, answer, clip, spoken
from typer.testing import CliRunner

from manifests.exports.base import ExportError
from manifests.exports.run import ExportReport, run_export
from manifests.store import Store
from pipelines.cli import app
from pipelines.exports.avlm import Avlm
from synth.turns.annotate import annotate
from synth.turns.record import write_turns

SETS = ("zero_shot", "in_context", "avsr", "forced_emotion")


def export(corpus: Path, out: Path, **options: Any) -> ExportReport:
    return run_export(str(corpus), Avlm, str(out), options)


def lines(out: Path, name: str, split: str = "train") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / split / f"{name}.jsonl").read_text().splitlines()]


def said_in(units: str) -> list[int]:
    return [int(unit) for unit in re.findall(r"\[Hu(\d+)\]", units)]


def changes_of(semantic: Any) -> list[int]:
    return [int(unit) for unit, _ in groupby(semantic)]


def ends(out: Path) -> dict[str, str | None]:
    rows = pq.read_table(out / "export.parquet").to_pylist()
    return {row["key"]: row["reason"] for row in rows}


@pytest.fixture
def eight(tmp_path: Path) -> tuple[Path, Path, list[Made]]:
    """Two people with each emotion in train, one in test, and an answer in kind to everybody."""
    clips = [clip(n) for n in range(8)] + [clip(n, "test", speaker="p2") for n in (8, 9, 10, 11)]
    answers = [answer(f"d{n:02d}", [one.key], EMOTIONS[n % 4]) for n, one in enumerate(clips)]
    return (
        write_corpus(tmp_path / "corpus", clips),
        write_corpus(tmp_path / "answers", answers, per_shard=5),
        clips,
    )


def test_a_line_holds_what_was_heard_and_what_answers_it(eight: Any, tmp_path: Path) -> None:
    corpus, answers, clips = eight
    report = export(corpus, tmp_path / "out", responses=str(answers))
    assert (report.ok, report.skipped, report.failed) == (12, 0, 0)
    out, one = tmp_path / "out", clips[2]
    line = next(line for line in lines(out, "zero_shot") if line["sample"] == one.key)
    assert line["target"] == "Emotion: Angry\nResponse: Answer d02."
    assert line["prompt"].endswith("Heard: [St1][Pi2][Hu2]")
    assert line["heard"] == {"emotion": "Angry", "text": one.header["text"], "units": "[St1][Pi2][Hu2]"}
    assert line["input"] == {
        "audio": f"input/{one.key}.flac",
        "video": f"input/{one.key}.face.mp4",
        "arrays": {"smirk55.npy": f"input/{one.key}.smirk55.npy"},
    }
    for path in (line["input"]["audio"], line["input"]["video"], *line["input"]["arrays"].values()):
        assert (out / path).read_bytes() == one.members[path.removeprefix(f"input/{one.key}.")]
    response = line["response"]
    assert (response["sample"], response["text"], response["rewritten_from"]) == (
        "d02-b",
        "Answer d02.",
        "Yes.",
    )
    native = soundfile.read(io.BytesIO(spoken(3, 8)["native.flac"]), dtype="int16")[0]
    sound, rate_hz = soundfile.read(out / response["audio"], dtype="int16")
    assert rate_hz == 24_000 and np.array_equal(sound, native[27_840:145_440])  # 1.16 s, 6.06 s
    # 1.16 x 25 is 29, in floats less; floor(6.06 x 25) = 151
    semantic = np.load(io.BytesIO(spoken(3, 8)["units.npy"]))[29:151]
    assert said_in(response["units"]) == changes_of(semantic)
    assert lines(out, "avsr")[0]["target"] == clips[0].header["text"]


def test_demonstrations_are_of_train_and_of_others(eight: Any, tmp_path: Path) -> None:
    corpus, answers, clips = eight
    export(corpus, tmp_path / "out", responses=str(answers))
    train = {one.key: one for one in clips if one.split == "train"}
    found = [*lines(tmp_path / "out", "in_context"), *lines(tmp_path / "out", "in_context", "test")]
    assert len(found) == 12
    for line in found:
        shown = [train[key] for key in line["demonstrations"]]
        assert [one.header["emotion"] for one in shown] == list(EMOTIONS)
        assert line["person"] not in {one.header["speaker"] for one in shown}
        for one in shown:
            assert f"Heard: {one.members['units.txt'].decode()}\n" in line["prompt"]
    tested = [set(line["demonstrations"]) for line in lines(tmp_path / "out", "in_context", "test")]
    assert len({one for each in tested for one in each}) > 4, "not always the same"
    export(corpus, tmp_path / "again", responses=str(answers))
    for path in (tmp_path / "out").rglob("*.jsonl"):
        assert (tmp_path / "again" / path.relative_to(tmp_path / "out")).read_bytes() == path.read_bytes()
    export(corpus, tmp_path / "other", responses=str(answers), seed=1)
    assert lines(tmp_path / "other", "in_context", "test") != lines(tmp_path / "out", "in_context", "test")
    export(corpus, tmp_path / "only", responses=str(answers), splits=["test"])
    assert not lines(tmp_path / "only", "in_context", "test"), "train is left out, so nobody is shown"


def test_what_has_no_line_says_why(tmp_path: Path) -> None:
    clips = {
        "answered": clip(0),
        "unanswered": clip(1),
        "silent": clip(2, text=""),
        "cross": clip(3, emotion="Happy"),
        "moodless": clip(4),
        "odd": clip(5, emotion="Surprised"),
        "nameless": clip(6),
        "before": clip(7),
        "stringless": clip(8),
        "malformed": clip(9),
    }
    del clips["nameless"].header["speaker"], clips["moodless"].header["emotion"]
    del clips["stringless"].members["units.txt"]
    clips["malformed"].members["units.txt"] = b"[Hu1]"
    made = [answer(name, [one.key], one.header.get("emotion")) for name, one in clips.items()
            if name not in ("unanswered", "cross", "before")]  # fmt: skip
    made += [
        answer("cross", [clips["cross"].key], "Sad"),
        answer("two", [clips["before"].key, clips["odd"].key]),
    ]
    corpus, answers = (
        write_corpus(tmp_path / "corpus", clips.values()),
        write_corpus(tmp_path / "answers", made),
    )
    out = tmp_path / "out"
    report = export(corpus, out, responses=str(answers))
    assert (report.ok, report.skipped, report.failed) == (8, 1, 1)
    name_of = {one.key: name for name, one in clips.items()}
    assert {name_of[key]: why for key, why in ends(out).items() if why} == {
        "stringless": "member_missing",
        "malformed": "units_malformed",
    }
    left = {
        (name_of[one["key"]], one["set"]): (one["reason"], one["detail"]) for one in lines(out, "left_out")
    }
    assert left["unanswered", "zero_shot"][0] == left["before", "zero_shot"][0] == "no_response"
    assert clips["odd"].key in left["before", "zero_shot"][1], "the turn goes on there"
    assert left["silent", "avsr"][0] == "no_text" and ("silent", "zero_shot") not in left
    assert left["cross", "zero_shot"] == ("emotions_disagree", "heard Happy, answered Sad")
    assert left["moodless", "zero_shot"][0] == left["odd", "zero_shot"][0] == "no_emotion"
    assert left["nameless", "in_context"][0] == "no_speaker" and ("nameless", "zero_shot") not in left
    assert left["answered", "in_context"][0] == "no_demonstration"
    per_set = {"zero_shot": 1, "in_context": 1, "avsr": 1, "forced_emotion": 4}
    for name, n_lines in per_set.items():
        n_left = sum(1 for _, set_ in left if set_ == name)
        assert len(lines(out, name)) == n_lines * (8 - n_left), name
    assert any(note.startswith("zero_shot: left out 1 emotions_d") for note in report.notes)
    export(corpus, tmp_path / "any", responses=str(answers), agree=False, sets=["zero_shot"])
    told = {
        name_of[line["key"].removesuffix("-zero_shot")]: line["target"]
        for line in lines(tmp_path / "any", "zero_shot")
    }
    assert told["cross"] == "Emotion: Happy\nResponse: Answer cross."


def test_a_forced_emotion_has_the_target_that_somebody_gave(tmp_path: Path) -> None:
    one = clip(0)
    corpus = write_corpus(tmp_path / "corpus", [one])
    made = [answer("same", [one.key], "Happy"), answer("other", [one.key], "frustrated")]
    answers = write_corpus(tmp_path / "answers", made)
    export(corpus, tmp_path / "out", responses=str(answers))
    told = {line["emotion"]: line["target"] for line in lines(tmp_path / "out", "forced_emotion")}
    assert told == {"Happy": "Answer same.", "Sad": None, "Angry": "Answer other.", "Neutral": None}
    (line,) = lines(tmp_path / "out", "zero_shot")
    assert line["response"]["text"] == "Answer same."
    export(corpus, tmp_path / "units", responses=str(answers), target="units")
    (line,) = lines(tmp_path / "units", "zero_shot")
    assert line["target"] == f"Emotion: Happy\nResponse: {line['response']['units']}"


def test_turns_of_a_dialogue_are_cut_out_of_its_streams(tmp_path: Path) -> None:
    """A recorded dialogue: the other 0 to 2.94 s, main to 5.1 s, the other to 7 s, main to the end."""
    edges = [Fraction(0), Fraction(147, 50), Fraction(51, 10), Fraction(7), Fraction(8)]
    spans = {
        "a": [(edges[1], edges[2]), (edges[3], edges[4])],
        "b": [(edges[0], edges[1]), (edges[2], edges[3])],
    }
    told = annotate(spans, Fraction(8))
    members = {f"{side}.{one}": data for n, side in enumerate(("main", "other"))
               for one, data in spoken(n, 8).items()}  # fmt: skip
    members["turns.json"] = write_turns(told, main=0, origin="labels")
    people = {side: {"name": side * 2, "emotion": "neutral"} for side in ("main", "other")}
    about = {"origin": "recorded", "dialogue": "d", "speakers": people}
    rates = {f"{side}.units.npy": 25.0 for side in ("main", "other")}
    one = Made("d-a", "train", header("d-a", "train", 100, rates_hz=rates, **about), members)
    corpus = write_corpus(tmp_path / "corpus", [one])
    report = export(corpus, tmp_path / "out", sets=["zero_shot", "forced_emotion"])
    assert report.ok == 1
    first, second = lines(tmp_path / "out", "zero_shot")
    assert (first["key"], first["person"], first["emotion"]) == (
        "d-a-0000-zero_shot",
        "otherother",
        "Neutral",
    )
    native = soundfile.read(io.BytesIO(members["other.native.flac"]), dtype="int16")[0]
    for line, (low, high) in ((first, (0, 70_560)), (second, (122_400, 168_000))):
        heard = soundfile.read(tmp_path / "out" / line["input"]["audio"], dtype="int16")[0]
        assert np.array_equal(heard, native[low:high])
    semantic = np.load(io.BytesIO(members["other.units.npy"]))
    for line, (low, high) in ((first, (0, 73)), (second, (127, 175))):  # floor(73.5), floor(127.5)
        assert said_in(line["heard"]["units"]) == changes_of(semantic[low:high])
    answers = write_corpus(tmp_path / "answers", [answer("r", ["d-a#1"], "Neutral")])
    export(corpus, tmp_path / "anew", responses=str(answers), sets=["zero_shot"])
    (line,) = lines(tmp_path / "anew", "zero_shot")
    assert (line["person"], line["response"]["text"]) == ("mainmain", "Answer r.")


def test_what_cannot_be_exported_at_all_is_told(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", [clip(0)])
    with pytest.raises(ExportError, match="hold no responses"):
        export(corpus, tmp_path / "out")
    assert export(corpus, tmp_path / "out", sets=["avsr"]).ok == 1
    nobody = write_corpus(tmp_path / "nobody", [answer("x", [])])
    with pytest.raises(ExportError, match="dialogue scripts"):
        export(corpus, tmp_path / "two", responses=str(nobody))
    assert not (tmp_path / "two").exists()
    answers = write_corpus(tmp_path / "answers", [answer("x", ["elsewhere"])])
    export(corpus, tmp_path / "three", responses=str(answers))
    more = write_corpus(tmp_path / "more", [answer("x", ["elsewhere"]), answer("y", ["there"])])
    with pytest.raises(ExportError, match="another options"):
        export(corpus, tmp_path / "three", responses=str(more))


def test_a_killed_export_goes_on_and_gives_the_same_bytes(
    eight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, answers, _ = eight
    export(corpus, tmp_path / "whole", responses=str(answers))
    out, real, begun = tmp_path / "out", Store.writing, []

    def writing(self: Store, name: str) -> Any:
        begun.append(name)
        if len(begun) in (5, 40, 75):
            raise KeyboardInterrupt
        return real(self, name)

    monkeypatch.setattr(Store, "writing", writing)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            export(corpus, out, responses=str(answers))
    report = export(corpus, out, responses=str(answers))
    assert report.ok == 12 and report.shards_done_before > 0
    files = {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert files == {
        path.relative_to(tmp_path / "whole"): path.read_bytes()
        for path in (tmp_path / "whole").rglob("*")
        if path.is_file()
    }


def test_datasets_load_the_lines(eight: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="HF datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    corpus, answers, clips = eight
    export(corpus, tmp_path / "out", responses=str(answers))
    for name, n_lines in zip(SETS, (8, 8, 8, 32), strict=True):
        file = str(tmp_path / "out" / "train" / f"{name}.jsonl")
        found = datasets.load_dataset(
            "json", data_files=file, split="train", cache_dir=str(tmp_path / "cache")
        )
        assert len(found) == n_lines and set(found["sample"]) == {one.key for one in clips[:8]}


def test_the_command_knows_it(eight: Any, tmp_path: Path) -> None:
    corpus, answers, _ = eight
    command = ["export", str(corpus), "--format", "avlm", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, "--options"])
    assert done.exit_code == 0 and "responses" in done.output
    done = CliRunner().invoke(app, [*command, "--set", f"responses={answers}"])
    assert done.exit_code == 0 and "12 exchanges" in done.output, done.output
    assert {path.name for path in (tmp_path / "out" / "test").iterdir()} == {
        *(f"{name}.jsonl" for name in SETS), "left_out.jsonl",
    }  # fmt: skip
    done = CliRunner().invoke(app, ["export", str(corpus), "--format", "nope", "--out", str(tmp_path / "x")])
    assert done.exit_code == 2 and "avlm" in done.output
