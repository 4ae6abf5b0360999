"""The plot of docs/dialogue-real.md: what was found in a recorded dialogue, and the labels that others made.

    python docs/figures/dialogue_real.py OUT DIALOGUE LABELS.json PLOT.png

OUT is the folder of `duologue dialogue real`, LABELS.json has `turns` of `speaker`, `start` and `end`, the
first side's speaker first.
"""

from __future__ import annotations

import argparse
import io
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.typing import NDArray

from manifests.corpus_reader import CorpusReader, Sample

COLOURS = {"turn": "tab:blue", "within": "tab:red", "backchannel": "tab:orange"}
SIDES = ("main", "other")


def main() -> None:
    """Write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out")
    parser.add_argument("dialogue")
    parser.add_argument("labels", type=Path)
    parser.add_argument("plot", type=Path)
    asked = parser.parse_args()
    labels = json.loads(asked.labels.read_text(encoding="utf-8"))["turns"]
    corpus = CorpusReader(asked.out)
    for shard in corpus.shards:
        for sample in corpus.samples(shard):
            if sample.header["dialogue"] == asked.dialogue and sample.key.endswith("-a"):
                plot(sample, labels, asked.plot)


def plot(sample: Sample, labels: list[dict[str, Any]], target: Path) -> None:
    """A row a side: a picture of the face, the stream, turns found (filled) and labelled (outlined)."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    speakers = list(dict.fromkeys(one["speaker"] for one in labels))
    turns = json.loads(sample.read("turns.json"))["turns"]
    figure, axes = plt.subplots(2, 2, figsize=(12, 3.6), width_ratios=(1, 9), constrained_layout=True)
    for (left, right), side, speaker in zip(axes, SIDES, speakers, strict=True):
        left.imshow(face(sample, side))
        left.axis("off")
        pcm, rate_hz = soundfile.read(io.BytesIO(sample.read(f"{side}.flac")), dtype="float32")
        right.plot(np.arange(len(pcm)) / rate_hz, pcm, color="0.4", linewidth=0.3)
        for turn in (one for one in turns if one["side"] == side):
            start, stop = (float(Fraction(turn[edge])) for edge in ("start", "stop"))
            right.axvspan(start, stop, color=COLOURS[turn["kind"]], alpha=0.3, linewidth=0)
        for one in (one for one in labels if one["speaker"] == speaker):
            right.plot([one["start"]] * 2 + [one["end"]] * 2, [-1, 1, 1, -1], color="black", linewidth=1)
        right.set(xlim=(0, len(pcm) / rate_hz), ylim=(-1.05, 1.05), yticks=[], ylabel=side)
    axes[0][1].set_xticklabels([])
    axes[1][1].set_xlabel("s")
    figure.savefig(target, dpi=90)


def face(sample: Sample, side: str) -> NDArray[np.uint8]:
    """A frame in which both are seen."""
    with av.open(io.BytesIO(sample.read(f"{side}.face.mp4"))) as video:
        return next(
            frame.to_ndarray(format="rgb24") for at, frame in enumerate(video.decode(video=0)) if at == 200
        )


if __name__ == "__main__":
    main()
