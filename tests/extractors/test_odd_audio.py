"""Odd but legal audio, written here with PyAV or libsndfile and read through the real decoder.

Formats, rates and channel counts against libsndfile are in test_audio.py, lost packets as well; that a silent
source ends with its reason is in tests/pipelines/test_build.py.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.audio import AudioReader, to_mono16k
from extractors.audio_quality import Quality, QualityMeter
from extractors.probe import Probe, probe
from manifests.reasons import ItemError, Reason

Pcm = NDArray[np.float32]
PULSE_S = (0.25, 0.75, 1.25, 1.75)
"""Where the test signal has its pulses, seconds from its first sample."""


def pulses(rate_hz: int, *, channels: int = 1, length_s: float = 2.0) -> Pcm:
    """Quiet tones with a loud pulse of 1 ms at each of `PULSE_S`."""
    n_samples = round(length_s * rate_hz)
    time_s = np.arange(n_samples) / rate_hz
    pcm = np.stack([0.01 * np.sin(2 * np.pi * 300 * (c + 1) * time_s) for c in range(channels)])
    for at_s in PULSE_S:
        pcm[:, round(at_s * rate_hz) : round((at_s + 0.001) * rate_hz)] += 0.5
    return pcm.astype(np.float32)


def onsets_s(pcm: Pcm, rate_hz: int, start: Fraction) -> list[float]:
    loud = np.flatnonzero(np.abs(pcm).max(axis=0) > 0.25)
    first = loud[np.diff(loud, prepend=-(10**9)) > rate_hz // 20]
    return [float(start) + int(sample) / rate_hz for sample in first]


def write(
    path: Path,
    pcm: Pcm,
    rate_hz: int,
    codec: str,
    *,
    layout: str,
    audio_from_s: float = 0.0,
    n_frames: int = 0,
    hole_s: tuple[float, float] | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Encode `pcm`, its first sample at `audio_from_s`, beside `n_frames` of video at 25 fps from 0.

    Packets inside `hole_s`, counted from the first sample, are not written.
    """
    packets: list[Any] = []
    with av.open(str(path), "w", options=options or {}) as container:
        if n_frames:
            video: Any = container.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            for number in range(n_frames):
                picture: Any = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 3 * number % 255, np.uint8))
                picture.pts, picture.time_base = number, Fraction(1, 25)
                packets += video.encode(picture)
            packets += video.encode(None)
        audio: Any = container.add_stream(codec, rate=rate_hz, layout=layout)
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(pcm), format="fltp", layout=layout)
        whole.sample_rate, whole.pts, whole.time_base = rate_hz, 0, Fraction(1, rate_hz)
        fifo: Any = av.AudioFifo()
        for part in av.AudioResampler(format=audio.format.name, layout=layout, rate=rate_hz).resample(whole):
            fifo.write(part)
        size, position = audio.codec_context.frame_size or 400, round(audio_from_s * rate_hz)
        while fifo.samples:
            frame = fifo.read(min(size, fifo.samples), True)
            frame.pts, frame.time_base = position, Fraction(1, rate_hz)
            position += frame.samples
            packets += audio.encode(frame)
        packets += audio.encode(None)
        for packet in sorted(packets, key=lambda one: one.dts * one.time_base):
            at_s = float(packet.pts * packet.time_base) - audio_from_s
            lost = packet.stream is audio and hole_s is not None and hole_s[0] <= at_s < hole_s[1]
            if not lost:
                container.mux(packet)


def read(path: Path) -> tuple[Pcm, AudioReader, Probe]:
    facts = probe(str(path))
    assert facts.audio is not None
    with AudioReader(str(path), stream_index=facts.audio.index) as reader:
        return np.concatenate(list(reader.blocks()), axis=1), reader, facts


def quality(pcm: Pcm, rate_hz: int) -> Quality:
    meter = QualityMeter(rate_hz=rate_hz)
    meter.feed(pcm, to_mono16k(pcm, rate_hz))
    return meter.finish(np.zeros(0, np.float32), np.zeros(0, np.float32))


