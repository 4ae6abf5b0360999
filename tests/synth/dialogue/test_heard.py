"""From audio alone: what was planned is heard, by the project's detector and the energy.

The truth here is of this test: each utterance by itself, as the plan lays its pieces, without room tone, is
heard where it is within 40 dB of its loudest 5 ms, above 80 Hz. Thresholds of `EnergySettings` were settled
on other sentences and clips than these.
"""

from __future__ import annotations

import json
from fractions import Fraction
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from extractors.audio import AudioReader, to_mono16k
from extractors.probe import probe
from extractors.speech import HOP, SpeechDetector, speech_segments
from synth.demo_speech import SENTENCES, speak
from synth.dialogue.plan import DialoguePlan, Utterance
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.render import render
from synth.dialogue.sounds import Speech, speech_of
from synth.turns.activity import refined_activity
from synth.turns.annotate import annotate
from synth.turns.times import Spans, united

RATE_HZ = 16_000
HOP_5_MS = 80
Sound = NDArray[np.float32]


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    package = metadata.distribution("silero-vad")
    return SpeechDetector(str(package.locate_file("silero_vad/data/silero_vad_16k_sequence.onnx")))


def loud(pcm: NDArray[np.floating], within_db: float) -> list[tuple[int, int]]:
    """Samples; quieter moments of up to 0.1 s are inside."""
    voice = sosfiltfilt(butter(2, 80, "highpass", fs=RATE_HZ, output="sos"), pcm)
    level = np.sqrt((voice[: len(voice) // HOP_5_MS * HOP_5_MS].reshape(-1, HOP_5_MS) ** 2).mean(axis=1))
    found: list[tuple[int, int]] = []
    for hop in np.flatnonzero(level > level.max() * 10 ** (-within_db / 20)):
        start = int(hop) * HOP_5_MS
        if found and start - found[-1][1] <= 0.1 * RATE_HZ:
            found[-1] = (found[-1][0], start + HOP_5_MS)
        else:
            found.append((start, start + HOP_5_MS))
    return found


@pytest.fixture(scope="module")
def voices() -> dict[str, Speech]:
    """Synthetic speech, with words of equal length: only their borders matter, as places to cut at."""
    found = {}
    for name, text in [*enumerate(SENTENCES[4:]), ("okay", "Okay."), ("see", "I see.")]:
        pcm, rate_hz = speak(text)
        quiet = np.zeros(rate_hz // 10, np.float32)
        pcm = soxr.resample(np.concatenate([quiet, pcm, quiet]), rate_hz, RATE_HZ).astype(np.float32)
        active = tuple(loud(pcm, 40))
        edges = np.linspace(active[0][0], active[-1][1], len(text.split()) + 1) / RATE_HZ
        words = list(zip(text.split(), edges[:-1], edges[1:], strict=True))
        found[str(name)] = speech_of(pcm, RATE_HZ, active, words)
    return found


@pytest.fixture(scope="module")
def sentences(media: Path) -> dict[str, Speech]:
    """GRID, each cut to where its voice is loud: the sentence has edges, whatever its room sounds like."""
    aligned = json.loads((media / "video" / "grid_alignments_pocketsphinx.json").read_text(encoding="utf-8"))
    found = {}
    for name in ("grid_lbbc2a.mpg", "grid_lrwp9a.mpg", "grid_pwij3p.mpg", "grid_sbwe5n.mpg"):
        audio = probe(str(media / "video" / name)).audio
        assert audio is not None
        with AudioReader(str(media / "video" / name), stream_index=audio.index) as reader:
            pcm = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
        words = aligned["clips"][name]
        start, stop = round(words[0][1] * RATE_HZ), round(words[-1][2] * RATE_HZ)
        spans = loud(pcm[start:stop], 25)
        active = ((start + spans[0][0], start + spans[-1][1]),)
        found[name] = speech_of(pcm, RATE_HZ, active, words)
    return found


def heard(detector: SpeechDetector, pcm: Sound) -> Spans:
    detector.reset()
    probabilities = detector.feed(np.pad(pcm, (0, -len(pcm) % HOP)))
    segments = speech_segments(probabilities, min_speech_s=0.1)
    return refined_activity(pcm, RATE_HZ, [(a, min(b, len(pcm) / RATE_HZ)) for a, b in segments])


def alone(plan: DialoguePlan, one: Utterance, sounds: dict[str, Speech]) -> Spans:
    """IPUs of one utterance as it sounds by itself."""
    pcm = np.zeros(plan.n_samples)
    for piece in one.pieces:
        part = sounds[one.sound].pcm[piece.first : piece.stop].astype(float)
        if one.fade:
            ramp = np.sin((np.arange(one.fade) + 0.5) * np.pi / 2 / one.fade) ** 2
            part[: one.fade] *= ramp
            part[-one.fade :] *= ramp[::-1]
        pcm[piece.at : piece.at + len(part)] += part
    spans = [(Fraction(a, RATE_HZ), Fraction(b, RATE_HZ)) for a, b in loud(pcm, 40)]
    return united(spans, bridge=Fraction(1, 5))


def check(detector: SpeechDetector, plan: DialoguePlan, sounds: dict[str, Speech]) -> int:
    """Number of borders, each within 20 ms; turns, kinds and speakers equal."""
    rendered = render(plan, sounds)
    activity = {name: heard(detector, rendered.pcm[side]) for side, name in enumerate(plan.speakers)}
    found = annotate(activity, rendered.truth.duration)
    ordered = sorted(plan.utterances, key=lambda one: (one.start, -one.stop, one.side))
    assert [(turn.speaker, turn.kind) for turn in found.turns] == [(one.side, one.kind) for one in ordered]
    n_borders = 0
    for turn, one in zip(found.turns, ordered, strict=True):
        wanted = alone(plan, one, sounds)
        assert len(turn.ipus) == len(wanted), f"{plan.key}, {one.key}"
        for (start, stop), (first, last) in zip(turn.ipus, wanted, strict=True):
            assert max(abs(start - first), abs(stop - last)) <= Fraction(1, 50), f"{plan.key}, {one.key}"
            n_borders += 2
    return n_borders


@pytest.mark.parametrize(
    "settings", [{}, {"pause_share": 0.6, "interruption_share": 0.4}], ids=["plain", "rough"]
)
def test_synthetic_speech_is_heard_as_planned(
    detector: SpeechDetector, voices: dict[str, Speech], settings: dict[str, float]
) -> None:
    n_borders = nods = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lines = []
        for turn in range(6):
            lines.append(Line(f"t{turn}", turn % 2, "", str(rng.integers(4))))
            lines.append(Line(f"n{turn}", 1 - turn % 2, "", ("okay", "see")[turn % 2], "backchannel"))
        plan = plan_dialogue(f"tts{seed}", lines, voices, ("A", "B"), PlannerSettings(seed=seed, **settings))  # type: ignore[arg-type]
        nods += sum(one.kind == "backchannel" for one in plan.utterances)
        n_borders += check(detector, plan, voices)
    assert n_borders > 60


@pytest.mark.parametrize(
    "settings", [{}, {"pause_share": 0.6, "interruption_share": 0.4}], ids=["plain", "rough"]
)
def test_real_speech_is_heard_as_planned(
    detector: SpeechDetector, sentences: dict[str, Speech], settings: dict[str, float]
) -> None:
    n_borders = 0
    for seed in range(5):
        rng = np.random.default_rng(seed)
        lines = [Line(f"t{turn}", turn % 2, "", list(sentences)[rng.integers(4)]) for turn in range(6)]
        chosen = PlannerSettings(seed=seed, margin_s=Fraction(0), **settings)  # type: ignore[arg-type]
        n_borders += check(
            detector, plan_dialogue(f"grid{seed}", lines, sentences, ("A", "B"), chosen), sentences
        )
    assert n_borders >= 60
