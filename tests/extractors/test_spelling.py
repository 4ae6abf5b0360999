from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.spelling import guess_sounds, spoken_tokens

PHONES = {
    *("AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH", "IH", "IY"),
    *("JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH", "UW", "V", "W", "Y"),
    *("Z", "ZH"),
}


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Hello,", "hello"),
        ("don’t", "don't"),
        ("a-maying", "a maying"),
        ("42", "forty two"),
        ("1,250", "one thousand two hundred and fifty"),
        ("3.5%", "three point five percent"),
        ("$20", "twenty dollars"),
        ("3rd", "third"),
        ("1984", "nineteen eighty four"),
        ("2005", "two thousand and five"),
        ("007", "zero zero seven"),
        ("10:30", "ten thirty"),
        ("P2", "p two"),
        ("BBC", "b b c"),
        ("NATO", "nato"),
        ("Q&A", "q and a"),
    ],
)
def test_what_is_said(written: str, spoken: str) -> None:
    (token,) = spoken_tokens(written)
    assert (token.written, " ".join(token.spoken)) == (written, spoken)


def test_asides_are_no_words_and_lone_punctuation_is_kept() -> None:
    tokens = spoken_tokens("— well [laughter] , you <unk> know")
    assert [one.written for one in tokens] == ["— well ,", "you", "know"]


@given(st.text(st.characters(categories=["L", "N", "P", "Zs"], exclude_characters="[]<>{}"), max_size=60))
def test_the_written_text_is_kept(text: str) -> None:
    tokens = spoken_tokens(text)
    assert not tokens or " ".join(one.written for one in tokens) == " ".join(text.split())


@given(st.text("abcdefghijklmnopqrstuvwxyz'é", min_size=1, max_size=20))
def test_guessed_sounds_are_phones(word: str) -> None:
    sounds = guess_sounds(word)
    assert (sounds is None) == (word.strip("'") == "")
    assert sounds is None or set(sounds.split()) <= PHONES


def test_no_guess_outside_the_latin_alphabet() -> None:
    assert guess_sounds("привет") is None
    assert guess_sounds("white") == "W AY T"
    assert guess_sounds("knight") == "N AY T"
