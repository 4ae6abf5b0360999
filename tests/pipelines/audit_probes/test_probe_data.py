"""Windows of a second: which frames, and what is told of each."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from numeric_dialogues import numeric_dialogues

from extractors.coefficients import FACE61_NAMES
from extractors.groups import GROUPS, group_of
from pipelines.audit.probe_data import WINDOW_FRAMES, face_columns, make_frames, summarise

N = len(FACE61_NAMES)


def test_a_window_is_at_most_a_second() -> None:
    assert Fraction(WINDOW_FRAMES) * Fraction(2, 25) <= 1 < Fraction(WINDOW_FRAMES + 1) * Fraction(2, 25)


def test_summaries_by_hand() -> None:
    ramp, still = np.arange(12.0), np.full(12, 0.1)
    found = summarise(np.stack([ramp, still], axis=1), np.array([0]))
    mean, deviation, change = found.reshape(3, 2)
    assert mean == pytest.approx([5.5, 0.1]) and deviation[0] == pytest.approx(np.sqrt(143 / 12))
    assert change[0] == pytest.approx(12.0)  # one a frame, over 12 frames
    assert (
        deviation[1] == change[1] == 0.0 and mean[1] == 0.1
    )  # exactly: rounding does not move a still channel


def test_a_window_looks_back_and_never_ahead() -> None:
    (one,) = numeric_dialogues(1, 1, seconds=10.0)
    later = replace(one, face=one.face.copy())
    later.face[60:] += 100.0
    before, after = (make_frames([x], stride=1, zero_translation=False).face for x in (one, later))
    first = 60 - (WINDOW_FRAMES - 1)  # the window that ends with frame 60
    assert (before[:first] == after[:first]).all() and (before[first] != after[first]).any()


def test_a_window_has_the_outcome_of_its_last_frame() -> None:
    (one,) = numeric_dialogues(1, 4, seconds=20.0)
    told = replace(one, yields=np.random.default_rng(5).random(250) < 0.5)
    found = make_frames([told], stride=1, zero_translation=False)
    assert (found.yields == told.yields[WINDOW_FRAMES - 1 :]).all()


def test_frames_that_are_not_asked_about_or_not_seen_are_left_out() -> None:
    (one,) = numeric_dialogues(1, 2, seconds=8.0)  # 100 frames
    valid = one.face_valid.copy()
    valid[50] = False
    asked = one.asked.copy()
    asked[80:] = False
    found = make_frames([replace(one, face_valid=valid, asked=asked)], stride=1, zero_translation=True)
    assert len(found.yields) == 100 - (WINDOW_FRAMES - 1) - WINDOW_FRAMES - 20
    short = replace(
        one, **{k: getattr(one, k)[:11] for k in ("face", "face_valid", "yields", "asked", "without")}
    )
    assert len(make_frames([short], stride=1, zero_translation=True).yields) == 0


@pytest.mark.parametrize("group", GROUPS)
def test_columns_of_a_group_and_of_the_others_are_all(group: str) -> None:
    rest, own = face_columns(without_group=group), face_columns(only_group=group)
    assert sorted([*rest, *own]) == list(range(3 * N))
    assert {group_of(FACE61_NAMES[column % N]) for column in own} == {group}


def test_arrays_that_do_not_go_together_are_refused() -> None:
    (one,) = numeric_dialogues(1, 3, seconds=5.0)
    with pytest.raises(ValueError, match="yields has 3 frames"):
        replace(one, yields=np.zeros(3, bool))
    with pytest.raises(ValueError, match="face is"):
        replace(one, face=one.face[:, :60])
