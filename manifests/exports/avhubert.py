"""AV-HuBERT: one tsv a split, words beside it (`.wrd`), cluster units (`.km`), 16 kHz WAV and 96×96 MP4.

What its loader asserts is in tests/formats/test_avhubert.py
(facebookresearch/av_hubert:avhubert/hubert_dataset.py). The loader joins the first line of the tsv to the
video's path only; the audio's is opened as it stands. So both are written below `root`, by default ".": the
trainer then runs in the export's folder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from manifests.corpus_reader import Sample
from manifests.exports.base import (
    DamagedSample,
    Entry,
    ExportOptions,
    ExportReason,
    SampleExport,
    write_lines,
)
from manifests.exports.media import SPEECH_HZ, array, mono_16k, picture, wav
from manifests.exports.text import text_of
from manifests.exports.tokens import pieces
from manifests.store import Store

LIPS_PX = 96
UNITS = "units.npy"
ALIGNED_S = 0.1
"""The loader drops samples whose labels are this much longer or shorter than the picture."""


class AvHubertOptions(ExportOptions):
    """What the tsv comes with."""

    text: bool = True
    """Write `.wrd`; samples without text are then skipped. Pre-training needs none."""
    units: bool = False
    """Write `.km` from `units.npy`; samples without are then skipped."""
    sentencepiece: Path | None = None
    """`dict.wrd.txt` lists the pieces of this model, as the trainer's fine-tuning wants; null: the words."""
    root: str = "."
    """Where the export lies when the trainer runs; a full path lets it run in any folder."""


class AvHubert(SampleExport):
    """Lists for `AVHubertDataset`."""

    name = "avhubert"
    needs: ClassVar[tuple[str, ...]] = ("json", "lips.mp4", "flac")
    options_model: ClassVar[type[ExportOptions]] = AvHubertOptions
    options: AvHubertOptions

    def needed(self) -> tuple[str, ...]:
        """With `units` also the unit stream."""
        return (*self.needs, *((UNITS,) if self.options.units else ()))

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`video/SPLIT/KEY.mp4` as it is, `audio/SPLIT/KEY.wav`."""
        about: dict[str, Any] = {"text": text_of(sample) if self.options.text else None}
        seen = lips(sample)
        if self.options.units:
            about |= self._units(sample, seen)
        sound = mono_16k(sample)
        out.write(f"video/{sample.split}/{sample.key}.mp4", sample.read("lips.mp4"))
        out.write(f"audio/{sample.split}/{sample.key}.wav", wav(sound, SPEECH_HZ))
        return about | {"n_frames": seen, "n_samples": len(sound)}

    def _units(self, sample: Sample, n_frames: int) -> dict[str, Any]:
        units = [int(one) for one in array(sample, UNITS)]
        about = sample.header["tokens"][UNITS]
        rate_hz = float(about["rate_hz"])
        if abs(len(units) / rate_hz - n_frames / 25) >= ALIGNED_S:
            told = f"{len(units)} units at {rate_hz:g} Hz for {n_frames} frames at 25 fps"
            raise DamagedSample(ExportReason.UNITS_MISFIT, told)
        return {"units": units, "rate_hz": rate_hz, "n_clusters": int(about["codebook_size"])}

    def sample_id(self, entry: Entry) -> str:
        """First column."""
        return f"{entry.split}/{entry.key}"

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """tsv, wrd and km of each split, line for line; the dictionaries last."""
        for split, mine in entries.items():
            write_lines(out, f"{split}.tsv", [self.options.root, *map(self._line, mine)])
            if self.options.text:
                write_lines(out, f"{split}.wrd", (entry.about["text"] for entry in mine))
            if self.options.units:
                write_lines(out, f"{split}.km", (" ".join(map(str, entry.about["units"])) for entry in mine))
        if self.options.text:
            write_lines(out, "dict.wrd.txt", self._dictionary(entries))
        if self.options.units:
            size = max((one.about["n_clusters"] for mine in entries.values() for one in mine), default=0)
            write_lines(out, "dict.km.txt", (f"{unit} 1" for unit in range(size)))

    def _line(self, entry: Entry) -> str:
        root = "" if self.options.root == "." else self.options.root.rstrip("/") + "/"
        audio = f"{root}audio/{entry.split}/{entry.key}.wav"
        video = f"video/{entry.split}/{entry.key}.mp4"
        numbers = (str(entry.about["n_frames"]), str(entry.about["n_samples"]))
        return "\t".join((self.sample_id(entry), video, audio, *numbers))

    def _dictionary(self, entries: Mapping[str, list[Entry]]) -> Iterable[str]:
        """`symbol count`, most frequent first, as fairseq reads it."""
        if self.options.sentencepiece is not None:
            return (f"{piece} 1" for piece in pieces(self.options.sentencepiece))
        train = entries.get("train") or [one for mine in entries.values() for one in mine]
        counts = Counter(word for entry in train for word in entry.about["text"].split())
        return (f"{word} {n}" for word, n in sorted(counts.items(), key=lambda one: (-one[1], one[0])))

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """The folder to run in, and the label rate of the units."""
        notes = []
        if self.options.root == ".":
            notes.append("paths are relative: run the trainer in the export's folder, or set `root`")
        rates = {one.about["rate_hz"] for mine in entries.values() for one in mine if "rate_hz" in one.about}
        if rates:
            notes.append(f"`task.label_rate` of the .km files: {json.dumps(sorted(rates))}")
        return notes


def lips(sample: Sample) -> int:
    """Number of lip frames, after a look at size, rate and length. Raises DamagedSample."""
    seen = picture(sample, "lips.mp4")
    if (seen.height, seen.width) != (LIPS_PX, LIPS_PX):
        told = f"lips.mp4 is {seen.width}×{seen.height}, not {LIPS_PX}×{LIPS_PX}"
        raise DamagedSample(ExportReason.WRONG_PICTURE, told)
    return seen.n_frames
