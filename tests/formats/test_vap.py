"""What VAP's data set asks (ErikEkstedt/VoiceActivityProjection:vap/data/datamodule.py,
create_sliding_window_dset.py)."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import MadeCorpus, turns_json, two, write_corpus

from manifests.exports.run import run_export
from manifests.exports.vap import clipped

ACTIVE = [[[4.5, 9.0], [11.5, 16.0]], [[0.5, 2.0], [2.6, 4.0], [8.0, 11.0], [17.0, 19.0]]]


@pytest.fixture
def exported(dialogues: MadeCorpus, out: Path) -> Path:
    run_export(dialogues.path, "vap", str(out))
    return out


def windows(path: Path) -> pd.DataFrame:
    """As `load_df` reads it: the session is a string and `vad_list` JSON."""
    return pd.read_csv(path, converters={"vad_list": json.loads, "session": str})


def test_every_dialogue_has_stereo_sound_at_16_khz_and_its_activity(
    exported: Path, dialogues: MadeCorpus
) -> None:
    found = pd.read_csv(exported / "audio_vad.csv")
    assert list(found.columns) == ["audio_path", "vad_path"]
    assert list(found.audio_path) == sorted(f"audio/{key}.wav" for key in dialogues.samples)
    for row in found.itertuples():
        sound, rate_hz = soundfile.read(exported / row.audio_path, dtype="int16")
        made = dialogues.samples[Path(row.audio_path).stem]
        assert rate_hz == 16_000
        assert np.array_equal(sound[:, 0], made.pcm["main.flac"])
        assert np.array_equal(sound[:, 1], made.pcm["other.flac"])
        assert json.loads((exported / row.vad_path).read_text()) == ACTIVE


def test_windows_of_20_s_every_15_s_with_their_horizon_inside(exported: Path, dialogues: MadeCorpus) -> None:
    """40 s hold windows from 0 and 15 s; a third would need 52 s."""
    found = windows(exported / "splits" / "sliding_window_dset_train.csv")
    assert list(found.columns) == ["session", "audio_path", "start", "end", "vad_list"]
    assert [(row.start, row.end) for row in found.itertuples()] == [(0.0, 20.0), (15.0, 35.0)] * 2
    assert all((exported / path).is_file() and not Path(path).is_absolute() for path in found.audio_path)
    assert found.vad_list[0] == ACTIVE
    assert found.vad_list[1] == [[[0.0, 1.0]], [[2.0, 4.0]]]
    assert (exported / "splits" / "sliding_window_dset_val.csv").is_file()


def test_the_activity_on_the_trainer_s_grid_is_the_dialogue_s(exported: Path) -> None:
    """50 frames a second over 22 s, `frame = int(time / hop)`; an edge may fall one frame early."""
    found = windows(exported / "splits" / "sliding_window_dset_train.csv")
    for row in found[:2].itertuples():
        grid = np.zeros((22 * 50, 2), bool)
        for channel, spans in enumerate(row.vad_list):
            for start, stop in spans:
                grid[int(start / 0.02) : int(stop / 0.02), channel] = True
        centres = row.start + (np.arange(22 * 50) + 0.5) / 50
        for channel, spans in enumerate(ACTIVE):
            truth = np.any([(start <= centres) & (centres < stop) for start, stop in spans], axis=0)
            assert np.count_nonzero(truth != grid[:, channel]) <= 2 * len(spans)
            assert abs(int(truth.sum()) - int(grid[:, channel].sum())) <= 2 * len(spans)


def test_too_short_and_one_sided_dialogues_are_skipped_with_their_reason(tmp_path: Path) -> None:
    alone = turns_json()
    alone["streams"]["main"]["ipus"] = []
    made = [
        two(1, "train", turns=alone),
        two(2, "train", turns=turns_json("21"), n_frames=274),
        two(3, "train", turns=turns_json("22"), n_frames=275),
    ]
    report = run_export(str(write_corpus(tmp_path / "corpus", made)), "vap", str(tmp_path / "out"))
    assert (report.ok, report.reasons) == (1, {"one_side_silent": 1, "too_short": 1})
    assert len(windows(tmp_path / "out" / "splits" / "sliding_window_dset_train.csv")) == 1


@given(
    st.lists(st.tuples(st.integers(0, 4000), st.integers(1, 500)), max_size=8),
    st.integers(0, 30),
    st.integers(1, 22),
)
def test_what_is_clipped_is_what_was_heard_inside(
    spans: list[tuple[int, int]], start: int, length: int
) -> None:
    seconds = [(low / 100, (low + more) / 100) for low, more in spans]
    found = clipped(seconds, Fraction(start), Fraction(start + length))
    for at in range(length * 10):
        instant = at / 10 + 0.005
        before = any(low <= start + instant < high for low, high in seconds)
        assert any(low <= instant < high for low, high in found) == before
