"""Measures of one sample, against truths made by hand."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import soundfile

from pipelines.audit.fingerprints import Print, alike, bands_of, face_bits, sound_signature
from pipelines.audit.payload import arrays, mixes, people, pictures, sounds, texts, turns
from pipelines.audit.payload.sample import Sample
from pipelines.audit.policy import load_policy
from pipelines.audit.summarise import Summariser
from pipelines.audit.tasks import Promised, chosen_shards
from synth.interferers import Sound
from synth.mixing import mix
from synth.noise_plan import InterfererPlan, MixPlan
from synth.turns.annotate import annotate
from synth.turns.record import write_turns

RATE = 16_000


def flac(pcm: np.ndarray, rate: int = RATE) -> bytes:
    """Of (n,) or (n, channels) floats or int16."""
    sink = io.BytesIO()
    soundfile.write(sink, pcm, rate, format="FLAC", subtype="PCM_16")
    return sink.getvalue()


def npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def sample_of(members: Mapping[str, bytes], **header: Any) -> Sample:
    rules = {key: rule.limits for key, rule in load_policy("strict").checks.items()}
    told = {"duration_s": 2.0, "members": [*members], "source": {"id": "s"}, "split": "train", **header}
    promised = Promised("train", told["duration_s"], tuple(members))
    return Sample("k", "train-0.tar", told, dict(members), promised, Summariser(rules, {}))


def facts(sample: Sample, check: str, name: str = "") -> dict[str, Any]:
    return sample.found.found[check, name].facts()


def speech_like(seconds: float, seed: int = 0) -> np.ndarray:
    """Gliding harmonics in bursts of irregular length, under resonances that move."""
    draw = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    while sum(map(len, found)) < seconds * RATE:
        t = np.arange(int(draw.uniform(0.06, 0.25) * RATE)) / RATE
        pitch_hz = draw.uniform(90, 250) * (1 + draw.uniform(-2, 2) * t)
        phase = 2 * np.pi * np.cumsum(pitch_hz) / RATE
        formants = draw.uniform([300, 900, 2200], [900, 2200, 3500])
        tones = sum(
            np.sin(k * phase) * np.exp(-np.abs(k * pitch_hz[:, None] - formants).min(axis=1) / 150)
            for k in range(1, 25)
        )
        found.append(tones * np.hanning(len(t)) * draw.uniform(0.1, 0.6))
        found.append(np.zeros(int(draw.uniform(0.0, 0.08) * RATE)))
    return np.concatenate(found)[: round(seconds * RATE)]


def test_silence_dc_and_a_dead_channel():
    n = RATE
    noise = np.random.default_rng(0).normal(0, 0.1, n)
    half = np.where(np.arange(n) < n // 2, noise, 0.0)
    found = sounds.sound_facts(np.stack([half, np.zeros(n)]).astype(np.float32), RATE)
    assert found["silent_share"] == pytest.approx(0.5, abs=0.021)
    assert found["dead_channels"] == 1
    assert found["gap_s"] == pytest.approx(0.5, abs=0.001)
    shifted = sounds.sound_facts((noise + 0.05)[None].astype(np.float32), RATE)
    assert shifted["dc"] == pytest.approx(0.05, abs=0.002)
    assert shifted["dead_channels"] == 0
    constant = sounds.sound_facts(np.full((1, n), 0.2, np.float32), RATE)
    assert constant["silent_share"] == 1.0  # a constant is not heard


def test_clipping_counts_flat_tops_at_any_level_and_not_quiet_sound():
    t = np.arange(RATE) / RATE
    sine = np.sin(2 * np.pi * 100 * t)
    clipped = np.clip(sine * 2, -1, 1).astype(np.float32)
    share = float((np.abs(sine * 2) >= 1).mean())
    assert sounds.clipped_share(clipped) == pytest.approx(share, abs=0.01)
    assert sounds.clipped_share(clipped * np.float32(0.3)) == pytest.approx(share, abs=0.01)
    assert sounds.clipped_share(sine.astype(np.float32)) < 0.02
    assert sounds.clipped_share(np.round(sine * 3).astype(np.float32) / 32768) == 0.0


@pytest.mark.parametrize("lag", [-300, -1, 0, 7, 1600])
def test_the_delay_of_a_shifted_copy(lag: int):
    noise = np.random.default_rng(1).normal(size=8000)
    later = np.roll(noise, lag)
    found = sounds.delay(later, noise, max_lag=4000)
    assert found is not None
    assert found[0] == lag


def test_frozen_and_black_frames():
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 255, (50, 32, 32)).astype(np.uint8)
    frames[10:31] = frames[10]
    assert pictures.picture_facts(frames)["frozen_s"] == pytest.approx(20 / 25)
    frames[40:45] = 0
    assert pictures.picture_facts(frames)["black_share"] == 5 / 50


def test_who_listens_is_silent_and_who_speaks_is_not():
    """Other's channel is silent in 5 s of 7; a channel whose speech is gone is found."""
    sample = dialogue()
    sounds.measure_sounds(sample)
    assert facts(sample, "sound_silent")["n_bad"] == 0
    gone = dialogue()
    gone.members["other.flac"] = flac(np.zeros(7 * RATE))
    sounds.measure_sounds(gone)
    assert facts(gone, "sound_silent")["n_bad"] == 1


