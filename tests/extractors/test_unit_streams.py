from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from extractors.kmeans_units import fit_kmeans
from extractors.unit_streams import (
    PitchTracker,
    from_text,
    interleave,
    pitch_features,
    style_features,
    to_text,
)


def test_by_hand() -> None:
    """Semantic at 0, 40.02, 80.03, 120.05, 160.06, 200.08 ms; pitch at 0, 80, 160 ms; style at 0."""
    units = interleave([78, 42, 81, 159, 316, 259], [13, 13, 3], [81])
    assert to_text(units) == "[St81][Pi13][Hu78][Hu42][Hu81][Hu159][Pi3][Hu316][Hu259]"


def test_equal_neighbours_are_left_out() -> None:
    units = interleave([5, 5, 5, 6, 6, 5], [1, 1, 1], [9])
    assert to_text(units) == "[St9][Pi1][Hu5][Hu6][Hu5]"


def test_no_two_of_a_kind_in_a_row() -> None:
    """The semantic unit lasts while pitch moves: the latest counts, and a way there and back is none."""
    assert to_text(interleave([5] * 6 + [6], [1, 2, 3, 3], [9])) == "[St9][Pi1][Hu5][Pi3][Hu6]"
    assert to_text(interleave([5] * 6 + [6], [1, 2, 1, 1], [9])) == "[St9][Pi1][Hu5][Hu6]"
    assert to_text(interleave([5, 5, 5], [1, 2], [9])) == "[St9][Pi1][Hu5]"


def test_long_streams_keep_the_rules() -> None:
    random = np.random.default_rng(2)
    for seconds in (1, 3, 15):
        semantic = random.integers(0, 500, round(25 * seconds)).repeat(random.integers(1, 4))[: 25 * seconds]
        pitch, style = random.integers(0, 4, 13 * seconds), random.integers(0, 3, seconds)
        units = interleave(semantic.tolist(), pitch.tolist(), style.tolist())
        assert units[0][0] == "St"
        assert units[-1][0] == "Hu"
        text = to_text(units)
        for pair in ("St][St", "Pi][Pi", "Pi][St"):
            kinds = "[" + "][".join(kind for kind, _ in units) + "]"
            assert pair not in kinds
        for kind in ("St", "Pi", "Hu"):
            own = [unit for name, unit in units if name == kind]
            assert all(a != b for a, b in pairwise(own))
        expected = semantic[np.flatnonzero(np.diff(semantic, prepend=-1))]
        assert [unit for kind, unit in units if kind == "Hu"] == expected.tolist()
        assert from_text(text) == units


def test_semantic_units_alone() -> None:
    assert to_text(interleave([3, 3, 4], [], [])) == "[Hu3][Hu4]"
    assert interleave([], [1], [2]) == []
    assert from_text("") == []


@pytest.mark.parametrize("text", ["[Hu1] [Hu2]", "[Hu1][Xx2]", "Hu1", "[Hu]", "[Hu1]["])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no unit at character"):
        from_text(text)


def test_pitch_counts_from_the_speaker() -> None:
    f0_hz = np.array([100.0] * 10 + [200.0] * 5 + [77.0] * 5 + [100.0] * 2)
    voiced = np.array([True] * 15 + [False] * 5 + [True] * 2)
    expected = [[0, 1], [0, 1], [12, 1], [0, 0], [0, 1]]
    np.testing.assert_allclose(pitch_features(f0_hz, voiced), expected, atol=1e-6)
    np.testing.assert_allclose(pitch_features(3 * f0_hz, voiced), expected, atol=1e-6)
    assert pitch_features(np.zeros(0), np.zeros(0, bool)).shape == (0, 2)
    np.testing.assert_array_equal(pitch_features(np.zeros(5), np.zeros(5, bool)), [[0, 0]])


def test_half_a_unit_of_voice() -> None:
    f0_hz, voiced = np.array([100.0, 100, 1, 1, 1]), np.array([True, True, False, False, False])
    np.testing.assert_allclose(pitch_features(f0_hz, voiced), [[0, 0.4]], atol=1e-6)


def test_style_is_the_mean_of_a_second() -> None:
    features = np.repeat([[1.0, 2], [3, 4], [5, 6]], [50, 50, 10], axis=0).astype(np.float32)
    np.testing.assert_allclose(style_features(features, rate_hz=50), [[1, 2], [3, 4], [5, 6]])
    assert style_features(np.zeros((0, 2), np.float32), rate_hz=50).shape == (0, 2)


PYIN_MEDIANS_HZ = {
    "lyra_sample1_16k.wav": 100.6,
    "enrollment_steve.wav": 132.3,
    "enrollment_katie.wav": 156.0,
}


@pytest.fixture(scope="module")
def tracker() -> PitchTracker:
    pytest.importorskip("swift_f0", reason="the package swift-f0 is not installed")
    return PitchTracker()


def test_tracks_a_known_pitch(tracker: PitchTracker) -> None:
    """Ten harmonics of a gliding tone: 120 to 240 Hz in two seconds."""
    time_s = np.arange(32_000) / 16_000
    phase = 2 * np.pi * (120 * time_s + 30 * time_s**2)
    tone = 0.1 * sum(np.sin(k * phase) / k for k in range(1, 11))
    f0_hz, voiced = tracker(np.asarray(tone, np.float32))
    assert len(f0_hz) == 125
    true_hz = 120 + 60 * (np.arange(125) * 256 / 16_000)
    inner = slice(3, -3)
    assert voiced[inner].all()
    assert np.abs(12 * np.log2(f0_hz[inner] / true_hz[inner])).max() < 0.5
    assert not tracker(np.zeros(16_000, np.float32))[1].any()
    assert tracker(np.zeros(0, np.float32))[0].shape == (0,)


def test_tracks_real_voices(media: Path, tracker: PitchTracker) -> None:
    """Medians over 5 s by another program, pYIN of librosa 0.9.2 (50-550 Hz, frames of 64 ms)."""
    for name, median_hz in PYIN_MEDIANS_HZ.items():
        pcm, _ = soundfile.read(media / "audio" / name, dtype="float32", stop=5 * 16_000)
        f0_hz, voiced = tracker(pcm)
        assert np.median(f0_hz[voiced]) == pytest.approx(median_hz, rel=0.03)
        again, _ = tracker(pcm)
        np.testing.assert_array_equal(again, f0_hz)


def test_real_speech_becomes_text(media: Path, tracker: PitchTracker) -> None:
    pcm, _ = soundfile.read(media / "audio" / "lyra_sample1_16k.wav", dtype="float32", stop=3 * 16_000)
    rows = pitch_features(*tracker(pcm))
    assert len(rows) == 38  # 187 frames of 62.5 Hz
    pitch = fit_kmeans(rows, 8, seed=1).assign(rows)
    units = interleave(list(range(75)), pitch.tolist(), [4, 4, 2])
    assert units[:2] == [("St", 4), ("Pi", int(pitch[0]))]
    assert [unit for kind, unit in units if kind == "St"] == [4, 2]
    assert 5 < sum(kind == "Pi" for kind, _ in units) <= 38
