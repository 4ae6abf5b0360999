"""The mistakes that published pipelines make (each written out here), by how much they err, and ours.

Facts of the field; which project makes which is said beside each. On the left of an assertion stands the
mistaken formula, and the test would fail if ours were like it.
"""

from __future__ import annotations

import hashlib
import math
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from extractors.lips import plan_lips
from extractors.media import VideoReader
from extractors.probe import probe
from manifests.reasons import ItemError, Reason
from synth.levels import Spans, spans_of_seconds
from synth.mixing import Mixed, mix
from synth.noise_plan import InterfererPlan, MixPlan, draw_offset

RATE_HZ = 16_000
Array = np.ndarray


def noise(n_samples: int, seed: int, level: float = 0.05) -> Array:
    return (level * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


def rms(x: Array) -> float:
    return float(np.sqrt(np.mean(np.square(x.astype(np.float64)))))


def snr_db(target: Array, added: Array, spans: Spans) -> float:
    inside = np.concatenate([np.arange(start, stop) for start, stop in spans])
    return 20 * math.log10(rms(target[inside]) / rms(added[inside]))


def ours(
    target: Array, sound: Array, asked_db: float, *, active: Spans = (), spans: Spans = (), offset: int = 0
) -> Mixed:
    whole = ((0, len(target)),)
    one = InterfererPlan("noise", spans or whole, ("n",), snr_db=asked_db, offset=offset)
    plan = MixPlan("k", "noisy", len(target), RATE_HZ, "active_speech", active or whole, (one,))
    return mix(plan, target, [sound], stems=True)


def ours_db(mixed: Mixed, spans: Spans) -> float:
    assert mixed.target is not None
    return snr_db(mixed.target, mixed.pcm.astype(np.int32) - mixed.target, spans)


# 1


def auto_avsr_levels(snr_target: float | None) -> list[float]:
    """mpc001/auto_avsr `datamodule/transforms.py`: what `snr_target` is drawn from."""
    return [snr_target] if snr_target else [-5, 0, 5, 10, 15, 20, 999_999]


def test_an_snr_of_zero_is_not_an_snr_that_is_missing() -> None:
    assert auto_avsr_levels(5) == [5]
    assert len(auto_avsr_levels(0)) == 7 and max(auto_avsr_levels(0)) == 999_999, "0 dB may come out clean"
    target, whole = noise(RATE_HZ, 1), ((0, RATE_HZ),)
    for zero in (0, 0.0, -0.0):
        assert ours_db(ours(target, noise(RATE_HZ, 2), zero), whole) == pytest.approx(0.0, abs=0.05)
    with pytest.raises(ValueError, match="needs snr_db"):  # a missing one is refused
        MixPlan("k", "noisy", 9, RATE_HZ, "full_band", (), (InterfererPlan("white", ((0, 9),)),))


# 2


def test_the_snr_of_the_test_set_is_not_ignored() -> None:
    """MMS-LLaMA: whatever is asked of the test set, one fixed SNR is mixed."""
    target, sound, whole = noise(RATE_HZ, 1), noise(RATE_HZ, 2), ((0, RATE_HZ),)

    def mistaken(asked_db: float) -> Array:
        del asked_db
        return sound * (rms(target) / rms(sound))

    for asked_db in (-10.0, -5.0, 0.0, 5.0, 10.0):
        assert snr_db(target, mistaken(asked_db), whole) - asked_db == pytest.approx(-asked_db, abs=0.01)
        assert ours_db(ours(target, sound, asked_db), whole) == pytest.approx(asked_db, abs=0.05)


# 3, 4


def dns(clean: Array, sound: Array, asked_db: float) -> Array:
    """DNS challenge, `audiolib.py`, `snr_mixer`: noise padded with zeros, both levels over everything."""
    padded = np.append(sound, np.zeros(len(clean) - len(sound), np.float32))
    return padded * (rms(clean) / (10 ** (asked_db / 20)) / rms(padded))


@pytest.mark.parametrize(("silent_share", "error_db"), [(0.40, 2.22), (0.443, 2.54)])
def test_silence_in_the_target_is_no_speech(silent_share: float, error_db: float) -> None:
    """40 % silence alone costs 2.22 dB; 2.54 as measured on speech, whose own pauses add 4 %."""
    clean = noise(10 * RATE_HZ, 1)
    n_active = round(len(clean) * (1 - silent_share))
    clean[n_active:] = 0
    active = ((0, n_active),)
    sound = noise(len(clean), 2)
    assert snr_db(clean, dns(clean, sound, 0.0), active) == pytest.approx(error_db, abs=0.05)
    assert ours_db(ours(clean, sound, 0.0, active=active), active) == pytest.approx(0.0, abs=0.05)


def test_zeros_behind_a_short_noise_are_no_noise() -> None:
    """3 s of noise in 10 s: -5.22 dB where it is heard."""
    clean, sound, heard = noise(10 * RATE_HZ, 1), noise(3 * RATE_HZ, 2), ((0, 3 * RATE_HZ),)
    assert snr_db(clean, dns(clean, sound, 0.0), heard) == pytest.approx(-5.22, abs=0.05)
    assert ours_db(ours(clean, sound, 0.0, spans=heard), heard) == pytest.approx(0.0, abs=0.05)
    everywhere = ours(clean, sound, 0.0)  # looped
    assert ours_db(everywhere, ((0, len(clean)),)) == pytest.approx(0.0, abs=0.05)


# 5, 6


def test_noise_does_not_always_begin_at_its_beginning() -> None:
    target, sound = noise(RATE_HZ, 1), noise(20 * RATE_HZ, 2)
    mistaken = [sound[: len(target)] for _clip in range(40)]
    assert all(np.array_equal(one, mistaken[0]) for one in mistaken), "19 of 20 s are never heard"
    offsets = [draw_offset(len(sound), len(target), 0, "set", clip) for clip in range(40)]
    assert len(set(offsets)) == 40
    assert min(offsets) < 3 * RATE_HZ and max(offsets) > 16 * RATE_HZ
    stems = [ours(target, sound, 0.0, offset=offset).interferers[0] for offset in offsets[:2]]
    assert abs(np.corrcoef(*stems)[0, 1]) < 0.1


def test_noise_is_drawn_for_its_clip_not_from_a_common_generator() -> None:
    """Unseeded, or seeded once: then a clip's noise depends on how many clips came before it."""
    clips = ["a", "b", "c"]

    def mistaken(order: list[str]) -> dict[str, int]:
        return {clip: int(np.random.randint(0, 10**6)) for clip in order}

    def drawn(order: list[str]) -> dict[str, int]:
        return {clip: draw_offset(10**6, 1, 0, "set", clip) for clip in order}

    np.random.seed(1)
    first = mistaken(clips)
    assert mistaken(clips) != first
    np.random.seed(1)
    assert mistaken(clips[::-1]) != first
    by_hand = {
        clip: int(hashlib.sha256(f'["noise","offset","set","{clip}"]'.encode()).hexdigest()[:12], 16) % 10**6
        for clip in clips
    }
    assert drawn(clips) == drawn(clips[::-1]) == by_hand


# 7


def test_when_it_clips_both_sides_are_turned_down() -> None:
    """Turned down alone, the target loses all that the mix exceeds full scale by: the SNR is another."""
    target, sound, whole = noise(RATE_HZ, 1, 0.2), noise(RATE_HZ, 2, 0.2), ((0, RATE_HZ),)
    asked_db = -10.0
    added = sound * (rms(target) / rms(sound) * 10 ** (-asked_db / 20))
    excess = float(np.abs(target + added).max())
    assert excess > 2
    error_db = snr_db(target / excess, added, whole) - asked_db
    assert error_db == pytest.approx(-20 * math.log10(excess), abs=0.01) and error_db < -6
    mixed = ours(target, sound, asked_db)
    assert mixed.gain == pytest.approx(1 / excess, rel=1e-3)
    assert ours_db(mixed, whole) == pytest.approx(asked_db, abs=0.05)
    assert rms(mixed.target) == pytest.approx(rms(target) * 32768 / excess, rel=1e-3)


# 8


def test_a_time_on_the_grid_is_its_frame() -> None:
    """int(0.58 / 0.02) is 28; of the 500 frames that begin on a 20 ms grid it misses a tenth."""
    hop_s = 0.02
    assert int(0.58 / hop_s) == 28
    wrong = [frame for frame in range(500) if int(float(Fraction(frame, 50)) / hop_s) != frame]
    assert 29 in wrong and len(wrong) > 20
    hop = round(hop_s * RATE_HZ)
    for frame in range(500):
        ((start, _),) = spans_of_seconds([(float(Fraction(frame, 50)), 11.0)], RATE_HZ, 12 * RATE_HZ)
        assert start % hop == 0 and start // hop == frame


# 9


def test_missing_landmarks_are_said_to_be_missing() -> None:
    """Mistaken: frames without landmarks stay as they are, and count as corrupted (CAV2vec's occluder)."""
    landmarks = np.random.default_rng(0).normal(100, 30, (20, 68, 2))
    landmarks[5:9] = np.nan

    def mistaken(frame: int) -> Array:
        picture = np.full((8, 8), 200)
        if not np.isnan(landmarks[frame]).any():
            picture[:4] = 0
        return picture

    untouched = [frame for frame in range(20) if mistaken(frame).min() == 200]
    assert untouched == [5, 6, 7, 8], "clean, in a set that says occluded"
    assert np.flatnonzero(plan_lips(landmarks).interpolated).tolist() == untouched
    landmarks[:] = np.nan
    with pytest.raises(ItemError) as caught:
        plan_lips(landmarks)
    assert caught.value.reason is Reason.NO_FACE


# 10


@pytest.mark.parametrize("name", ["broken/truncated_faststart.mp4", "video/pyfeat_no_face_caminandes.mp4"])
def test_frames_are_counted_not_read_from_the_container(media: Path, name: str) -> None:
    path = str(media / name)
    with av.open(path) as container:
        claimed = container.streams.video[0].frames
    with av.open(path) as container:
        truth = _decodable(container)
    assert claimed > truth, "43 too many in a file that was cut short, 3 in one with an edit list"
    video = probe(path).video
    assert video is not None
    with VideoReader(path, stream_index=video.index) as reader:
        assert sum(1 for _ in reader.frames()) == truth


def _decodable(container: av.container.InputContainer) -> int:
    count = 0
    for packet in container.demux(video=0):  # the last one flushes the decoder
        try:
            count += len(packet.decode())
        except av.error.InvalidDataError:  # cut in two
            continue
    return count


# what the sum of it is on real sound


def test_on_real_speech_the_mistaken_level_is_off_and_ours_is_not(media: Path) -> None:
    speech, _ = sf.read(media / "audio" / "libri_198-209-0000.ogg", dtype="float32")
    sound, _ = sf.read(media / "noise" / "speechbrain_noise1.wav", dtype="float32")
    n_speech = len(speech)
    clean = np.append(speech, np.zeros(round(n_speech * 2 / 3), np.float32))  # 40 % silence behind it
    heard = ((0, n_speech),)
    error_db = snr_db(clean, dns(clean, sound[: len(clean)], 0.0), heard)
    assert abs(error_db) > 1
    mixed = ours(clean, sound, 0.0, active=heard)
    assert ours_db(mixed, heard) == pytest.approx(0.0, abs=0.05)
