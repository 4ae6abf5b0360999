"""The numbers here were printed by the reference, ErikEkstedt/VoiceActivityProjection at f39a78b.

(`ObjectiveVAP.get_labels`, `HoldShift` and `Backchannel` with the defaults of `EventConfig`.) In passing,
1 500 random dialogues of up to 1 200 frames gave equal labels and events.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from synth.turns.parameters import PRESETS
from synth.turns.vap_events import Region, vap_events
from synth.turns.vap_labels import bin_edges, decode, encode, n_classes, projection_labels

VAP, MM_VAP = PRESETS["vap"], PRESETS["mm_vap"]
FIRST = [(10, 190), (230, 300), (420, 520), (560, 700), (900, 1000)]
SECOND = [(330, 400), (455, 480), (640, 880)]


def frames(*speakers: list[tuple[int, int]], n_frames: int = 1000) -> NDArray[np.bool_]:
    active = np.zeros((n_frames, 2), bool)
    for speaker, spans in enumerate(speakers):
        for start, stop in spans:
            active[start:stop, speaker] = True
    return active


DIALOGUE = frames(FIRST, SECOND)


def regions(found: list[Region]) -> set[tuple[int, int, int]]:
    return {(one.start, one.stop, one.speaker) for one in found}


def test_bins_are_those_of_vap() -> None:
    assert bin_edges(VAP) == (0, 10, 30, 60, 100) and n_classes(VAP) == 256


def test_bits_are_in_the_references_order() -> None:
    wanted = {
        1: ([1, 0, 0, 0], [0] * 4),
        8: ([0, 0, 0, 1], [0] * 4),
        16: ([0] * 4, [1, 0, 0, 0]),
        195: ([1, 1, 0, 0], [0, 0, 1, 1]),
    }
    for number, bins in wanted.items():
        assert encode(np.array(bins, bool)) == number


def test_labels_of_the_reference() -> None:
    labels = projection_labels(DIALOGUE, VAP)
    assert len(labels) == 900 and labels.sum() == 88676
    wanted = {
        0: 14,
        5: 15,
        150: 11,
        185: 12,
        290: 193,
        310: 224,
        350: 120,
        395: 140,
        440: 39,
        530: 12,
        600: 207,
        650: 247,
        690: 241,
        800: 112,
        870: 28,
        899: 15,
    }
    assert {at: int(labels[at]) for at in wanted} == wanted


def test_half_of_a_bin_is_active_and_less_is_not() -> None:
    """The label of frame 0 is about frames 1 to 100: frame 0 itself does not count."""
    assert projection_labels(frames([(1, 6)], n_frames=101), VAP).tolist() == [1]
    assert projection_labels(frames([(1, 5)], n_frames=101), VAP).tolist() == [0]
    assert projection_labels(frames([(0, 5)], n_frames=101), VAP).tolist() == [0]
    assert len(projection_labels(frames(n_frames=100), VAP)) == 0


@given(st.integers(0, 255))
def test_decode_undoes_encode(number: int) -> None:
    assert encode(decode(np.array([number]), VAP)).tolist() == [number]


def test_events_of_the_reference() -> None:
    found = vap_events(DIALOGUE, VAP)
    assert regions(found.shift) == {(880, 900, 0), (300, 330, 1)}
    assert regions(found.hold) == {(190, 230, 0)}
    assert regions(found.long) == {(900, 910, 0), (330, 340, 1)}
    assert regions(found.pred_shift) == {(855, 880, 0), (275, 300, 1)}
    assert regions(found.pred_hold) == {(165, 190, 0)}
    assert regions(found.backchannel) == {(455, 480, 1)}
    assert regions(found.pred_backchannel) == {(430, 455, 1)}
    assert regions(found.pred_backchannel_neg) == {(150, 200, 1), (750, 780, 0)}


def test_the_metric_window_is_two_tenths_after_the_pad() -> None:
    """0.05 s are 2 frames of 50 Hz, 0.2 s are 10."""
    assert regions(vap_events(DIALOGUE, VAP).hold_metric) == {(192, 202, 0)}


def test_nothing_begins_before_the_context_or_after_the_end() -> None:
    assert not vap_events(frames([(0, 100), (120, 200)]), VAP).hold
    assert regions(vap_events(DIALOGUE, VAP, stop_frame=850).shift) == {(300, 330, 1)}


@pytest.mark.parametrize(("length", "wanted"), [(11, False), (12, True), (100, True), (101, False)])
def test_mm_vap_silences_are_a_quarter_to_two_seconds(length: int, wanted: bool) -> None:
    active = frames([(200, 300)], [(300 + length, 500)])
    assert bool(vap_events(active, MM_VAP).shift) == wanted


def test_mm_vap_overlaps() -> None:
    """A speaks for 1.5 s; B comes in 0.2 s before A's end: a shift; 0.18 s are too short for one."""
    assert regions(vap_events(frames([(100, 200)], [(190, 300)]), MM_VAP).overlap_shift) == {(190, 200, 1)}
    assert not vap_events(frames([(100, 200)], [(191, 300)]), MM_VAP).overlap_shift
    assert regions(vap_events(frames([(100, 300)], [(190, 240)]), MM_VAP).overlap_hold) == {(190, 240, 0)}
    assert not vap_events(frames([(100, 300)], [(190, 241)]), MM_VAP).overlap_hold, "longer than a second"


def test_mm_vap_backchannels_need_somebody_to_listen_to() -> None:
    alone, listening = frames([], [(300, 330)]), frames([(100, 290)], [(300, 330)])
    assert not vap_events(alone, MM_VAP).backchannel and vap_events(alone, VAP).backchannel
    assert regions(vap_events(listening, MM_VAP).backchannel) == {(300, 330, 1)}


def test_other_shapes_are_refused() -> None:
    for function in (projection_labels, vap_events):
        with pytest.raises(ValueError, match=r"\(n, 2\)"):
            function(np.zeros((2, 10), bool), VAP)
    with pytest.raises(ValueError, match="holds no frame"):
        replace(VAP, vap_bins_s=(Fraction(1, 100),))
    assert not vap_events(np.zeros((0, 2), bool), VAP).shift
