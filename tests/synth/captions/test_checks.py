"""Captions and what is none. The texts were written by hand, as models answer such prompts."""

from __future__ import annotations

import pytest

from synth.captions.checks import gives_nothing, problems_of
from synth.captions.config import CaptionChecks
from synth.llm.chat import Reply
from synth.llm.prompt_files import load_prompt

GOOD = (
    "A man in front of a blue wall says a short sentence in a quiet room.",
    "Two women talk at a market while a cart rolls by; one of them laughs.",
    "The speaker sounds calm. Rain falls on a roof in the background.",
    "Someone says something that cannot be made out, over loud engine noise.",
    "No sound is heard, and the screen stays dark.",
    "A person can't stop laughing while music plays.",
    "A dog barks 3 times.",
)
BAD = {
    "I'm sorry, but I can't assist with that.": "refusal",
    "I cannot hear the audio you mention.": "blind",
    "I am unable to directly view images.": "blind",
    "There was no audio provided, so a caption is not possible.": "blind",
    "Please provide the recording so that I can describe it.": "blind",
    "Sure! A man speaks in a quiet room.": "meta",
    "Caption: A man speaks in a quiet room.": "meta",
    "Here is a short caption for the recording: a man speaks.": "meta",
    "**A man** speaks in a quiet room.": "markup",
    "- A man speaks.\n- A dog barks.": "markup",
    '"A man speaks in a quiet room."': "markup",
    "Man.": "length",
    "one two " * 60: "length",
    "A man speaks. A man speaks.": "repetition",
    "Ein Mann spricht vor einer blauen Wand einen kurzen Satz in die Kamera.": "language",
    "Describe sounds, voices (how many, how they speak), music, the place.": "copy",
    "!?": "empty",
    "": "empty",
}


def checks(text: str, **changes: bool) -> set[str]:
    reply = Reply(text=text, prompt_tokens=1, completion_tokens=1, **changes)
    words = load_prompt("caption").own_words
    found = problems_of(reply, instructions=words, language="en", limits=CaptionChecks())
    return {one.check for one in found}


@pytest.mark.parametrize("text", GOOD)
def test_captions_pass(text: str) -> None:
    assert checks(text) == set()


@pytest.mark.parametrize(("text", "check"), BAD.items())
def test_what_is_no_caption_is_told(text: str, check: str) -> None:
    assert check in checks(text)


def test_what_the_server_says_of_its_answer_counts() -> None:
    assert checks(GOOD[0], refused=True) == {"refusal"}
    assert checks(GOOD[0], cut_off=True) == {"cut_off"}


def test_a_model_may_say_that_there_is_nothing() -> None:
    def says(text: str) -> bool:
        return gives_nothing(Reply(text=text, prompt_tokens=1, completion_tokens=1))

    assert all(map(says, ("NONE", "none", " None.\n", '"NONE"')))
    assert not any(map(says, ("None of them speaks.", "", GOOD[0])))
