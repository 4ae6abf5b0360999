"""Every SNR is measured again here, from a file that was written and read back, in exact integers."""

from __future__ import annotations

import io
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.interferers import Sound
from synth.levels import Spans, active_speech, level_dbfs, merge
from synth.mixing import Mixed, apply, mix
from synth.noise_plan import Fault, InterfererPlan, MixError, MixPlan, draw_offset, draw_spans, seed_of

RATE_HZ = 16_000
TOLERANCE_DB = 0.05


def plan_of(n_samples: int, snr_db: float = 0.0, **changes: object) -> MixPlan:
    """One noise over the whole clip, measured over all of it."""
    one = {"kind": "noise", "spans": ((0, n_samples),), "sources": ("n",), "snr_db": snr_db}
    one |= {key: changes.pop(key) for key in list(changes) if key in InterfererPlan.__dataclass_fields__}
    plan = {"key": "clip", "kind": "noisy", "n_samples": n_samples, "rate_hz": RATE_HZ, "over": "full_band"}
    return MixPlan(**{**plan, **changes, "interferers": (InterfererPlan(**one),)})


def through_a_file(pcm: np.ndarray, rate_hz: int = RATE_HZ) -> np.ndarray:
    """What a reader of the written wav finds, as integers that cannot overflow; (channels, n)."""
    handle = io.BytesIO()
    sf.write(handle, pcm.T, rate_hz, subtype="PCM_16", format="WAV")
    handle.seek(0)
    read, _ = sf.read(handle, dtype="int16", always_2d=True)
    return read.T.astype(np.int64)


def exact_db(target: np.ndarray, added: np.ndarray, spans: Spans) -> float:
    sums = [sum(int((part[..., a:b] ** 2).sum()) for a, b in spans) for part in (target, added)]
    return 10 * math.log10(sums[0] / sums[1]) if all(sums) else math.nan


def dbfs(pcm: np.ndarray, spans: Spans) -> float:
    picked = np.concatenate([pcm[..., a:b] for a, b in spans], axis=-1)
    return 10 * math.log10(max(float((picked**2).mean()), 1e-9) / 32768**2)


def noise(n_samples: int, seed: int = 0, level: float = 0.1) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(n_samples)).astype(np.float32)


@st.composite
def sounds(draw: st.DrawFn, max_samples: int = 3000) -> np.ndarray:
    """Of any length, level and shape: noise, tones, constants, clicks, ramps, of float32 or int16."""
    n_samples = draw(st.integers(1, max_samples))
    level = 10 ** (draw(st.floats(-70, 6)) / 20)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["noise", "tone", "constant", "click", "ramp", "sparse"]))
    time = np.arange(n_samples)
    x = {
        "noise": rng.standard_normal(n_samples) / 3,
        "tone": np.sin(rng.uniform(0.001, 3) * time),
        "constant": np.ones(n_samples),
        "click": (time == rng.integers(n_samples)).astype(float),
        "ramp": time / n_samples - 0.3,
        "sparse": rng.standard_normal(n_samples) * (rng.random(n_samples) < 0.01),
    }[kind]
    if draw(st.booleans()):
        return np.clip(np.rint(x * level * 32768), -32768, 32767).astype(np.int16)
    return (x * level).astype(np.float32)


def any_spans(draw: st.DrawFn, n_samples: int) -> Spans:
    edges = st.integers(0, n_samples)
    return merge(draw(st.lists(st.tuples(edges, edges), min_size=1, max_size=4)), n_samples)


@st.composite
def cases(draw: st.DrawFn) -> tuple[MixPlan, np.ndarray, list[np.ndarray]]:
    target = draw(sounds())
    n_samples, interferers, heard = len(target), [], []
    for _ in range(draw(st.integers(1, 3))):
        sound = draw(sounds())
        spans = any_spans(draw, n_samples) if draw(st.booleans()) else ((0, n_samples),)
        crossfade = draw(st.integers(0, 400))
        interferers.append(
            InterfererPlan(
                kind="noise",
                spans=spans or ((0, n_samples),),
                sources=("n",),
                snr_db=draw(st.one_of(st.floats(-30, 40), st.sampled_from([0, 0.0, -0.0, -10, 10, 90, -90]))),
                offset=draw_offset(len(sound), n_samples, crossfade, draw(st.integers(0, 9))),
                crossfade=crossfade,
                fade=draw(st.integers(0, 200)),
            )
        )
        heard.append(sound)
    over = draw(st.sampled_from(["active_speech", "full_band"]))
    active = any_spans(draw, n_samples)
    return MixPlan("k", "noisy", n_samples, RATE_HZ, over, active, tuple(interferers)), target, heard


