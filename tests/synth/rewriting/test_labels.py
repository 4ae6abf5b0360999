"""Lines written for this test; whatever of them is judged wrongly stands in docs/rewriting.md."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.rewriting.labels import SPOKEN_FIRST, heading

NAMES = ("A", "B", "Anna", "Ben", "Speaker B")

HEADED = {
    "Mine: Looks good. I am very happy.": "Mine",
    "Response: I would love to come along.": "Response",
    "Answer - I would love to come along.": "Answer",
    "Final answer – I would love to come along.": "Final answer",
    "My response: that is a pity.": "My response",
    "You: That is a pity, I had hoped to see you.": "You",
    "Me: Sure, why not?": "Me",
    "Reply\nSure, I will be there at noon.": "Reply",
    "Tom: Sure, I will be there at noon.": "Tom",
    "Happy: What a lovely surprise this is!": "Happy",
    "Sad reply: I had hoped to see you there.": "Sad reply",
    "Rewritten: I had hoped to see you there.": "Rewritten",
    "Speaker B - I had hoped to see you there.": "Speaker B",
    "B - I had hoped to see you there.": "B",
    "Ben : I had hoped to see you there.": "Ben",
    "**Answer**: I had hoped to see you there.": "Answer",
    '"Woman: I had hoped to see you there."': "Woman",
    "Response for Ben: I had hoped to see you.": "Response for Ben",
    "Turn 2: I had hoped to see you there.": "Turn 2",
    "Short version: no, never again.": "Short version",
    "回答：我很高兴。": "回答",
    "Sure, I can do that. Response: I will come.": "Response",
    "Oh dear.\nAnna: That is terrible news.": "Anna",
}
SPOKEN = (
    "Listen: I am sorry about what I said.",
    "Look: nobody told me either.",
    "Guess what: they gave me the job!",
    "It's simple: we wait until noon.",
    "I know: you told me to bring a coat.",
    "One thing: please lock the door behind you.",
    "Question: who is going to drive us home?",
    "No: I am not going there again.",
    "Plan B: we walk along the river.",
    "Good news: the bus is on time today.",
    "That's it: I am done with this place.",
    "We have two choices: the lake or the hills.",
    "Anna, listen: I am sorry about what I said.",
    "I only want one thing: a bit of quiet.",
    "We leave at 10:30 and not a minute later.",
    "Well - I never thought about it like that.",
    "No - I would rather stay at home tonight.",
    "Answer me - do you still want to go?",
    "A well-known place, by the way, I like it.",
    "Wait. What do you mean: tomorrow or today?",
    "Happy birthday! How old are you now?",
    "You know what: let us just go there.",
    "Note that I said maybe, and not yes.",
    "Person to person - I think you are right.",
)
MISSED = (
    "Here is mine: I had hoped to see you.",  # three words
    "Ben (sadly): I had hoped to see you.",  # a stage direction, which another check finds
    "Mine - I had hoped to see you there.",  # a dash after a word that heads nothing
)
FALSE_ALARMS = (
    "Big picture: we are almost there.",
    "Sorry: I did not see you there.",
    "Ben here: can you talk?",
)


@pytest.mark.parametrize(("text", "found"), HEADED.items())
def test_a_heading_is_found(text: str, found: str) -> None:
    assert heading(text, NAMES) == found


@pytest.mark.parametrize("text", SPOKEN)
def test_what_people_say_is_none(text: str) -> None:
    assert heading(text, NAMES) is None


def test_what_the_docs_admit() -> None:
    assert [heading(text, NAMES) for text in MISSED] == [None] * len(MISSED)
    assert None not in [heading(text, NAMES) for text in FALSE_ALARMS]


@given(st.sampled_from(sorted(SPOKEN_FIRST)), st.sampled_from([": ", " - ", ", ", " "]))
def test_no_opener_is_a_heading_however_it_is_written(opener: str, sign: str) -> None:
    assert heading(f"{opener.capitalize()}{sign}we are late.", NAMES) is None


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    found = heading(text, NAMES)
    assert found is None or found in text
