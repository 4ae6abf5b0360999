"""The streams here were printed by the reference, moshi-finetune 2acc879 (`Interleaver`, on a CPU).

In passing, 3 000 random sentences gave equal streams with `keep_and_shift` and without.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.turns.model import Word
from synth.turns.text_stream import text_stream
from synth.turns.times import exact
from synth.turns.tokenizers import TextTokenizer, load_tokenizer

LETTERS = TextTokenizer("letters", lambda text: [ord(one) for one in text], pad_id=3, epad_id=0)


def words(*said: tuple[str, float, float]) -> list[Word]:
    return [Word(text, exact(start), exact(stop)) for text, start, stop in said]


def test_pad_epad_and_tokens() -> None:
    """At 12.5 Hz the words start in frames 2, 6 and 7: no PAD is left before the third to announce it."""
    found = text_stream(words(("ab", 0.17, 0.4), ("c", 0.5, 0.56), ("d", 0.6, 0.8)), Fraction(1), LETTERS)
    assert found.tokens.tolist() == [3, 0, 97, 98, 3, 0, 99, 100, 3, 3, 3, 3, 3]
    assert found.n_dropped == 0 and found.max_delay == 0


def test_tokens_that_do_not_fit() -> None:
    said = words(("abcd", 0, 0.1), ("e", 0.16, 0.2))
    shifted = text_stream(said, exact(0.48), LETTERS)
    assert shifted.tokens.tolist() == [97, 98, 99, 100, 101, 3] and shifted.words[1].delay == 2
    cut = text_stream(said, exact(0.48), LETTERS, overflow="cut")
    assert cut.tokens.tolist() == [97, 98, 101, 3, 3, 3]
    assert (cut.words[0].n_tokens, cut.words[0].n_placed, cut.n_dropped) == (4, 2, 2)


def test_the_end_of_the_recording_cuts_too() -> None:
    found = text_stream(words(("abc", 0.3, 0.4)), exact(0.4), LETTERS)
    assert found.tokens.tolist() == [3, 3, 0, 97, 98] and found.n_dropped == 1


def test_a_word_that_finds_no_frame() -> None:
    found = text_stream(words(("ab", 0.3, 0.31), ("c", 0.31, 0.4)), exact(0.4), LETTERS, overflow="cut")
    assert found.words[0].n_placed == 0 and found.words[0].frame is None
    assert found.tokens.tolist() == [3, 3, 0, 99, 3]


SAID = st.lists(st.tuples(st.text("abcdef", min_size=1, max_size=5), st.integers(0, 190)), max_size=12)


@given(SAID, st.sampled_from([Fraction(25, 2), Fraction(25)]))
def test_every_token_is_in_the_stream_or_recorded_as_dropped(
    said: list[tuple[str, int]], rate: Fraction
) -> None:
    given_words = [Word(text, Fraction(at, 40), Fraction(at + 4, 40)) for text, at in said]
    found = text_stream(given_words, Fraction(5), LETTERS, rate_hz=rate)
    spoken = "".join(
        word.text[: row.n_placed]
        for word, row in zip(sorted(given_words, key=lambda w: (w.start, w.stop)), found.words, strict=True)
    )
    assert [one for one in found.tokens if one not in (0, 3)] == [ord(one) for one in spoken]
    for word, row in zip(sorted(given_words, key=lambda w: (w.start, w.stop)), found.words, strict=True):
        if row.frame is not None:
            assert row.frame - row.delay == word.start * rate // 1 and row.delay >= 0
            assert found.tokens[row.frame] == ord(row.text[0])


def test_a_real_sentencepiece_model(models: Path) -> None:
    """auto_avsr's 5 000 pieces: PAD and EPAD follow them; each word of the stream decodes to itself."""
    from sentencepiece import SentencePieceProcessor

    path = models / "auto_avsr_unigram5000.model"
    tokenizer = load_tokenizer(path)
    reference = SentencePieceProcessor(model_file=str(path))
    assert (tokenizer.pad_id, tokenizer.epad_id) == (
        reference.get_piece_size(),
        reference.get_piece_size() + 1,
    )
    text = ["PLACE", "WHITE", "IN", "J", "THREE", "PLEASE"]
    said = [Word(word, Fraction(n, 2), Fraction(n, 2) + 1) for n, word in enumerate(text)]
    found = text_stream(said, Fraction(4), tokenizer, rate_hz=Fraction(25))
    for word, row in zip(said, found.words, strict=True):
        assert row.frame == int(word.start * 25)
        ids = [int(one) for one in found.tokens[row.frame : row.frame + row.n_placed]]
        assert reference.decode(ids) == word.text
    assert found.n_dropped == 0


def test_padding_that_means_something_else_is_refused() -> None:
    bad = TextTokenizer("bad", lambda text: [3], pad_id=3, epad_id=0)
    with pytest.raises(ValueError, match="token 3"):
        text_stream(words(("a", 0, 1)), Fraction(1), bad)
    with pytest.raises(ValueError, match="starts at"):
        text_stream(words(("a", 2, 3)), Fraction(1), LETTERS)