def check_proof(plan: MixPlan, target: np.ndarray, mixed: Mixed) -> None:
    """All that is promised of a mix with its stems, from what was written."""
    assert mixed.target is not None and mixed.pcm.shape == target.shape
    written, clean = through_a_file(mixed.pcm), through_a_file(mixed.target)
    stems = [through_a_file(stem) for stem in mixed.interferers]
    assert np.array_equal(written, clean + sum(stems))
    in_steps = np.atleast_2d(target).astype(np.float64) * (1 if target.dtype == np.int16 else 32768)
    assert np.abs(clean - mixed.gain * in_steps).max() <= 0.5 + 0.01, "nothing but a gain"
    for one, stem, achieved in zip(plan.interferers, stems, mixed.achieved, strict=True):
        outside = np.ones(plan.n_samples, bool)
        for start, stop in one.spans:
            outside[start:stop] = False
        assert not stem[:, outside].any()
        contribution = written - clean - sum(other for other in stems if other is not stem)
        speaking = tuple(
            (max(a, c), min(b, d)) for a, b in one.spans for c, d in plan.active if max(a, c) < min(b, d)
        )
        for measured_db, spans in ((achieved.active_snr_db, speaking), (achieved.full_snr_db, one.spans)):
            truth_db = exact_db(clean, contribution, spans)
            assert math.isnan(truth_db) if measured_db is None else abs(measured_db - truth_db) < 1e-3
        over = speaking if plan.over == "active_speech" else one.spans
        reached_db = exact_db(clean, contribution, over)
        close = abs(reached_db - one.snr_db) <= TOLERANCE_DB
        if achieved.reason is None:
            assert close
        else:
            assert achieved.reason is Fault.SNR_UNREACHABLE_INT16 and not close
            assert min(dbfs(clean, over), dbfs(contribution, over)) < -50


@settings(max_examples=200, deadline=None)
@given(cases())
def test_what_was_asked_is_what_was_written(case: tuple[MixPlan, np.ndarray, list[np.ndarray]]) -> None:
    plan, target, heard = case
    try:
        mixed = mix(plan, target, heard, stems=True)
    except MixError as error:
        allowed = {Fault.TARGET_SILENT, Fault.NO_OVERLAP, Fault.NO_ACTIVE_SPEECH, Fault.INTERFERER_SILENT}
        assert error.reason in allowed
        if error.reason is Fault.TARGET_SILENT:
            spans = plan.active if plan.over == "active_speech" else ((0, plan.n_samples),)
            quiet = [target[a:b] for a, b in spans for one in plan.interferers]
            steps = 1 if target.dtype == np.int16 else 32768
            assert any(np.abs(part * float(steps)).min() <= 0.5 for part in quiet)
        return
    check_proof(plan, target, mixed)
    again = mix(plan, target.copy(), [sound.copy() for sound in heard], stems=True)
    assert again.pcm.tobytes() == mixed.pcm.tobytes() and again.achieved == mixed.achieved


@pytest.mark.parametrize("over", ["active_speech", "full_band"])
@pytest.mark.parametrize("snr_db", [-10.0, -8.0, -5.0, 0.0, 5.0, 8.0, 10.0, 20.0])
def test_real_speech_in_real_noise(media: Path, over: str, snr_db: float) -> None:
    target, _ = sf.read(media / "audio" / "lyra_sample1_16k.wav", dtype="int16")
    bark, _ = sf.read(media / "noise" / "speechbrain_noise2.wav", dtype="float32")
    active = active_speech(target, RATE_HZ)
    plan = plan_of(len(target), snr_db, over=over, active=active, offset=12_345)
    mixed = mix(plan, target, [bark], stems=True)
    check_proof(plan, target, mixed)
    assert mixed.achieved[0].reason is None
    assert (mixed.gain == 1.0) == np.array_equal(mixed.target, target)


def test_clipping_turns_everything_down_alike() -> None:
    target = (0.9 * np.sin(np.arange(RATE_HZ) / 5)).astype(np.float32)
    quiet, loud = (mix(plan_of(RATE_HZ, snr), target, [noise(RATE_HZ)], stems=True) for snr in (40.0, -10.0))
    assert quiet.gain == 1.0 and loud.gain < 0.3
    assert 32_700 < np.abs(loud.pcm.astype(int)).max() <= 32_767
    assert loud.achieved[0].full_snr_db == pytest.approx(-10.0, abs=1e-3)
    ratio = level_dbfs(loud.target) - level_dbfs(quiet.target)
    assert ratio == pytest.approx(20 * math.log10(loud.gain), abs=1e-3)


