"""Who speaks when in a stereo dyad, where each of two people has a channel: cross-talk taken back first.

A voice that leaks into the other channel is heard there more softly, a little later and after having gone
through the room. So each channel's own speech is where it is the louder of the two by more than the leak
explains, and what is wrong with the channels themselves is found and named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from extractors.speech import HOP, HOP_S, speech_segments

RATE_HZ = 16_000
Stereo = NDArray[np.float32]
"""(2, n) samples, 16 kHz, full scale ±1."""
Probs = NDArray[np.float32]
"""(2, hops): probability of speech of each channel, as `extractors.speech.SpeechDetector` gives it."""

_FLOOR = 1e-12
_SILENT_DBFS = -80.0
"""No microphone is that quiet: 16-bit dither has -98 dBFS, a muted call channel exactly nothing."""
_ALIKE = 0.98
_COPY_DB = 10.0
"""A copy that is softer than this is cross-talk."""
_MAX_DELAY_S = 0.05
"""15 m of air. Beyond it a sound in both channels is no cross-talk of one room."""


class Finding(StrEnum):
    """What is wrong with the channels."""

    SILENT_CHANNEL = "silent_channel"
    """A channel holds no sound at all."""
    NO_SPEECH = "no_speech"
    """A channel has sound, and nobody speaks of its own in it."""
    DUAL_MONO = "dual_mono"
    """Both channels are one recording: who speaks cannot be told by them; diarize the mix."""
    CHANNELS_SWAPPED = "channels_swapped"
    """The other channel's voice is the one expected here."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Levels are those of the field's close-talk dyads; none was fitted to a clip that is reported."""

    speech_threshold: float = 0.5
    min_lead_db: float = 6.0
    """How much softer a voice must be in the other channel for that other channel not to count as speaking,
    where the leak could not be measured."""
    leak_margin_db: float = 6.0
    """Own speech is louder than the measured leak of the other channel by this much."""
    min_silence_s: float = 0.2
    min_speech_s: float = 0.1
    """Own speech of this or less (three hops, 96 ms) does not count. Silero's 0.25 s loses nods: of vowels of
    0.12 s it kept none in 16, this one 15, and neither heard speech in 94 s of noise."""
    leaky_from_db: float = -16.0
    leaky_min_speech_s: float = 0.25
    """What counts instead in a channel that hears the other voice at least so loudly: there, what is left of
    cross-talk is as short as a nod. Both were settled on rendered dialogues (`docs/speakers.md`)."""


@dataclass(frozen=True)
class Channels:
    """Segments of own speech of each channel, and what was found."""

    segments: tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]
    """For each channel (start_s, stop_s), sorted and disjoint; both may be active at once."""
    leak_db: tuple[float | None, float | None]
    """Level of the other channel's voice in this one, relative to its own channel; None: not measurable."""
    suppressed_s: tuple[float, float]
    """Speech that was heard in this channel and is the other's."""
    findings: tuple[tuple[Finding, int | None], ...]
    """With the channel it is about; None when it is about both."""


