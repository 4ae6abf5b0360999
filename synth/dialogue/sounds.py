"""What dialogues are made of: one speaker's recording, with where it is heard and which words it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from synth.levels import Pcm, Spans, check_spans, rms, to_db


class SoundError(ValueError):
    """A recording that no utterance can be made of: why."""


@dataclass(frozen=True)
class SaidWord:
    """A word in samples [start, stop) of its sound."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Speech:
    """`pcm` (n,) at `rate_hz`; `active`: where speech is heard, in samples; `words`: in order, where known.

    The first word begins no later than the speech is heard, and the last one ends no earlier: use `trimmed`.
    """

    pcm: Pcm
    rate_hz: int
    active: Spans
    words: tuple[SaidWord, ...] = ()

    def __post_init__(self) -> None:
        if self.pcm.ndim != 1 or not np.isfinite(self.pcm).all():
            raise SoundError(f"speech is one channel of numbers, not of the shape {self.pcm.shape}")
        check_spans(self.active, len(self.pcm))
        if not self.active:
            raise SoundError("nothing is heard in it: an utterance needs active speech")

    @property
    def level_dbfs(self) -> float:
        """Over its active speech."""
        return to_db(rms(self.pcm, self.active))


def speech_of(
    pcm: Pcm, rate_hz: int, active: Spans, words: Sequence[tuple[str, float, float]] = ()
) -> Speech:
    """Speech with words (text, start_s, stop_s), cut to where it is heard: an aligner puts silence to the
    words at either end."""
    said = [SaidWord(text, round(start * rate_hz), round(stop * rate_hz)) for text, start, stop in words]
    speech = Speech(pcm, rate_hz, active)
    low, high = speech.active[0][0], speech.active[-1][1]
    kept = [replace(one, start=max(low, one.start), stop=min(high, one.stop)) for one in said]
    for before, after in zip(said, kept, strict=True):
        if after.start >= after.stop:
            raise SoundError(f"the word {before.text!r} lies where nothing is heard")
    return replace(speech, words=tuple(kept))