def test_an_int16_clip_that_fits_is_untouched_to_the_bit() -> None:
    target = np.array([-32768, 32767, 0, 1000] * 500, np.int16)
    clean = mix(MixPlan("k", "clean", len(target), RATE_HZ), target)
    assert np.array_equal(clean.pcm, target) and not np.shares_memory(clean.pcm, target)
    room = tuple((start, start + 2) for start in range(2, len(target), 4))  # beside the peaks
    mixed = mix(plan_of(len(target), 6.0, spans=room), target, [noise(4000)], stems=True)
    assert mixed.gain == 1.0 and np.array_equal(mixed.target, target)


def test_clean_and_noise_only_are_kinds_of_their_own() -> None:
    target = noise(4000, 1)
    clean = mix(MixPlan("k", "clean", 4000, RATE_HZ), target)
    assert np.array_equal(clean.pcm, np.rint(target * 32768).astype(np.int16)) and clean.achieved == ()
    one = InterfererPlan("white", ((1000, 4000),), level_dbfs=-30.0)
    alone = mix(MixPlan("k", "noise_only", 4000, RATE_HZ, interferers=(one,)), target, [noise(4000, 2)])
    assert not alone.pcm[:1000].any()
    assert level_dbfs(alone.pcm, ((1000, 4000),)) == pytest.approx(-30.0, abs=0.01)
    assert alone.achieved[0].full_snr_db is None and alone.achieved[0].requested_snr_db is None
    for bad in (
        {"kind": "clean", "interferers": (one,)},
        {"kind": "noisy"},
        {"kind": "noisy", "interferers": (one,)},
        {"kind": "noise_only", "interferers": (replace(one, snr_db=0.0),)},
        {"kind": "loud"},
    ):
        with pytest.raises(ValueError, match="plan"):
            MixPlan(**{"key": "k", "n_samples": 4000, "rate_hz": RATE_HZ, **bad})


@pytest.mark.parametrize("snr_db", ["0", "clean", True, math.nan, math.inf, 999_999])
def test_an_snr_is_a_number(snr_db: object) -> None:
    with pytest.raises(ValueError, match="snr_db"):
        plan_of(10, snr_db)


@pytest.mark.parametrize("snr_db", [0, 0.0, -0.0])
def test_zero_is_a_number(snr_db: float) -> None:
    mixed = mix(plan_of(8000, snr_db), noise(8000, 1), [noise(8000, 2)])
    assert mixed.achieved[0].full_snr_db == pytest.approx(0.0, abs=0.01)


def test_several_interferers_each_and_together() -> None:
    target = noise(RATE_HZ, 1)
    one = InterfererPlan("white", ((0, RATE_HZ),), snr_db=3.0)
    plan = MixPlan("k", "noisy", RATE_HZ, RATE_HZ, "full_band", (), (one, replace(one, snr_db=3.0)))
    mixed = mix(plan, target, [noise(RATE_HZ, 2), noise(RATE_HZ, 3)], stems=True)
    check_proof(plan, target, mixed)
    assert mixed.total_full_snr_db == pytest.approx(3.0 - 3.0103, abs=0.1), "two as loud are 3 dB more"
    assert mixed.total_active_snr_db is None


def test_channels_of_a_dialogue() -> None:
    dialogue = np.stack([noise(8000, 1), noise(8000, 2, 0.01)])
    plan = plan_of(8000, 5.0, channels=(1,))
    mixed = mix(plan, dialogue, [noise(8000, 3)], stems=True)
    clean = np.rint(dialogue * 32768).astype(np.int16)
    assert np.array_equal(mixed.pcm[0], clean[0]), "the other channel is untouched"
    added = mixed.pcm[1].astype(np.int64) - clean[1]
    assert exact_db(clean[1].astype(np.int64), added, ((0, 8000),)) == pytest.approx(5.0, abs=0.01)
    eight = np.stack([noise(8000, seed) for seed in range(8)])
    for sound in (noise(8000, 20), np.stack([noise(8000, 20 + seed) for seed in range(8)])):
        check_proof(plan_of(8000, -3.0), eight, mix(plan_of(8000, -3.0), eight, [sound], stems=True))


def fault(plan: MixPlan, target: np.ndarray, sound: np.ndarray) -> Fault:
    with pytest.raises(MixError) as caught:
        mix(plan, target, [sound])
    assert str(caught.value.reason) in str(caught.value)
    return caught.value.reason


