"""Voice Activity Projection: 16 kHz stereo WAV, voice activity of both, and windows of 20 s + 2 s horizon.

Layouts of ErikEkstedt/VoiceActivityProjection:vap/data/create_audio_vad_csv.py and
create_sliding_window_dset.py. Windows start at 0, 15 s, 30 s, …: as many as have their horizon inside the
dialogue. (The trainer's own script starts where both have begun to speak, and makes one window of dialogues
that are too short.)
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from pydantic import Field

from manifests.corpus_reader import Sample
from manifests.exports.base import Entry, ExportOptions, ExportReason, SampleExport, SkipSample
from manifests.exports.dialogue import AUDIO, SIDES, TURNS, dialogue, seconds, stereo
from manifests.exports.media import wav
from manifests.store import Store

SPLIT_NAMES = {"valid": "val"}
"""The trainer's name of a split where it differs."""


class VapOptions(ExportOptions):
    """The windows, in seconds."""

    window_s: float = Field(default=20.0, gt=0)
    overlap_s: float = Field(default=5.0, ge=0)
    horizon_s: float = Field(default=2.0, ge=0)


class Vap(SampleExport):
    """Lists for `VAPDataset`."""

    name = "vap"
    needs: ClassVar[tuple[str, ...]] = ("json", *AUDIO, TURNS)
    options_model: ClassVar[type[ExportOptions]] = VapOptions
    options: VapOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`audio/KEY.wav` and `vad/KEY.json`, left and first: main."""
        told = dialogue(sample)
        active = [[[*map(seconds, span)] for span in told.side(name).activity] for name in SIDES]
        if not all(active):
            silent = [name for name, spans in zip(SIDES, active, strict=True) if not spans]
            raise SkipSample(ExportReason.ONE_SIDE_SILENT, f"{' and '.join(silent)} never heard")
        sound, rate_hz = stereo(sample, native=False)
        needed_s = self.options.window_s + self.options.horizon_s
        if len(sound) < needed_s * rate_hz:
            told_s = f"{len(sound) / rate_hz:.2f} s; a window takes {needed_s:g} s"
            raise SkipSample(ExportReason.TOO_SHORT, told_s)
        out.write(f"audio/{sample.key}.wav", wav(sound, rate_hz))
        out.write(f"vad/{sample.key}.json", json.dumps(active).encode())
        return {"n_samples": len(sound), "rate_hz": rate_hz, "active": active}

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`audio_vad.csv` of all, and `splits/sliding_window_dset_SPLIT.csv`."""
        every = sorted((one for mine in entries.values() for one in mine), key=lambda one: one.key)
        paths = ([f"audio/{one.key}.wav", f"vad/{one.key}.json"] for one in every)
        _write_csv(out, "audio_vad.csv", ["audio_path", "vad_path"], paths)
        for split, mine in entries.items():
            name = f"splits/sliding_window_dset_{SPLIT_NAMES.get(split, split)}.csv"
            rows = (row for one in mine for row in self._windows(one))
            _write_csv(out, name, ["session", "audio_path", "start", "end", "vad_list"], rows)

    def _windows(self, entry: Entry) -> Iterator[list[Any]]:
        window, overlap, horizon = (
            Fraction(str(value))
            for value in (self.options.window_s, self.options.overlap_s, self.options.horizon_s)
        )
        duration = Fraction(entry.about["n_samples"], entry.about["rate_hz"])
        start = Fraction(0)
        while start + window + horizon <= duration:
            shown = [clipped(spans, start, start + window + horizon) for spans in entry.about["active"]]
            path = f"audio/{entry.key}.wav"
            yield [entry.key, path, float(start), float(start + window), json.dumps(shown)]
            start += window - overlap

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Paths and the number of windows."""
        n_windows = sum(1 for mine in entries.values() for one in mine for _ in self._windows(one))
        return [f"{n_windows} windows", "paths are relative: run the trainer in the export's folder"]


def clipped(spans: Sequence[Sequence[float]], start: Fraction, stop: Fraction) -> list[tuple[float, float]]:
    """What of the spans lies in [start, stop), counted from `start`, to the microsecond."""
    inside = ((max(low, float(start)), min(high, float(stop))) for low, high in spans)
    return [
        (round(low - float(start), 6), round(high - float(start), 6)) for low, high in inside if low < high
    ]


def _write_csv(out: Store, name: str, header: list[str], rows: Any) -> None:
    with out.writing(name) as handle:
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.detach()