def test_lengths_are_those_of_the_clip():
    members = {
        "flac": flac(np.zeros(2 * RATE - 1)),
        "face61.npy": npy(np.zeros((25, 61))),
        "mimi.npy": npy(np.zeros((8, 26), np.int16)),
        "dac44.npy": npy(np.zeros((9, 173), np.int16)),
    }
    rates = {"flac": 16000.0, "face61.npy": 12.5, "mimi.npy": 12.5, "dac44.npy": 44100 / 512}
    about = {"mimi.npy": {"codebook_size": 2048}, "dac44.npy": {"codebook_size": 1024}}
    sample = sample_of(members, rates_hz=rates, tokens=about)
    arrays.measure_lengths(sample)
    off = {one["detail"]: one["value"] for one in facts(sample, "frame_counts")["worst"]}
    assert off == {"flac": 1.0, "face61.npy": 0.0, "mimi.npy": 1.0, "dac44.npy": 0.0}


def test_codes_outside_the_codebook_runs_and_their_use():
    codes = np.tile(np.arange(25), (2, 1)).astype(np.int16)
    codes[1] = 3
    codes[0, 0] = 30
    sample = sample_of({"mimi.npy": npy(codes)}, tokens={"mimi.npy": {"codebook_size": 30, "trained": False}})
    arrays.measure_tokens(sample)
    assert facts(sample, "tokens_range")["n_bad"] == 1
    assert facts(sample, "tokens_constant")["max"] == 1.0
    assert facts(sample, "tokens_untrained")["n_bad"] == 1  # of the member, not of each codebook
    assert facts(sample, "tokens_dead", "mimi.npy codebook 1")["n_used"] == 1
    assert facts(sample, "tokens_dead", "mimi.npy codebook 0")["n"] == 24  # the one outside is no code


def test_channels_that_never_move_and_those_that_may_rest():
    names = ["jawOpen", "tongueOut", "translation_x_cm", "mouthClose"]
    values = np.random.default_rng(0).random((25, 4))
    values[:, 1:3] = 0
    values[:, 3] = 0.4
    sample = sample_of({"face61.npy": npy(values)}, channels={"face61.npy": names})
    arrays.measure_arrays(sample)
    assert facts(sample, "coefficient_constant")["max"] == 1.0
    assert facts(sample, "coefficient_nan")["n_bad"] == 0


@pytest.mark.parametrize(
    ("text", "language", "strange"),
    [
        ("it's fine, isn't it?", "en", False),
        ("caf\u00e9 na\u00efve", "en", False),
        ("\u0441pace", "en", True),  # a Cyrillic letter that looks like a c
        ("\u043f\u0440\u0438\u0432\u0435\u0442", "ru", False),
        ("caf\u00c3\u00a9", "fr", True),
        ("what\ufffd", None, True),
        ("bell\x07", "en", True),
        ("\u6771\u4eac\u306f", "ja", False),
    ],
)
def test_characters_that_do_not_belong(text: str, language: str | None, strange: bool):
    assert bool(texts.strange_characters(text, language)) is strange


def dialogue(swap: bool = False) -> Sample:
    """Main speaks in 0..2 and 5..6 s, other in 2.5..4.5 s; with 0.2 s of FTO fixed by hand."""
    spans = {"main": [(0, 2), (5, 6)], "other": [(Fraction(5, 2), Fraction(9, 2))]}
    activity = {
        name: tuple((Fraction(low), Fraction(high)) for low, high in mine) for name, mine in spans.items()
    }
    told = annotate(activity, Fraction(7))
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 7 * RATE))
    t = np.arange(7 * RATE) / RATE
    heard = {
        name: noise[at] * (0.001 + sum((t >= float(low)) & (t < float(high)) for low, high in mine))
        for at, (name, mine) in enumerate(activity.items())
    }
    sides = ("other", "main") if swap else ("main", "other")
    members = {f"{side}.flac": flac(heard[name]) for side, name in zip(sides, ("main", "other"), strict=True)}
    return sample_of({**members, "turns.json": write_turns(told, origin="plan")}, duration_s=7.0)


