"""Speech and interferers at an exact signal-to-noise ratio, proven on the 16-bit samples that are written.

The SNR of an interferer is the energy of the target over that of the interferer on the same samples: those
of its spans (`full_band`), or of its spans where the target speaks (`active_speech`). Both are measured.

Target and interferers are each rounded (to the nearest, halves to even) to int16 before they are added, so
written target + written interferers = written mix, exactly, and what an interferer contributes is known
exactly: written mix - written target - the other interferers. The scale is solved against the target as
written. Only the interferer's own rounding is left: half a step at most on a sample moves its RMS by half a
step at most, whatever the signals are. That is 0.042 dB at -50 dBFS, and less above.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.interferers import Sound, render
from synth.layers import Layer, lay, unit
from synth.levels import FULL_SCALE, Pcm, from_db, intersect, merge, n_in
from synth.noise_plan import Fault, MixError, MixPlan
from synth.proof import Achieved, Power, Written, measure, snr_db
from synth.rooms import Room, furnish

_PEAK = 32767


@dataclass(frozen=True)
class Mixed:
    """A mix as it is written: `pcm` int16, of the target's shape.

    `gain`: what target and interferers alike were multiplied by so that nothing clips; 1.0 where nothing
    would have. `total_active_snr_db`, `total_full_snr_db`: of all interferers together, in all channels,
    over the samples where any of them is heard. `room_gain`: what the target behind its room was multiplied
    by to keep its level. Stems, where asked for: `target` and `interferers` add up to `pcm` exactly.
    """

    pcm: Written
    gain: float
    achieved: tuple[Achieved, ...]
    total_active_snr_db: float | None
    total_full_snr_db: float | None
    room_gain: float = 1.0
    target: Written | None = None
    interferers: tuple[Written, ...] = ()


def mix(plan: MixPlan, target: Pcm, interferers: Sequence[Pcm] = (), *, stems: bool = False) -> Mixed:
    """Mix as planned: `target` (n,) or (channels, n), and one sound for each interferer of the plan.

    A sound of one channel goes into each of the plan's channels alike; else it has as many. Sounds longer
    than the clip are cut at the planned offset, shorter ones looped. Where int16 would clip, all is turned
    down alike. The arrays given are not changed. Of a target in a plan that is noise only, nothing but the
    shape is used.

    Raises MixError where an SNR is not defined (silence, no overlap), for samples without a value, and for
    shapes that are not those of the plan.
    """
    if target.shape[-1] != plan.n_samples or not target.size:
        raise MixError(Fault.LENGTH_DIFFERS, f"shape {target.shape}, planned are {plan.n_samples} samples")
    if len(interferers) != len(plan.interferers):
        raise MixError(Fault.NO_INTERFERER, f"{len(interferers)} sounds for {len(plan.interferers)} planned")
    tracks: NDArray[Any] = target.reshape(-1, plan.n_samples)
    if plan.kind == "noise_only":
        tracks = np.zeros(tracks.shape, np.int16)
    layers = [
        lay(plan, one, sound, len(tracks)) for one, sound in zip(plan.interferers, interferers, strict=True)
    ]
    fitted = _fit(tracks, layers)
    written, parts = fitted.target, fitted.parts
    pcm = reduce(np.add, parts, written) if parts else written.copy()  # a wrap on the way: the sum fits
    added = pcm - written
    achieved = []
    for number, layer in enumerate(layers):
        own = reduce(np.subtract, [*parts[:number], *parts[number + 1 :]], added)
        achieved.append(_prove(layer, fitted.powers[number], layer.power_of(own), fitted.scales[number]))
    total = _total(plan, achieved, written, added)
    mixed = Mixed(pcm.reshape(target.shape), fitted.gain, tuple(achieved), *total)
    if not stems:
        return mixed
    return replace(
        mixed,
        target=written.reshape(target.shape).copy(),
        interferers=tuple(part.reshape(target.shape) for part in parts),
    )


def apply(
    plan: MixPlan,
    clip: Pcm,
    sounds: Mapping[str, Sound],
    rooms: Mapping[str, Room] | None = None,
    *,
    stems: bool = False,
) -> Mixed:
    """The whole of a plan, for set builders and trainers: render the interferers, put rooms round, mix.

    `sounds` and `rooms` by the names that the plan uses, all at the plan's rate. Behind its room the target
    keeps its level over active speech (over all of it, where none is given), and the SNR is that behind the
    rooms. Raises as `mix`, `render` and `furnish` do.
    """
    room_gain = 1.0
    if plan.room is not None and plan.kind != "noise_only":
        clip, room_gain = furnish(clip, plan.room, rooms or {}, plan.rate_hz, keep_over=plan.active)
    heard: list[Pcm] = []
    for one in plan.interferers:
        sound = render(one, plan.n_samples, plan.rate_hz, sounds)
        if one.room is not None:
            sound, _ = furnish(sound, one.room, rooms or {}, plan.rate_hz)
        heard.append(sound)
    # each begins with the clip now
    laid = replace(plan, interferers=tuple(replace(one, offset=0) for one in plan.interferers))
    return replace(mix(laid, clip, heard, stems=stems), room_gain=room_gain)


@dataclass(frozen=True)
class _Fitted:
    """Written target and interferers, each (channels, n); neither one of them clips nor their sum.

    For each layer: the target's power, and the scale from full scale to full scale.
    """

    gain: float
    target: Written
    parts: list[Written]
    powers: list[Power]
    scales: list[float]


def _fit(tracks: NDArray[Any], layers: Sequence[Layer]) -> _Fitted:
    gain = 1.0
    for attempt in count():
        target = _rounded(tracks, gain * unit(tracks))
        if target.dtype != np.int16 and not math.isfinite(_peak(target)):
            raise MixError(Fault.NOT_FINITE, "the target has samples without a value")
        powers = [layer.power_of(target) for layer in layers]
        scales = [_scale(layer, power, tracks, gain) for layer, power in zip(layers, powers, strict=True)]
        parts = [
            layer.on_clip(_rounded(layer.sound, scale), len(tracks))
            for layer, scale in zip(layers, scales, strict=True)
        ]
        peak = _joint_peak([target, *parts])
        if peak <= _PEAK:
            full = [scale / unit(layer.sound) for scale, layer in zip(scales, layers, strict=True)]
            return _Fitted(gain, _int16(target), [_int16(part) for part in parts], powers, full)
        if not math.isfinite(peak):
            raise MixError(Fault.NOT_FINITE, "an interferer has samples without a value")
        gain *= (_PEAK - len(parts) - 1) / peak  # leaves room for the rounding of every part
        if attempt:  # a target of few steps does not shrink as its gain does
            gain *= 0.99
    raise AssertionError("unreachable")


def _scale(layer: Layer, target: Power, tracks: NDArray[Any], gain: float) -> float:
    """From the sound's own units to int16."""
    one = layer.plan
    if one.level_dbfs is not None:
        wanted = (from_db(one.level_dbfs) * FULL_SCALE * gain) ** 2 * n_in(layer.over) * layer.n_rows
    else:
        assert one.snr_db is not None
        speech = layer.asked(target)
        if speech == 0 and gain < 1:  # turned down until nothing is left of it
            speech = layer.asked(layer.power_of(tracks)) * (gain * unit(tracks)) ** 2
        if speech == 0:
            raise MixError(Fault.TARGET_SILENT, "the target is silent where the SNR is to be measured")
        wanted = speech / from_db(one.snr_db) ** 2
    scale = math.sqrt(wanted / layer.power)
    if not 0 < scale < math.inf:
        raise MixError(Fault.NOT_FINITE, f"the {one.kind} has samples without a value")
    return scale


