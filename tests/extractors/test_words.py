from __future__ import annotations

import pytest

from extractors.words import Word, plain_words, word_error_rate


def test_errors_are_counted_by_hand() -> None:
    # one substitution (sat/sits), one deletion (the), one insertion (now) over six words
    assert word_error_rate("The cat sat on the mat.", "the cat sits on mat now") == pytest.approx(3 / 6)
    assert word_error_rate("Don’t!", "don't") == 0
    assert word_error_rate("no", "no no no") == 2
    assert word_error_rate("yes", "") == 1


def test_nothing_to_compare_with_is_an_error() -> None:
    with pytest.raises(ValueError, match="no words"):
        word_error_rate("...", "well")


def test_plain_words_keep_letters_of_any_script() -> None:
    assert plain_words("¿Qué “ＡＢ” — déjà-vu, 2nd?") == ["qué", "ab", "déjà", "vu", "2nd"]


def test_shifting() -> None:
    assert Word("a", 1.0, 1.5, 0.5).shifted(2.0) == Word("a", 3.0, 3.5, 0.5)
