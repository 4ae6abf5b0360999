from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.audio import AudioReader, to_mono16k
from extractors.probe import probe
from manifests.ids import canonical_json
from synth.levels import level_dbfs
from synth.pauses import Pause, PauseError, TimeMap, paused_frames, paused_sound, plan_pauses
from synth.room_tone import RoomToneError
from synth.turns.annotate import annotate
from synth.turns.model import EventKind

RATE_HZ = 16_000
ONE = TimeMap(Fraction(3), (Pause(Fraction(11, 10), Fraction(4, 5)),))
MIMI = Fraction(25, 2)
MAPS = st.lists(
    st.tuples(st.integers(1, 299), st.integers(7, 25)), min_size=1, max_size=4, unique_by=lambda one: one[0]
).map(lambda some: TimeMap(Fraction(3), tuple(Pause(Fraction(a, 100), n / MIMI) for a, n in sorted(some))))


def test_times_by_hand() -> None:
    """0.8 s at 1.1 s: what ends there stays, what begins there is later, what lies across grows or splits."""
    assert ONE.spans([(Fraction(1), Fraction(11, 10)), (Fraction(11, 10), Fraction(2))]) == (
        (Fraction(1), Fraction(11, 10)),
        (Fraction(19, 10), Fraction(28, 10)),
    )
    across = [(Fraction(1), Fraction(2))]
    assert ONE.spans(across) == ((Fraction(1), Fraction(28, 10)),)
    assert ONE.spans(across, split=True) == (
        (Fraction(1), Fraction(11, 10)),
        (Fraction(19, 10), Fraction(28, 10)),
    )
    assert ONE.new_duration == Fraction(19, 5) and ONE.silences() == ((Fraction(11, 10), Fraction(19, 10)),)
    assert json.loads(canonical_json(ONE.labels())) == [
        {"start": "11/10", "stop": "19/10", "turn_end": False}
    ]


