from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.reliability import Label, frame_clean, label_of, window_labels


@pytest.mark.parametrize(
    ("clean", "label"),
    [(10, "C"), (9, "M"), (8, "M"), (7, "M"), (6, "M"), (5, "N"), (0, "N")],
)
def test_both_bounds_are_mixed(clean: int, label: str) -> None:
    """Ten frames: 0.9 and 0.6 themselves are neither clean nor noisy."""
    assert label_of(clean, 10) == label


def test_the_share_is_exact() -> None:
    """5 760 of 6 400 samples are 0.9, which as a sum of floats may come out above it."""
    assert label_of(5760, 6400) is Label.MIXED and label_of(5761, 6400) is Label.CLEAN
    assert label_of(3840, 6400) is Label.MIXED and label_of(3839, 6400) is Label.NOISY


def test_windows_of_audio_and_video_cover_the_same_time() -> None:
    """2 s; noise over [0.4, 1.0) s: a window whole, half of the next."""
    audio = window_labels(((6400, 16_000),), 32_000, rate_hz=16_000)
    video = window_labels(((10, 25),), 50, rate_hz=25)
    assert audio == video == ("C", "N", "N", "C", "C")


def test_the_last_window_is_what_is_left() -> None:
    assert window_labels(((12, 13),), 13, rate_hz=25) == ("C", "M")  # one of three frames: 2/3 is clean
    assert window_labels((), 1, rate_hz=25) == ("C",)
    assert window_labels((), 0, rate_hz=25) == ()


def test_frames_at_both_rates() -> None:
    """Samples [1 000, 2 000) at 16 kHz lie in frames 1, 2 and 3 of 640 samples; of 1 280: 0 and 1."""
    spans = ((1000, 2000),)
    fine = frame_clean(spans, 3200, rate_hz=16_000, frame_hz=Fraction(25))
    assert fine.tolist() == [True, False, False, False, True]
    coarse = frame_clean(spans, 3200, rate_hz=16_000, frame_hz=Fraction(25, 2))
    assert coarse.tolist() == [False, False, True]


def test_spans_must_lie_in_the_clip() -> None:
    with pytest.raises(ValueError, match="10"):
        window_labels(((0, 11),), 10, rate_hz=25)
    with pytest.raises(ValueError, match="no sample"):
        window_labels((), 10, rate_hz=2)


@given(st.integers(1, 300), st.data())
def test_labels_agree_with_counting(n_frames: int, data: st.DataObject) -> None:
    bad = data.draw(st.lists(st.booleans(), min_size=n_frames, max_size=n_frames))
    spans, start = [], None
    for number, one in enumerate([*bad, False]):
        if one and start is None:
            start = number
        elif not one and start is not None:
            spans.append((start, number))
            start = None
    expected = []
    for at in range(0, n_frames, 10):
        part = bad[at : at + 10]
        clean = part.count(False)
        # tenths and fifths without a division
        expected.append("C" if 10 * clean > 9 * len(part) else "N" if 5 * clean < 3 * len(part) else "M")
    assert list(window_labels(tuple(spans), n_frames, rate_hz=25)) == expected
