from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.filterbank import log_filterbank, stacked_filterbank

PRINTED = [
    [12.020437, 18.045486, 12.094024, 10.725944],
    [11.350276, 12.455636, 20.970461, 13.232123],
    [12.569571, 13.222714, 14.461951, 14.191879],
]
PRINTED_MEAN = 14.388714
LENGTHS = [1, 399, 400, 401, 559, 560, 561, 16_000, 28_160, 41_234]


def speech(media: Path) -> NDArray[np.int16]:
    samples, rate_hz = soundfile.read(media / "audio" / "lyra_sample1_16k.wav", dtype="int16")
    assert rate_hz == 16_000
    return np.asarray(samples)


def as_float(samples: NDArray[np.int16]) -> NDArray[np.float32]:
    return samples.astype(np.float32) / 32_768


@pytest.mark.parametrize("length", LENGTHS)
def test_equals_python_speech_features(media: Path, length: int) -> None:
    reference = pytest.importorskip("python_speech_features")
    samples = speech(media)[:length]
    expected = reference.logfbank(samples, samplerate=16_000)
    found = log_filterbank(as_float(samples))
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_numbers_of_python_speech_features() -> None:
    """Printed by its release 0.6 for the same sweep: frames 0, 7, 17, bands 0, 5, 12, 25, and the mean."""
    time_s = np.arange(3_000) / 16_000
    sweep = np.rint(8_000 * np.sin(2 * np.pi * (200 * time_s + 9_000 * time_s**2))).astype(np.int16)
    found = log_filterbank(as_float(sweep))
    assert found.shape == (18, 26)
    np.testing.assert_allclose(found[[0, 7, 17]][:, [0, 5, 12, 25]], PRINTED, atol=2e-6)
    assert found.mean() == pytest.approx(PRINTED_MEAN, abs=2e-6)


def test_silence_equals_the_reference_too(media: Path) -> None:
    reference = pytest.importorskip("python_speech_features")
    samples = np.concatenate([np.zeros(5_000, np.int16), speech(media)[:5_000], np.zeros(5_000, np.int16)])
    expected = reference.logfbank(samples, samplerate=16_000)
    np.testing.assert_allclose(log_filterbank(as_float(samples)), expected, rtol=0, atol=1e-9)


def test_a_clip_has_a_row_for_each_frame_of_its_video(media: Path) -> None:
    for n_frames in (2, 25, 76):
        pcm = as_float(speech(media))[: 640 * n_frames]
        rows = stacked_filterbank(pcm)
        assert rows.shape == (n_frames, 104)
        assert rows.dtype == np.float32
        assert (rows[-1, 78:] == 0).all()  # the 4 n th frame of 25 ms does not fit
        bands = log_filterbank(pcm).astype(np.float32)
        np.testing.assert_array_equal(rows[0], bands[:4].reshape(-1))


def test_rows_are_cut_or_filled_to_the_video(media: Path) -> None:
    pcm = as_float(speech(media))[: 640 * 10]
    rows = stacked_filterbank(pcm)
    np.testing.assert_array_equal(stacked_filterbank(pcm, n_frames=8), rows[:8])
    longer = stacked_filterbank(pcm, n_frames=12)
    np.testing.assert_array_equal(longer[:10], rows)
    assert (longer[10:] == 0).all()
    assert longer.shape == (12, 104)


def test_a_tone_is_loudest_in_its_band() -> None:
    """1 kHz is 1000 mel; the 26 middles lie every 2840.02 / 27 mel: the tenth (number 9) is the nearest."""
    tone = (0.5 * np.sin(2 * np.pi * 1_000 * np.arange(16_000) / 16_000)).astype(np.float32)
    nearest = round(999.9856 / (2840.0230 / 27)) - 1
    assert (log_filterbank(tone)[:-1].argmax(axis=1) == nearest).all()


def test_length_never_changes_a_frame(media: Path) -> None:
    pcm = as_float(speech(media))
    whole = log_filterbank(np.concatenate([pcm] * 16))  # longer than one run
    np.testing.assert_array_equal(log_filterbank(pcm[:8_000])[:-2], whole[:47])


def test_no_samples_one_frame() -> None:
    assert log_filterbank(np.zeros(0, np.float32)).shape == (1, 26)
