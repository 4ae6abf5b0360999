"""How good the audio-visual offset is, and how honest its confidence: a reliability table.

Each clip shows one person who speaks, in sync. Trials are made of it: windows of 1.6 s to the whole, its own
voice moved by -8 … +8 frames, clean and with the other clips' voices 10 dB below and as loud; and as many in
which no offset is right: another clip's voice, or its own backwards. A trial is right within one frame.

    python benchmarks/av_offset.py CLIP ... --fitted ANNA1.mpg,ANNA2.mpg BEN.mpg CARL.mpg

reports on the CLIPs, each of another person. `--fitted` names the clips that the numbers of the extractor
come from, those of one person joined by commas: the numbers are fitted anew and printed, and the confidence
from which an offset is believed is chosen there, each person judged by a map fitted to the others. `--json`
and `--picture` name files to write. Needs `face_landmarker`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from av_offset_trials import Clip, Outcomes, Trial, make_trials, measure, read_clip, try_all
from numpy.typing import NDArray
from scipy.optimize import minimize

from extractors import av_offset as av
from extractors.lip_motion import LIP_FEATURES

RIDGE = 1.0
SHIFTS = range(-8, 9)
DRAWS = 10
"""How often the trials of a clip are drawn for the report."""
RIGHT_ENOUGH = 0.9
"""Share of the believed offsets that must be right where the threshold is chosen."""


def fit_map(clips: list[Clip]) -> NDArray[np.float64]:
    """Ridge regression of the standardised motion of the lips on the speech about it; each person counts by
    the square root of their number of clips."""
    size = len(av.TAPS) * 4
    left, right = np.zeros((size, size)), np.zeros((size, len(LIP_FEATURES)))
    for clip in clips:
        speech = av.speech_features(clip.pcm)
        assert speech is not None
        motion = av.lip_motion(clip.times_s, clip.lips, start_s=clip.start_s)
        heard = av.context(speech)[motion.first : motion.first + len(motion.values)]
        seen = motion.values[: len(heard)]
        weight = sum(other.person == clip.person for other in clips) ** -0.5
        left += weight * heard.T @ heard
        right += weight * heard.T @ ((seen - seen.mean(axis=0)) / seen.std(axis=0))
    return np.linalg.solve(left + RIDGE * np.trace(left) / size * np.eye(size), right)


def fit(clips: list[Clip]) -> dict[str, Any]:
    """Fit map and confidence anew, print them, and choose the threshold.

    The two numbers of the confidence come from trials that never meet their person's map.
    """
    print("LIPS_FROM_SPEECH:")
    for row in fit_map(clips) / np.abs(fit_map(clips)).max():
        print("   [" + ", ".join(f"{value:.3f}" for value in row) + "],")
    maps = {
        person: fit_map([clip for clip in clips if clip.person != person])
        for person in {clip.person for clip in clips}
    }
    trials = make_trials(clips, 0)
    correlated = [correlations(trial, maps[trial.clip.person]) for trial in trials]
    ratios = [av.evidence(*one) for one in correlated]
    in_sync = np.array([trial.in_sync for trial in trials])
    weights = np.where(in_sync, 1 / in_sync.sum(), 1 / (~in_sync).sum())
    right = np.array(
        [
            trial.is_right((len(ratio) // 2 - int(ratio.argmax())) / 4)
            for trial, ratio in zip(trials, ratios, strict=True)
        ]
    )

    def loss(numbers: NDArray[np.float64]) -> float:
        confidence = np.array([av.posterior(ratio, numbers[0], numbers[1]) for ratio in ratios])
        confidence = np.clip(confidence, 1e-6, 1 - 1e-6)
        return -float(np.average(np.log(np.where(right, confidence, 1 - confidence)), weights=weights))

    found = minimize(loss, [3.0, 0.0], method="Nelder-Mead")
    print(f"_EVIDENCE_A_SECOND, _NO_SYNC = {found.x[0]:.2f}, {found.x[1]:.2f}; {len(trials)} trials")
    outcomes = try_all(trials, [av.judge(*one) for one in correlated])
    steps = [round(0.05 * step, 2) for step in range(1, 20)]
    threshold = next(
        step
        for step in steps
        if all(
            outcomes.right[outcomes.confidence >= above].mean() >= RIGHT_ENOUGH
            for above in steps
            if above >= step and (outcomes.confidence >= above).any()
        )
    )
    show(outcomes, threshold)
    return {
        "clips": len(clips),
        "people": len(maps),
        "trials": len(trials),
        "numbers": [round(float(value), 2) for value in found.x],
        "reliability": outcomes.reliability(),
        "believed": outcomes.believed(threshold),
    }


def correlations(
    trial: Trial, lips_from_speech: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pcm, start_s = trial.sound()
    speech = av.speech_features(pcm)
    assert speech is not None
    motion = av.lip_motion(trial.clip.times_s[trial.times], trial.clip.lips[trial.times], start_s=start_s)
    return av.correlate(motion, av.context(speech) @ lips_from_speech)


def report(clips: list[Clip], threshold: float) -> tuple[dict[str, Any], list[list[float]]]:
    """Each clip whole under every shift, and the reliability of the trials."""
    print("\nclip  unshifted_frames  confidence  right_of_16  right_sign_of_16")
    rows, found_by_clip = [], []
    for clip in clips:
        trials = [Trial(clip, "own", clip.times_s[0], 1e9, shift, clip.pcm) for shift in SHIFTS]
        found = [measure(trial) for trial in trials]
        moved = [(t.shift_frames, f.offset_frames) for t, f in zip(trials, found, strict=True)]
        middle = found[len(found) // 2]
        row = {
            "clip": clip.name,
            "unshifted_frames": round(middle.offset_frames, 2),
            "confidence": round(middle.confidence, 3),
            "right_of_16": sum(abs(offset + shift) <= 1 for shift, offset in moved if shift),
            "right_sign_of_16": sum(offset * shift < 0 for shift, offset in moved if shift),
        }
        print("  ".join(f"{value}" for value in row.values()))
        rows.append(row)
        found_by_clip.append([offset for _, offset in moved])
    trials = [trial for seed in range(DRAWS) for trial in make_trials(clips, seed)]
    outcomes = try_all(trials, [measure(trial) for trial in trials])
    show(outcomes, threshold)
    told = {
        "clips": rows,
        "trials": len(trials),
        "reliability": outcomes.reliability(),
        "by_kind": outcomes.by_kind(threshold),
        "believed": outcomes.believed(threshold),
    }
    return told, found_by_clip


def show(outcomes: Outcomes, threshold: float) -> None:
    for table in (outcomes.reliability(), outcomes.by_kind(threshold), [outcomes.believed(threshold)]):
        print("\n" + "  ".join(table[0]))
        for row in table:
            print("  ".join(str(value) for value in row.values()))


def draw(path: str, names: list[str], found_by_clip: list[list[float]], told: dict[str, Any]) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4.4), layout="constrained")
    shifts, table = figure.subplots(1, 2)
    for name, found in zip(names, found_by_clip, strict=True):
        shifts.plot(SHIFTS, found, ".-", linewidth=0.8, label=name)
    shifts.plot(SHIFTS, [-shift for shift in SHIFTS], "k--", linewidth=0.8, label="truth")
    shifts.set(xlabel="sound made later by, frames of 40 ms", ylabel="offset measured, frames")
    shifts.legend(fontsize=8)
    rows = told["reliability"]
    claimed, right = [row["mean_confidence"] for row in rows], [row["right"] for row in rows]
    table.plot([0, 1], [0, 1], "k--", linewidth=0.8)
    table.plot(claimed, right, "o-")
    for row in rows:
        table.annotate(f" {row['trials']}", (row["mean_confidence"], row["right"]), va="top", fontsize=8)
    table.set(xlabel="confidence, mean of the bin", ylabel="share right within a frame", aspect="equal")
    table.set_title("numbers: trials in the bin", fontsize=9)
    figure.savefig(path, dpi=90)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clips", nargs="+", help="to report on")
    parser.add_argument("--fitted", nargs="*", default=[], metavar="CLIPS", help="to fit to")
    parser.add_argument("--threshold", type=float, default=0.8, help="where nothing is fitted")
    parser.add_argument("--json")
    parser.add_argument("--picture")
    options = parser.parse_args()
    told: dict[str, Any] = {}
    threshold = options.threshold
    if options.fitted:
        groups = enumerate(options.fitted)
        told["fitted"] = fit([read_clip(Path(name), at) for at, names in groups for name in names.split(",")])
        threshold = told["fitted"]["believed"]["threshold"]
    clips = [read_clip(Path(name), person) for person, name in enumerate(options.clips)]
    told["held_out"], found_by_clip = report(clips, threshold)
    if options.json:
        Path(options.json).write_text(json.dumps(told, indent=1) + "\n")
    if options.picture:
        draw(options.picture, [clip.name for clip in clips], found_by_clip, told["held_out"])


if __name__ == "__main__":
    main()
