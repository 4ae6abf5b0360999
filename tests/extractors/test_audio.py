from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.audio import MAX_AMPLITUDE, AudioReader, Mono16k, to_mono16k
from extractors.probe import AudioInfo, probe
from extractors.timeline import Timeline
from manifests.reasons import ItemError

Pcm = NDArray[np.float32]


def audio_info(path: Path) -> AudioInfo:
    found = probe(str(path)).audio
    assert found is not None
    return found


def open_reader(path: Path) -> AudioReader:
    return AudioReader(str(path), stream_index=audio_info(path).index)


def whole(reader: AudioReader, **options: Any) -> Pcm:
    return np.concatenate(list(reader.blocks(**options)), axis=1)


def tones(rate_hz: int, n_samples: int, *, channels: int = 1) -> Pcm:
    """A different sweep in each channel."""
    time_s = np.arange(n_samples) / rate_hz
    sweeps = [np.sin(2 * np.pi * (200 + 50 * c + 300 * time_s) * time_s) for c in range(channels)]
    return (0.4 * np.stack(sweeps)).astype(np.float32)


def write_packets(
    path: Path, pcm: Pcm, rate_hz: int, codec: str, *, lose: range = range(0), shift: int = 0
) -> int:
    """Encode mono and write all packets but `lose`; `shift` samples are added to the time of those after."""
    part: Any
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate_hz, layout="mono")
        fifo: Any = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(pcm, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate_hz, 0
        frame.time_base = Fraction(1, rate_hz)
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate_hz)
        for part in resampler.resample(frame):
            fifo.write(part)
        packets = []
        size = stream.codec_context.frame_size or 1024
        while (part := fifo.read(size)) is not None:
            packets += stream.encode(part)
        packets += stream.encode(fifo.read(0, True)) if fifo.samples else []
        packets += stream.encode(None)
        for number, packet in enumerate(packets):
            if number in lose:
                continue
            if number >= lose.stop and shift:
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
            container.mux(packet)
    return int(size)


FORMATS = [("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "DOUBLE"),
           ("WAV", "PCM_U8"), ("FLAC", "PCM_24"), ("AIFF", "PCM_16")]  # fmt: skip


@pytest.mark.parametrize(("container", "subtype"), FORMATS)
def test_sample_formats_equal_libsndfile(tmp_path: Path, container: str, subtype: str) -> None:
    path = tmp_path / f"x.{container.lower()}"
    soundfile.write(path, tones(48_000, 30_001, channels=2).T, 48_000, subtype=subtype)
    expected, _ = soundfile.read(path, dtype="float32", always_2d=True)
    with open_reader(path) as reader:
        np.testing.assert_allclose(whole(reader), expected.T, rtol=0, atol=2**-25)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 22_050, 44_100, 96_000])
