"""Spoken utterances as the planner and the renderer take them."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from manifests.store import Store
from synth.dialogue.sounds import Speech, speech_of
from synth.levels import Spans

if TYPE_CHECKING:
    from extractors.speech import SpeechDetector

SHORTEST_S = 0.1
"""Of speech: with the detector's own 0.25 s nods get lost."""
SILENCE_S = 0.5
"""Put before and after: a detector that wakes up in the middle of a vowel hears 0.2 s of it too late."""


def read_speech(
    store: Store,
    files: dict[str, Any],
    rate_hz: int,
    *,
    detector: SpeechDetector | None = None,
    active: Spans | None = None,
) -> Speech:
    """An utterance at `rate_hz` with its words. `active`: where it is heard, or else the detector tells.

    Raises SoundError for words where nothing is heard.
    """
    import soundfile
    import soxr

    pcm, own_hz = soundfile.read(io.BytesIO(store.read(files["flac"]["name"])), dtype="float32")
    said = json.loads(store.read(files["words.json"]["name"]))
    if own_hz != rate_hz:
        pcm = np.asarray(soxr.resample(pcm, own_hz, rate_hz), np.float32)
    if active is None:
        assert detector is not None
        active = heard_in(pcm, rate_hz, detector)
    words = [(text, start / own_hz, stop / own_hz) for text, start, stop in said]
    return speech_of(pcm, rate_hz, active, words)


def heard_in(pcm: Any, rate_hz: int, detector: SpeechDetector) -> Spans:
    """Spans of speech in samples; all of the utterance where the network hears none of it."""
    import soxr

    from extractors.speech import HOP, RATE_HZ, speech_segments
    from synth.turns.activity import refined_activity

    silence = round(SILENCE_S * rate_hz)
    mono = np.asarray(soxr.resample(np.pad(pcm, silence), rate_hz, RATE_HZ), np.float32)
    detector.reset()
    probabilities = detector.feed(np.pad(mono, (0, -len(mono) % HOP)))
    length_s = len(pcm) / rate_hz
    segments = speech_segments(probabilities, min_speech_s=SHORTEST_S)
    within = [(max(0.0, start - SILENCE_S), min(stop - SILENCE_S, length_s)) for start, stop in segments]
    heard = [(start_s, stop_s) for start_s, stop_s in within if start_s < stop_s] or [(0.0, length_s)]
    spans = refined_activity(pcm, rate_hz, heard)
    samples = ((int(start * rate_hz), min(len(pcm), int(stop * rate_hz))) for start, stop in spans)
    return tuple(span for span in samples if span[0] < span[1]) or ((0, len(pcm)),)
