"""Speech for demo clips, from the small voice that the `hibari-tts` package carries (Apache-2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from synth.voices.hibari_voice import RATE_HZ, HibariVoice
from synth.voices.trimming import trim

SENTENCES = (
    "Good morning, and welcome to the demo.",
    "Every frame of this clip was rendered.",
    "Watch my lips while I am talking.",
    "Now I turn my head a little.",
    "You can see me looking around.",
    "Most of the time I face the camera.",
    "This time I am looking away from you.",
    "Nobody should train on this profile.",
)
LEAD_S = 0.4
PAUSE_S = 0.5
_PEAK = 0.5


@dataclass(frozen=True)
class Speech:
    """Sentences on a silent track: `pcm` float32 (N,) mono at `rate_hz`, and where each is heard.

    `spans_s` holds a half-open (start, stop) in seconds for each sentence of `texts`.
    """

    pcm: NDArray[np.float32]
    rate_hz: int
    texts: tuple[str, ...]
    spans_s: tuple[tuple[float, float], ...]


def speak(text: str) -> tuple[NDArray[np.float32], int]:
    """Mono float32 PCM (N,), peak 0.5, silence trimmed, and its rate in Hz. The same text, the same samples.

    Raises ImportError, naming the extra, when hibari-tts is missing.
    """
    speech = trim(_voice().speak(text, seed=0))
    return speech.pcm * np.float32(_PEAK / np.abs(speech.pcm).max()), speech.rate_hz


def speak_track(texts: Sequence[str], duration_s: float) -> Speech:
    """As many of the sentences, in order, as fit into the track, with pauses between them.

    Raises ValueError when not even the first one fits.
    """
    spans: list[tuple[float, float]] = []
    start_s, rate_hz = LEAD_S, RATE_HZ
    pcm = np.zeros(round(duration_s * rate_hz), np.float32)
    for text in texts:
        spoken, _ = speak(text)
        start = round(start_s * rate_hz)
        stop = start + len(spoken)
        if stop / rate_hz > duration_s - LEAD_S:
            break
        pcm[start:stop] = spoken
        spans.append((start / rate_hz, stop / rate_hz))
        start_s = stop / rate_hz + PAUSE_S
    if not spans:
        raise ValueError(f"{texts[0]!r} does not fit into {duration_s:g} s; ask for longer clips")
    return Speech(pcm, rate_hz, tuple(texts[: len(spans)]), tuple(spans))


@lru_cache(maxsize=1)
def _voice() -> HibariVoice:
    return HibariVoice()
