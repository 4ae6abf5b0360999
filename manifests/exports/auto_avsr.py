"""auto_avsr: a headerless csv `dataset,path,n_frames,token ids`; each 96×96 MP4 has its WAV beside it.

Token ids are places in the trainer's `*_units.txt`, not SentencePiece's own (`tokens.py`). Give that file to
fine-tune a published checkpoint: it lists 49 digit strings beyond the pieces of the model. Without it the ids
fit no checkpoint. The list that was used is written beside the csv. The published model knows capital letters
only: in small ones nearly everything is `<unk>`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from manifests.corpus_reader import CorpusReader, Sample
from manifests.exports.avhubert import lips
from manifests.exports.base import Entry, ExportError, ExportOptions, SampleExport, write_lines
from manifests.exports.media import SPEECH_HZ, mono_16k, wav
from manifests.exports.text import text_of
from manifests.exports.tokens import UNKNOWN, Tokens
from manifests.store import Store


class AutoAvsrOptions(ExportOptions):
    """Which tokens, and what the data set is called."""

    sentencepiece: Path
    """The trainer's `unigram5000.model`, or one of yours."""
    units: Path | None = None
    """The trainer's `unigram5000_units.txt`; null: `NAME_units.txt` beside the model, else made of it."""
    dataset: str = "duologue"
    """Folder below the root, and first column."""


class AutoAvsr(SampleExport):
    """Lists for `AVDataset` of auto_avsr."""

    name = "auto-avsr"
    needs: ClassVar[tuple[str, ...]] = ("json", "lips.mp4", "flac")
    options_model: ClassVar[type[ExportOptions]] = AutoAvsrOptions

    def __init__(self, options: Any, corpus: CorpusReader) -> None:
        super().__init__(options, corpus)
        if not options.dataset or set(options.dataset) & set(",/\n"):
            raise ExportError(f"option dataset: {options.dataset!r} is no folder name without comma")
        given = options.sentencepiece is not None
        self.tokens = Tokens(options.sentencepiece, options.units) if given else None

    def read_inputs(self) -> dict[str, str]:
        """The units count by what is in them, also those that were found beside the model."""
        units = {"units": "\n".join(self.tokens.units)} if self.tokens else {}
        return super().read_inputs() | units

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`DATASET/SPLIT/KEY.mp4` as it is, and the WAV beside it."""
        text = text_of(sample)
        n_frames = lips(sample)
        sound = mono_16k(sample)
        stem = f"{self.options.dataset}/{sample.split}/{sample.key}"
        out.write(f"{stem}.mp4", sample.read("lips.mp4"))
        out.write(f"{stem}.wav", wav(sound, SPEECH_HZ))
        return {"n_frames": n_frames, "ids": self.tokens.ids(text) if self.tokens else [0], "text": text}

    def line(self, entry: Entry) -> str:
        """One row of the csv."""
        ids = " ".join(map(str, entry.about["ids"]))
        return f"{self.options.dataset},{entry.split}/{entry.key}.mp4,{entry.about['n_frames']},{ids}"

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`labels/SPLIT.csv` and the units."""
        for split, mine in entries.items():
            write_lines(out, f"labels/{split}.csv", map(self.line, mine))
        if self.tokens:
            units = enumerate(self.tokens.units, start=1)
            write_lines(out, "labels/units.txt", (f"{unit} {place}" for place, unit in units))

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Where the ids come from, and how much of the text the model does not know."""
        if self.tokens is None:
            return ["no token ids were asked for: the fourth column is 0"]
        ids = [one for mine in entries.values() for entry in mine for one in entry.about["ids"]]
        unknown = sum(one == self.tokens.unknown for one in ids)
        file = self.tokens.units_file
        source = file.name if file else "the sorted pieces of the model, which no published checkpoint uses"
        return [f"token ids are places in {source}; {unknown} of {len(ids)} are {UNKNOWN}"]
