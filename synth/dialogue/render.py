"""Rendering: a plan and its sounds in, two channels out, exact to the sample; then noise and rooms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.dialogue.plan import DialoguePlan, Piece, PlanError, Utterance
from synth.dialogue.sounds import Speech
from synth.dialogue.truth import truth
from synth.interferers import Sound
from synth.levels import FULL_SCALE, Spans, from_db, merge
from synth.mixing import Mixed, apply
from synth.noise_plan import MixPlan
from synth.room_tone import Mono, made_tone, quiet_parts, quilted_tone
from synth.rooms import Room
from synth.turns.model import Annotation

_PEAK = 32766 / FULL_SCALE


@dataclass(frozen=True)
class Rendered:
    """`pcm` (2, n) float32, full scale 1, at the plan's rate, and the truth about it.

    `gain`: what both channels were multiplied by so that nothing clips; 1.0 where nothing would have.
    """

    pcm: NDArray[np.float32]
    truth: Annotation
    gain: float


def render(plan: DialoguePlan, sounds: Mapping[str, Speech]) -> Rendered:
    """Room tone in each channel, and the utterances' pieces on it.

    `sounds` by the names of the plan, at its rate. Raises PlanError for one that is missing, of another
    rate, or shorter than a piece of it, and RoomToneError for a tone's source without quiet parts.
    """
    pcm = np.stack([_tone(plan, side, sounds) for side in (0, 1)]).astype(np.float64)
    for one in plan.utterances:
        speech = _sound(plan, one.sound, sounds)
        for piece in one.pieces:
            heard, envelope = _cut_out(speech, piece, one)
            under = pcm[one.side, piece.at : piece.at + len(heard)]
            if plan.tones[one.side].source is not None:
                under *= np.sqrt(1 - envelope**2)  # the piece brings its own room
            under += heard
    peak = float(np.abs(pcm).max(initial=0.0))
    gain = min(1.0, _PEAK / peak) if peak else 1.0
    return Rendered((pcm * gain).astype(np.float32), truth(plan), gain)


def _sound(plan: DialoguePlan, name: str, sounds: Mapping[str, Speech]) -> Speech:
    speech = sounds.get(name)
    if speech is None or speech.rate_hz != plan.rate_hz:
        what = "is not at hand" if speech is None else f"has {speech.rate_hz} Hz, not {plan.rate_hz}"
        raise PlanError(f"{plan.key}: the sound {name} {what}")
    return speech


def _cut_out(speech: Speech, piece: Piece, one: Utterance) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The piece at its level, and the envelope by which it swells and dies over the fade."""
    if piece.stop > len(speech.pcm):
        raise PlanError(f"{one.key}: {one.sound} has {len(speech.pcm)} samples, and {piece} reaches beyond")
    heard = speech.pcm[piece.first : piece.stop].astype(np.float64)
    heard *= from_db(one.gain_db) / (FULL_SCALE if speech.pcm.dtype == np.int16 else 1)
    envelope = np.ones(len(heard))
    fade = min(one.fade, len(heard) // 2)
    if fade:
        ramp = np.sin((np.arange(fade) + 0.5) * (math.pi / 2 / fade)) ** 2
        envelope[:fade] = ramp
        envelope[-fade:] = ramp[::-1]
    return heard * envelope, envelope


def _tone(plan: DialoguePlan, side: int, sounds: Mapping[str, Speech]) -> Mono:
    tone = plan.tones[side]
    if tone.source is None:
        assert tone.level_dbfs is not None
        return made_tone(plan.n_samples, plan.rate_hz, tone.level_dbfs, plan.key, side)
    speech = _sound(plan, tone.source, sounds)
    parts = quiet_parts(speech.pcm, plan.rate_hz, speech.active)
    quilted = quilted_tone(speech.pcm, parts, plan.n_samples, plan.rate_hz, plan.key, side)
    return quilted * np.float32(from_db(tone.gain_db))


def active_samples(plan: DialoguePlan, side: int) -> Spans:
    """Where a channel is active: the spans that an SNR of its `MixPlan` is measured over."""
    spans = (span for one in plan.utterances if one.side == side for span in one.active)
    return merge(spans, plan.n_samples)


def with_interference(
    rendered: Rendered,
    plans: Mapping[int, MixPlan],
    sounds: Mapping[str, Sound],
    rooms: Mapping[str, Room] | None = None,
) -> dict[int, Mixed]:
    """The channels that `plans` names (0, 1), as int16, in their rooms and with their interferers.

    A channel that is not named stays as it is, and the truth holds for all: rooms delay nothing. Raises as
    `synth.mixing.apply` does.
    """
    return {side: apply(plan, rendered.pcm[side], sounds, rooms) for side, plan in plans.items()}
