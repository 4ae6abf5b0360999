"""moshi-finetune: one stereo WAV a dialogue, left the model (main), right the user; words in a JSON beside
it.

`SPLIT.jsonl` lists `{"path", "duration"}`; the loader looks for paths below the list's folder, and for the
words at the WAV's path with `.json` (kyutai-labs/moshi-finetune:finetune/data/dataset.py, interleaver.py).
The sound is written at 24 kHz: sphn 0.2.1, with which the loader resamples all else, delays it by 32 ms (from
16 kHz) or 12 ms (from 44.1 kHz) against the words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from manifests.corpus_reader import Sample
from manifests.exports.base import Entry, ExportOptions, ExportReason, SampleExport, SkipSample, write_lines
from manifests.exports.dialogue import AUDIO, TURNS, Word, dialogue, seconds, stereo
from manifests.exports.media import wav
from manifests.store import Store

MIMI_HZ = 24_000
MAIN, OTHER = "SPEAKER_MAIN", "SPEAKER_OTHER"


class MoshiOptions(ExportOptions):
    """Whose words are written."""

    other_words: bool = False
    """Also the user's words, as SPEAKER_OTHER; the trainer's default keeps the main speaker's only."""


class Moshi(SampleExport):
    """Lists for moshi-finetune."""

    name = "moshi"
    needs: ClassVar[tuple[str, ...]] = ("json", *AUDIO, TURNS)
    options_model: ClassVar[type[ExportOptions]] = MoshiOptions
    options: MoshiOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`SPLIT/KEY.wav` and `SPLIT/KEY.json`."""
        told = dialogue(sample)
        if not told.main.words:
            raise SkipSample(ExportReason.NO_WORDS, "main says nothing, or nobody knows what")
        words = _alignments(told.main.words, MAIN)
        if self.options.other_words:
            words = sorted([*words, *_alignments(told.other.words or (), OTHER)], key=lambda one: one[1:])
        sound = at_24k(*stereo(sample, native=True))
        stem = f"{sample.split}/{sample.key}"
        out.write(f"{stem}.wav", wav(sound, MIMI_HZ))
        alignments = json.dumps({"alignments": words}, ensure_ascii=False)
        out.write(f"{stem}.json", alignments.encode("utf-8"))
        return {"duration": len(sound) / MIMI_HZ}

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`SPLIT.jsonl`, sorted by path."""
        for split, mine in entries.items():
            lines = ({"path": f"{split}/{one.key}.wav", "duration": one.about["duration"]} for one in mine)
            write_lines(out, f"{split}.jsonl", map(json.dumps, lines))


def at_24k(samples: NDArray[np.int16], rate_hz: int) -> NDArray[np.int16]:
    """Samples `(n, 2)` at Mimi's rate: soxr HQ, without delay, rounded to nearest."""
    if rate_hz == MIMI_HZ:
        return samples
    import soxr

    wanted = soxr.resample(samples.astype(np.float64), rate_hz, MIMI_HZ, quality="HQ")
    rounded: NDArray[np.int16] = np.clip(np.rint(wanted), -32768, 32767).astype(np.int16)
    return rounded


def _alignments(words: Iterable[Word], speaker: str) -> list[list[Any]]:
    return [[word, [seconds(start), seconds(stop)], speaker] for word, start, stop in words]
