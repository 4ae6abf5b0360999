"""What Full-Duplex-Bench's evaluation reads (DanielLin94144/Full-Duplex-Bench:v1_v1.5/evaluation/eval_*.py).

Its code is for non-commercial use; nothing of it runs here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_corpus import MadeCorpus, turns_json, two, write_corpus

from manifests.exports.run import run_export

TASKS = {
    "pause_handling": "pause.json",
    "smooth_turn_taking": "turn_taking.json",
    "user_interruption": "interrupt.json",
}


@pytest.fixture
def cases(dialogues: MadeCorpus, out: Path) -> dict[str, list[tuple[Path, dict[str, Any]]]]:
    """By task: the folders of the first dialogue, in the order of time, and what each tells."""
    run_export(dialogues.path, "full-duplex-bench", str(out))
    return {
        task: [
            (folder, json.loads((folder / file).read_text())[0])
            for folder in sorted((out / task).glob(f"{1:016x}-na-*"))
        ]
        for task, file in TASKS.items()
    }


def test_times_are_those_of_the_dialogue(cases: dict[str, list[tuple[Path, dict[str, Any]]]]) -> None:
    """Turns begin at 0.5, 8 and 17 s; each case begins half a second before the turn it is about."""
    ((_, pause),) = cases["pause_handling"]
    assert pause == {"text": "[PAUSE]", "timestamp": [2.0, 2.6]}  # from 0.0
    taken = [about for _, about in cases["smooth_turn_taking"]]
    assert taken == [
        {"text": "[TURN-TAKING]", "timestamp": [4.0, 4.5]},  # from 0.0
        {"text": "[TURN-TAKING]", "timestamp": [3.5, 4.0]},  # 11 to 11.5, from 7.5
    ]
    ((_, cut_in),) = cases["user_interruption"]
    assert cut_in == {"context": "o0 o1", "interrupt": "o2", "timestamp": [8.0, 11.0]}  # with the turn before


def test_the_sound_is_the_user_s_and_ends_before_they_speak_again(
    cases: dict[str, list[tuple[Path, dict[str, Any]]]], dialogues: MadeCorpus
) -> None:
    user = dialogues.samples[f"{1:016x}-na-0000000"].pcm["other.flac"]
    spans = {
        "pause_handling": [(0.0, 8.0)],
        "smooth_turn_taking": [(0.0, 8.0), (7.5, 15.0)],
        "user_interruption": [(0.0, 15.0)],
    }
    for task, folders in cases.items():
        assert len(folders) == len(spans[task])
        for (folder, _), (start, stop) in zip(folders, spans[task], strict=True):
            sound, rate_hz = soundfile.read(folder / "input.wav", dtype="int16")
            assert rate_hz == 16_000
            assert np.array_equal(sound, user[round(start * 16_000) : round(stop * 16_000)])


def test_every_folder_of_a_task_is_a_case(cases: object, out: Path) -> None:
    """`os.listdir(data_dir)`: the task's folder may hold nothing else."""
    assert cases
    for task, file in TASKS.items():
        for folder in (out / task).iterdir():
            assert sorted(path.name for path in folder.iterdir()) == sorted(["input.wav", file])
    listed = [json.loads(line)["case"] for line in (out / "cases.jsonl").read_text().splitlines()]
    assert listed == sorted(listed)
    assert set(listed) == {f"{task}/{path.name}" for task in TASKS for path in (out / task).iterdir()}


def test_only_the_tasks_asked_for_and_reasons_for_the_rest(tmp_path: Path) -> None:
    quiet = turns_json()
    quiet["events"] = [one for one in quiet["events"] if one["kind"] != "pause"]
    made = [two(1, "train", turns=quiet), two(2, "train", turns=turns_json())]
    report = run_export(
        str(write_corpus(tmp_path / "corpus", made)),
        "full-duplex-bench",
        str(tmp_path / "out"),
        {"tasks": ["pause_handling"]},
    )
    assert (report.ok, report.reasons) == (1, {"no_events": 1})
    assert not (tmp_path / "out" / "smooth_turn_taking").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda found: found.update(format="2.0"),
        lambda found: found["streams"].pop("main"),
        lambda found: found["turns"][0].update(start="5", stop="4"),
        lambda found: found["events"][0].update(side="third"),
        lambda found: found["streams"]["other"]["ipus"].append(["1/0", "2"]),
    ],
)
def test_turns_that_cannot_be_read_fail_by_name(tmp_path: Path, spoil: Any) -> None:
    turns = turns_json()
    spoil(turns)
    corpus = str(write_corpus(tmp_path / "corpus", [two(1, "train", turns=turns)]))
    report = run_export(corpus, "full-duplex-bench", str(tmp_path / "out"))
    assert (report.failed, report.reasons) == (1, {"turns_unreadable": 1})


def test_the_turn_layer_s_own_file_gives_the_same_cases(tmp_path: Path) -> None:
    """Turns and events that `synth.turns` finds in the same activity, beside those written by hand above."""
    from fractions import Fraction

    from synth.turns.annotate import annotate
    from synth.turns.model import Word
    from synth.turns.record import write_turns

    by_hand = turns_json()
    streams = {side: by_hand["streams"][side] for side in ("main", "other")}
    spans = {side: [tuple(map(Fraction, ipu)) for ipu in one["ipus"]] for side, one in streams.items()}
    words = {
        side: [Word(text, Fraction(start), Fraction(stop)) for text, start, stop, _ in one["words"]]
        for side, one in streams.items()
    }
    found = annotate(spans, Fraction(by_hand["duration"]), words=words)
    made = two(1, "train", turns={})
    made.members["turns.json"] = write_turns(found, origin="plan")
    for name, one in (("theirs", made), ("ours", two(1, "train", turns=by_hand))):
        corpus = str(write_corpus(tmp_path / f"corpus-{name}", [one]))
        run_export(corpus, "full-duplex-bench", str(tmp_path / name))
    ours, theirs = (
        {
            str(path.relative_to(tmp_path / name)): path.read_bytes()
            for path in (tmp_path / name).glob("*/*/*")
        }
        for name in ("ours", "theirs")
    )
    assert theirs == ours
    assert len(ours) == 8
