"""Interferers laid out on a clip: cut or looped to its length, heard in their spans and channels only."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.interferers import segment
from synth.levels import FULL_SCALE, SILENT_RMS, Pcm, Spans, intersect, n_in, span_energy, subtract
from synth.noise_plan import Fault, InterfererPlan, MixError, MixPlan
from synth.proof import Power


@dataclass(frozen=True)
class Layer:
    """An interferer laid out on the clip: `sound` (1 or as many as `rows`, n), 0 outside its spans.

    `rows`: the clip's channels that it goes into; `speaking` and `resting`: where in its spans the target
    does; `over`: the samples that the request is about.
    """

    plan: InterfererPlan
    sound: NDArray[Any]
    rows: slice | list[int]
    n_rows: int
    speaking: Spans
    resting: Spans
    over: Spans
    power: float
    """Energy of the sound over `over`, in all rows, in the sound's own units."""

    def power_of(self, tracks: NDArray[Any]) -> Power:
        """Of the clip's tracks in the layer's channels and spans."""
        own = tracks[self.rows]
        return Power(span_energy(own, self.speaking), span_energy(own, self.resting))

    def asked(self, power: Power) -> float:
        """What the request is about."""
        return power.speaking if self.over == self.speaking else power.whole

    def on_clip(self, part: NDArray[Any], n_tracks: int) -> NDArray[Any]:
        """A part shaped as `sound` in the clip's channels (n_tracks, n), 0 in those it does not go into."""
        if len(part) == n_tracks and self.plan.channels is None:
            return part
        laid = np.zeros((n_tracks, part.shape[-1]), part.dtype)
        laid[self.rows] = part
        return laid


def lay(plan: MixPlan, one: InterfererPlan, sound: Pcm, n_tracks: int) -> Layer:
    """Lay `sound` out as `one` of the plan's interferers says, on a clip of `n_tracks` channels.

    Raises MixError for an empty sound, for one that is silent on the samples that the request is about, for
    channels that do not fit, and where the target does not speak.
    """
    channels = list(range(n_tracks) if one.channels is None else one.channels)
    if not channels or not set(channels) <= set(range(n_tracks)) or len(set(channels)) < len(channels):
        raise MixError(Fault.CHANNELS_DIFFER, f"channels {channels} of a clip that has {n_tracks}")
    if not sound.size:
        raise MixError(Fault.INTERFERER_EMPTY, f"the {one.kind} has no samples")
    heard: NDArray[Any] = sound.reshape(-1, sound.shape[-1])
    if len(heard) not in (1, len(channels)):
        raise MixError(Fault.CHANNELS_DIFFER, f"{len(heard)} channels of {one.kind} into {len(channels)}")
    heard = segment(heard, offset=one.offset, n_samples=plan.n_samples, crossfade=one.crossfade)
    if one.spans != ((0, plan.n_samples),):
        heard = _gated(heard, one)
    over = one.spans
    speaking = intersect(one.spans, plan.active)
    if plan.kind == "noisy" and plan.over == "active_speech":
        over = speaking
        if not plan.active:
            raise MixError(Fault.NO_ACTIVE_SPEECH, "the target has no active speech to take an SNR over")
        if not over:
            raise MixError(Fault.NO_OVERLAP, f"the target does not speak where the {one.kind} is heard")
    power = span_energy(heard, over)
    if power < n_in(over) * len(heard) * (SILENT_RMS * FULL_SCALE / unit(heard)) ** 2:
        raise MixError(Fault.INTERFERER_SILENT, f"the {one.kind} is silent where it is to be measured")
    return Layer(
        plan=one,
        sound=heard,
        rows=slice(None) if one.channels is None else channels,
        n_rows=len(channels),
        speaking=speaking,
        resting=subtract(one.spans, speaking),
        over=over,
        power=power * (len(channels) // len(heard)),
    )


def _gated(sound: NDArray[Any], one: InterfererPlan) -> NDArray[Any]:
    """Only inside the spans, swelling and dying over `fade` samples except at the clip's ends."""
    n_samples = sound.shape[-1]
    gated = np.zeros(sound.shape, np.float32 if one.fade else sound.dtype)
    for start, stop in one.spans:
        gated[..., start:stop] = sound[..., start:stop]
        fade = min(one.fade, (stop - start) // 2)
        if fade:
            ramp = (np.sin((np.arange(fade) + 0.5) * (math.pi / 2 / fade)) ** 2).astype(np.float32)
            if start > 0:
                gated[..., start : start + fade] *= ramp
            if stop < n_samples:
                gated[..., stop - fade : stop] *= ramp[::-1]
    return gated


def unit(pcm: NDArray[Any]) -> float:
    """One of the array's full scale in steps of int16."""
    return 1.0 if pcm.dtype == np.int16 else float(FULL_SCALE)
