from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from synth.dialogue.plan import DialoguePlan, Piece, PlanError, Tone, Utterance
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.render import active_samples, render, with_interference
from synth.dialogue.sounds import SaidWord, Speech
from synth.levels import level_dbfs
from synth.noise_plan import InterfererPlan, MixPlan
from synth.proof import snr_db

RATE_HZ = 16_000
RAMP = Speech(np.linspace(0.1, 0.2, 4000, dtype=np.float32), RATE_HZ, ((500, 3500),))
QUIET = (Tone(-200.0), Tone(-200.0))


def plan(*utterances: Utterance, tones: tuple[Tone, Tone] = QUIET) -> DialoguePlan:
    return DialoguePlan("d", RATE_HZ, 20_000, ("A", "B"), utterances, tones)


ONE = Utterance("u", 1, "turn", "", "ramp", (Piece(500, 3500, 6000),), ((6000, 9000),), gain_db=-6.0)


def test_every_sample_is_where_the_plan_puts_it() -> None:
    heard = render(plan(ONE), {"ramp": RAMP})
    assert np.allclose(heard.pcm[1, 6000:9000], RAMP.pcm[500:3500] * 10 ** (-6 / 20), atol=1e-6)
    assert np.abs(heard.pcm[1, :6000]).max() < 1e-6 and np.abs(heard.pcm[1, 9000:]).max() < 1e-6
    assert np.abs(heard.pcm[0]).max() < 1e-6 and heard.gain == 1.0 and heard.pcm.dtype == np.float32


def test_pieces_of_an_utterance_and_their_fades() -> None:
    two = replace(
        ONE,
        pieces=(Piece(0, 1000, 0), Piece(1000, 2000, 5000)),
        active=((0, 1000), (5000, 6000)),
        fade=100,
        gain_db=0.0,
    )
    heard = render(plan(two), {"ramp": RAMP}).pcm[1]
    assert np.allclose(heard[100:900], RAMP.pcm[100:900], atol=1e-6)
    assert (
        heard[0] < 0.001
        and heard[999] < 0.001
        and heard[5000] < 0.001
        and heard[5100] == pytest.approx(RAMP.pcm[1100], abs=1e-6)
    )
    assert (np.diff(heard[:100]) > 0).all() and (np.diff(heard[900:1000]) < 0).all()


def test_int16_sounds_count_as_full_scale() -> None:
    whole = replace(RAMP, pcm=(RAMP.pcm * 32768).astype(np.int16))
    assert np.allclose(
        render(plan(ONE), {"ramp": whole}).pcm, render(plan(ONE), {"ramp": RAMP}).pcm, atol=1e-4
    )


def test_room_tone_is_everywhere_at_its_level() -> None:
    heard = render(plan(ONE, tones=(Tone(-60.0), Tone(-50.0))), {"ramp": RAMP}).pcm
    assert level_dbfs(heard[0]) == pytest.approx(-60, abs=0.5)
    assert level_dbfs(heard[1][10_000:]) == pytest.approx(-50, abs=1.5)
    assert not (np.abs(heard[0]) < 1e-9).all(), "no digital zero"
    assert not np.allclose(heard[0], heard[1] * 10**-0.5), "each room has its own"


def test_room_tone_of_a_sound_stays_at_one_level_under_its_utterances() -> None:
    """Speech that brings its room: the tone makes way for it, so the noise does not jump by 3 dB."""
    rng = np.random.default_rng(1)
    pcm = rng.normal(0, 0.01, 48_000).astype(np.float32)
    pcm[16_000:32_000] += rng.normal(0, 0.2, 16_000).astype(np.float32)
    speech = Speech(pcm, RATE_HZ, ((16_000, 32_000),), (SaidWord("w", 16_000, 32_000),))
    made = plan_dialogue(
        "d",
        [Line("a", 0, "", "s")],
        {"s": speech},
        ("A", "B"),
        PlannerSettings(margin_s=0.5, tones=(Tone(None, "s"), Tone())),
    )  # type: ignore[arg-type]
    heard = render(made, {"s": speech}).pcm[0]
    (one,) = made.utterances
    levels = [level_dbfs(heard[a:b]) for a, b in ((one.start - 7000, one.start), (one.stop, one.stop + 7000))]
    expected = -26 + 20 * np.log10(0.01 / np.hypot(0.2, 0.01))
    assert levels == pytest.approx([expected, expected], abs=0.5)


def test_channels_have_their_levels() -> None:
    sounds = {"s": RAMP}
    lines = [Line("a", 0, "", "s"), Line("b", 1, "", "s")]
    made = plan_dialogue(
        "d", lines, sounds, ("A", "B"), PlannerSettings(level_dbfs=(-20.0, -30.0), tones=QUIET, fade_s=0)
    )  # type: ignore[arg-type]
    heard = render(made, sounds).pcm
    for side, level in enumerate((-20, -30)):
        assert level_dbfs(heard[side], active_samples(made, side)) == pytest.approx(level, abs=0.01)


def test_what_would_clip_is_turned_down_in_both_channels_alike() -> None:
    loud = render(plan(replace(ONE, gain_db=40.0), replace(ONE, key="v", side=0)), {"ramp": RAMP})
    assert np.abs(loud.pcm).max() <= 32767 / 32768 and 0 < loud.gain < 1
    assert loud.pcm[1, 7000] / loud.pcm[0, 7000] == pytest.approx(10 ** (46 / 20), rel=1e-4)


def test_the_same_plan_gives_the_same_bytes() -> None:
    made = plan(ONE, tones=(Tone(-60.0), Tone(-60.0)))
    again = DialoguePlan.from_json(made.to_json())
    assert render(made, {"ramp": RAMP}).pcm.tobytes() == render(again, {"ramp": RAMP}).pcm.tobytes()


def test_interference_goes_into_the_channel_that_is_named() -> None:
    made = plan(ONE, tones=(Tone(-60.0), Tone(-60.0)))
    heard = render(made, {"ramp": RAMP})
    noise = InterfererPlan("white", ((0, 20_000),), seed=1, snr_db=5.0)
    mix = MixPlan("d", "noisy", 20_000, RATE_HZ, active=active_samples(made, 1), interferers=(noise,))
    (found,) = with_interference(heard, {1: mix}, {}).values()
    assert found.pcm.shape == (20_000,) and found.achieved[0].active_snr_db == pytest.approx(5, abs=0.05)
    clean = np.rint(heard.pcm[1] * 32768 * found.gain).astype(np.int16)
    assert snr_db(clean, found.pcm - clean, active_samples(made, 1)) == pytest.approx(5, abs=0.05)


def test_sounds_that_do_not_fit_the_plan() -> None:
    with pytest.raises(PlanError, match="not at hand"):
        render(plan(ONE), {})
    with pytest.raises(PlanError, match="8000 Hz"):
        render(plan(ONE), {"ramp": replace(RAMP, rate_hz=8000)})
    with pytest.raises(PlanError, match="reaches beyond"):
        render(plan(replace(ONE, pieces=(Piece(3000, 6000, 6000),))), {"ramp": RAMP})
