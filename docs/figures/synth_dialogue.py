"""Plots one made dialogue out of its shards: both channels, what the plan calls speech, words and events.

python docs/figures/synth_dialogue.py OUT KEY [KEY …] picture.png
"""

from __future__ import annotations

import io
import json
import sys
from fractions import Fraction
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import soundfile

from manifests.corpus_reader import CorpusReader

COLOURS = {"main": "tab:blue", "other": "tab:orange"}


def read(corpus: CorpusReader, wanted: list[str]) -> dict[str, dict[str, Any]]:
    """Sound and turns of the samples."""
    found = {}
    for shard in corpus.shards:
        for sample in corpus.samples(shard):
            if sample.key in wanted:
                sound = {side: soundfile.read(io.BytesIO(sample.read(f"{side}.flac"))) for side in COLOURS}
                found[sample.key] = {"sound": sound, "turns": json.loads(sample.read("turns.json"))}
    return found


def draw(axes: Any, key: str, sample: dict[str, Any]) -> None:
    """Two axes: main above other."""
    for axis, (side, colour) in zip(axes, COLOURS.items(), strict=True):
        pcm, rate_hz = sample["sound"][side]
        axis.plot(np.arange(len(pcm)) / rate_hz, pcm, lw=0.3, color=colour)
        stream = sample["turns"]["streams"][side]
        for start, stop in stream["ipus"]:
            axis.axvspan(float(Fraction(start)), float(Fraction(stop)), alpha=0.15, color=colour, lw=0)
        for word, start, _, _ in stream["words"] or ():
            axis.text(float(Fraction(start)), 0.27, word, rotation=55, fontsize=6)
        axis.set(ylim=(-0.4, 0.62), yticks=[], ylabel=f"{key}\n{side}", xlim=(0, len(pcm) / rate_hz))
    for event in sample["turns"]["events"]:
        start, stop = (float(Fraction(event[name])) for name in ("start", "stop"))
        axes[1].axvspan(start, stop, ymax=0.08, color="tab:red", lw=0)
        axes[1].text(start, -0.37, event["kind"].replace("_", " "), fontsize=5, rotation=0, va="bottom")


def main(url: str, *rest: str) -> None:
    """Every dialogue below the one before."""
    *keys, picture = rest
    samples = read(CorpusReader(url), keys)
    figure, axes = plt.subplots(2 * len(keys), 1, figsize=(14, 3.4 * len(keys)), squeeze=False)
    for number, key in enumerate(keys):
        draw(axes[2 * number : 2 * number + 2, 0], key, samples[key])
    axes[-1, 0].set_xlabel("s")
    figure.tight_layout()
    figure.savefig(picture, dpi=80)


if __name__ == "__main__":
    main(*sys.argv[1:])
