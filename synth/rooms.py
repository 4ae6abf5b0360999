"""Rooms: impulse responses that were measured, or of a shoebox, put round a sound without moving it in time.

What the direct path delays is taken back, so that lips and labels stay where they are. The delay is a whole
number of samples: what is left of it, half a sample at most, is measured and kept (at 16 kHz 31 us, less
than a thousandth of a video frame).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.levels import FULL_SCALE, Pcm, Spans, rms
from synth.noise_plan import Fault, MixError, generator

ONSET_DB = -20.0
"""A response begins where it first comes this close to its peak (ISO 3382-1, A.2.2)."""
T60_RANGE_S = (0.3, 1.3)
"""Of the DNS challenge's rooms."""
_DIRECT_S = 0.001  # the direct path's peak is sought so long after the onset
_EARLY_S = 0.05
_ROOM_M = ((4.0, 3.0, 2.5), (8.0, 6.0, 3.5))  # smallest and largest sides
_MARGIN_M = 0.5
_SABINE_SHARE = 0.6  # image sources in a shoebox ring longer than Sabine says, so ask for less


@dataclass(frozen=True)
class Room:
    """An impulse response (n,) float32 at `rate_hz`, and what was measured on it.

    `delay`: the sample at which the direct path arrives; `residue` (samples, within +-0.5): how much later
    its peak is, by a parabola through three samples. `early_late_db`: energy of the 50 ms from the direct
    path on over that of all after (C50 of ISO 3382-1), None where nothing is after. `t60_s`: reverberation
    time, extrapolated from the decay from -5 to -25 dB (T20), None where the response does not decay so far.
    """

    rir: NDArray[np.float32]
    rate_hz: int
    delay: int
    residue: float
    early_late_db: float | None
    t60_s: float | None


def measured_room(rir: Pcm, rate_hz: int, *, to_rate_hz: int, channel: int = 0) -> Room:
    """A room of a response (n,) or (channels, n): one channel of it, resampled.

    Raises MixError: ROOM_SILENT for an empty or silent response, NOT_FINITE, CHANNELS_DIFFER for a channel
    that it has not.
    """
    if not rir.any():
        raise MixError(Fault.ROOM_SILENT, "the room's response is empty or silent")
    rows = rir.reshape(-1, rir.shape[-1])
    if not 0 <= channel < len(rows):
        raise MixError(Fault.CHANNELS_DIFFER, f"channel {channel} of a response that has {len(rows)}")
    response = rows[channel].astype(np.float64)
    if not np.isfinite(response).all():
        raise MixError(Fault.NOT_FINITE, "the room's response has samples without a value")
    if not response.any():
        raise MixError(Fault.ROOM_SILENT, f"channel {channel} of the room's response is silent")
    response /= np.abs(response).max()  # no resampler or float32 meets a response of -70 dB
    direct = _direct_path(response, rate_hz)
    if rate_hz != to_rate_hz:
        import soxr

        response = soxr.resample(response, rate_hz, to_rate_hz, quality="VHQ")
        direct = min(round(direct * to_rate_hz / rate_hz), len(response) - 1)
    return room_of(response, to_rate_hz, direct=direct)


def room_of(response: NDArray[np.float64], rate_hz: int, *, direct: int | None = None) -> Room:
    """Measure a response (n,) that is not silent; `direct`: about where its direct path is, if known."""
    if direct is None:
        delay = _direct_path(response, rate_hz)
    else:
        first = max(0, direct - round(_DIRECT_S * rate_hz / 2))
        delay = first + int(np.argmax(np.abs(response[first : 2 * direct - first + 1])))
    power = response**2
    split = delay + round(_EARLY_S * rate_hz)
    early, late = float(power[delay:split].sum()), float(power[split:].sum())
    return Room(
        rir=response.astype(np.float32),
        rate_hz=rate_hz,
        delay=delay,
        residue=_residue(np.abs(response), delay),
        early_late_db=10 * math.log10(early / late) if late > 0 else None,
        t60_s=decay_time_s(response[delay:], rate_hz),
    )


def _direct_path(response: NDArray[np.float64], rate_hz: int) -> int:
    """The highest sample of the millisecond after the onset."""
    size = np.abs(response)
    onset = int(np.argmax(size >= size.max() * 10 ** (ONSET_DB / 20)))
    return onset + int(np.argmax(size[onset : onset + max(1, round(_DIRECT_S * rate_hz))]))


def _residue(size: NDArray[np.float64], peak: int) -> float:
    if not 0 < peak < len(size) - 1:
        return 0.0
    before, at, after = (float(value) for value in size[peak - 1 : peak + 2])
    curve = before - 2 * at + after
    return min(0.5, max(-0.5, (before - after) / (2 * curve))) if curve < 0 else 0.0


def decay_time_s(response: NDArray[np.float64], rate_hz: int) -> float | None:
    """T20 of a response (n,) that begins at the direct path, by Schroeder's backward integration."""
    remaining = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]
    decay_db = 10 * np.log10(np.maximum(remaining / remaining[0], 1e-30))
    first, last = int(np.argmax(decay_db <= -5)), int(np.argmax(decay_db <= -25))
    if not 0 < first < last - 1:
        return None
    slope = np.polyfit(np.arange(first, last) / rate_hz, decay_db[first:last], 1)[0]
    return float(-60 / slope) if slope < 0 else None


