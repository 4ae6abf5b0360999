"""What an engine gave, cut to where speech is heard, and its level, peak and clipping measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synth.levels import level_dbfs, to_db
from synth.voices.voice import Fault, Pcm, Spoken, SpokenWord, VoiceError

TRIM_DB = -40.0
"""Below the loudest window: silence."""
WINDOW_S = 0.02
SILENT_DBFS = -60.0
_FULL_SCALE = 0.999
_RUN = 3
"""So many samples at full scale in a row are clipped; one alone is a peak."""


@dataclass(frozen=True)
class Trimmed:
    """Speech from its first to its last audible window, and what was measured. Levels are of the speech."""

    pcm: Pcm
    rate_hz: int
    words: tuple[SpokenWord, ...] | None
    lead_silence_s: float
    tail_silence_s: float
    level_dbfs: float
    peak_dbfs: float
    gain_db: float
    """0, or less where the engine went over full scale (Kokoro does, seldom): 16 bits would have clipped."""
    clipped_share: float

    @property
    def duration_s(self) -> float:
        """Of the speech."""
        return len(self.pcm) / self.rate_hz


def trim(spoken: Spoken) -> Trimmed:
    """Cut to the windows of 20 ms that are less than 40 dB below the loudest one.

    Words move along. What goes over full scale is turned down as a whole.

    Raises VoiceError: NOT_FINITE, or SPEECH_SILENT where no window reaches -60 dBFS.
    """
    pcm, rate_hz = spoken.pcm, spoken.rate_hz
    if not np.isfinite(pcm).all():
        raise VoiceError(Fault.NOT_FINITE, "samples that are no numbers")
    window = round(WINDOW_S * rate_hz)
    frames = pcm[: len(pcm) // window * window].reshape(-1, window)
    level = np.sqrt(np.square(frames).mean(axis=1))
    if not len(level) or to_db(float(level.max())) < SILENT_DBFS:
        raise VoiceError(
            Fault.SPEECH_SILENT, f"{len(pcm) / rate_hz:.2f} s of sound, none above {SILENT_DBFS:g} dBFS"
        )
    loud = np.flatnonzero(level > level.max() * 10 ** (TRIM_DB / 20))
    start, stop = int(loud[0]) * window, (int(loud[-1]) + 1) * window
    peak = float(np.abs(pcm[start:stop]).max())
    clipped = clipped_share(pcm[start:stop]) if peak <= 1 else 0.0
    kept = pcm[start:stop] / np.float32(peak) if peak > 1 else pcm[start:stop]
    return Trimmed(
        pcm=kept,
        rate_hz=rate_hz,
        words=_moved(spoken.words, start, stop - start),
        lead_silence_s=start / rate_hz,
        tail_silence_s=(len(pcm) - stop) / rate_hz,
        level_dbfs=level_dbfs(kept),
        peak_dbfs=min(to_db(peak), 0.0),
        gain_db=min(-to_db(peak), 0.0),
        clipped_share=clipped,
    )


def clipped_share(pcm: Pcm) -> float:
    """Share of the samples that stand at full scale, three or more in a row."""
    at_limit = np.abs(pcm) >= _FULL_SCALE
    edges = np.flatnonzero(np.diff(np.concatenate([[0], at_limit.view(np.int8), [0]])))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _RUN].sum() / max(1, len(pcm)))


def _moved(words: tuple[SpokenWord, ...] | None, by: int, length: int) -> tuple[SpokenWord, ...] | None:
    if words is None:
        return None
    bounds = [[min(max(at - by, 0), length) for at in (word.start, word.stop)] for word in words]
    return tuple(SpokenWord(word.text, *bound) for word, bound in zip(words, bounds, strict=True))
