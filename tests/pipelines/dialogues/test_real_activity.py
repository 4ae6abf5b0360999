"""Who speaks when in one channel, and the two gated streams of it: on sounds made of noise bursts."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.channels import swapped
from extractors.speaking import TrackScores
from pipelines.dialogues.real.activity import lip_spans, mixed_activity
from pipelines.dialogues.real.faces import lips_follow
from pipelines.dialogues.real.gating import FADE_S, MARGIN_S, gated

RATE_HZ = 16_000
DURATION = Fraction(8)
Span = tuple[Fraction, Fraction]


def _f(*spans: tuple[float, float]) -> tuple[Span, ...]:
    return tuple((Fraction(str(low)), Fraction(str(high))) for low, high in spans)


def _bursts(*spans: tuple[float, float], level: float = 0.1, floor: float = 0.001) -> NDArray[np.float32]:
    rng = np.random.default_rng(3)
    pcm = floor * rng.standard_normal(int(DURATION) * RATE_HZ)
    for low, high in spans:
        part = slice(round(low * RATE_HZ), round(high * RATE_HZ))
        pcm[part] += level * rng.standard_normal(part.stop - part.start)
    return pcm.astype(np.float32)


def test_borders_go_to_the_energy_except_under_the_other_voice() -> None:
    """Sound at 1-3 and 4-6 s; detectors are some 80 ms off. The second begins at 5 s, under the first."""
    pcm = _bursts((1.0, 3.0), (4.0, 6.0))
    voices = _f((0.93, 2.92), (4.08, 5.5)), _f((5.5, 6.06))
    lips = _f((1.1, 2.9), (4.1, 5.9)), _f((5.0, 6.05))
    first, second = mixed_activity(pcm, voices, lips, DURATION)
    assert [float(edge) for span in first for edge in span] == pytest.approx([1, 3, 4, 5.9], abs=0.011)
    assert [float(edge) for span in second for edge in span] == pytest.approx([5, 6], abs=0.011)


def test_lips_that_move_in_silence_or_for_a_moment_are_no_speech() -> None:
    pcm = _bursts((1.0, 3.0))
    voices = _f((1.0, 3.0)), ()
    silent = mixed_activity(pcm, voices, ((), _f((4.0, 6.0))), DURATION)
    moment = mixed_activity(pcm, voices, ((), _f((2.0, 2.15))), DURATION)
    overlap = mixed_activity(pcm, voices, ((), _f((2.0, 2.3))), DURATION)
    assert silent[1] == moment[1] == () and overlap[1] == _f((2.0, 2.3))


def test_lips_are_read_on_the_clock_of_the_dialogue() -> None:
    scores = np.full(100, -1.0, np.float32)
    scores[25:50] = 1.0
    found = lip_spans([TrackScores(0, 0.5, scores)], Fraction(-1, 4), DURATION)
    assert found == ((Fraction(5, 4), Fraction(9, 4)),)


def test_exchanged_recordings_are_seen_by_the_lips() -> None:
    """Shares by hand: side 0 is alone in 0-2 s, side 1 in 3-5 s; both in 6-7 s, which does not count."""
    activity = _f((0, 2), (6, 7)), _f((3, 5), (6, 7))
    times_s = np.arange(200) / 25
    calm, lively = np.full(200, 0.1), np.full(200, 0.3)
    first, second = times_s < 2.5, (times_s > 2.5) & (times_s < 5.5)
    faces = (times_s, np.where(second, lively, calm)), (times_s, np.where(first, lively, calm))
    follow = lips_follow(activity, faces)
    assert follow is not None and follow.ravel() == pytest.approx([0.25, 0.75, 0.75, 0.25])
    assert swapped(follow) and not swapped(follow[:, ::-1])
    assert lips_follow((_f((0, 0.5)), activity[1]), faces) is None


def test_a_gated_stream_is_the_mixture_inside_and_room_tone_outside() -> None:
    pcm = _bursts((1.0, 3.0), (4.0, 6.0))
    own, other = ((RATE_HZ, 3 * RATE_HZ),), ((4 * RATE_HZ, 6 * RATE_HZ),)
    heard, origin = gated(pcm, RATE_HZ, own, other, "key")
    assert origin == "recording" and len(heard) == len(pcm)
    assert np.array_equal(heard[RATE_HZ : 3 * RATE_HZ], pcm[RATE_HZ : 3 * RATE_HZ])
    floor = [np.sqrt(np.mean(heard[low * RATE_HZ : (low + 1) * RATE_HZ] ** 2)) for low in (4, 5, 7)]
    assert floor == pytest.approx([0.001] * 3, rel=0.2)
    edge = 3 * RATE_HZ + round((MARGIN_S + FADE_S) * RATE_HZ)
    assert np.abs(heard[edge : 4 * RATE_HZ]).max() < 0.01
    assert np.array_equal(gated(pcm, RATE_HZ, own, other, "key")[0], heard)
    assert not np.array_equal(gated(pcm, RATE_HZ, own, other, "another")[0], heard)


def test_where_both_speak_both_streams_hold_the_mixture() -> None:
    pcm = _bursts((1.0, 6.0))
    first, second = ((RATE_HZ, 4 * RATE_HZ),), ((3 * RATE_HZ, 6 * RATE_HZ),)
    streams = [gated(pcm, RATE_HZ, *spans, "key")[0] for spans in ((first, second), (second, first))]
    fade = round(FADE_S * RATE_HZ)
    part = slice(3 * RATE_HZ + fade, 4 * RATE_HZ - fade)
    assert np.array_equal(streams[0][part], pcm[part]) and np.array_equal(streams[1][part], pcm[part])
    assert np.abs(streams[0][4 * RATE_HZ + fade :]).max() < 0.01  # no margin: the other goes on


def test_a_mixture_that_is_never_quiet_gets_a_made_tone() -> None:
    pcm = _bursts((0.0, 8.0))
    everywhere = ((0, 8 * RATE_HZ),)
    heard, origin = gated(pcm, RATE_HZ, ((0, RATE_HZ),), everywhere, "key")
    assert origin == "made" and 0 < np.abs(heard[2 * RATE_HZ :]).max() < 0.01
