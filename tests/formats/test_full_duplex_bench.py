"""What Full-Duplex-Bench's evaluation reads (DanielLin94144/Full-Duplex-Bench:v1_v1.5/evaluation/eval_*.py).

Its code is for non-commercial use; nothing of it runs here.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from made_corpus import MadeCorpus, flac, turns_json, two, write_corpus

from manifests.exports.run import run_export
from synth.dialogue.plan import DialoguePlan
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.render import render
from synth.dialogue.sounds import SaidWord, Speech
from synth.dialogue.truth import truth
from synth.turns.record import write_turns

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


def test_the_sound_is_the_user_s_and_leaves_time_to_answer(
    cases: dict[str, list[tuple[Path, dict[str, Any]]]], dialogues: MadeCorpus
) -> None:
    """Spans of the user's channel, and seconds of silence after them: the user's turns end at 4 and 11 s and
    go on at 8 and 17 s. The sound of a pause ends with its turn: any word of the model's counts against it.
    """
    user = dialogues.samples[f"{1:016x}-na-0000000"].pcm["other.flac"]
    spans = {
        "pause_handling": [(0.0, 4.0, 0.0)],
        "smooth_turn_taking": [(0.0, 8.0, 4.0), (7.5, 17.0, 2.0)],
        "user_interruption": [(0.0, 17.0, 2.0)],
    }
    for task, folders in cases.items():
        assert len(folders) == len(spans[task])
        for (folder, _), (start, stop, silence) in zip(folders, spans[task], strict=True):
            sound, rate_hz = soundfile.read(folder / "input.wav", dtype="int16")
            assert rate_hz == 16_000
            wanted = user[round(start * 16_000) : round(stop * 16_000)]
            assert np.array_equal(sound[: len(wanted)], wanted)
            assert len(sound) - len(wanted) == silence * 16_000 and not sound[len(wanted) :].any()


def test_a_turn_with_two_pauses_is_one_case(tmp_path: Path) -> None:
    """The benchmark listens to the whole sound: two cases of it would count one answer twice."""
    turns = turns_json()
    turns["events"].insert(1, turns["events"][0] | {"start": "3", "stop": "7/2"})
    corpus = write_corpus(tmp_path / "corpus", [two(1, "train", turns=turns)])
    run_export(str(corpus), "full-duplex-bench", str(tmp_path / "out"), {"tasks": ["pause_handling"]})
    (folder,) = (tmp_path / "out" / "pause_handling").iterdir()
    told = json.loads((folder / "pause.json").read_text())
    assert [one["timestamp"] for one in told] == [[2.0, 2.6], [3.0, 3.5]]


def _first_turn_gone(turns: dict[str, Any]) -> None:
    """Who interrupts has not spoken before: the benchmark would ask about an interruption of nothing."""
    turns["turns"] = turns["turns"][1:]


@pytest.mark.parametrize(
    ("spoil", "about"),
    [
        (_first_turn_gone, {}),
        (lambda turns: turns["streams"]["other"].update(words=None), {}),
        (lambda turns: None, {"separated": False}),  # the model's own voice would be heard as the user's
    ],
)
def test_what_is_no_interruption(tmp_path: Path, spoil: Any, about: dict[str, Any]) -> None:
    turns = turns_json()
    spoil(turns)
    made = two(1, "train", turns=turns)
    made.header.update(about)
    corpus = str(write_corpus(tmp_path / "corpus", [made, two(2, "train", turns=turns_json())]))
    report = run_export(corpus, "full-duplex-bench", str(tmp_path / "out"), {"tasks": ["user_interruption"]})
    assert (report.ok, report.reasons) == (1, {"no_events": 1})


def test_loose_words_are_said_in_the_turn_they_are_nearest_to(tmp_path: Path) -> None:
    """By hand: `o1` ends 0.1 s after its turn, `o2` begins 0.4 s before the turn of [8, 11) s."""
    turns = turns_json()
    said = turns["streams"]["other"]["words"]
    said[1][1:3], said[2][1:3] = ("39/10", "41/10"), ("38/5", "79/10")
    corpus = write_corpus(tmp_path / "corpus", [two(1, "train", turns=turns)])
    run_export(str(corpus), "full-duplex-bench", str(tmp_path / "out"), {"tasks": ["user_interruption"]})
    (told,) = (json.loads(one.read_text()) for one in (tmp_path / "out").glob("user_interruption/*/*.json"))
    assert (told[0]["context"], told[0]["interrupt"]) == ("o0 o1", "o2")


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


def test_interruptions_of_a_rendered_dialogue_are_those_of_its_plan(tmp_path: Path) -> None:
    """The plan is in whole samples, and knows who interrupts and which words are left."""
    plan, pcm = _interrupted()
    made = two(1, "train", turns={}, n_frames=pcm.shape[1] // 1280)
    made.members["turns.json"] = write_turns(truth(plan), origin="plan")
    for name, samples in zip(("main", "other"), pcm, strict=True):
        made.members[f"{name}.flac"] = flac(np.rint(samples * 32767).astype(np.int16), 16_000)
    run_export(str(write_corpus(tmp_path / "corpus", [made])), "full-duplex-bench", str(tmp_path / "out"))
    user = [one for one in plan.utterances if one.side == 1]
    wanted = [(before, one) for before, one in pairwise(user) if one.interrupts]
    folders = sorted((tmp_path / "out" / "user_interruption").iterdir())
    assert len(folders) == len(wanted) == 2
    for folder, (before, one) in zip(folders, wanted, strict=True):
        (told,) = json.loads((folder / "interrupt.json").read_text())
        assert told["context"].split() == [word.text for word in before.words]
        assert told["interrupt"].split() == [word.text for word in one.words]
        start, stop = (round(edge * 16_000) for edge in told["timestamp"])
        assert stop - start == one.stop - one.start
        sound, _ = soundfile.read(folder / "input.wav", dtype="float32")
        loud = np.flatnonzero(np.abs(sound) > 0.01)  # room tone is far below
        assert abs(loud[loud > start - 800][0] - start) < 80
        assert abs(loud[loud < stop + 800][-1] - stop) < 80
        assert len(sound) == stop + 8 * 16_000


def _interrupted() -> tuple[DialoguePlan, Any]:
    """Five turns of two people, each but the first of which interrupts."""
    n_samples = 4 * 16_000
    edges = np.linspace(800, 800 + n_samples, 9).astype(int)
    sounds, lines = {}, []
    for turn in range(5):
        words = tuple(SaidWord(f"t{turn}w{n}", int(a), int(b)) for n, (a, b) in enumerate(pairwise(edges)))
        pcm = np.zeros(n_samples + 1600, np.float32)
        pcm[800:-800] = np.random.default_rng(turn).choice([-0.2, 0.2], n_samples)
        sounds[f"t{turn}"] = Speech(pcm, 16_000, ((800, 800 + n_samples),), words)
        lines.append(Line(f"t{turn}", (turn + 1) % 2, "text", f"t{turn}"))
    plan = plan_dialogue("d", lines, sounds, ("A", "B"), PlannerSettings(interruption_share=1.0))
    return plan, np.pad(render(plan, sounds).pcm, ((0, 0), (0, -plan.n_samples % 1280)))  # whole frames


def test_the_turn_layer_s_own_file_gives_the_same_cases(tmp_path: Path) -> None:
    """Turns and events that `synth.turns` finds in the same activity, beside those written by hand above."""
    from fractions import Fraction

    from synth.turns.annotate import annotate
    from synth.turns.model import Word

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
