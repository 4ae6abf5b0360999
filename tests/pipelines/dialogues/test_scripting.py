"""Scripts of corpora that are made here; what must come of them is written out by hand."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import Made, header, write_corpus
from typer.testing import CliRunner

from manifests.corpus_reader import CorpusReader
from pipelines.cli import app
from pipelines.dialogues.script_turns import SCRIPT_REMEDIES, ScriptReason, ScriptsConfig, scripts_of
from pipelines.dialogues.scripting import ScriptingError, make_scripts
from pipelines.dialogues.spoken import DIALOGUE, Said
from synth.rewriting.scripts import read_scripts
from synth.turns.annotate import annotate
from synth.turns.model import Word
from synth.turns.record import write_turns


def clip(key: str, talk: str | None, who: str | None, text: str | None, at: str | None, **more: Any) -> Made:
    """A clip of two seconds, in a recording of its own unless `source` says otherwise."""
    split, source = more.pop("split", "train"), more.pop("source", {})
    labels = {"dialogue": talk, "speaker": who, "text": text, "dialogue_start_s": at, **more}
    told = header(key, split, 25, **{name: one for name, one in labels.items() if one is not None})
    told["source"] = {"id": key, "path": f"{key}.wav", "start": "0/1", "stop": "2/1"} | source
    return Made(key, split, told, {})


def scripts(tmp_path: Path, clips: list[Made], **config: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Scripts as JSON, and by sample the reason, None for one that is in a script."""
    corpus = CorpusReader(str(write_corpus(tmp_path / "corpus", clips)))
    made = make_scripts(corpus, ScriptsConfig(**config))
    lines = [json.loads(line) for line in made.lines().decode().splitlines()]
    assert sorted(row["key"] for row in made.rows) == sorted(one.key for one in clips), (
        "a row for each sample"
    )
    assert made.ends.total() == len(clips)
    return lines, {row["key"]: row["reason"] for row in made.rows}


def test_a_conversation_is_told_in_order_of_time(tmp_path: Path) -> None:
    clips = [
        clip("c3", "lunch", "ben", "No.", "4.5", emotion="Sad", gender="M"),
        clip("c1", "lunch", "ann", "Are you hungry?", "0", emotion="Happy", gender="female", language="en"),
        clip("c4", "lunch", "ann", "Then I eat alone.", "6.6"),
        clip("c2", "lunch", "ann", "Noon!", "2.1", emotion="Angry"),
    ]
    (one,), ends = scripts(tmp_path, clips)
    assert one == {
        "id": "lunch",
        "speakers": {"A": {"person": "ann", "gender": "female"}, "B": {"person": "ben", "gender": "male"}},
        "turns": [
            {
                "speaker": "A",
                "text": "Are you hungry? Noon!",
                "emotion": "Happy",
                "clips": ["c1", "c2"],
            },
            {"speaker": "B", "text": "No.", "emotion": "Sad", "clips": ["c3"]},
            {"speaker": "A", "text": "Then I eat alone.", "clips": ["c4"]},
        ],
    }
    assert set(ends.values()) == {None}


def test_what_becomes_no_script_says_why(tmp_path: Path) -> None:
    fine = [clip(f"ok{n}", "fine", "ab"[n % 2], "Well, yes.", str(2 * n)) for n in range(2)]
    wrong = {
        "no_dialogue": [clip("n1", None, "ann", "Hello.", "0")],
        "no_text": [clip("t1", "mute", "ann", "…", "0")],
        "no_speaker": [clip("s1", "fine", None, "Who said that?", "9")],
        "no_answer": [
            clip("t0", "mute", "ben", "Hm?", "2"),
            clip("g1", "fine", "a", "Long after.", "99"),
        ],
        "not_a_dyad": [
            *(clip(f"three{n}", "three", "abc"[n], "We are three.", str(n)) for n in range(3)),
            *(clip(f"one{n}", "one", "a", "I am alone.", str(n)) for n in range(2)),
        ],
        "no_time": [
            clip("w1", "when", "a", "First?", None),
            clip("w2", "when", "b", "Or second?", "3"),
        ],
        "label_unfit": [
            clip("l1", "tongue", "a", "Hello.", "0", language="English, I think"),
            clip("l2", "tongue", "b", "Hello!", "2"),
        ],
        "split_not_wanted": [clip("v1", "valid", "a", "Not asked for.", "0", split="valid")],
    }
    assert set(wrong) == {str(reason) for reason in ScriptReason} == set(map(str, SCRIPT_REMEDIES))
    clips = [*fine, *(one for group in wrong.values() for one in group)]
    (one,), ends = scripts(tmp_path, clips, splits=("train",))
    assert one["id"] == "fine" and [turn["text"] for turn in one["turns"]] == ["Well, yes."] * 2
    wanted = {one.key: reason for reason, group in wrong.items() for one in group}
    assert ends == wanted | {"ok0": None, "ok1": None}