@given(MAPS, st.sampled_from([MIMI, Fraction(25), Fraction(50), Fraction(16_000)]))
def test_every_stream_moves_by_whole_frames_and_loses_none(time_map: TimeMap, rate: Fraction) -> None:
    """Frame numbers as data: the old ones are all there, in order, each where the time map says."""
    n_frames = -(-3 * rate // 1)
    old = np.arange(n_frames)
    new = paused_frames(old, rate, time_map, fill="hold")
    found = time_map.frames(int(n_frames), rate)
    assert (new[~found.inserted] == old).all()
    assert len(new) - n_frames == sum(one.length for one in time_map.pauses) * rate
    where = np.flatnonzero(~found.inserted)
    for frame in {0, int(n_frames) // 2, int(n_frames) - 1}:
        assert where[frame] / rate == time_map.start(Fraction(frame) / rate)


@given(MAPS)
def test_the_sound_of_the_clip_is_kept_sample_by_sample(time_map: TimeMap) -> None:
    pcm = np.random.default_rng(2).normal(0, 0.01, 3 * RATE_HZ).astype(np.float32)
    found = paused_sound(pcm, RATE_HZ, time_map, ((20_000, 30_000),), "a")
    inserted = time_map.frames(len(pcm), RATE_HZ).inserted
    assert (found.pcm[~inserted] == pcm).all() and len(found.pcm) == time_map.new_duration * RATE_HZ
    assert found.tone == "own" and level_dbfs(found.pcm[inserted]) == pytest.approx(-40, abs=0.7)


def test_frames_freeze_and_come_back() -> None:
    """10 s of a value that jumps from 0 to 100 at the pause: it stays at 0, then rises to 100 in 0.24 s."""
    values = np.repeat([0.0, 100.0], 25).astype(np.float32)
    time_map = TimeMap(Fraction(2), (Pause(Fraction(1), Fraction(4, 5)),))
    found = paused_frames(values, 25, time_map)
    assert (found[:39] == 0).all() and (found[45:] == 100).all() and (np.diff(found[38:46]) > 0).all()
    assert found.dtype == np.float32
    pictures = paused_frames(np.repeat([0, 200], 25).astype(np.uint8).reshape(50, 1, 1), 25, time_map)
    assert pictures.shape == (70, 1, 1) and pictures.dtype == np.uint8 and 0 < pictures[42, 0, 0] < 200


def test_idle_frames_play_forth_and_back() -> None:
    time_map = TimeMap(Fraction(2), (Pause(Fraction(1), Fraction(8, 5)),))
    idle = np.arange(50.0, 55.0)
    found = paused_frames(np.zeros(50), 25, time_map, fill="idle", idle=idle)
    assert found[31:39].tolist() == [52, 51, 50, 51, 52, 53, 54, 53], "blended in by then, not yet out"
    assert 0 < found[25] < 10 and 0 < found[64] < 10 and (found[65:] == 0).all()
    for bad in (None, np.zeros((0,)), np.zeros((3, 2))):
        with pytest.raises(PauseError, match="idle"):
            paused_frames(np.zeros(50), 25, time_map, fill="idle", idle=bad)


def test_nothing_clicks() -> None:
    """A tone of 200 Hz through the borders: no step is larger than those of the tone itself by much."""
    pcm = (0.1 * np.sin(2 * np.pi * 200 * np.arange(3 * RATE_HZ) / RATE_HZ)).astype(np.float32)
    quiet = np.random.default_rng(0).normal(0, 1e-4, 2 * RATE_HZ).astype(np.float32)
    found = paused_sound(pcm, RATE_HZ, ONE, (), "a", tone=quiet)
    assert found.tone == "given" and np.abs(np.diff(found.pcm)).max() < 2 * np.abs(np.diff(pcm)).max()


def test_plans_are_drawn_by_name_and_lie_between_words() -> None:
    words = [(Fraction(n, 2), Fraction(n, 2) + Fraction(2, 5)) for n in range(6)]
    found = plan_pauses(words, Fraction(3), "clip", count=2)
    assert (
        found
        == plan_pauses(words, Fraction(3), "clip", count=2)
        != plan_pauses(words, Fraction(3), "other", count=2)
    )
    assert all((one.at - Fraction(9, 20)) % Fraction(1, 2) == 0 for one in found.pauses)
    lengths = {plan_pauses(words, Fraction(3), n).pauses[0].length for n in range(300)}
    assert min(lengths) == Fraction(14, 25) and max(lengths) == 2, "whole 80 ms from 0.5 to 2 s"
    with pytest.raises(PauseError, match="6 pauses"):
        plan_pauses(words, Fraction(3), "clip", count=6)


def test_what_cannot_be() -> None:
    for pauses in (
        (Pause(Fraction(3), Fraction(1)),),
        (Pause(Fraction(1), Fraction(1)),) * 2,
        (Pause(Fraction(1), Fraction(0)),),
    ):
        with pytest.raises(PauseError):
            TimeMap(Fraction(3), pauses)
    odd = TimeMap(Fraction(3), (Pause(Fraction(1), Fraction(1, 3)),))
    with pytest.raises(PauseError, match="whole number of frames at 25 Hz"):
        odd.frames(75, 25)
    with pytest.raises(PauseError, match="not 3 s"):
        paused_sound(np.zeros(10, np.float32), RATE_HZ, ONE, ())
    silent = np.zeros(3 * RATE_HZ, np.float32)
    with pytest.raises(RoomToneError):
        paused_sound(silent, RATE_HZ, ONE, ())
    made = paused_sound(silent, RATE_HZ, ONE, (), made_dbfs=-60.0)
    assert made.tone == "made" and level_dbfs(made.pcm, ((18_000, 30_000),)) == pytest.approx(-60, abs=2)


def test_a_real_clip_keeps_its_turn(media: Path) -> None:
    """A GRID sentence with its own room in the pauses: the turn layer finds pauses and no end of turn."""
    path = str(media / "video" / "grid_id2_vcd_swwp2s.mpg")
    audio = probe(path).audio
    assert audio is not None
    with AudioReader(path, stream_index=audio.index) as reader:
        pcm = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
    lines = (media / "video" / "grid_id2_vcd_swwp2s.align").read_text(encoding="utf-8").split("\n")
    words = [
        (Fraction(int(start), 25_000), Fraction(int(stop), 25_000))
        for start, stop, word in (line.split() for line in lines if line.strip())
        if word != "sil"
    ]
    time_map = plan_pauses(words, Fraction(len(pcm), RATE_HZ), "swwp2s", count=2)
    speech = tuple((round(a * RATE_HZ), round(b * RATE_HZ)) for a, b in words)
    found = paused_sound(pcm, RATE_HZ, time_map, speech, "swwp2s")
    silences = [(round(a * RATE_HZ), round(b * RATE_HZ)) for a, b in time_map.silences()]
    room = level_dbfs(pcm, ((0, speech[0][0] - 800),))
    for span in silences:
        assert level_dbfs(found.pcm, (span,)) == pytest.approx(room, abs=4)
    turns = annotate({"A": time_map.spans(words, split=True), "B": []}, time_map.new_duration)
    assert len(turns.turns) == 1
    assert [(one.start, one.stop) for one in turns.of_kind(EventKind.PAUSE)] == list(time_map.silences())