@pytest.mark.parametrize("channels", [1, 3, 6, 8])
def test_rates_and_channels(tmp_path: Path, rate_hz: int, channels: int) -> None:
    path = tmp_path / "x.wav"
    pcm = tones(rate_hz, rate_hz // 3, channels=channels)
    soundfile.write(path, pcm.T, rate_hz, subtype="FLOAT")
    with open_reader(path) as reader:
        assert (reader.rate_hz, reader.channels, reader.start) == (rate_hz, channels, Fraction(0))
        np.testing.assert_array_equal(whole(reader), pcm)


@pytest.mark.parametrize(
    "name",
    [
        "audio/libri_198-209-0000.ogg",
        "music/Kevin_MacLeod_-_Vibe_Ace.ogg",  # Vorbis: the first blocks carry odd time stamps
        "noise/am_hens.ogg",  # Vorbis: libavformat is 10 ms off at 44 block changes
        "noise/am_bus.opus",
        "rir/lhotse_real_8ch.wav",
        "rir/am_rir48000.wav",
    ],
)
def test_real_files_equal_libsndfile(media: Path, name: str) -> None:
    expected, rate_hz = soundfile.read(media / name, dtype="float32", always_2d=True)
    with open_reader(media / name) as reader:
        pcm = whole(reader)
        assert (reader.rate_hz, reader.gap_s, reader.overlap_s, reader.n_errors) == (rate_hz, 0, 0, 0)
    assert pcm.shape == expected.T.shape
    assert np.abs(pcm - expected.T).max() < 1e-6


@pytest.mark.parametrize(
    "name",
    [
        "video/grid_bbaf2n.mpg",  # mp2 in MPEG-PS, times rounded to 1/90000 s
        "video/face_noface.mov",  # AAC that starts late, within a frame
        "video/pyfeat_single_face.mp4",  # mp3
        "video/pyfeat_no_face_caminandes.mp4",
        "broken/audio_only.m4a",
        "audio/pyannote_sample.wav",
        "music/acestep_calm_acoustic_1.opus",
    ],
)
def test_samples_fill_the_probed_span(media: Path, name: str) -> None:
    info = audio_info(media / name)
    with open_reader(media / name) as reader:
        pcm = whole(reader)
        assert info.stop is not None
        assert reader.start == info.start
        assert abs(reader.start + Fraction(pcm.shape[1], info.rate_hz) - info.stop) < Fraction(1, 1000)
        assert abs(reader.drift_s) < 0.001
        assert (reader.gap_s, reader.overlap_s, reader.n_errors) == (0, 0, 0)


@pytest.mark.parametrize(
    "name",
    ["video/grid_bbaf2n.mpg", "video/face_noface.mov", "audio/libri_198-209-0000.ogg", "noise/am_bus.opus",
     "audio/lyra_sample1_16k.wav", "broken/bitflips.mp4", "video/pyfeat_single_face.mp4"],
)  # fmt: skip
def test_spans_equal_slices_of_the_full_decode(media: Path, name: str) -> None:
    with open_reader(media / name) as reader:
        pcm, rate_hz, zero = whole(reader), reader.rate_hz, reader.start
        n_samples = pcm.shape[1]
        random = np.random.default_rng(11)
        spans = [(int(a), int(a) + int(n)) for a, n in zip(
            random.integers(-2_000, n_samples, 12), random.integers(0, 20_000, 12), strict=True)]  # fmt: skip
        for first, last in [*spans, *sorted(spans), (0, n_samples)]:
            found = reader.read_span(zero + Fraction(first, rate_hz), zero + Fraction(last, rate_hz))
            inside = pcm[:, max(first, 0) : max(last, 0)]
            before = max(min(0, last) - first, 0)
            after = last - first - before - inside.shape[1]
            np.testing.assert_array_equal(found, np.pad(inside, ((0, 0), (before, after))))
            assert reader.padded_s == Fraction(before + after, rate_hz)


def test_span_length_is_rounded_once(media: Path) -> None:
    with open_reader(media / "video" / "grid_bbaf2n.mpg") as reader:
        assert reader.read_span(Fraction(1, 25), Fraction(2, 25)).shape == (2, 1764)
        assert reader.read_span(Fraction(1, 3), Fraction(1, 3) + Fraction(1, 88_200)).shape == (2, 1)
        assert reader.read_span(Fraction(9), Fraction(10)).shape == (2, 44_100)
        assert reader.padded_s == 1


def test_blocks(media: Path) -> None:
    with open_reader(media / "audio" / "pyannote_sample.wav") as reader:
        pcm = whole(reader)
        blocks = list(reader.blocks(Fraction(1, 2), Fraction(29, 10), block_s=0.7))
        assert [block.shape for block in blocks] == [(1, 11_200)] * 3 + [(1, 4_800)]
        np.testing.assert_array_equal(np.concatenate(blocks, axis=1), pcm[:, 8_000:46_400])
        assert all(block.flags.c_contiguous for block in blocks)


@pytest.mark.parametrize("suffix", ["mkv", "m4a"])
def test_lost_packets_become_silence_of_their_length(tmp_path: Path, suffix: str) -> None:
    pcm = tones(48_000, 96_000)
    size = write_packets(tmp_path / f"all.{suffix}", pcm, 48_000, "aac")
    write_packets(tmp_path / f"lost.{suffix}", pcm, 48_000, "aac", lose=range(40, 45))
    with open_reader(tmp_path / f"all.{suffix}") as reader:
        healthy = whole(reader)
    with open_reader(tmp_path / f"lost.{suffix}") as reader:
        damaged = whole(reader)
        assert reader.gap_s == pytest.approx(5 * size / 48_000, abs=0.002)
        assert reader.overlap_s == 0
        assert abs(reader.drift_s) < 0.002
    assert abs(damaged.shape[1] - healthy.shape[1]) <= 96
    # far from the hole nothing moved: 1 ms is the clock of Matroska
    tail, reference = damaged[0, -20_000:-5_000], healthy[0]
    lags = range(-100, 101)
    at = damaged.shape[1] - 20_000
    errors = [np.abs(tail - reference[at + lag : at + lag + len(tail)]).max() for lag in lags]
    assert abs(lags[int(np.argmin(errors))]) <= 48
    assert min(errors) < 1e-4


def test_overlapping_packets_are_trimmed(tmp_path: Path) -> None:
    path = tmp_path / "x.mka"
    write_packets(path, tones(48_000, 96_000), 48_000, "pcm_s16le", lose=range(40, 41), shift=-1024 - 600)
    with open_reader(path) as reader:
        pcm = whole(reader)
        assert reader.overlap_s == pytest.approx(600 / 48_000, abs=0.002)
        assert reader.gap_s == 0
        assert pcm.shape[1] == pytest.approx(96_000 - 1024 - 600, abs=100)


def test_damage_is_counted_and_bounded(media: Path) -> None:
    with open_reader(media / "broken" / "bitflips.mp4") as reader:
        pcm = whole(reader)
        assert reader.n_errors > 50
        assert reader.gap_s > 1
    assert pcm.shape == (2, 131_328)
    assert np.abs(pcm).max() < MAX_AMPLITUDE


def test_no_audio_to_decode(media: Path) -> None:
    with pytest.raises(ItemError, match="stream 0 is no audio"):
        AudioReader(str(media / "video" / "grid_bbaf2n.mpg"), stream_index=0)


# the time line, without media


def timeline(*, first_pts: int = 500, tick: Fraction = Fraction(1, 1000)) -> Timeline:
    return Timeline(first_pts=first_pts, tick=tick, rate_hz=48_000)


def test_rounding_to_milliseconds_moves_nothing() -> None:
    line = timeline()
    for number in range(1000):  # frames of 21 1/3 ms
        placed = line.place(500 + round(number * 64 / 3), 1024)
        assert (placed.position, placed.skip, list(placed.zeros)) == (number * 1024, 0, [])
    assert (line.gap, line.overlap) == (0, 0)
    assert abs(line.drift_s) < 0.001


def test_a_jump_is_filled() -> None:
    line = timeline()
    line.place(500, 960)
    placed = line.place(1520, 960)
    assert (placed.position, list(placed.zeros)) == (48_000 + 960, [(960, 48_000)])
    assert (line.gap, line.drift_s) == (48_000, 0)


def test_a_slow_clock_is_followed_and_called_drift() -> None:
    line = timeline(tick=Fraction(1, 48_000), first_pts=0)
    for number in range(50_000):  # each frame is stamped one sample late: 1042 ppm
        placed = line.place(number * 961, 960)
        assert abs(placed.position - number * 961) <= 480
    assert (line.gap, line.overlap) == (0, 0)
    assert line.drift_s == pytest.approx(49_999 / 48_000, abs=1e-4)


def test_one_wrong_stamp_is_ignored() -> None:
    line = timeline(tick=Fraction(1, 48_000), first_pts=0)
    line.place(0, 960, following_pts=9_000_000)
    assert line.place(9_000_000, 960, following_pts=1_920).position == 960
    assert line.place(1_920, 960, following_pts=2_880).position == 1_920
    assert (line.gap, line.overlap, line.n_errors) == (0, 0, 0)


def test_an_impossible_jump_is_an_error() -> None:
    line = timeline()
    line.place(500, 960)
    assert line.place(10**12, 960).skip == 960
    assert line.n_errors == 1
    assert line.place(520, 960).position == 960


# 16 kHz mono


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_the_signal_and_its_time(rate_hz: int) -> None:
    n_samples = rate_hz + 123
    found = to_mono16k(tones_below_4k(rate_hz, n_samples), rate_hz)
    expected = tones_below_4k(16_000, len(found))[0]
    assert len(found) == (2 * n_samples * 16_000 + rate_hz) // (2 * rate_hz)
    assert np.abs(found - expected)[500:-500].max() < 1e-3


def tones_below_4k(rate_hz: int, n_samples: int) -> Pcm:
    time_s = np.arange(n_samples) / rate_hz
    return (0.5 * np.sin(2 * np.pi * 440 * time_s) + 0.2 * np.cos(2 * np.pi * 3_000 * time_s)).astype(
        np.float32
    )[None]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("n_samples", [0, 1, 5, 441, 60_001])
def test_streaming_equals_whole(rate_hz: int, n_samples: int) -> None:
    random = np.random.default_rng(2)
    pcm = random.standard_normal((2, n_samples)).astype(np.float32)
    converter = Mono16k(rate_hz=rate_hz)
    cuts = np.sort(random.integers(0, n_samples + 1, 9))
    parts = [converter.feed(part) for part in np.split(pcm, cuts, axis=1)]
    joined = np.concatenate([*parts, converter.flush()])
    np.testing.assert_array_equal(joined, to_mono16k(pcm, rate_hz))
    assert len(joined) == (2 * n_samples * 16_000 + rate_hz) // (2 * rate_hz)


def test_channels_are_averaged() -> None:
    pcm = np.array([[0.5, 0.25], [-0.5, 0.25], [0.3, 0.1]], np.float32)
    np.testing.assert_allclose(to_mono16k(pcm, 16_000), [0.1, 0.2], atol=1e-7)