# channels


@pytest.mark.parametrize(("layout", "channels"), [("mono", 1), ("stereo", 2), ("5.1", 6)])
def test_layouts_keep_their_channels(tmp_path: Path, layout: str, channels: int) -> None:
    pcm = pulses(48_000, channels=channels)
    write(tmp_path / "x.mkv", pcm, 48_000, "flac", layout=layout, n_frames=50)
    found, reader, facts = read(tmp_path / "x.mkv")
    assert facts.audio is not None
    assert (facts.audio.channels, reader.channels, reader.rate_hz) == (channels, channels, 48_000)
    np.testing.assert_allclose(found, pcm, atol=2**-15)
    expected = to_mono16k(pcm.mean(axis=0, keepdims=True), 48_000)
    np.testing.assert_allclose(to_mono16k(found, 48_000), expected, atol=2**-15)


@pytest.mark.parametrize("codec", ["aac", "ac3"])
def test_lossy_surround_keeps_the_order_of_its_channels(tmp_path: Path, codec: str) -> None:
    """A tone for each channel; the fourth is the low-frequency one and keeps only what is low."""
    tones_hz = [440, 700, 1_000, 60, 1_500, 2_200]
    time_s = np.arange(96_000) / 48_000
    pcm = np.stack([0.3 * np.sin(2 * np.pi * hz * time_s) for hz in tones_hz]).astype(np.float32)
    write(tmp_path / "x.mkv", pcm, 48_000, codec, layout="5.1")
    found, _, _ = read(tmp_path / "x.mkv")
    middle = found[:, 24_000:72_000]  # a second: bins of 1 Hz
    assert np.abs(np.fft.rfft(middle, axis=1)).argmax(axis=1).tolist() == tones_hz


def test_channels_that_cancel_are_told(tmp_path: Path) -> None:
    """A microphone wired the wrong way: the mono mix is silent, and a number says why."""
    pcm = pulses(48_000)
    write(tmp_path / "x.mkv", np.concatenate([pcm, -pcm]), 48_000, "flac", layout="stereo")
    found, _, _ = read(tmp_path / "x.mkv")
    assert np.abs(to_mono16k(found, 48_000)).max() < 1e-4
    loss_db = quality(found, 48_000).mix_loss_db
    assert loss_db is not None
    assert loss_db > 40


# rates and sample formats


@pytest.mark.parametrize(("codec", "noise_db"), [("pcm_mulaw", 30), ("pcm_alaw", 30), ("adpcm_ima_wav", 10)])
def test_telephone_codecs(tmp_path: Path, codec: str, noise_db: float) -> None:
    """White noise, with which ADPCM has the hardest time."""
    random = np.random.default_rng(1)
    pcm = (0.1 * random.laplace(size=(1, 16_000))).clip(-0.9, 0.9).astype(np.float32)
    write(tmp_path / "x.wav", pcm, 8_000, codec, layout="mono")
    found, reader, _ = read(tmp_path / "x.wav")
    assert (reader.rate_hz, reader.channels, reader.n_errors) == (8_000, 1, 0)
    assert 16_000 <= found.shape[1] <= 17_100  # the last block of ADPCM is filled up
    error = found[:, :16_000] - pcm
    assert 10 * np.log10(np.mean(pcm**2) / np.mean(error**2)) > noise_db
    assert quality(found, 8_000).bandwidth_hz == pytest.approx(4_000, abs=100)
    assert len(to_mono16k(found, 8_000)) == 2 * found.shape[1]


def test_96_khz_in_24_bits_is_exact(tmp_path: Path) -> None:
    steps = np.random.default_rng(2).integers(-(2**23), 2**23, (2, 96_000))
    pcm = (steps / 2**23).astype(np.float32)
    soundfile.write(tmp_path / "x.flac", pcm.T, 96_000, subtype="PCM_24")
    found, reader, _ = read(tmp_path / "x.flac")
    assert reader.rate_hz == 96_000
    np.testing.assert_array_equal(found, pcm)
    assert to_mono16k(found, 96_000).shape == (16_000,)