def channel_activity(pcm: Stereo, probs: Probs, *, settings: Settings | None = None) -> Channels:
    """Own speech of the two channels of `pcm`, of which `probs` has a column for each hop of 512 samples.

    The leak of a channel is the median level difference over hops in which only the other channel leads; a
    hop counts as own speech when the detector hears speech and the level is above what leaks from the other
    channel, the loudest hop within 50 ms of it, by `leak_margin_db`. Nothing depends on how the recording
    was read. Raises ValueError for other shapes.
    """
    chosen = settings or Settings()
    hops = -(-pcm.shape[-1] // HOP)
    if pcm.ndim != 2 or len(pcm) != 2 or probs.shape != (2, hops):
        raise ValueError(
            f"two channels and a probability a hop are needed, not {pcm.shape} and {probs.shape}"
        )
    power = hop_power(pcm)
    levels = 10 * np.log10(power + _FLOOR)
    findings: list[tuple[Finding, int | None]] = []
    silent = [bool(10 * np.log10(row.max(initial=0.0) + _FLOOR) < _SILENT_DBFS) for row in power]
    findings += [(Finding.SILENT_CHANNEL, channel) for channel in (0, 1) if silent[channel]]
    heard = probs >= chosen.speech_threshold
    if not any(silent) and is_dual_mono(pcm, heard[0] | heard[1]):
        return Channels(((), ()), (None, None), (0.0, 0.0), ((Finding.DUAL_MONO, None),))
    leaks = tuple(None if any(silent) else _leak_db(levels, heard, channel) for channel in (0, 1))
    segments, suppressed = [], []
    for channel in (0, 1):
        leak = leaks[channel]
        own = probs[channel] * ~_leaked(levels, channel, leak, any(silent), chosen)
        end_s = pcm.shape[1] / RATE_HZ
        leaky = leak is not None and leak >= chosen.leaky_from_db
        shortest_s = chosen.leaky_min_speech_s if leaky else chosen.min_speech_s
        found, everything = (_segments(one, end_s, shortest_s, chosen) for one in (own, probs[channel]))
        segments.append(tuple(found))
        suppressed.append(max(0.0, _length_s(everything) - _length_s(found)))
        if not found and not silent[channel]:
            findings.append((Finding.NO_SPEECH, channel))
    return Channels(
        (segments[0], segments[1]), (leaks[0], leaks[1]), (suppressed[0], suppressed[1]), tuple(findings)
    )


def hop_power(pcm: Stereo) -> NDArray[np.float64]:
    """(2, hops) mean square of each hop; the last one counts the samples that are there."""
    whole = pcm.shape[1] // HOP * HOP
    power = [np.mean(pcm[:, :whole].reshape(2, -1, HOP).astype(np.float64) ** 2, axis=2)]
    if whole < pcm.shape[1]:
        power.append(np.mean(pcm[:, whole:].astype(np.float64) ** 2, axis=1, keepdims=True))
    return np.concatenate(power, axis=1)


def is_dual_mono(pcm: Stereo, speech_hops: NDArray[np.bool_]) -> bool:
    """Whether both channels are one recording, up to a gain and a delay of up to 50 ms.

    Over the hops with speech, the normalised cross-correlation has a peak of 0.98 or more (a sign apart),
    and the levels are within 10 dB. Cross-talk of two voices does not reach it: each has another gain and
    another delay.
    """
    if not speech_hops.any():
        speech_hops = np.ones(len(speech_hops), bool)
    mask = np.repeat(speech_hops, HOP)[: pcm.shape[1]]
    left, right = (np.where(mask, row, 0).astype(np.float64) for row in pcm)
    if not left.any() or not right.any():
        return False
    reach = round(_MAX_DELAY_S * RATE_HZ)
    alike = _correlation(left, right, reach) >= _ALIKE
    return bool(alike and abs(10 * np.log10((left @ left) / (right @ right))) <= _COPY_DB)


def swapped(similarity: NDArray[np.floating], *, margin: float = 0.05) -> bool | None:
    """Whether the voices of the channels are those expected in each other's place.

    `similarity` (2, 2): of the voice of channel i to the voice expected in channel j (cosines of embeddings,
    or shares of time that the face of j speaks while channel i is active). None: too near to tell.
    """
    lead = float(similarity[0, 1] + similarity[1, 0] - similarity[0, 0] - similarity[1, 1]) / 2
    return None if abs(lead) < margin else lead > 0


def _correlation(left: NDArray[np.float64], right: NDArray[np.float64], reach: int) -> float:
    """Largest |normalised cross-correlation| over lags of up to `reach` samples, in blocks of 4 s.

    Blocks bound memory; each sees `reach` samples of the right channel on either side.
    """
    from scipy.signal import fftconvolve

    block = 4 * RATE_HZ
    total = np.zeros(2 * reach + 1)
    padded = np.pad(right, reach)
    for start in range(0, len(left), block):
        part = left[start : start + block]
        if part.any():
            total += fftconvolve(padded[start : start + len(part) + 2 * reach], part[::-1], "valid")
    return float(np.abs(total).max() / np.sqrt((left @ left) * (right @ right)))


def _leak_db(levels: NDArray[np.float64], heard: NDArray[np.bool_], channel: int) -> float | None:
    """Median of (this - other) over hops in which the other channel speaks and leads; None below 0.5 s."""
    this, other = levels[channel], levels[1 - channel]
    led = heard[1 - channel] & (other > this)
    return float(np.median((this - other)[led])) if led.sum() * HOP_S >= 0.5 else None


def _leaked(
    levels: NDArray[np.float64], channel: int, leak_db: float | None, alone: bool, settings: Settings
) -> NDArray[np.bool_]:
    """(hops,) bool: nothing here is louder than what leaks from the other channel."""
    from scipy.ndimage import maximum_filter1d

    if alone:
        return np.zeros(levels.shape[1], bool)
    reach = int(np.ceil(_MAX_DELAY_S / HOP_S))
    loudest = (
        maximum_filter1d(levels[1 - channel], 2 * reach + 1, mode="nearest") if levels.size else levels[0]
    )
    expected = -settings.min_lead_db if leak_db is None else leak_db + settings.leak_margin_db
    return np.asarray(levels[channel] < loudest + min(expected, 0.0), np.bool_)


def _segments(
    probs: NDArray[np.float32], end_s: float, shortest_s: float, settings: Settings
) -> list[tuple[float, float]]:
    found = speech_segments(
        probs,
        threshold=settings.speech_threshold,
        min_silence_s=settings.min_silence_s,
        min_speech_s=shortest_s,
    )
    return [(start_s, min(stop_s, end_s)) for start_s, stop_s in found]  # the last hop may be cut short


def _length_s(segments: Sequence[tuple[float, float]]) -> float:
    return sum(stop_s - start_s for start_s, stop_s in segments)
