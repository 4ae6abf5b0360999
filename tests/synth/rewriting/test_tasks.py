from __future__ import annotations

import json

import pytest

from synth.llm.chat import Reply
from synth.rewriting import Dialogue, Fault, RewriteConfig, Rewritten
from synth.rewriting.assembling import IncompleteError, assemble
from synth.rewriting.judging import judge
from synth.rewriting.tasks import Task, plan

LONG = "I waited for the bus for an hour and it drove past me."
DIALOGUE = Dialogue.model_validate(
    {
        "id": "d1",
        "speakers": {"A": {"name": "Anna", "gender": "female"}, "B": {"name": "Ben"}},
        "history": [{"speaker": "B", "text": "How was your day?", "emotion": "Neutral"}],
        "turns": [
            {"speaker": "A", "text": LONG, "emotion": "Frustrated"},
            {"speaker": "B", "text": "Oh no.", "emotion": "Angry"},
            {"speaker": "A", "text": "Quite so.", "emotion": "Excited"},
            {"speaker": "B", "text": "I see.", "emotion": "Happy"},
            {"speaker": "A", "text": "Anyway."},
        ],
    }
)  # fmt: skip


def config(**fields) -> RewriteConfig:
    server = {"base_url": "http://localhost:1"}
    return RewriteConfig.model_validate({"server": server, "model": "m", **fields})


def faults(settings: RewriteConfig) -> list[Fault | None]:
    return [one.row.fault if isinstance(one, Task) else one.fault for one in plan(DIALOGUE, settings)]


def test_each_turn_is_planned_or_has_its_reason() -> None:
    assert faults(config()) == [Fault.TURN_NOT_SHORT, None, Fault.EMOTION_NOT_KEPT, None, None]
    avlm = config(emotions={"required": True, "agree": True})
    assert faults(avlm) == [
        Fault.TURN_NOT_SHORT, None, Fault.EMOTION_NOT_KEPT, Fault.EMOTIONS_DISAGREE, Fault.EMOTION_NOT_KEPT
    ]  # fmt: skip
    assert faults(config(short_turn={"max_words": 1}))[1] is Fault.TURN_NOT_SHORT


def test_what_the_model_is_told() -> None:
    task = list(plan(DIALOGUE, config()))[1]
    assert isinstance(task, Task)
    assert task.places["history"] == (
        "Ben: How was your day?\nAnna: I waited for the bus for an hour and it drove past me."
    )
    assert (task.places["gender"], task.places["emotion"]) == ("not known", "Angry")
    assert list(plan(DIALOGUE, config(history_turns=1)))[1].places["history"].startswith("Anna: I waited")
    angry = next(iter(plan(DIALOGUE, config(kinds=("style",), styles=("formal",)))))
    assert angry.places["emotion"] == "Angry" and angry.places["style"] == "formal"  # Frustrated counts as it


def test_keys_are_unique_and_without_dots() -> None:
    every = config(kinds=("respond", "style", "continue", "backchannels"), styles=("formal", "casual"))
    rows = [one.row if isinstance(one, Task) else one for one in plan(DIALOGUE, every)]
    keys = [row.key for row in rows]
    assert len(set(keys)) == len(keys) == 5 + 10 + 2 and not any("." in key for key in keys)


def test_a_language_that_cannot_be_checked_fails() -> None:
    xhosa = DIALOGUE.model_copy(update={"language": "qq"})
    rows = list(plan(xhosa, config()))
    assert [row.fault for row in rows] == [Fault.LANGUAGE_UNKNOWN] * 5
    assert isinstance(list(plan(xhosa, config(checks={"language": False})))[1], Task)


def checks_of(kind: str, answer: object, **changes) -> list[str]:
    settings = config(kinds=(kind,), continue_turns=2)
    task = next(iter(plan(DIALOGUE, settings)))
    assert isinstance(task, Task)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    found = judge(Reply(text=text, prompt_tokens=1, completion_tokens=1, **changes), task, settings)[1]
    return [one.check for one in found]


B_SAID = {"speaker": "B", "emotion": "Sad", "text": "I am sorry to hear that."}
A_SAID = {"speaker": "A", "emotion": "happy", "text": "Thank you, it is fine now."}


