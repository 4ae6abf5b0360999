"""Words to sides: by name, by when each side is heard, and labels that say the opposite."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.reasons import ItemError, Reason
from pipelines.dialogues.real.words import Said, by_activity, by_side, by_speaker, said_in

LEFT = ((Fraction(0), Fraction(2)), (Fraction(5), Fraction(7)))
RIGHT = ((Fraction(3), Fraction(4)), (Fraction(6), Fraction(8)))


def _said(text: str, start: float, stop: float, speaker: str | None = None) -> Said:
    return Said(text, Fraction(str(start)), Fraction(str(stop)), speaker)


def test_words_without_a_name_go_where_somebody_is_heard() -> None:
    """Times by hand: `both` lies where both speak and the left one began first, `lost` where nobody does."""
    words = [_said("one", 0.5, 1), _said("two", 3.2, 3.8), _said("both", 6.2, 6.8), _said("lost", 9, 9.4)]
    words += [_said("late", 4.1, 4.3), _said("early", 2.1, 2.3)]
    found = by_activity(words, (LEFT, RIGHT))
    assert [one.text for one in found.words[0]] == ["one", "early", "both"]
    assert [one.text for one in found.words[1]] == ["two", "late"]
    assert found.ambiguous == 1 and found.unplaced == ("lost",)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(1, 9)), max_size=20))
def test_no_word_is_lost(places: list[tuple[int, int]]) -> None:
    words = [_said(f"w{number}", at / 10, (at + length) / 10) for number, (at, length) in enumerate(places)]
    for found in (
        by_activity(words, (LEFT, RIGHT)),
        by_side(words[::2], words[1::2], (LEFT, RIGHT), recognised=(True, True)),
    ):
        texts = [one.text for own in found.words for one in own] + list(found.unplaced)
        assert sorted(texts) == sorted(one.text for one in words)


def test_what_is_recognised_while_only_the_other_side_speaks_is_cross_talk() -> None:
    """Times by hand: left speaks in [0, 2) and [5, 7), right in [3, 4) and [6, 8)."""
    left = [
        _said("mine", 0.5, 1),
        _said("late", 2.2, 2.4),
        _said("theirs", 3.2, 3.8),
        _said("both", 6.2, 6.8),
    ]
    right = [_said("mine", 3.2, 3.8), _said("theirs", 0.5, 1), _said("lost", 9, 9.4)]
    found = by_side(left, right, (LEFT, RIGHT), recognised=(True, True))
    assert [[one.text for one in own] for own in found.words] == [["mine", "late", "both"], ["mine"]]
    assert found.unplaced == ("theirs", "theirs", "lost") and found.names == (None, None)
    half = by_side(left, right, (LEFT, RIGHT), recognised=(True, False))
    assert [one.text for one in half.words[1]] == ["theirs", "mine", "lost"], "a transcript is believed"
    assert half.unplaced == ("theirs",)


def test_names_are_told_by_when_their_words_are_heard() -> None:
    words = [_said("hello", 0.5, 1, "Zoe"), _said("yes", 3.2, 3.8, "Adam"), _said("so", 1.2, 1.6, "Zoe")]
    found = by_speaker(words, (LEFT, RIGHT), None)
    assert found.names == ("Zoe", "Adam")
    assert [one.text for one in found.words[0]] == ["hello", "so"]
    alone = by_speaker([one for one in words if one.speaker == "Adam"], (LEFT, RIGHT), None)
    assert alone.names == (None, "Adam") and not alone.words[0]


def test_labels_that_say_the_opposite_of_what_is_heard() -> None:
    words = [_said("hello", 0.5, 1, "Zoe"), _said("yes", 3.2, 3.8, "Adam")]
    assert by_speaker(words, (LEFT, RIGHT), ("Zoe", "Adam")).names == ("Zoe", "Adam")
    with pytest.raises(ItemError) as told:
        by_speaker(words, (LEFT, RIGHT), ("Adam", "Zoe"))
    assert told.value.reason is Reason.CHANNELS_SWAPPED
    with pytest.raises(ItemError) as told:
        by_speaker([*words, _said("three", 3, 4, "Eve")], (LEFT, RIGHT), None)
    assert told.value.reason is Reason.NOT_A_DYAD
    with pytest.raises(ItemError) as told:
        by_speaker(words, (LEFT, RIGHT), ("Zoe", "Eve"))
    assert told.value.reason is Reason.SIDECAR_MALFORMED


def test_words_are_shifted_and_cut_to_the_dialogue() -> None:
    rows = [("before", 0.0, 0.6), ("first", 0.9, 1.3), ("last", 2.8, 3.3), ("after", 3.2, 3.6)]
    table = [{"word": word, "start_s": low, "stop_s": high, "speaker": None} for word, low, high in rows]
    found = said_in(table, Fraction(-1), Fraction(21, 10))
    assert [(one.text, one.start, one.stop) for one in found] == [
        ("first", Fraction(0), Fraction(3, 10)),
        ("last", Fraction(9, 5), Fraction(21, 10)),
    ]
