from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from synth.interferers import white
from synth.levels import active_speech, level_dbfs
from synth.mixing import apply
from synth.noise_plan import Fault, InterfererPlan, MixError, MixPlan
from synth.rooms import Room, decay_time_s, furnish, measured_room, reverberate, room_of, shoebox_rooms

RATE_HZ = 16_000
MEASURED = [
    "am_stereo_ir",
    "lhotse_real_8ch",
    "lhotse_sim_1ch",
    *(f"speechbrain_rir{n}" for n in (1, 2, 3, 4)),
]


def response(t60_s: float, delay: int, *, n_samples: int = 16_000, direct: float = 1.0) -> np.ndarray:
    """A direct path after `delay` samples, then noise that falls by 60 dB in `t60_s`."""
    time_s = np.arange(n_samples) / RATE_HZ
    tail = 0.05 * np.random.default_rng(1).standard_normal(n_samples) * 10 ** (-3 * time_s / t60_s)
    rir = np.concatenate([np.zeros(delay), tail])
    rir[delay] = direct
    return rir


def lag_of(wet: np.ndarray, dry: np.ndarray, most: int = 400) -> int:
    """By how many samples the cross-correlation says that `wet` comes later."""
    n_fft = 2 * len(dry)
    cross = np.fft.irfft(np.fft.rfft(wet, n_fft) * np.conj(np.fft.rfft(dry, n_fft)))
    lags = np.concatenate([cross[-most:], cross[: most + 1]])
    return int(np.argmax(lags)) - most


@pytest.mark.parametrize("t60_s", [0.3, 0.6, 1.3])
@pytest.mark.parametrize("delay", [0, 5, 800])
def test_a_response_of_known_delay_and_decay(t60_s: float, delay: int) -> None:
    room = room_of(response(t60_s, delay, n_samples=32_000), RATE_HZ)
    assert room.delay == delay
    assert room.t60_s == pytest.approx(t60_s, rel=0.1)


def test_early_and_late_energy_by_hand() -> None:
    rir = np.zeros(4000)
    rir[100], rir[100 + 799], rir[100 + 800], rir[3000] = 1.0, 0.5, 0.3, 0.4
    room = room_of(rir, RATE_HZ)
    assert room.early_late_db == pytest.approx(10 * math.log10(1.25 / 0.25))
    assert room_of(rir[:500], RATE_HZ).early_late_db is None
    assert decay_time_s(np.array([1.0]), RATE_HZ) is None


@pytest.mark.parametrize("shift", [-0.4, -0.2, 0.0, 0.3])
def test_what_is_left_of_the_delay_is_measured(shift: float) -> None:
    time = np.arange(400) - 200 - shift
    pulse = np.exp(-0.5 * (time / 2.0) ** 2)
    room = room_of(pulse, RATE_HZ)
    assert room.delay == 200 and room.residue == pytest.approx(shift, abs=0.03)


def test_a_direct_path_weaker_than_a_reflection_is_still_first() -> None:
    rir = np.zeros(4000)
    rir[150], rir[900] = 0.4, 1.0
    assert room_of(rir, RATE_HZ).delay == 150


@pytest.mark.parametrize("name", MEASURED)
def test_speech_in_real_rooms_stays_in_sync(media: Path, name: str) -> None:
    """The onset of what is heard: a click in the room must peak where the click was."""
    rir, rate_hz = sf.read(media / "rir" / f"{name}.wav", dtype="float32", always_2d=True)
    room = measured_room(rir.T, rate_hz, to_rate_hz=RATE_HZ, channel=rir.shape[1] - 1)
    click = np.zeros(RATE_HZ, np.float32)
    click[3000] = 1.0
    wet = np.abs(reverberate(click, room))
    assert len(wet) == len(click)
    first = int(np.argmax(wet >= 0.1 * wet.max()))
    assert -0.001 * RATE_HZ <= first - 3000 <= 1, "within a millisecond, and never late"
    assert wet[3000] >= 0.1 * wet.max()


def test_a_room_without_compensation_would_be_late(media: Path) -> None:
    rir, rate_hz = sf.read(media / "rir" / "speechbrain_rir1.wav", dtype="float32")
    speech, _ = sf.read(media / "audio" / "lyra_sample1_16k.wav", dtype="float32")
    room = measured_room(rir, rate_hz, to_rate_hz=RATE_HZ)
    assert room.delay > 0.1 * RATE_HZ, "137 ms: three video frames"
    raw = np.convolve(speech, rir)[: len(speech)]
    assert abs(lag_of(raw, speech, 4000) - room.delay) < 20
    assert abs(lag_of(reverberate(speech, room), speech, 4000)) < 20