def test_a_hole_ends_a_script_and_is_shown_as_history(tmp_path: Path) -> None:
    """The fourth clip has no text; the silence before the seventh is longer than 3 s."""
    begins = [0, 2, 4, 6, 8, 10, "15.1", "17.2"]
    clips = [
        clip(f"c{n}", "talk", "ab"[n % 2], None if n == 3 else f"Line {n}.", str(at))
        for n, at in enumerate(begins)
    ]
    found, ends = scripts(tmp_path, clips, history=2)
    assert ends == {f"c{n}": "no_text" if n == 3 else None for n in range(8)}
    assert [[turn["clips"][0] for turn in one["turns"]] for one in found] == [
        ["c0", "c1", "c2"], ["c4", "c5"], ["c6", "c7"],
    ]  # fmt: skip
    assert [one["id"] for one in found] == ["talk-p000", "talk-p001", "talk-p002"]
    shown = [[turn["text"] for turn in one.get("history", [])] for one in found]
    assert shown == [[], ["Line 1.", "Line 2."], ["Line 4.", "Line 5."]]
    whole, _ = scripts(tmp_path / "all", clips[:3] + clips[4:], max_gap_s=None, history=0)
    assert len(whole) == 1 and "history" not in whole[0]


def test_names_order_clips_only_where_that_is_asked_for(tmp_path: Path) -> None:
    clips = [clip(f"t{n}", "talk", "ab"[n % 2], f"Line {n}.", None) for n in (10, 9, 8, 11)]
    with pytest.raises(AssertionError):
        assert scripts(tmp_path / "time", clips)[0]
    (one,), _ = scripts(tmp_path / "path", clips, order="path")
    assert [turn["text"] for turn in one["turns"]] == ["Line 8.", "Line 9.", "Line 10.", "Line 11."]


def test_clips_of_one_recording_have_its_time_and_its_faces(tmp_path: Path) -> None:
    """As of a video of both: no label says who speaks, the face does."""
    clips = [
        clip(f"v-t0{n % 2}-{n}", "talk", None, f"Line {n}.", None, person="pq"[n % 2],
             source={"id": "v", "path": "v.avi", "start": f"{100 + 2 * n}/1", "stop": f"{102 + 2 * n}/1"})
        for n in (2, 0, 1)
    ]  # fmt: skip
    (one,), _ = scripts(tmp_path, clips)
    assert [turn["text"] for turn in one["turns"]] == ["Line 0.", "Line 1.", "Line 2."]
    assert [one["speakers"][name]["person"] for name in "AB"] == ["p", "q"]


SAID = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), min_size=1, max_size=30)


@given(SAID, st.none() | st.integers(4, 9), st.integers(0, 4))
def test_every_turn_is_in_one_script_or_has_a_reason(turns, most: int | None, history: int) -> None:
    at = Fraction(0)
    said = []
    for number, (who, gap) in enumerate(turns):
        at += gap
        said.append(
            Said(
                f"k{number}", f"k{number}", who, f"word{number}", None, None, None, DIALOGUE, at, at + 1, "x"
            )
        )
        at += 1
    found, why = scripts_of("talk", said, ScriptsConfig(max_turns=most, history=history))
    used = [clip for one in found for turn in one.turns for clip in turn.clips]
    assert len(used) == len(set(used)) and set(used) | why.keys() == {one.clip for one in said}
    assert not set(used) & why.keys()
    assert used == [one.clip for one in said if one.clip in set(used)], "in order of time"
    for one in found:
        speakers = [turn.speaker for turn in one.turns]
        assert len(speakers) >= 2 and all(a != b for a, b in pairwise(speakers))
        assert len(speakers) <= (most or 99) and len(one.history) <= history