def test_the_ultrasound_of_96_khz_does_not_fold_back(tmp_path: Path) -> None:
    time_s = np.arange(2 * 96_000) / 96_000
    tone = (0.4 * np.sin(2 * np.pi * 1_000 * time_s)).astype(np.float32)
    ultrasound = (0.4 * np.sin(2 * np.pi * 31_000 * time_s)).astype(np.float32)
    soundfile.write(tmp_path / "x.wav", tone + ultrasound, 96_000, subtype="PCM_24")
    found, _, _ = read(tmp_path / "x.wav")
    assert quality(found, 96_000).bandwidth_hz == pytest.approx(31_000, abs=200)
    difference = to_mono16k(found, 96_000) - to_mono16k(tone[None], 96_000)
    assert np.abs(difference[1_000:-1_000]).max() < 1e-5  # it begins and ends with a click


def test_float_above_full_scale_is_kept(tmp_path: Path) -> None:
    pcm = 3 * pulses(48_000)
    soundfile.write(tmp_path / "x.wav", pcm.T, 48_000, subtype="FLOAT")
    found, reader, _ = read(tmp_path / "x.wav")
    np.testing.assert_array_equal(found, pcm)
    assert np.abs(found).max() > 1.5
    assert reader.n_errors == 0


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e6])
def test_numbers_that_are_no_sound_are_silenced_and_counted(tmp_path: Path, value: float) -> None:
    pcm = pulses(48_000)
    pcm[0, 50_000] = value
    soundfile.write(tmp_path / "x.wav", pcm.T, 48_000, subtype="FLOAT")
    found, reader, _ = read(tmp_path / "x.wav")
    assert reader.n_errors == 1
    assert np.isfinite(found).all()
    differs = np.flatnonzero(found[0] != pcm[0])
    assert 50_000 in differs
    assert len(differs) <= 4096  # one frame of the decoder
    np.testing.assert_array_equal(found[0, :45_000], pcm[0, :45_000])


# time


def test_audio_that_starts_before_the_video(tmp_path: Path) -> None:
    """At -0.5 s, in a container that can say so."""
    path = tmp_path / "x.mkv"
    write(
        path,
        pulses(16_000),
        16_000,
        "pcm_s16le",
        layout="mono",
        audio_from_s=-0.5,
        n_frames=50,
        options={"avoid_negative_ts": "disabled"},
    )
    found, reader, facts = read(path)
    assert (reader.start, facts.audio_offset) == (Fraction(-1, 2), Fraction(-1, 2))
    assert onsets_s(found, 16_000, reader.start) == pytest.approx([s - 0.5 for s in PULSE_S], abs=0.001)
    with AudioReader(str(path), stream_index=1) as again:  # what goes with the first second of the picture
        span = again.read_span(Fraction(0), Fraction(1))
        assert again.padded_s == 0
    assert onsets_s(span, 16_000, Fraction(0)) == pytest.approx([0.25, 0.75], abs=0.001)


def test_sound_before_the_beginning_of_an_mp4_is_hidden(tmp_path: Path) -> None:
    """Its edit list presents from 0 on: the pulse at -0.25 s is not played, the others stay."""
    path = tmp_path / "x.mp4"
    write(path, pulses(48_000), 48_000, "aac", layout="mono", audio_from_s=-0.5, n_frames=50)
    found, reader, _ = read(path)
    assert reader.start == 0
    assert onsets_s(found, 48_000, reader.start) == pytest.approx([0.25, 0.75, 1.25], abs=0.003)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "flac"), ("mp4", "aac"), ("mov", "pcm_s16le")])
