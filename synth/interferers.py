"""What speech is mixed with: other speech, babble, recordings, and noise that is made here."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.ids import digest
from synth.levels import Pcm, Spans, energy, n_in, span_energy
from synth.noise_plan import Fault, InterfererPlan, MixError, draw_offset, generator

Mono = NDArray[np.float32]
LOWEST_HZ = 20.0
"""Pink noise begins here: below, it would put half of a 10 s clip's energy where nobody hears it."""


@dataclass(frozen=True)
class Sound:
    """A recording of an interferer: `pcm` (n,) or (channels, n), and, of speech, where it is active.

    Its rate is the clip's. `active` None: all of it.
    """

    pcm: Pcm
    active: Spans | None = None


def segment(pcm: Pcm, *, offset: int, n_samples: int, crossfade: int) -> Pcm:
    """`n_samples` of `pcm` (…, n) from `offset` on; where it is too short, a loop of it.

    A loop's last `crossfade` samples (at most half of it) are blended into its first with sin and cos, which
    keeps the power of sounds that are unlike each other: the loop is shorter than the recording by as many.
    A piece that needs no loop is a view. Raises MixError(INTERFERER_EMPTY) when there is no sample.
    """
    n_source = pcm.shape[-1]
    if n_source == 0:
        raise MixError(Fault.INTERFERER_EMPTY, "the interferer has no samples")
    if offset + n_samples <= n_source:
        return pcm[..., offset : offset + n_samples]
    crossfade = min(crossfade, n_source // 2)
    period = n_source - crossfade
    loop = pcm[..., :period].astype(np.float32)
    if crossfade:
        angle = (np.arange(crossfade, dtype=np.float32) + np.float32(0.5)) * np.float32(
            math.pi / 2 / crossfade
        )
        loop[..., :crossfade] = loop[..., :crossfade] * np.sin(angle) + pcm[..., period:] * np.cos(angle)
    if pcm.dtype == np.int16:
        loop /= 32768
    first = offset % period
    copies = -(-(first + n_samples) // period)
    return np.concatenate([loop] * copies, axis=-1)[..., first : first + n_samples]


def without_mean(pcm: Pcm) -> NDArray[np.float32]:
    """`pcm` (…, n) as float32 without its mean: an offset is energy that nobody hears, and would count."""
    x = pcm.astype(np.float32)
    if pcm.dtype == np.int16:
        x /= 32768
    return np.asarray(x - x.mean(axis=-1, keepdims=True, dtype=np.float64), np.float32)


def white(n_samples: int, seed: int) -> Mono:
    """White noise (n,) of RMS 1: every frequency but 0 has the same magnitude, only phases are drawn."""
    return _coloured(n_samples, seed, 0.0, 0.0)


def pink(n_samples: int, seed: int, *, rate_hz: int) -> Mono:
    """Pink noise (n,) of RMS 1: exactly -3.01 dB an octave in power density from `LOWEST_HZ` up."""
    return _coloured(n_samples, seed, -0.5, LOWEST_HZ / rate_hz)


def _coloured(n_samples: int, seed: int, exponent: float, lowest: float) -> Mono:
    """Magnitudes grow with frequency (cycles a sample) to the power `exponent`; none below `lowest`."""
    from scipy.fft import irfft, next_fast_len

    if n_samples < 1:
        raise ValueError("noise needs a sample at least")
    # two samples at least have a frequency; a length that is fast may be a little longer than needed
    n_fft = next_fast_len(max(2, n_samples), real=True)
    frequency = np.arange(n_fft // 2 + 1) / n_fft
    frequency[0] = math.inf if exponent < 0 else 1.0
    magnitude = np.where(frequency >= lowest, frequency**exponent, 0.0)
    magnitude[0] = 0.0
    if not magnitude.any():  # a clip shorter than one period of the lowest frequency
        magnitude[1] = 1.0
    phase = generator("phases", seed).uniform(0.0, 2 * math.pi, len(frequency))
    if n_fft % 2 == 0:
        phase[-1] = 0.0 if phase[-1] < math.pi else math.pi  # the highest has no phase, only a sign
    noise = irfft(magnitude * np.exp(1j * phase), n_fft)[:n_samples]
    return np.asarray(noise / math.sqrt(energy(noise) / n_samples), np.float32)


def babble(voices: Sequence[Sound], n_samples: int, *, seed: int, crossfade: int) -> Mono:
    """Voices (each one channel) talking at once (n,), equally loud over their own active speech.

    Each starts at a place of its own, drawn from `seed`, and is looped where it is shorter. RMS of each over
    its active speech is 1 / sqrt(number of voices). Raises MixError(INTERFERER_SILENT) for a silent voice.
    """
    total = np.zeros(n_samples, np.float32)
    for number, voice in enumerate(voices):
        if voice.pcm.ndim != 1:
            raise MixError(Fault.CHANNELS_DIFFER, f"voice {number} of the babble has several channels")
        offset = draw_offset(len(voice.pcm), n_samples, crossfade, "voice", seed, number)
        spoken = segment(voice.pcm, offset=offset, n_samples=n_samples, crossfade=crossfade)
        unit = 1 / 32768 if spoken.dtype == np.int16 else 1.0
        total += spoken * np.float32(unit / (_voice_rms(voice, number) * math.sqrt(len(voices))))
    return total


def _voice_rms(voice: Sound, number: int) -> float:
    """Over active speech, full scale 1."""
    spans = ((0, len(voice.pcm)),) if voice.active is None else voice.active
    power = span_energy(voice.pcm, spans) / max(1, n_in(spans))
    if not math.isfinite(power):
        raise MixError(Fault.NOT_FINITE, f"voice {number} of the babble has samples without a value")
    if power == 0:
        raise MixError(Fault.INTERFERER_SILENT, f"voice {number} of the babble is silent")
    return math.sqrt(power) / (32768 if voice.pcm.dtype == np.int16 else 1)


def render(plan: InterfererPlan, n_samples: int, rate_hz: int, sounds: Mapping[str, Sound]) -> Pcm:
    """The interferer of a plan from the clip's first to its last sample, at no particular level.

    Raises MixError for a recording that is missing from `sounds`, empty or, in babble, silent.
    """
    if plan.kind == "white":
        return white(n_samples, plan.seed)
    if plan.kind == "pink":
        return pink(n_samples, plan.seed, rate_hz=rate_hz)
    missing = [name for name in plan.sources if name not in sounds]
    if missing:
        raise MixError(Fault.NO_INTERFERER, f"{plan.kind} {', '.join(missing)} is not at hand")
    chosen = [sounds[name] for name in plan.sources]
    if plan.kind == "babble":
        return babble(chosen, n_samples, seed=plan.seed, crossfade=plan.crossfade)
    return segment(chosen[0].pcm, offset=plan.offset, n_samples=n_samples, crossfade=plan.crossfade)


@dataclass(frozen=True)
class Candidate:
    """A recording that may be chosen: its `key`, the `source` it was cut from, who speaks, its split.

    `speaker` None: not known, or nobody (noise, music). `split` None: it may be used in any.
    """

    key: str
    source: str
    speaker: str | None = None
    split: str | None = None


def choose_speech(
    candidates: Sequence[Candidate], target: Candidate, *parts: Any, count: int = 1
) -> tuple[Candidate, ...]:
    """`count` recordings of as many different speakers, none of them the target's, nor from its source.

    All are of the target's split. Somebody whose speaker is not known cannot be shown to be another, and is
    passed over; so is everybody when the target's is not known. The order of `candidates` does not matter,
    and `parts` name the draw. Raises MixError(NO_DISJOINT_SPEAKER) that counts why nobody is left.
    """
    left: list[Candidate] = []
    refused: Counter[str] = Counter()
    for one in candidates:
        why = _why_not(one, target)
        if why:
            refused[why] += 1
        else:
            left.append(one)
    chosen: dict[str | None, Candidate] = {}
    sources: set[str] = set()
    for one in _shuffled(left, *parts):
        if one.speaker not in chosen and one.source not in sources:
            chosen[one.speaker] = one
            sources.add(one.source)
        if len(chosen) == count:
            return tuple(chosen.values())
    reasons = ", ".join(f"{number} {why}" for why, number in sorted(refused.items())) or "none refused"
    raise MixError(
        Fault.NO_DISJOINT_SPEAKER,
        f"{target.key} needs {count} other speakers of split {target.split!r} and has {len(chosen)}: "
        f"{len(candidates)} candidates, {reasons}",
    )


def _why_not(one: Candidate, target: Candidate) -> str | None:
    if target.speaker is None:
        return "of which none can be shown to differ from a target without a speaker"
    if one.split != target.split:
        return "in another split"
    if one.speaker is None:
        return "without a speaker"
    if one.speaker == target.speaker:
        return "of the same speaker"
    return "of the same source" if one.source == target.source else None


def choose_recording(candidates: Sequence[Candidate], *parts: Any, split: str | None, kind: str) -> Candidate:
    """One recording of noise or music for the split. Raises MixError(NO_INTERFERER) when there is none."""
    left = [one for one in candidates if one.split is None or one.split == split]
    if not left:
        found = f"{len(candidates)} files, none of split {split!r}" if candidates else "the folder has none"
        raise MixError(Fault.NO_INTERFERER, f"no {kind} to mix in: {found}")
    return _shuffled(left, *parts)[0]


def _shuffled(candidates: Sequence[Candidate], *parts: Any) -> list[Candidate]:
    """In an order that is each candidate's own: one that is added displaces none but those it goes before."""
    return sorted(candidates, key=lambda one: (digest("choice", *parts, one.key), one.key))
