"""The plots of docs/turns.md: offsets asked for and heard, and three rendered dialogues.

    python docs/figures/fto.py FOLDER

writes fto.png and dialogues.png. Speech is hibari-tts, cut to where it is within 40 dB of its loudest; what
is heard is found by Silero VAD and the energy, from the rendered channels alone.
"""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from extractors.speech import HOP, SpeechDetector, speech_segments
from synth.demo_speech import SENTENCES, speak
from synth.dialogue.offsets import PUBLISHED
from synth.dialogue.plan import DialoguePlan
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.render import Rendered, render
from synth.dialogue.sounds import Speech, speech_of
from synth.levels import Spans
from synth.turns.activity import refined_activity
from synth.turns.annotate import annotate
from synth.turns.model import Annotation, TurnKind

RATE_HZ = 16_000
NODS = ("Okay.", "I see.", "Right.")
ROUGH = {"pause_share": 0.5, "interruption_share": 0.3}


def main() -> None:
    """Write both plots."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    package = metadata.distribution("silero-vad")
    detector = SpeechDetector(str(package.locate_file("silero_vad/data/silero_vad_16k_sequence.onnx")))
    sounds = {text: voice(text) for text in (*SENTENCES, *NODS)}
    asked: dict[str, list[float]] = {}
    heard: dict[str, list[float]] = {}
    for name in PUBLISHED:
        asked[name], heard[name] = offsets(name, sounds, detector)
    plot_offsets(asked, heard, folder / "fto.png")
    rough = [dialogue(f"rough{n}", sounds, "deruiter2006", **ROUGH) for n in range(3)]
    shown = []
    for plan in rough:
        rendered = render(plan, sounds)
        shown.append((plan, rendered, found_in(rendered, detector)))
    plot_dialogues(shown, folder / "dialogues.png")


def voice(text: str) -> Speech:
    """One sentence; its words get equal lengths."""
    pcm, rate_hz = speak(text)
    quiet = np.zeros(rate_hz // 10, np.float32)
    pcm = soxr.resample(np.concatenate([quiet, pcm, quiet]), rate_hz, RATE_HZ).astype(np.float32)
    active = loud(pcm)
    words = text.split()
    edges = np.linspace(active[0][0], active[-1][1], len(words) + 1) / RATE_HZ
    return speech_of(pcm, RATE_HZ, active, list(zip(words, edges[:-1], edges[1:], strict=True)))


def loud(pcm: NDArray[np.float32], hop: int = 80) -> Spans:
    """Where 5 ms are within 40 dB of the loudest; holes of up to 0.1 s are filled."""
    level = np.sqrt((pcm[: len(pcm) // hop * hop].reshape(-1, hop) ** 2).mean(axis=1))
    found: list[tuple[int, int]] = []
    for number in np.flatnonzero(level > level.max() / 100):
        start = int(number) * hop
        if found and start - found[-1][1] <= RATE_HZ // 10:
            found[-1] = (found[-1][0], start + hop)
        else:
            found.append((start, start + hop))
    return tuple(found)


def dialogue(key: str, sounds: dict[str, Speech], distribution: str, **settings: Any) -> DialoguePlan:
    """Eight turns, each followed by a nod in the script."""
    rng = np.random.default_rng(sum(key.encode()))
    lines = []
    for turn in range(8):
        text = SENTENCES[rng.integers(len(SENTENCES))]
        nod = NODS[rng.integers(len(NODS))]
        lines.append(Line(f"t{turn}", turn % 2, text, text))
        lines.append(Line(f"n{turn}", 1 - turn % 2, nod, nod, "backchannel"))
    chosen = PlannerSettings(offsets=PUBLISHED[distribution], **settings)
    return plan_dialogue(key, lines, sounds, ("A", "B"), chosen)


def found_in(rendered: Rendered, detector: SpeechDetector) -> Annotation:
    """From the audio alone."""
    activity = {}
    for name, channel in zip("AB", rendered.pcm, strict=True):
        detector.reset()
        probabilities = detector.feed(np.pad(channel, (0, -len(channel) % HOP)))
        length_s = len(channel) / RATE_HZ
        segments = [(a, min(b, length_s)) for a, b in speech_segments(probabilities, min_speech_s=0.1)]
        activity[name] = refined_activity(channel, RATE_HZ, segments)
    return annotate(activity, rendered.truth.duration)


def offsets(
    name: str, sounds: dict[str, Speech], detector: SpeechDetector, n_dialogues: int = 30
) -> tuple[list[float], list[float]]:
    """Offsets asked for, and those heard in the same places; dialogues whose turns are not found raise."""
    asked: list[float] = []
    heard: list[float] = []
    for number in range(n_dialogues):
        rendered = render(dialogue(f"{name}{number}", sounds, name), sounds)
        found = found_in(rendered, detector)
        if len(found.transfers) != len(rendered.truth.transfers):
            raise SystemExit(f"{name}{number}: other turns are heard than were planned")
        asked += [float(one.fto) for one in rendered.truth.transfers]
        heard += [float(one.fto) for one in found.transfers]
    return asked, heard


def plot_offsets(asked: dict[str, list[float]], heard: dict[str, list[float]], path: Path) -> None:
    """Histograms of what was asked and heard beside the distribution, and one against the other."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(2, len(asked), figsize=(10, 7), constrained_layout=True)
    bins = np.arange(-0.8, 2.01, 0.1)
    for column, name in enumerate(asked):
        top, below = axes[:, column]
        shares = (np.arange(20_000) + 0.5) / 20_000
        drawn = [PUBLISHED[name].quantile(float(share)) for share in shares]
        top.hist(drawn, bins, density=True, color="0.85", label="distribution")
        top.hist(asked[name], bins, density=True, histtype="step", lw=2, label="asked for")
        top.hist(heard[name], bins, density=True, histtype="step", lw=1.2, ls="--", label="heard")
        top.set(title=f"{name}: {len(asked[name])} transfers", xlabel="FTO (s)", ylabel="density (1/s)")
        top.legend()
        error_ms = 1000 * (np.array(heard[name]) - np.array(asked[name]))
        below.plot(asked[name], error_ms, ".", ms=4)
        below.axhspan(-40, 40, color="0.92", zorder=0)
        below.set(xlabel="FTO asked for (s)", ylabel="heard - asked (ms)", ylim=(-60, 60))
        below.set_title(
            f"largest {np.abs(error_ms).max():.0f} ms, mean {error_ms.mean():+.1f} ms; IPU merge 0.2 s"
        )
    figure.savefig(path, dpi=80)


