from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.turns.annotate import annotate, n_of
from synth.turns.model import Annotation, EventKind, TurnKind, Word
from synth.turns.parameters import PRESETS
from synth.turns.times import TimeError, exact

Talk = dict[str, list[tuple[float, float]]]


def of(talk: Talk, duration: float = 60, preset: str = "duologue", **words: list[Word]) -> Annotation:
    activity = {name: [(exact(a), exact(b)) for a, b in spans] for name, spans in talk.items()}
    return annotate(activity, exact(duration), words=words or None, parameters=PRESETS[preset])


def turns(found: Annotation) -> list[tuple[str, str, float, float]]:
    return [(found.speakers[one.speaker], one.kind, float(one.start), float(one.stop)) for one in found.turns]


def events(found: Annotation) -> list[tuple[str, float, float]]:
    return [(one.kind, float(one.start), float(one.stop)) for one in found.events]


def test_a_gap_an_overlap_and_a_pause() -> None:
    found = of({"A": [(0, 2), (2.5, 4), (7.7, 9)], "B": [(4.3, 8)]})
    assert turns(found) == [("A", "turn", 0, 4), ("B", "turn", 4.3, 8), ("A", "turn", 7.7, 9)]
    assert events(found) == [("pause", 2, 2.5), ("gap", 4, 4.3), ("overlap_between", 7.7, 8)]
    assert [one.fto for one in found.transfers] == [exact(0.3), exact(-0.3)]


def test_silence_of_the_threshold_is_merged_and_a_hair_more_is_not() -> None:
    merged = of({"A": [(0, 1), (1.2, 3)], "B": []})
    apart = of({"A": [(0, 1), (1.200001, 3)], "B": []})
    assert len(merged.ipus[0]) == 1 and len(apart.ipus[0]) == 2
    assert len(apart.turns) == 1, "two units, one turn"


def test_a_nod_is_a_backchannel_and_does_not_end_the_turn() -> None:
    found = of({"A": [(0, 3), (3.6, 6)], "B": [(3.1, 3.5)]})
    assert turns(found) == [("A", "turn", 0, 6), ("B", "backchannel", 3.1, 3.5)]
    assert not found.transfers


@pytest.mark.parametrize(
    "other",
    [
        [(3.1, 4.2)],  # longer than a second
        [(2.2, 3.2), (4.1, 5)],  # its speaker is not silent for a second
        [(7.2, 7.6)],  # the other is not heard afterwards
    ],
)
def test_what_is_no_backchannel(other: list[tuple[float, float]]) -> None:
    found = of({"A": [(0, 7)], "B": other})
    assert not [one for one in found.turns if one.kind is TurnKind.BACKCHANNEL]


def test_many_words_are_no_backchannel() -> None:
    words = [
        Word(one, exact(3 + 0.1 * n), exact(3.1 + 0.1 * n)) for n, one in enumerate(["no", "I", "do", "not"])
    ]
    talk: Talk = {"A": [(0, 7)], "B": [(3, 3.4)]}
    assert of(talk, B=words[:3]).turns[1].kind is TurnKind.BACKCHANNEL
    assert of(talk, B=words).turns[1].kind is TurnKind.WITHIN
    assert of(talk, preset="vap", B=words).turns[1].kind is TurnKind.BACKCHANNEL, "VAP knows no words"


def test_an_attempt_within_anothers_turn_takes_no_floor() -> None:
    found = of({"A": [(0, 6)], "B": [(2, 4), (6.4, 8)]})
    assert turns(found)[1] == ("B", "within", 2, 4)
    assert [one.fto for one in found.transfers] == [exact(0.4)]
    assert n_of(found)[EventKind.OVERLAP_WITHIN] == 1


def test_an_interruption_is_an_overlap_that_lasts() -> None:
    short, long = (of({"A": [(0, 4)], "B": [(start, 8)]}) for start in (3.6, 3.5))
    assert not short.of_kind(EventKind.INTERRUPTION)
    (event,) = long.of_kind(EventKind.INTERRUPTION)
    assert (event.speaker, event.by, event.start, event.stop) == (0, 1, exact(3.5), 4)


def test_a_long_silence_ends_a_turn_and_a_pause_of_two_seconds_does_not() -> None:
    assert len(of({"A": [(0, 2), (4, 6)], "B": []}).turns) == 1
    found = of({"A": [(0, 2), (5.5, 8)], "B": []})
    assert len(found.turns) == 2 and events(found) == [("lapse", 2, 5.5)]
    assert len(of({"A": [(0, 2), (5.5, 8)], "B": []}, preset="mm_vap").turns) == 1


