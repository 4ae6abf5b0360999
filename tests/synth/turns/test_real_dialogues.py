"""Real recordings: who spoke when, against labels that others made."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from extractors.rttm import read_rttm
from extractors.speech import HOP, SpeechDetector, speech_segments
from synth.turns.activity import refined_activity
from synth.turns.annotate import annotate
from synth.turns.events import fto_statistics
from synth.turns.model import EventKind, TurnKind
from synth.turns.times import exact

RATE_HZ = 16_000


def test_the_stereo_dialogue(media: Path) -> None:
    """Labels are an aligner's: within 120 ms. Two turns begin 10 ms apart, so speakers are compared."""
    package = metadata.distribution("silero-vad")
    detector = SpeechDetector(str(package.locate_file("silero_vad/data/silero_vad_16k_sequence.onnx")))
    pcm, rate_hz = soundfile.read(media / "audio" / "dialogue_grid_2spk_stereo.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    activity = {}
    for name, channel in zip("AB", pcm.T, strict=True):
        detector.reset()
        probabilities = detector.feed(np.pad(channel, (0, -len(channel) % HOP)))
        activity[name] = refined_activity(channel, RATE_HZ, speech_segments(probabilities, min_speech_s=0.1))
    found = annotate(activity, Fraction(len(pcm), RATE_HZ))
    labels = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text(encoding="utf-8"))["turns"]
    for side, name in enumerate("AB"):
        turns = [turn for turn in found.turns if turn.speaker == side]
        wanted = [one for one in labels if one["speaker"] == name]
        assert len(turns) == len(wanted)
        for turn, one in zip(turns, wanted, strict=True):
            assert abs(turn.start - exact(one["start"])) <= Fraction(12, 100)
            assert abs(turn.stop - exact(one["end"])) <= Fraction(12, 100)
    assert [found.speakers[turn.speaker] for turn in found.turns][:4] == ["A", "B", "A", "B"]
    overlaps = [one for one in found.events if one.kind.startswith("overlap")]
    assert len(overlaps) == 1 and abs(overlaps[0].start - exact(13.45)) <= Fraction(12, 100)
    assert abs(overlaps[0].stop - exact(15.12)) <= Fraction(12, 100)


def test_the_phone_dialogue_by_its_rttm(media: Path) -> None:
    """Hand-counted from the ten lines of the file."""
    text = (media / "audio" / "pyannote_sample.rttm").read_text(encoding="utf-8")
    activity: dict[str, list[tuple[Fraction, Fraction]]] = {}
    for one in read_rttm(text)["sample"]:
        span = (exact(round(one.start_s, 3)), exact(round(one.stop_s, 3)))
        activity.setdefault(one.speaker, []).append(span)
    found = annotate(activity, Fraction(30))
    assert [float(one.fto) for one in found.transfers] == pytest.approx(
        [-0.1, -0.46, -0.21, 0.13, 0.29, -0.65]
    )
    overlap_s = sum(
        one.stop - one.start
        for one in found.events
        if one.kind in (EventKind.OVERLAP_BETWEEN, EventKind.OVERLAP_WITHIN)
    )
    assert float(overlap_s) == pytest.approx(0.03 + 0.1 + 0.46 + 0.21 + 0.44 + 0.65)
    assert [(float(t.start), t.kind) for t in found.turns if t.kind is not TurnKind.TURN] == [
        (7.55, "backchannel"),
        (18.15, "within"),
    ]
    assert fto_statistics(found).overlap_share == pytest.approx(4 / 6)