def test_turns_of_a_dialogue():
    sample = dialogue()
    turns.measure_turns(sample)
    assert sorted(one["value"] for one in facts(sample, "turns_fto")["worst"]) == [0.5, 0.5]
    assert facts(sample, "turns_talk_ratio")["mean"] == pytest.approx(0.6, abs=0.01)
    assert facts(sample, "turns_overlap")["max"] == 0.0
    assert facts(sample, "turns_valid")["n_bad"] == 0
    assert facts(sample, "channels_swapped")["min"] > 30


def test_exchanged_channels_are_seen():
    sample = dialogue(swap=True)
    turns.measure_turns(sample)
    assert facts(sample, "channels_swapped")["n_bad"] == 1


def test_turns_of_another_length_are_told():
    sample = dialogue()
    sample.header["duration_s"] = 9.0
    turns.measure_turns(sample)
    assert facts(sample, "turns_valid")["n_bad"] == 1


@pytest.mark.parametrize("label_off_db", [0.0, 0.05, 0.5, 6.0])
def test_the_snr_of_a_mix_is_measured_again(label_off_db: float):
    """The mix comes from `synth.mixing`; its label is then falsified."""
    speech = np.round(speech_like(2.0) * 20000).astype(np.int16)
    noise = Sound(np.random.default_rng(3).normal(0, 0.1, len(speech)).astype(np.float32), ())
    one = InterfererPlan(kind="noise", spans=((0, len(speech)),), sources=("hum",), snr_db=5.0)
    plan = MixPlan("k", "noisy", len(speech), RATE, over="full_band", interferers=(one,))
    mixed = mix(plan, speech, [noise.pcm], stems=True)
    assert mixed.target is not None
    told = plan.to_json()
    told["interferers"][0]["snr_db"] += label_off_db
    achieved = [{"reason": None, "active_snr_db": None, "full_snr_db": 5.0}]
    about = {
        "kind": "noisy",
        "stream": "",
        "sources": [{"name": "hum", "speaker": "Ann"}],
        "plans": {"flac": told},
        "proofs": {"flac": {"gain": mixed.gain, "interferers": achieved}},
    }
    sample = sample_of({"flac": flac(mixed.pcm), "target.flac": flac(mixed.target)}, mix=about)
    mixes.measure_mixes(sample)
    found = facts(sample, "snr_achieved")
    assert found["max"] == pytest.approx(label_off_db, abs=0.02)
    assert found["n_bad"] == int(label_off_db > 0.1)
    assert list(people.interferer_groups(sample.header, None)) == [(("leak_interferer", "Ann"), "train")]


def pairs(prints: list[Print], check: str) -> set[tuple[str, str]]:
    bands: dict[Any, list[Print]] = {}
    for one in prints:
        for band, same in bands_of(check, one):
            bands.setdefault(band, []).append(same)
    return {(one[0], other[0]) for met in bands.values() for (_, one, other), _ in alike(met)}


def test_the_same_sound_is_known_again_and_another_is_not():
    first, second = speech_like(3.0, 1), speech_like(3.0, 2)
    draw = np.random.default_rng(0)
    late = np.concatenate([np.zeros(112), first])[: len(first)]
    kinds = {
        "a": first,
        "b": first * 0.3,
        "c": late + draw.normal(0, first.std() * 10 ** (-25 / 20), len(first)),
        "d": second,
        "e": speech_like(3.0, 3),
    }
    prints = []
    for key, samples in kinds.items():
        signature = sound_signature(samples)
        assert signature is not None
        prints.append(Print(key, "s", "train", signature))
    assert pairs(prints, "duplicate_sound") == {("a", "b"), ("a", "c"), ("b", "c")}


def test_silence_has_no_signature_and_an_empty_picture_no_bits():
    assert sound_signature(np.zeros(100)) is None
    assert face_bits(np.zeros((5, 32, 32), np.uint8)) is None


def test_the_sample_of_shards_is_stable():
    names = [f"train-{at:06d}-x.tar" for at in range(50)]
    chosen = chosen_shards(names, limit=10, seed=1)
    assert len(chosen) == 10
    assert chosen_shards(names[::-1], limit=10, seed=1) == chosen
    assert chosen_shards(names, limit=10, seed=2) != chosen
    assert len(set(chosen_shards([*names, "new"], limit=10, seed=1)) & set(chosen)) >= 9