def test_both_begin_at_once_after_a_silence() -> None:
    """Nobody reacts in 0.1 s: both took the floor to be free, so the silence has ended the turn."""
    talk: Talk = {"A": [(0, 2), (4, 8)], "B": [(4.1, 6)]}
    assert turns(of(talk))[0] == ("A", "turn", 0, 2)
    assert turns(of(talk, preset="mm_vap"))[0] == ("A", "turn", 0, 8)


def test_a_word_belongs_to_the_turn_it_shares_time_with_or_lies_nearest_to() -> None:
    """A speaks in [1, 3) with a pause, and in [4.9, 7); times of words are an aligner's, so loose."""
    places = {
        "early": (0.6, 0.9),  # before A is heard, by 0.1 s
        "so": (0.9, 1.2),
        "pause": (1.4, 1.5),
        "end": (2.9, 3.4),  # its middle is outside
        "late": (3.5, 3.6),  # exactly half a second after the turn
        "far": (3.501, 3.6),
        "yes": (4.5, 5),
        "lost": (8, 8.2),
    }
    words = [Word(text, exact(start), exact(stop)) for text, (start, stop) in places.items()]
    found = of({"A": [(1, 1.3), (1.6, 3), (4.9, 7)], "B": [(3.1, 4.8)]}, A=words)
    assert found.words[0] is not None and found.words[1] is None
    assert {word.text: word.turn for word in found.words[0]} == {
        "early": 0,
        "so": 0,
        "pause": 0,
        "end": 0,
        "late": 0,
        "far": None,
        "yes": 2,
        "lost": None,
    }


def test_three_speakers() -> None:
    found = of({"A": [(0, 3)], "B": [(3.2, 6)], "C": [(5.8, 9)]})
    assert [(one.before, one.after, float(one.fto)) for one in found.transfers] == [(0, 1, 0.2), (1, 2, -0.2)]


@pytest.mark.parametrize(
    ("talk", "words", "match"),
    [
        ({"A": [(0, 61)]}, {}, "A speaks until 61"),
        ({"A": [(2, 1)]}, {}, "no span"),
        ({}, {}, "nobody"),
        ({"A": [(0, 1)]}, {"Z": []}, "Z"),
        ({"A": [(0, 1)]}, {"A": [Word("late", Fraction(59), Fraction(61))]}, "'late'"),
    ],
)
def test_what_cannot_be(talk: Talk, words: dict[str, list[Word]], match: str) -> None:
    activity = {name: [(exact(a), exact(b)) for a, b in spans] for name, spans in talk.items()}
    with pytest.raises(TimeError, match=match):
        annotate(activity, Fraction(60), words=words)


RANDOM = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 40)).map(lambda one: (one[0], one[0] + one[1])), max_size=10
)


@settings(max_examples=80, deadline=None)
@given(RANDOM, RANDOM, RANDOM)
def test_laws_of_any_conversation(first: list, second: list, third: list) -> None:
    activity = {
        name: [(Fraction(a, 10), Fraction(b, 10)) for a, b in one]
        for name, one in zip("ABC", (first, second, third), strict=True)
    }
    found = annotate(activity, Fraction(24))
    for speaker, own in enumerate(found.ipus):  # every unit is in one turn, and every turn is made of units
        assert sorted(ipu for turn in found.turns if turn.speaker == speaker for ipu in turn.ipus) == list(
            own
        )
    floor = [found.turns[number] for number in found.floor()]
    assert all(a.start <= b.start and a.stop < b.stop for a, b in pairwise(floor))
    cells = [{k for a, b in own for k in range(int(a * 10), int(b * 10))} for own in found.ipus]
    both = sum(len(cells[a] & cells[b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    overlaps = [*found.of_kind(EventKind.OVERLAP_BETWEEN), *found.of_kind(EventKind.OVERLAP_WITHIN)]
    assert sum(one.stop - one.start for one in overlaps) * 10 == both
    for one in found.of_kind(EventKind.GAP):
        inside = [span for turn in floor for span in turn.ipus if span[0] < one.stop and one.start < span[1]]
        assert not inside, "nobody who has the floor speaks in a gap"
    assert n_of(found)[EventKind.GAP] == sum(one.fto > 0 for one in found.transfers)


def test_swapping_the_speakers_swaps_the_labels_only() -> None:
    talk: Talk = {"A": [(0, 2), (2.5, 4), (7.7, 9)], "B": [(1, 1.4), (4.3, 8)]}
    one, other = of(talk), of({"B": talk["B"], "A": talk["A"]})
    assert turns(one) == turns(other) and events(one) == events(other)


def test_presets_are_named_and_differ() -> None:
    assert all(name == one.name for name, one in PRESETS.items())
    assert PRESETS["vap"].ipu_merge_s == exact(0.1) and PRESETS["mm_vap"].vap_silence_max_s == 2
    with pytest.raises(ValueError, match="ipu_merge_s"):
        replace(PRESETS["vap"], ipu_merge_s=Fraction(-1))