def _rounded(pcm: NDArray[Any], scale: float) -> NDArray[Any]:
    """Whole steps of int16, as float32 unless they are int16 already."""
    if scale == 1.0 and pcm.dtype == np.int16:
        return pcm
    scaled = np.multiply(pcm, np.float32(scale), dtype=np.float32)
    return np.asarray(np.rint(scaled, out=scaled))


def _int16(steps: NDArray[Any]) -> Written:
    written: Written = steps.astype(np.int16, copy=False)
    return written


def _peak(steps: NDArray[Any]) -> float:
    """What may be 32767 if int16, which goes down to -32768, is to hold it; NaN if a sample is."""
    return max(float(steps.max()), -1.0 - float(steps.min()))


def _joint_peak(parts: Sequence[NDArray[Any]]) -> float:
    """Peak of the loudest part or of their sum; a bound that int16 holds will do."""
    peaks = [_peak(part) for part in parts]
    if not sum(peaks) + len(peaks) <= _PEAK:
        together = reduce(lambda one, other: np.add(one, other, dtype=np.float32), parts)
        return float(np.max([*peaks, _peak(together)]))  # unlike max, it hands NaN on
    return sum(peaks)


def _prove(layer: Layer, target: Power, added: Power, scale: float) -> Achieved:
    return measure(
        target,
        added,
        n_speaking=n_in(layer.speaking) * layer.n_rows,
        n_resting=n_in(layer.resting) * layer.n_rows,
        over_active=layer.over == layer.speaking,
        requested_snr_db=layer.plan.snr_db,
        scale=scale,
    )


def _total(
    plan: MixPlan, achieved: Sequence[Achieved], written: Written, added: Written
) -> tuple[float | None, float | None]:
    """SNR of all interferers together over active speech, and over all samples where one is heard."""
    if len(achieved) == 1 and plan.interferers[0].channels is None:
        return achieved[0].active_snr_db, achieved[0].full_snr_db
    spans = merge((span for one in plan.interferers for span in one.spans), plan.n_samples)
    return snr_db(written, added, intersect(spans, plan.active)), snr_db(written, added, spans)