def test_what_cannot_be_mixed_says_why() -> None:
    speech, silence = noise(1000, 1), np.zeros(1000, np.float32)
    plan = plan_of(1000)
    assert fault(plan, silence, speech) is Fault.TARGET_SILENT
    assert fault(plan, speech, silence) is Fault.INTERFERER_SILENT
    assert fault(plan, speech, np.zeros(0, np.float32)) is Fault.INTERFERER_EMPTY
    assert fault(plan, speech[:999], speech) is Fault.LENGTH_DIFFERS
    assert fault(plan, np.zeros(0, np.float32), speech) is Fault.LENGTH_DIFFERS
    assert fault(plan, np.stack([speech] * 2), np.stack([speech] * 3)) is Fault.CHANNELS_DIFFER
    assert fault(plan_of(1000, channels=(1,)), speech, speech) is Fault.CHANNELS_DIFFER
    assert fault(plan_of(1000, over="active_speech"), speech, speech) is Fault.NO_ACTIVE_SPEECH
    apart = plan_of(1000, over="active_speech", active=((0, 400),), spans=((400, 1000),))
    assert fault(apart, speech, speech) is Fault.NO_OVERLAP
    for value in (math.nan, math.inf):
        for place in (0, 999):
            broken = speech.copy()
            broken[place] = value
            half = plan_of(1000, over="active_speech", active=((300, 400),))
            for one in (plan, half):
                assert fault(one, broken, speech) is Fault.NOT_FINITE
                assert fault(one, speech, broken) is Fault.NOT_FINITE


def test_edges_that_are_fine() -> None:
    one, constant = np.array([0.5], np.float32), np.full(1000, 0.25, np.float32)
    single = mix(plan_of(1), one, [one], stems=True)  # 16384 + 16384: turned down, alike
    assert single.target == single.interferers[0] and 32_760 < single.pcm[0] <= 32_767
    check_proof(plan_of(1000, 7.0), constant, mix(plan_of(1000, 7.0), constant, [one], stems=True))
    loud = 3 * noise(1000, 1, 1.0)  # float32 beyond full scale
    check_proof(plan_of(1000, 7.0), loud, mix(plan_of(1000, 7.0), loud, [noise(10)], stems=True))
    for snr_db in (-200.0, 200.0):
        achieved = mix(plan_of(1000, snr_db), noise(1000, 1), [noise(1000, 2)]).achieved[0]
        assert achieved.reason is Fault.SNR_UNREACHABLE_INT16 and achieved.full_snr_db is None
    faint = mix(plan_of(1000, 85.0), noise(1000, 1), [noise(1000, 2)]).achieved[0]
    assert faint.reason is Fault.SNR_UNREACHABLE_INT16 and faint.interferer_dbfs < -95


def test_plans_survive_json_exactly() -> None:
    one = InterfererPlan(
        "babble", ((3, 7), (8, 10)), ("a", "b"), 2**47 + 1, 0.1 + 0.2, None, 5, 2, 1, (0,), "r"
    )
    plan = MixPlan("clip", "noisy", 10, 44_100, "active_speech", ((0, 4),), (one,), "hall")
    assert MixPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
    with pytest.raises(ValueError, match="no field loudness"):
        MixPlan.from_json({**plan.to_json(), "loudness": 1})
    with pytest.raises(ValueError, match="version 0"):
        MixPlan.from_json({**plan.to_json(), "version": 0})


def test_one_clip_meets_the_same_noise_at_every_snr_and_others_another() -> None:
    sounds = {"n": Sound(noise(50_000, 2))}
    target, active = noise(8000, 1), ((0, 8000),)

    def stem(seed: int, snr_db: float) -> np.ndarray:
        offset = draw_offset(50_000, 8000, 0, seed, "clip")
        plan = plan_of(8000, snr_db, offset=offset, over="active_speech", active=active)
        return apply(plan, target, sounds, stems=True).interferers[0].astype(float)

    low, high, other = stem(1, -5.0), stem(1, 10.0), stem(2, -5.0)
    assert np.corrcoef(low, high)[0, 1] > 0.9999
    assert abs(np.corrcoef(low, other)[0, 1]) < 0.1


def test_draws_depend_on_their_parts_alone() -> None:
    offsets = {draw_offset(100, 10, 0, seed) for seed in range(2000)}
    assert offsets == set(range(91)) and draw_offset(10, 10, 0, 1) == 0
    assert {draw_offset(10, 1000, 4, seed) for seed in range(200)} == set(range(6))
    assert seed_of("a", 1) == seed_of("a", 1) != seed_of("a", 2) and seed_of("a") < 2**48
    for seed in range(300):
        spans = draw_spans(160_000, seed, count=1 + seed % 3, min_share=0.3, max_share=0.5, grid=640)
        assert len(spans) == 1 + seed % 3 == len(merge(spans, 160_000)), "apart"
        assert all(edge % 640 == 0 for span in spans for edge in span)
        assert 0.29 < sum(b - a for a, b in spans) / 160_000 < 0.51
    starts = [draw_spans(100, seed, count=1, min_share=0.5, max_share=0.5)[0][0] for seed in range(500)]
    assert set(starts) == set(range(51)), "from the first place to the last"
    with pytest.raises(ValueError, match="do not fit"):
        draw_spans(3, 0, count=3, min_share=0.1, max_share=0.2)
