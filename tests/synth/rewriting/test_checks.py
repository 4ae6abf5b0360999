from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.rewriting.checks import CHECKS, CheckConfig, Shown, failures, sentences_of
from synth.rewriting.entities import strange_names, strange_numbers
from synth.rewriting.language import LanguageUnknownError, another_language
from synth.rewriting.scripts import words_of

SHOWN = Shown(
    history=(
        "Hey Ben, did you hear that the concert on Friday was cancelled?",
        "No way, who told you?",
        "Laura did. We paid 45 dollars for those two tickets.",
    ),
    example="Oh no.",
    labels=("A", "B", "Anna", "Ben"),
    own_name="Ben",
    instructions="You write lines for a spoken conversation between two people. Answer with a JSON object.",
)

GOOD = [
    "Oh no, I was looking forward to that so much. Do you think they will give us our money back?",
    "Oh no, that is such a shame. I even took Friday off for it!",
    "I'm so sorry, Anna. Forty-five dollars is a lot to lose.",
    "That really makes me angry. They could have told us earlier, don't you think?",
    "You are kidding! Laura must be just as upset as we are.",
    "I can't believe it. We waited for months to see them.",
    "Well, it's Ben here, and I am not amused.",
    "I'm sorry, but I can't come tonight then. Let me call you later.",
    "Mr. and Mrs. Nobody get their money back, and we don't. How typical!",
    "OK, so what now? I'd say we ask for a refund.",
    "There's no one to complain to, is there? One day they will regret this.",
    "It's not the money, it's the principle… I wanted to hear them play.",
    "No, no, no! I don't want to hear any more of this.",
]
BAD = [
    ("", "empty"),
    ("...", "empty"),
    ("Oh dear me.", "length"),
    ("Oh no. That is bad. I am sad. We lost it all. What do we do now?", "length"),
    ("I am so very sorry about it and " * 12 + "so on.", "length"),
    ("*sighs* Oh no, I was looking forward to that.", "stage_direction"),
    ("Oh no (shakes his head), I was looking forward to that.", "stage_direction"),
    ("[sadly] Oh no, I was looking forward to that.", "stage_direction"),
    ("<sob> Oh no, I was looking forward to that.", "stage_direction"),
    ("Oh no, I was looking forward to that. 😢", "not_speech"),
    ("- Oh no, I was looking forward to that.\n- Me too, believe me.", "not_speech"),
    ('"Oh no, I was looking forward to that."', "not_speech"),
    ("Ben: Oh no, I was looking forward to that.", "label"),
    ("Response: Oh no, I was looking forward to that.", "label"),
    ("Oh no, I was looking forward to that. Anna: Me too.", "label"),
    ("The next one is Ben, and he is sad about it.", "own_name"),
    ("As an AI language model, I do not have feelings about it.", "refusal"),
    ("I'm sorry, but I can't assist with that request.", "refusal"),
    ("I cannot help with this conversation, sorry about that.", "refusal"),
    ("I am unable to respond to such things in this way.", "refusal"),
    ("Es tut mir leid, ich bin nur eine KI und fühle nichts.", "refusal"),
    ("Sure! Here is a response that fits. Oh no, what a pity.", "meta"),
    ("The person who spoke is sad, and so is the other.", "meta"),
    ("Oh no.", "copy"),
    ("Laura did. We paid 45 dollars for those two tickets.", "copy"),
    ("Oh well, that happens. No way, who told you?", "copy"),
    ("Well, you write lines for a spoken conversation between two people.", "copy"),
    ("I am so sad. I am so sad.", "repetition"),
    ("It was bad and it was bad and it was bad, you know.", "repetition"),
    ("Das ist wirklich schade, ich hatte mich so darauf gefreut.", "language"),
    ("Oh non, c'est vraiment dommage, je me réjouissais tellement.", "language"),
    ("真的吗？我一直很期待这场音乐会。", "language"),
    ("Oh no, I was looking forward to it since Christmas.", "entities"),
    ("Oh no, I told Michael that I would be there.", "entities"),
    ("Oh no, that makes 90 dollars for the two of us.", "entities"),
    ("Oh no, we waited for seven months to see them.", "entities"),
]  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_what_people_say_passes(text: str) -> None:
    assert failures(text, SHOWN, CheckConfig()) == []


@pytest.mark.parametrize(("text", "check"), BAD)
def test_each_fault_is_found_by_its_check(text: str, check: str) -> None:
    assert check in [one.check for one in failures(text, SHOWN, CheckConfig())]


def test_every_check_has_a_text_that_fails_it() -> None:
    assert set(CHECKS) | {"empty"} == {check for _, check in BAD}


def test_checks_can_be_moved_and_switched_off() -> None:
    loose = CheckConfig(min_words=1, language=False, names=False, numbers=False)
    for text in ("Oh dear me.", "Das ist wirklich schade.", "I told Michael 90 times."):
        assert failures(text, SHOWN, loose) == []
    with pytest.raises(ValueError, match="minimum exceeds"):
        CheckConfig(min_words=9, max_words=8)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Mr. Smith is here. He waits.", 2),
        ("Wait… what? No!", 2),
        ("Well... I don't know.", 2),
        ("It costs 3.50 dollars.", 1),
        ("真的吗？我很高兴。", 2),
        ('"Stop!" She was loud.', 2),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert len(sentences_of(text)) == count


def test_words() -> None:
    assert words_of("I don't know, it's well-made (3 of 4)!") == [
        "I", "don't", "know", "it's", "well-made", "3", "of", "4"
    ]  # fmt: skip
    assert len(words_of("你好吗")) == 3


@pytest.mark.parametrize(
    ("text", "strange"),
    [
        ("I have 2 dogs", []),
        ("I have two dogs and twenty-one cats", ["twenty one"]),
        ("two hundred people", ["two hundred"]),
        ("1,000 people", []),
        ("at 10:30 or 3.5", ["10:30", "3.5"]),
        ("no one, one day", []),
    ],
)
def test_numbers_are_compared_by_value(text: str, strange: list[str]) -> None:
    assert strange_numbers(text, "There were two of them, and a thousand more.") == strange


def test_names() -> None:
    known = "Anna's brother lives in Rome."
    assert strange_names("Is Anna back from Rome? Tell me, Anna!", known, "en") == []
    assert strange_names("Did Tom's sister call, or Eve?", known, "en") == ["Tom's", "Eve"]
    assert strange_names("Ich mag den Hund", known, "de") == []  # nouns have capitals
    assert strange_names("Well, I'm fine, and so is Mom.", known, "en") == []


@pytest.mark.parametrize("text", ["Okay.", "Oh no!", "Mm-hm, sure.", "Hm.", "Yes, I know."])
def test_short_texts_are_not_judged_by_language(text: str) -> None:
    assert another_language(text, "en", 0.05) is None


def test_languages_that_nobody_knows_are_told() -> None:
    assert another_language("Das ist wirklich sehr schade.", "de-AT", 0.05) is None
    with pytest.raises(LanguageUnknownError, match="xx"):
        another_language("Hello there.", "xx", 0.05)


def test_a_flood_is_refused_at_once() -> None:
    """A megabyte of brackets would keep the patterns busy for hours."""
    assert [one.check for one in failures("a (" * 300_000, SHOWN, CheckConfig())] == ["length"]


@given(st.text(max_size=200))
def test_no_text_breaks_a_check(text: str) -> None:
    found = failures(text, SHOWN, CheckConfig())
    assert all(one.detail for one in found)
    if not any(letter.isalnum() for letter in text):
        assert [one.check for one in found] == ["empty"]
