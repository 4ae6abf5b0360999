from __future__ import annotations

from fractions import Fraction

import pytest

from synth.turns.annotate import annotate
from synth.turns.events import fto_statistics
from synth.turns.parameters import PRESETS
from synth.turns.times import exact


def talk(*ftos: float, preset: str = "duologue"):
    """Turns of 2 s with these offsets between them."""
    start, activity = Fraction(0), {"A": [(Fraction(0), Fraction(2))], "B": []}
    for number, fto in enumerate(ftos):
        start += 2 + exact(fto)
        activity["BA"[number % 2]].append((start, start + 2))
    return annotate(activity, start + 10, parameters=PRESETS[preset])


def test_statistics_by_hand() -> None:
    found = fto_statistics(talk(0.2, -0.1, 3.5, 0.4))
    assert found.n == 4 and found.mean_s == pytest.approx(1.0) and found.median_s == pytest.approx(0.3)
    assert found.overlap_share == 0.25 and found.failure_share == 0.25
    assert (found.parameters, found.ipu_merge_s, found.fto_failure_s) == ("duologue", Fraction(1, 5), 3)


def test_several_conversations_are_pooled() -> None:
    assert fto_statistics(talk(0.2), talk(0.4)).mean_s == pytest.approx(0.3)


def test_without_a_transfer_there_is_no_number() -> None:
    found = fto_statistics(talk())
    assert found.n == 0 and found.mean_s is None and found.ipu_merge_s == Fraction(1, 5)


def test_thresholds_that_differ_do_not_mix() -> None:
    with pytest.raises(ValueError, match="different parameters"):
        fto_statistics(talk(0.2), talk(0.2, preset="vap"))
