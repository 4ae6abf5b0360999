"""The plot of docs/speakers.md: who is heard when, in two mono recordings and a stereo one with cross-talk.

    python docs/figures/diarization.py MEDIA PLOT.png

MEDIA holds `audio/katiesteve_mono.wav`, `audio/pyannote_sample.wav` and `.rttm`,
`audio/dialogue_grid_2spk_stereo.wav` and `video/dialogue_grid_2spk.json`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from extractors.channels import channel_activity
from extractors.diarization import Diarization, diarize
from extractors.rttm import read_rttm
from extractors.speech import HOP, SpeechDetector, speech_segments
from extractors.voice_embedding import ResemblyzerVoice
from extractors.weights import locate

RATE_HZ = 16_000
LEAK_DB, LATE_S = -20, 0.008
COLOURS = ("tab:blue", "tab:red")
Spans = list[tuple[float, float]]
Row = tuple[str, Spans, str]


def main() -> None:
    """Write the plot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("media", type=Path)
    parser.add_argument("plot", type=Path)
    asked = parser.parse_args()
    detector = SpeechDetector(str(locate("silero_vad").path))
    embedder = ResemblyzerVoice(str(locate("resemblyzer").path))

    def voices(name: str, n_speakers: int | None) -> Diarization:
        pcm, _ = soundfile.read(asked.media / "audio" / name, dtype="float32")
        segments = [
            (start, min(stop, len(pcm) / RATE_HZ)) for start, stop in speech_segments(heard(pcm, detector))
        ]
        return diarize(pcm, segments, embedder, n_speakers=n_speakers)

    text = (asked.media / "audio" / "pyannote_sample.rttm").read_text(encoding="utf-8")
    truth: dict[str, list[tuple[float, float]]] = {}
    for one in read_rttm(text)["sample"]:
        truth.setdefault(one.speaker, []).append((one.start_s, one.stop_s))
    labelled = [(name, spans, COLOURS[at]) for at, (name, spans) in enumerate(sorted(truth.items()))]
    draw(
        asked.plot,
        {
            "katiesteve_mono.wav: the number of voices is found": rows_of(
                voices("katiesteve_mono.wav", None)
            ),
            "pyannote_sample.wav, told that there are two voices; above, the truth": [
                *labelled,
                *rows_of(voices("pyannote_sample.wav", 2), labelled),
            ],
            f"dialogue_grid_2spk_stereo.wav, each voice in the other channel at {LEAK_DB} dB, "
            f"{1000 * LATE_S:.0f} ms late": of_channels(asked.media, detector),
        },
    )


def heard(pcm: NDArray[np.float32], detector: SpeechDetector) -> NDArray[np.float32]:
    """(hops,) probability of speech."""
    detector.reset()
    return detector.feed(np.pad(pcm, (0, -len(pcm) % HOP)))


def rows_of(found: Diarization, labelled: Sequence[Row] = ()) -> list[Row]:
    """A row a voice, in the colour of the label that it shares most time with, and possible overlaps."""
    rows: list[Row] = []
    for voice in range(len(found.voices)):
        spans = [(one.start_s, one.stop_s) for one in found.activities if one.speaker == voice]
        like = max(labelled, key=lambda row: shared_s(row[1], spans), default=("", [], COLOURS[voice % 2]))
        rows.append((f"voice {voice}", spans, like[2]))
    return [*rows, ("possible overlap", [(one.start_s, one.stop_s) for one in found.overlaps], "0.5")]


def shared_s(first: Spans, second: Spans) -> float:
    """Seconds that both cover."""
    return sum(max(0.0, min(a[1], b[1]) - max(a[0], b[0])) for a in first for b in second)


def of_channels(media: Path, detector: SpeechDetector) -> list[Row]:
    """The labels, what is heard in each channel, and what of it is its own."""
    samples, _ = soundfile.read(media / "audio" / "dialogue_grid_2spk_stereo.wav", dtype="float32")
    pcm = np.ascontiguousarray(samples.T)
    late = round(LATE_S * RATE_HZ)
    leaking = pcm.copy()
    leaking[:, late:] += pcm[::-1, :-late] * 10 ** (LEAK_DB / 20)
    probabilities = np.stack([heard(row, detector) for row in leaking])
    found = channel_activity(leaking, probabilities)
    labels = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text(encoding="utf-8"))["turns"]
    rows: list[Row] = []
    for channel, (side, name) in enumerate((("left", "A"), ("right", "B"))):
        told = [(one["start"], one["end"]) for one in labels if one["speaker"] == name]
        rows += [
            (f"{name}, labels", told, COLOURS[channel]),
            (f"{side}, heard", speech_segments(probabilities[channel]), "0.5"),
            (f"{side}, own", list(found.segments[channel]), COLOURS[channel]),
        ]
    return rows


def draw(target: Path, panels: dict[str, list[Row]]) -> None:
    """A panel a recording."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    heights = [len(rows) for rows in panels.values()]
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(9, 7), height_ratios=heights, constrained_layout=True
    )
    for axis, (title, rows) in zip(axes, panels.items(), strict=True):
        bars: Any
        for at, (_, spans, colour) in enumerate(rows):
            bars = [(start, stop - start) for start, stop in spans]
            axis.broken_barh(bars, (at - 0.4, 0.8), color=colour)
        axis.set_yticks(range(len(rows)), [name for name, _, _ in rows])
        axis.invert_yaxis()
        axis.set_title(title, fontsize=9, loc="left")
        axis.grid(axis="x", alpha=0.3)
    axes[-1].set_xlabel("s")
    figure.savefig(target, dpi=100)


if __name__ == "__main__":
    main()