def test_audio_that_starts_late(tmp_path: Path, suffix: str, codec: str) -> None:
    path = tmp_path / f"x.{suffix}"
    write(path, pulses(48_000), 48_000, codec, layout="mono", audio_from_s=0.5, n_frames=75)
    found, reader, facts = read(path)
    assert float(reader.start) == pytest.approx(0.5, abs=0.025)  # AAC starts with what primes it
    assert float(facts.audio_offset or 0) == pytest.approx(0.5, abs=0.025)
    assert onsets_s(found, 48_000, reader.start) == pytest.approx([s + 0.5 for s in PULSE_S], abs=0.003)
    with AudioReader(str(path), stream_index=1) as again:
        span = again.read_span(Fraction(0), Fraction(1))
        assert float(again.padded_s) == pytest.approx(0.5, abs=0.025)
    assert onsets_s(span, 48_000, Fraction(0)) == pytest.approx([0.75], abs=0.003)


@pytest.mark.parametrize(("n_frames", "video_s"), [(100, 4.0), (25, 1.0)])
def test_audio_shorter_and_longer_than_the_video(tmp_path: Path, n_frames: int, video_s: float) -> None:
    path = tmp_path / "x.mkv"
    write(path, pulses(16_000), 16_000, "pcm_s16le", layout="mono", n_frames=n_frames)
    found, _, facts = read(path)
    assert found.shape == (1, 32_000)
    assert facts.video is not None
    assert float(facts.video.stop or 0) == pytest.approx(video_s, abs=0.001)
    with AudioReader(str(path), stream_index=1) as again:
        span = again.read_span(Fraction(0), Fraction(video_s))
        assert again.padded_s == max(Fraction(0), Fraction(video_s) - 2)
    assert span.shape == (1, round(16_000 * video_s))
    length = min(span.shape[1], 32_000)
    np.testing.assert_array_equal(span[:, :length], found[:, :length])
    assert not span[:, length:].any()


def test_a_gap_in_the_time_stamps_is_silence_of_its_length(tmp_path: Path) -> None:
    path = tmp_path / "x.mkv"
    write(path, pulses(16_000), 16_000, "pcm_s16le", layout="mono", n_frames=50, hole_s=(0.5, 1.0))
    found, reader, _ = read(path)
    assert found.shape == (1, 32_000)
    assert reader.gap_s == pytest.approx(0.5, abs=0.001)
    assert not found[0, 8_000:16_000].any()
    assert onsets_s(found, 16_000, reader.start) == pytest.approx([0.25, 1.25, 1.75], abs=0.001)


# nothing


@pytest.mark.parametrize(("codec", "suffix"), [("flac", "mkv"), ("aac", "mp4"), ("pcm_mulaw", "wav")])
def test_all_zero_audio_has_no_measures(tmp_path: Path, codec: str, suffix: str) -> None:
    rate_hz = 8_000 if codec == "pcm_mulaw" else 48_000
    path = tmp_path / f"x.{suffix}"
    write(path, np.zeros((1, 2 * rate_hz), np.float32), rate_hz, codec, layout="mono")
    found, reader, _ = read(path)
    assert reader.n_errors == 0
    assert not np.abs(found).max() > 2**-12  # the smallest step of mu-law is not 0
    told = quality(found, rate_hz)
    assert (told.bandwidth_hz, told.clipped_share) == (None, 0)
    assert told.mean_opinion("ovrl") is None


def test_a_single_sample(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.array([0.5], np.float32), 48_000)
    found, _, _ = read(tmp_path / "x.wav")
    assert found.shape == (1, 1)
    assert to_mono16k(found, 48_000).shape == (0,)
    assert quality(found, 48_000).clipped_share == 0


def test_a_header_without_samples_has_its_reason(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros(0, np.float32), 48_000)
    with pytest.raises(ItemError) as told:
        read(tmp_path / "x.wav")
    assert told.value.reason in {Reason.NO_STREAMS, Reason.DECODE_FAILED}
