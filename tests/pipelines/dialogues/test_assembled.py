"""What is spoken: neighbouring turns of one speaker as one, and utterances by side."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.dialogues.assembled import joined, scripted, utterances
from synth.rewriting.scripts import Dialogue

WORD = st.sampled_from(["yes", "we", "saw", "the", "lake"])
TURN = st.tuples(
    st.sampled_from("AB"),
    st.lists(WORD, min_size=2, max_size=5).map(" ".join),
    st.sampled_from([None, "Sad", "Happy"]),
    st.booleans(),
)


def dialogue(turns: list[tuple[str, str, str | None, bool]]) -> Dialogue:
    plain = [
        {"speaker": who, "text": text, "emotion": emotion}
        | ({"backchannels": [{"after_word": 1, "text": "Mm-hm."}]} if nod else {})
        for who, text, emotion, nod in turns
    ]
    return Dialogue.model_validate({"id": "d", "speakers": {"A": {}, "B": {}}, "turns": plain})


@given(st.lists(TURN, min_size=1, max_size=8))
def test_joining_keeps_every_word_and_nod_and_alternates(turns) -> None:
    whole = joined(dialogue(turns))
    speakers = [turn.speaker for turn in whole.turns]
    assert all(before != after for before, after in pairwise(speakers))
    for who in "AB":
        said = " ".join(text for speaker, text, _, _ in turns if speaker == who)
        assert " ".join(turn.text for turn in whole.turns if turn.speaker == who) == said
    nods = [one for turn in whole.turns for one in turn.backchannels]
    assert len(nods) == sum(nod for *_, nod in turns)
    for turn in whole.turns:
        assert all(1 <= one.after_word <= len(turn.text.split()) for one in turn.backchannels)


@given(st.lists(TURN, min_size=1, max_size=8))
def test_joining_keeps_where_each_turn_was_said(turns) -> None:
    plain = dialogue(turns)
    named = [turn.model_copy(update={"clips": (f"clip{n}",)}) for n, turn in enumerate(plain.turns)]
    whole = joined(plain.model_copy(update={"turns": tuple(named)}))
    assert [clip for turn in whole.turns for clip in turn.clips] == [f"clip{n}" for n in range(len(turns))]
    assert [[f"clip{n}" for n in parts] for parts in scripted(plain)] == [
        list(one.clips) for one in whole.turns
    ]


def test_a_joined_turn_is_in_its_first_emotion_and_its_nods_move() -> None:
    (turn,) = joined(dialogue([("A", "one two", None, True), ("A", "three four", "Sad", True)])).turns
    assert turn.text == "one two three four" and turn.emotion == "Sad"
    assert [one.after_word for one in turn.backchannels] == [1, 3]


def test_a_nod_is_the_other_sides_and_follows_its_turn() -> None:
    said = utterances(dialogue([("B", "one two", None, True), ("A", "three four", None, False)]))
    told = [(one.key, one.side, one.kind) for one in said]
    assert told == [
        ("d-0000", 1, "turn"),
        ("d-0000-b0", 0, "backchannel"),
        ("d-0001", 0, "turn"),
    ]
