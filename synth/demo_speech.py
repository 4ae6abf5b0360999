"""Speech for demo clips, from the small voice that the `hibari-tts` package carries (Apache-2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
_TRIM_DB = -40.0
_TRIM_WINDOW_S = 0.02


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
    voice = _voice()
    pcm = np.asarray(voice(text, seed=0), np.float32)
    rate_hz = int(voice.sample_rate)
    pcm *= np.float32(_PEAK / np.abs(pcm).max())
    window = round(_TRIM_WINDOW_S * rate_hz)
    frames = pcm[: len(pcm) // window * window].reshape(-1, window)
    level = np.sqrt(np.square(frames).mean(axis=1))
    loud = np.nonzero(level > level.max() * 10 ** (_TRIM_DB / 20))[0]
    return pcm[loud[0] * window : (loud[-1] + 1) * window], rate_hz


def speak_track(texts: Sequence[str], duration_s: float) -> Speech:
    """As many of the sentences, in order, as fit into the track, with pauses between them.

    Raises ValueError when not even the first one fits.
    """
    spans: list[tuple[float, float]] = []
    start_s, rate_hz = LEAD_S, int(_voice().sample_rate)
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
def _voice() -> Any:
    try:
        from hibari import Hibari
    except ImportError as error:
        raise ImportError("speaking needs hibari-tts: pip install 'duologue[demo]'") from error
    return Hibari(threads=1)