@pytest.mark.parametrize("name", ["am_rir48000", "am_stereo_ir", "speechbrain_rir2"])
def test_another_rate_is_the_same_room(media: Path, name: str) -> None:
    """am_rir48000 is diffuse: 4 ms of faint sound precede what is loud, and are lost below 8 kHz."""
    rir, rate_hz = sf.read(media / "rir" / f"{name}.wav", dtype="float32", always_2d=True)
    low, high = (measured_room(rir.T, rate_hz, to_rate_hz=rate) for rate in (16_000, 48_000))
    assert low.delay / 16_000 == pytest.approx(high.delay / 48_000, abs=0.6e-3)
    assert low.t60_s == pytest.approx(high.t60_s, rel=0.15)


def test_what_is_no_room() -> None:
    for rir, channel, reason in (
        (np.zeros(100, np.float32), 0, Fault.ROOM_SILENT),
        (np.zeros(0, np.float32), 0, Fault.ROOM_SILENT),
        (np.array([1.0, math.nan], np.float32), 0, Fault.NOT_FINITE),
        (np.ones((8, 100), np.float32), 8, Fault.CHANNELS_DIFFER),
    ):
        with pytest.raises(MixError) as caught:
            measured_room(rir, RATE_HZ, to_rate_hz=8000, channel=channel)
        assert caught.value.reason is reason


@pytest.mark.parametrize("t60_s", [0.3, 0.5])
def test_a_shoebox_rings_as_long_as_asked(t60_s: float) -> None:
    import pyroomacoustics as pra

    first, second = shoebox_rooms("r", rate_hz=RATE_HZ, n_sources=2, t60_s=t60_s)
    for room in (first, second):
        judged_s = pra.experimental.measure_rt60(room.rir[room.delay :], RATE_HZ, decay_db=20)
        assert judged_s == pytest.approx(t60_s, rel=0.15)
        # from half a metre to the diagonal of the largest room, and the 40 samples pyroomacoustics adds
        assert 40 + 0.3 / 343 * RATE_HZ < room.delay < 40 + 10.6 / 343 * RATE_HZ
    again = shoebox_rooms("r", rate_hz=RATE_HZ, n_sources=2, t60_s=t60_s)
    assert [room.rir.tobytes() for room in again] == [first.rir.tobytes(), second.rir.tobytes()]
    assert first.rir.tobytes() != second.rir.tobytes()


def test_a_shoebox_that_no_wall_makes() -> None:
    with pytest.raises(MixError) as caught:
        shoebox_rooms("r", rate_hz=RATE_HZ, n_sources=1, t60_s=0.01)
    assert caught.value.reason is Fault.ROOM_UNREACHABLE


def test_furnish_keeps_the_level_and_says_what_is_missing() -> None:
    room = room_of(response(0.5, 30), RATE_HZ)
    sound, spans = white(8000, 1), ((2000, 6000),)
    wet, gain = furnish(sound, "hall", {"hall": room}, RATE_HZ, keep_over=spans)
    assert level_dbfs(wet, spans) == pytest.approx(level_dbfs(sound, spans), abs=1e-3)
    assert gain != 1.0
    for name, rate_hz, pcm, reason in (
        ("shed", RATE_HZ, sound, Fault.NO_ROOM),
        ("hall", 8000, sound, Fault.NO_ROOM),
        ("hall", RATE_HZ, 0 * sound, Fault.TARGET_SILENT),
        ("hall", RATE_HZ, sound * np.float32(math.nan), Fault.NOT_FINITE),
    ):
        with pytest.raises(MixError) as caught:
            furnish(pcm, name, {"hall": room}, rate_hz)
        assert caught.value.reason is reason


def test_the_snr_is_that_behind_the_rooms(media: Path) -> None:
    """Real speech in a real room, white noise in another: measured on stems that are behind both."""
    speech, _ = sf.read(media / "audio" / "lyra_sample1_16k.wav", dtype="int16")
    rir, rate_hz = sf.read(media / "rir" / "am_stereo_ir.wav", dtype="float32")
    rooms: dict[str, Room] = {
        "hall": measured_room(rir.T, rate_hz, to_rate_hz=RATE_HZ, channel=1),
        "box": room_of(response(0.4, 50), RATE_HZ),
    }
    active = active_speech(speech, RATE_HZ)
    one = InterfererPlan("pink", ((0, len(speech)),), seed=5, snr_db=5.0, room="box")
    plan = MixPlan("k", "noisy", len(speech), RATE_HZ, "active_speech", active, (one,), "hall")
    mixed = apply(plan, speech, {}, rooms, stems=True)
    assert mixed.target is not None
    wet_db = level_dbfs(mixed.target, active)
    assert wet_db - level_dbfs(mixed.interferers[0], active) == pytest.approx(5.0, abs=0.01)
    assert wet_db == pytest.approx(level_dbfs(speech, active) + 20 * math.log10(mixed.gain), abs=0.01)
    assert np.corrcoef(mixed.target, speech)[0, 1] < 0.95, "it is another sound"
    assert mixed.pcm.tobytes() == apply(plan, speech, {}, rooms).pcm.tobytes()
