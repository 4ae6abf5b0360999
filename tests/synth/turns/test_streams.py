from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.turns.annotate import annotate
from synth.turns.model import Annotation, NotADyadError
from synth.turns.streams import (
    RATES_HZ,
    TurnToken,
    activity_frames,
    both_active,
    turn_tokens,
    yield_labels,
)
from synth.turns.times import exact

MIMI, AV_DIALOG, VAP = RATES_HZ["mimi"], RATES_HZ["av_dialog"], RATES_HZ["vap"]


def of(talk: dict[str, list[tuple[float, float]]], duration: float = 20) -> Annotation:
    activity = {name: [(exact(a), exact(b)) for a, b in spans] for name, spans in talk.items()}
    return annotate(activity, exact(duration))


def test_starts_on_both_grids() -> None:
    """A turn at 0.58 s: frame 14 at 25 Hz (from 0.56 s on), 7 at 12.5 Hz; a nod at 3.2 s: 80 and 40."""
    found = of({"A": [(0.58, 6)], "B": [(3.2, 3.6), (6.4, 8)]})
    fine, coarse = (turn_tokens(found, 1, rate) for rate in (AV_DIALOG, MIMI))
    assert np.flatnonzero(turn_tokens(found, 0, AV_DIALOG).tokens).tolist() == [14]
    assert np.flatnonzero(turn_tokens(found, 0, MIMI).tokens).tolist() == [7]
    assert {int(k): int(fine.tokens[k]) for k in np.flatnonzero(fine.tokens)} == {80: 2, 160: 1}
    assert {int(k): int(coarse.tokens[k]) for k in np.flatnonzero(coarse.tokens)} == {40: 2, 80: 1}
    assert len(fine.tokens) == 500 and len(coarse.tokens) == 250 and fine.displaced == ()
    assert [one.text for one in TurnToken] == ["<EMP>", "<SOT>", "<SOB>"]


def test_two_starts_in_one_frame() -> None:
    found = of({"A": [(1, 1.02), (1.5, 1.52)], "B": [(1.3, 1.4)]}, 4)
    both = turn_tokens(found, 0, Fraction(1))
    assert (
        both.tokens[1] == TurnToken.SOT
        and len(both.displaced) == sum(t.speaker == 0 for t in found.turns) - 1
    )


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=6),
    st.sampled_from([MIMI, AV_DIALOG, VAP]),
)
def test_activity_agrees_with_integer_arithmetic(raw: list[tuple[int, int]], rate: Fraction) -> None:
    """Times in 1/97 s, frames by // on whole numbers."""
    spans = tuple((Fraction(a, 97), Fraction(a + n, 97)) for a, n in raw)
    expected = np.zeros(250, bool)
    for a, n in raw:
        low, high = (t * rate.numerator // (97 * rate.denominator) for t in (a, a + n))
        expected[low:high] = True
    assert (activity_frames(spans, 250, rate) == expected).all()


def test_streams_need_two_speakers() -> None:
    found = of({"A": [(0, 1)], "B": [], "C": [(2, 3)]})
    with pytest.raises(NotADyadError, match="there are 3: A, B, C"):
        both_active(found, VAP)
    assert both_active(of({"A": [(0, 1)], "B": []}), VAP).shape == (1000, 2)


def test_yield_labels_by_hand() -> None:
    """A holds [0, 4) with a pause, B [4.5, 8) and is interrupted at 7 by A, who speaks to the end."""
    found = of({"A": [(0, 1.5), (2, 4), (7, 12)], "B": [(4.5, 8)]}, 14)
    labels = yield_labels(found, 10)  # frame k is judged at its end, (k + 1) / 10 s
    now = (np.arange(140) + 1) / 10
    assert (labels.holder[(now < 4) & (now > 0)] == 0).all(), "its pause is A's"
    assert (labels.holder[(now >= 4) & (now < 4.5)] == -1).all() and not labels.valid[39:44].any()
    assert (labels.holder[(now >= 4.5) & (now < 8)] == 1).all(), "of two, the earlier holds the floor"
    assert np.flatnonzero(labels.label).tolist() == [*range(29, 39), *range(69, 79)], (
        "the last second of each"
    )
    assert (labels.holder[79:119] == 0).all() and not labels.label[79:].any()
    assert labels.valid[79:109].all() and not labels.valid[109:].any(), "the end of the last turn is unknown"


@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(1, 40)), max_size=8),
    st.lists(st.tuples(st.integers(0, 150), st.integers(1, 40)), max_size=8),
)
def test_yield_labels_follow_from_the_floor(first: list, second: list) -> None:
    """Against the definition, frame by frame."""
    found = annotate(
        {
            n: [(Fraction(a, 10), Fraction(a + b, 10)) for a, b in one]
            for n, one in zip("AB", (first, second), strict=True)
        },
        Fraction(20),
    )
    labels = yield_labels(found, MIMI)
    given_up = {one.before for one in found.transfers}
    for k in range(len(labels.label)):
        now = Fraction(k + 1) / MIMI
        holders = [n for n in found.floor() if found.turns[n].start <= now < found.turns[n].stop]
        assert labels.holder[k] == (found.turns[holders[0]].speaker if holders else -1)
        soon = bool(holders) and found.turns[holders[0]].stop - now <= 1
        assert labels.label[k] == (soon and holders[0] in given_up)
        last = bool(holders) and holders[0] == found.floor()[-1]
        assert labels.valid[k] == (bool(holders) and not (soon and last))
