from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.voices.decoding import decode
from synth.voices.trimming import clipped_share, trim
from synth.voices.voice import Fault, Spoken, SpokenWord, VoiceError

RATE_HZ = 24_000
WINDOW = 480


def tone(n_samples: int, peak: float = 0.5) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 440 * np.arange(n_samples) / RATE_HZ)).astype(np.float32)


def silence(n_samples: int) -> np.ndarray:
    return np.zeros(n_samples, np.float32)


@given(st.integers(0, 30_000), st.integers(2_000, 20_000), st.integers(0, 30_000), st.floats(0.01, 0.99))
@settings(max_examples=60, deadline=None)
def test_cuts_to_the_sound_and_tells_what_it_cut(lead: int, sound: int, tail: int, peak: float) -> None:
    pcm = np.concatenate([silence(lead), tone(sound, peak), silence(tail)])
    said = (SpokenWord("a", lead, lead + sound // 2), SpokenWord("b", lead + sound // 2, lead + sound))
    found = trim(Spoken(pcm, RATE_HZ, said))
    start = round(found.lead_silence_s * RATE_HZ)
    assert np.array_equal(found.pcm, pcm[start : start + len(found.pcm)])
    assert abs(start - lead) <= WINDOW
    assert abs(found.tail_silence_s * RATE_HZ - tail) <= WINDOW
    assert start + len(found.pcm) + round(found.tail_silence_s * RATE_HZ) == len(pcm)
    assert found.peak_dbfs == pytest.approx(20 * np.log10(peak), abs=0.1)
    assert found.clipped_share == 0
    assert found.words is not None
    for before, after in zip(said, found.words, strict=True):
        assert np.array_equal(
            pcm[max(before.start, start) : before.stop][: after.stop - after.start],
            found.pcm[after.start : after.stop],
        )


@pytest.mark.parametrize("pcm", [silence(0), silence(100), silence(24_000), tone(24_000, 1e-4)])
def test_silence_is_told(pcm: np.ndarray) -> None:
    with pytest.raises(VoiceError) as caught:
        trim(Spoken(pcm, RATE_HZ))
    assert caught.value.fault == Fault.SPEECH_SILENT


def test_numbers_that_are_none() -> None:
    pcm = tone(24_000)
    pcm[7] = np.nan
    with pytest.raises(VoiceError) as caught:
        trim(Spoken(pcm, RATE_HZ))
    assert caught.value.fault == Fault.NOT_FINITE


def test_what_is_over_full_scale_is_turned_down_and_not_clipped() -> None:
    pcm = tone(24_000, 1.25)
    found = trim(Spoken(pcm, RATE_HZ))
    assert np.abs(found.pcm).max() <= 1
    assert np.allclose(found.pcm * 1.25, pcm, atol=1e-3)
    assert found.gain_db == pytest.approx(-1.94, abs=0.01)  # 20 log10 0.8
    assert (found.peak_dbfs, found.clipped_share) == (0.0, 0.0)
    assert trim(Spoken(tone(24_000), RATE_HZ)).gain_db == 0


def test_clipping_is_a_run_at_full_scale() -> None:
    pcm = silence(1000)
    pcm[[10, 20, 21]] = 1.0  # peaks
    assert clipped_share(pcm) == 0
    pcm[100:105] = -1.0
    pcm[997:] = 1.0  # at the very end
    assert clipped_share(pcm) == 8 / 1000
    loud = np.clip(tone(24_000, 2.0), -1, 1)
    assert clipped_share(loud) == pytest.approx(2 / 3, abs=0.02)  # |sin| > 1/2 for two thirds of the time


def wav(pcm: np.ndarray, **options: str) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm, RATE_HZ, **{"format": "WAV", "subtype": "PCM_16", **options})
    return file.getvalue()


def read(data: bytes) -> Spoken:
    return decode(data, "somebody")


def test_reads_what_was_written() -> None:
    stereo = np.stack([tone(5000), tone(5000, 0.25)], axis=1)
    found = read(wav(stereo, subtype="FLOAT"))
    assert found.rate_hz == RATE_HZ
    assert np.allclose(found.pcm, stereo.mean(axis=1), atol=1e-7)
    assert len(read(wav(tone(5000), format="FLAC")).pcm) == 5000


@pytest.mark.parametrize("size", [0, 0x7FFFFFFF, 0xFFFFFFFF])
def test_a_streamed_wav_does_not_know_its_length(size: int) -> None:
    data = bytearray(wav(tone(5000)))
    assert data[36:40] == b"data"
    data[4:8] = data[40:44] = struct.pack("<I", size)
    assert len(read(bytes(data)).pcm) == 5000


@given(st.integers(0, 9_900))
@settings(max_examples=60, deadline=None)
def test_a_cut_file_is_never_taken_for_a_whole_one(kept: int) -> None:
    for data in (wav(tone(5000)), wav(tone(5000), format="FLAC")):
        if kept < len(data):
            with pytest.raises(VoiceError) as caught:
                read(data[:kept])
            assert caught.value.fault in (Fault.ANSWER_TRUNCATED, Fault.ANSWER_NOT_AUDIO)


def test_nan_in_a_file() -> None:
    pcm = tone(5000)
    pcm[3] = np.inf
    with pytest.raises(VoiceError) as caught:
        read(wav(pcm, subtype="FLOAT"))
    assert caught.value.fault == Fault.NOT_FINITE