@pytest.mark.parametrize(
    ("turns", "checks"),
    [
        ([B_SAID, A_SAID], []),
        ([B_SAID], ["turns"]),
        ([A_SAID, B_SAID], ["speaker", "speaker"]),
        ([B_SAID, A_SAID | {"emotion": "Excited"}], ["emotion"]),
        ([B_SAID, A_SAID | {"text": B_SAID["text"]}], ["copy"]),
        ([B_SAID | {"text": "(sighs) Oh well."}, A_SAID], ["stage_direction"]),
        ([B_SAID | {"text": ""}, A_SAID], ["empty"]),
    ],
)
def test_continuations(turns, checks) -> None:
    assert checks_of("continue", {"turns": turns}) == checks


@pytest.mark.parametrize(
    ("placed", "checks"),
    [
        ([(0, 5, "mm-hm"), (0, 8, "oh no")], []),
        ([], ["empty"]),
        ([(7, 5, "right")], ["place"]),
        ([(1, 1, "right")], ["place"]),  # a turn of two words
        ([(0, 0, "right")], ["place"]),
        ([(0, 13, "right")], ["place"]),  # after the last word it is a turn
        ([(0, 5, "right"), (0, 5, "yes")], ["place"]),
        ([(0, 5, "right"), (0, 6, "yes"), (0, 7, "sure")], ["place"]),
        ([(0, 5, "I know what you mean")], ["length"]),
        ([(0, 5, "(nods)")], ["stage_direction"]),
    ],
)
def test_backchannels(placed, checks) -> None:
    answer = [{"turn": turn, "after_word": word, "text": text} for turn, word, text in placed]
    assert checks_of("backchannels", {"backchannels": answer}) == checks


def test_replies_that_are_no_answer() -> None:
    assert checks_of("continue", "", refused=True) == ["refusal"]
    assert checks_of("continue", '{"turns": [', cut_off=True) == ["cut_off"]
    assert checks_of("continue", '{"turns": [') == ["malformed"]
    assert checks_of("continue", {"turns": [], "note": "x"}) == ["malformed"]
    assert checks_of("continue", {"turns": [B_SAID | {"text": 3}]}) == ["malformed"]


def row(kind: str, turn: int | None, **fields) -> Rewritten:
    return Rewritten(f"d1-{turn}-{kind}", "d1", kind, turn, **fields)


def test_assembling() -> None:
    placed = [{"turn": 1, "after_word": 1, "text": "hm"}, {"turn": 0, "after_word": 8, "text": "wow"},
              {"turn": 0, "after_word": 5, "text": "mm-hm"}]  # fmt: skip
    rows = [
        row("respond", 1, text="Oh no, what a day.", answer="{}"),
        row("respond", 0, fault=Fault.TURN_NOT_SHORT),
        row("style", 3, text="Indeed, I do see.", answer="{}"),
        row("backchannels", None, answer=json.dumps({"backchannels": placed})),
        row("continue", None, answer=json.dumps({"turns": [B_SAID, A_SAID]})),
    ]
    made = assemble(DIALOGUE, rows)
    assert [turn.text for turn in made.turns] == [
        DIALOGUE.turns[0].text, "Oh no, what a day.", "Quite so.", "I see.", "Anyway.",
        B_SAID["text"], A_SAID["text"],
    ]  # fmt: skip
    assert [(one.after_word, one.text) for one in made.turns[0].backchannels] == [(5, "mm-hm"), (8, "wow")]
    assert made.turns[1].backchannels == ()  # its words are others now
    assert Dialogue.model_validate(made.model_dump()) == made


@pytest.mark.parametrize("fault", [Fault.REWRITE_REJECTED, Fault.LLM_NO_ANSWER, Fault.LLM_BUDGET_SPENT])
def test_no_dialogue_is_passed_on_half_rewritten(fault) -> None:
    with pytest.raises(IncompleteError) as caught:
        assemble(DIALOGUE, [row("respond", 1, fault=fault)])
    assert caught.value.row.fault is fault