def evenly(words: list[str], low: str, high: str) -> list[Word]:
    step = (Fraction(high) - Fraction(low)) / max(1, len(words))
    return [
        Word(one, Fraction(low) + n * step, Fraction(low) + (n + 1) * step) for n, one in enumerate(words)
    ]


def dyad(key: str, main: int, **told: Any) -> Made:
    """A view of four turns and a nod: a 0-2, b 2.5-6 (a nods at 4), a 6.5-8 without words, b 8.5-9.5."""
    spans = {"a": [("0", "2"), ("4", "4.3"), ("6.5", "8")], "b": [("2.5", "6"), ("8.5", "9.5")]}
    said = {"a": ["Did you sleep?", "mhm", ""], "b": ["Not a minute all night", "So there."]}
    words = {
        who: tuple(
            one
            for span, text in zip(spans[who], said[who], strict=True)
            for one in evenly(text.split(), *span)
        )
        for who in "ab"
    }
    exact = {who: [(Fraction(low), Fraction(high)) for low, high in each] for who, each in spans.items()}
    found = annotate(exact, Fraction(10), words=words)
    speakers = {"main": {"name": "ab"[main]}, "other": {"name": "ab"[1 - main]}}
    about = {"dialogue": "night", "origin": "recorded", "speakers": speakers, "window": {"start": "0/1"}}
    members = {"turns.json": write_turns(found, main=main, origin="labels")}
    return Made(key, "train", header(key, "train", 125, **about | told), members)


def test_a_recorded_dialogue_becomes_a_script_from_either_view(tmp_path: Path) -> None:
    (one,), ends = scripts(tmp_path, [dyad("nightkey-a", 0), dyad("nightkey-b", 1)])
    assert one["turns"] == [
        {"speaker": "A", "text": "Did you sleep?", "clips": ["nightkey-a#0"]},
        {"speaker": "B", "text": "Not a minute all night", "clips": ["nightkey-b#1"],
         "backchannels": [{"after_word": 2, "text": "mhm"}]},
    ]  # fmt: skip
    assert ends == {"nightkey-a": None, "nightkey-b": None}
    (other,), _ = scripts(tmp_path / "b", [dyad("nightkey-b", 1)])
    assert other == one


def test_a_test_set_is_refused(tmp_path: Path) -> None:
    noisy = clip("c1-w0", "talk", "ann", "Hello.", "0", base={"key": "c1"})
    with pytest.raises(ScriptingError, match="test set"):
        scripts(tmp_path, [noisy])


def test_the_command_writes_what_the_synthesis_reads_and_replaces_nothing_unasked(tmp_path: Path) -> None:
    clips = [clip(f"c{n}", "a talk: of two", "ab"[n], f"Line {n}.", str(2 * n)) for n in range(2)]
    corpus, out = write_corpus(tmp_path / "corpus", clips), tmp_path / "scripts.jsonl"
    command = ["dialogue", "scripts", str(corpus), "--out", str(out)]

    def run(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(app, [*command, *more])
        return done.exit_code, " ".join(done.output.split())

    code, told = run()
    assert code == 0 and "1 scripts of 2 turns" in told and "written" in told
    (one,) = read_scripts(out)
    assert one.id.startswith("a_talk__of_two-") and [turn.clips for turn in one.turns] == [("c0",), ("c1",)]
    rows = pq.read_table(tmp_path / "scripts.parquet").to_pylist()
    assert [(row["key"], row["status"], row["scripts"]) for row in rows] == [
        ("c0", "ok", [one.id]), ("c1", "ok", [one.id]),
    ]  # fmt: skip
    before = out.read_bytes()
    assert run() == (0, told.replace("written", "as it was"))
    out.write_text("mine\n")
    code, told = run()
    assert code == 2 and "--overwrite" in told and out.read_text() == "mine\n"
    assert run("--overwrite")[0] == 0 and out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "scripts.jsonl", "scripts.parquet"]
    code, told = run("--set", "splits=[nowhere]")
    assert code == 2 and "it has train" in told
    code, told = run("--set", "max_turn=3")
    assert code == 2 and "max_turns" in told