def plot_dialogues(shown: list[tuple[DialoguePlan, Rendered, Annotation]], path: Path) -> None:
    """Waveforms with the planned utterances above and what was heard below."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    colours = {TurnKind.TURN: "tab:blue", TurnKind.BACKCHANNEL: "tab:orange", TurnKind.WITHIN: "tab:red"}
    figure, axes = plt.subplots(len(shown), 1, figsize=(13, 3.1 * len(shown)), constrained_layout=True)
    for axis, (plan, rendered, found) in zip(axes, shown, strict=True):
        time_s = np.arange(rendered.pcm.shape[1])[::40] / RATE_HZ
        for side in (0, 1):
            axis.plot(time_s, rendered.pcm[side, ::40] * 1.5 - 1.2 * side, lw=0.3, color="0.4")
            for annotation, height in ((rendered.truth, 0.5), (found, -0.5)):
                for turn in annotation.turns:
                    if turn.speaker == side:
                        for start, stop in turn.ipus:
                            axis.plot(
                                [start, stop],
                                [height - 1.2 * side] * 2,
                                lw=4,
                                solid_capstyle="butt",
                                color=colours[turn.kind],
                            )
        for one in plan.utterances:
            if one.interrupts:
                axis.axvline(one.start / RATE_HZ, color="tab:red", lw=0.8)
        axis.set(
            yticks=[0, -1.2],
            yticklabels=["A", "B"],
            xlim=(0, plan.n_samples / RATE_HZ),
            title=f"{plan.key}: planned above, heard below; orange: backchannel, red line: interruption",
        )
    axes[-1].set_xlabel("s")
    figure.savefig(path, dpi=75)


if __name__ == "__main__":
    main()