def reverberate(pcm: Pcm, room: Room) -> NDArray[np.float32]:
    """The sound (…, n) float32 in the room, as long as before: its direct path at the time of the sound.

    What rings on beyond the end is cut. At no particular level.
    """
    from scipy.signal import fftconvolve

    x = pcm.astype(np.float32)
    if pcm.dtype == np.int16:
        x /= FULL_SCALE
    n_samples = pcm.shape[-1]
    rir = room.rir[: room.delay + n_samples].reshape((1,) * (x.ndim - 1) + (-1,))
    wet = fftconvolve(x, rir, axes=-1)[..., room.delay : room.delay + n_samples]
    return np.ascontiguousarray(wet, np.float32)


def furnish(
    pcm: Pcm, name: str, rooms: Mapping[str, Room], rate_hz: int, *, keep_over: Spans = ()
) -> tuple[NDArray[np.float32], float]:
    """The sound in the named room at its own level, and the gain that took.

    The level is that over the spans, or over all of it without any. Raises MixError(NO_ROOM) for a room that
    is missing or has another rate, and MixError(TARGET_SILENT) for a sound without a level to keep.
    """
    if name not in rooms:
        raise MixError(Fault.NO_ROOM, f"room {name} is not at hand")
    room = rooms[name]
    if room.rate_hz != rate_hz:
        raise MixError(Fault.NO_ROOM, f"room {name} is at {room.rate_hz} Hz, the clip at {rate_hz} Hz")
    wet = reverberate(pcm, room)
    spans = keep_over or ((0, pcm.shape[-1]),)
    before, after = rms(pcm, spans), rms(wet, spans)
    if not (math.isfinite(before) and math.isfinite(after)):
        raise MixError(Fault.NOT_FINITE, "a sound in a room has samples without a value")
    if before == 0 or after == 0:
        raise MixError(Fault.TARGET_SILENT, f"a sound in room {name} has no level to keep")
    gain = before / after
    return wet * np.float32(gain), gain


def shoebox_rooms(*parts: object, rate_hz: int, n_sources: int, t60_s: float | None = None) -> list[Room]:
    """One room drawn from what `parts` name: a microphone, and a response from each of `n_sources` places.

    `t60_s` is drawn evenly from `T60_RANGE_S` unless given. Image sources by pyroomacoustics give the
    reflections; damping that grows with the path, as that of air does, then brings the first source's T20
    to `t60_s`. Raises MixError(ROOM_UNREACHABLE) where no wall gives that time.
    """
    import pyroomacoustics as pra  # type: ignore[import-untyped]

    rng = generator("room", *parts)
    sides = rng.uniform(*_ROOM_M)
    drawn_s = float(rng.uniform(*T60_RANGE_S))
    places = rng.uniform(_MARGIN_M, sides - _MARGIN_M, (1 + n_sources, 3))
    places[:, 2] = rng.uniform(1.0, 1.8, 1 + n_sources)  # heads and microphones
    wanted_s = drawn_s if t60_s is None else t60_s
    try:
        absorption, max_order = pra.inverse_sabine(_SABINE_SHARE * wanted_s, sides)
    except ValueError as error:
        raise MixError(Fault.ROOM_UNREACHABLE, f"{wanted_s:g} s in a room of {sides.round(1)} m") from error
    box = pra.ShoeBox(sides, fs=rate_hz, materials=pra.Material(absorption), max_order=max_order)
    box.add_microphone(places[0])
    for place in places[1:]:
        box.add_source(place)
    n_threads = pra.constants.get("num_threads")
    pra.constants.set("num_threads", 1)  # the sum of the images must not depend on the machine
    try:
        box.compute_rir()
    finally:
        pra.constants.set("num_threads", n_threads)
    responses = [np.asarray(response, np.float64) for response in box.rir[0]]
    rate = _damping(responses[0], rate_hz, wanted_s)
    return [room_of(one * np.exp(-rate * np.arange(len(one)) / rate_hz), rate_hz) for one in responses]


def _damping(response: NDArray[np.float64], rate_hz: int, wanted_s: float) -> float:
    """Damping (1/s) that brings the response's T20 to `wanted_s`: amplitude falls by e a so many seconds."""
    start = _direct_path(response, rate_hz)
    time_s, rate = np.arange(len(response)) / rate_hz, 0.0
    for _ in range(40):
        now_s = decay_time_s((response * np.exp(-rate * time_s))[start:], rate_hz)
        if now_s is None:
            break
        if abs(now_s / wanted_s - 1) < 0.005:
            return rate
        # a decay is not quite one exponential: half of the way, or it swings
        rate += 1.5 * math.log(10) * (1 / wanted_s - 1 / now_s)
    raise MixError(Fault.ROOM_UNREACHABLE, f"no damping makes this room ring for {wanted_s:g} s")
