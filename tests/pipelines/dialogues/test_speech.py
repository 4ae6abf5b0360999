"""Where a made utterance is heard: against its own energy, which no detector is asked about."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from extractors.speech import SpeechDetector
from extractors.weights import locate
from pipelines.dialogues.speech import heard_in
from synth.voices.catalogue import open_voice
from synth.voices.trimming import trim

TEXTS = (
    "I am looking for a book about the history of clocks.",  # its first 0.22 s were once not heard
    "Mm-hm.",
    "Sliced would be lovely, it saves me the trouble at home.",
)


@pytest.mark.parametrize("text", TEXTS)
def test_an_utterance_is_heard_from_its_first_sound_to_its_last(
    text: str, voices: None, models: Path
) -> None:
    speech = trim(open_voice("hibari:heart").speak(text, seed=1))
    found = heard_in(speech.pcm, speech.rate_hz, SpeechDetector(str(locate("silero_vad").path)))
    hop = speech.rate_hz // 200
    whole = len(speech.pcm) // hop * hop
    level = np.sqrt((speech.pcm[:whole].reshape(-1, hop) ** 2).mean(axis=1))
    loud = np.flatnonzero(level > level.max() / 100)  # within 40 dB of the loudest 5 ms
    assert abs(found[0][0] - loud[0] * hop) <= 0.02 * speech.rate_hz
    assert abs(found[-1][1] - (loud[-1] + 1) * hop) <= 0.08 * speech.rate_hz  # a voice dies away


def test_where_the_detector_hears_nothing_all_of_it_counts(models: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 1e-4, 8000).astype(np.float32)
    assert heard_in(noise, 24_000, SpeechDetector(str(locate("silero_vad").path))) == ((0, 8000),)
