"""lhotse Shar: a folder a split with `cuts.000000.jsonl.gz` and one tar for every field, `recording` the
first.

The layout is lhotse's own (lhotse/shar/writers/, lhotse/shar/readers/tar.py): data first, then its manifest,
both named by the cut; `.nodata` and `.nometa` stand for a field that a cut lacks. Dialogues become cuts of
two channels (0 main, 1 other) with one supervision a turn; all else becomes cuts of one channel with one
supervision.
"""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from fractions import Fraction
from typing import Any, ClassVar, Literal

from manifests.corpus_reader import CorpusReader, Sample
from manifests.exports.base import (
    DamagedSample,
    Entry,
    Export,
    ExportError,
    ExportOptions,
    ExportReason,
    SkipSample,
)
from manifests.exports.dialogue import AUDIO, SIDES, TURNS, Dialogue, dialogue, seconds, stereo
from manifests.exports.media import array, duration, pcm
from manifests.exports.tars import TarWriter, writing_tar
from manifests.store import Store

LABELS = ("emotion", "consent", "licence", "person")
"""Labels of KEY.json that become custom fields of the supervision."""


class LhotseSharOptions(ExportOptions):
    """Which sound, and which arrays beside it."""

    recording: Literal["flac", "native.flac"] = "flac"
    """16 kHz mono, or the source's own rate and channels; dialogues: 16 kHz or their own rate."""
    arrays: tuple[str, ...] = ()
    """Time-varying NPY members, such as `mimi.npy`; each becomes a field, here `mimi`."""


class LhotseShar(Export):
    """Folders for `CutSet.from_shar`."""

    name = "lhotse-shar"
    options_model: ClassVar[type[ExportOptions]] = LhotseSharOptions
    options: LhotseSharOptions

    def __init__(self, options: Any, corpus: CorpusReader) -> None:
        super().__init__(options, corpus)
        if strange := [name for name in options.arrays if not name.endswith(".npy")]:
            raise ExportError(f"option arrays: {', '.join(strange)} are no NPY members")
        self._number: dict[str, int] = {}
        split_of = {row.shard: row.split for row in corpus.rows()}
        for shard in corpus.shards:  # numbered within their split
            self._number[shard] = sum(split_of[one] == split_of[shard] for one in self._number)
        self._split = split_of

    def shard(self, shard: str, samples: Iterable[Sample], out: Store) -> Iterator[tuple[str, Any]]:
        """One file of each field; cuts in the order of the shard."""
        stem, number = self._split[shard], f"{self._number[shard]:06d}"
        names = {name: re.sub(r"\W", "_", name.removesuffix(".npy")) for name in self.options.arrays}
        with ExitStack() as stack:
            cuts = stack.enter_context(out.writing(f"{stem}/cuts.{number}.jsonl.gz"))
            lines = stack.enter_context(gzip.GzipFile("", "wb", fileobj=cuts, mtime=0))
            tar = {
                field: stack.enter_context(writing_tar(out, f"{stem}/{field}.{number}.tar"))
                for field in ("recording", *names.values())
            }
            for sample in samples:
                try:
                    made, custom = self._cut(sample), self._arrays(sample, names)
                except SkipSample as why:
                    yield sample.key, why
                    continue
                cut, sound = made
                _add(tar["recording"], sample.key, "flac", sound, cut["recording"])
                for member, field in names.items():
                    data = sample.read(member) if field in custom else None
                    _add(tar[field], sample.key, "npy", data, custom.get(field))
                cut["custom"] = custom | {"source_path": (sample.header.get("source") or {}).get("path")}
                lines.write(json.dumps(cut, ensure_ascii=False).encode("utf-8") + b"\n")
                yield sample.key, {}

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """Nothing: a folder of shards is all that lhotse reads."""

    def _cut(self, sample: Sample) -> tuple[dict[str, Any], bytes]:
        """The cut as JSON, its recording a placeholder, and the FLAC."""
        if all(name in sample for name in (*AUDIO, TURNS)):
            told = dialogue(sample)
            both, rate_hz = stereo(sample, native=self.options.recording == "native.flac")
            about = _recording(sample.key, rate_hz, len(both), [0, 1])
            return _cut_json("MultiCut", [0, 1], about, _turns(sample, told)), _flac(both, rate_hz)
        if self.options.recording not in sample:
            raise SkipSample(ExportReason.MEMBER_MISSING, f"no {self.options.recording}")
        found, rate_hz = pcm(sample, self.options.recording)
        channels = list(range(found.shape[1]))
        about = _recording(sample.key, rate_hz, len(found), channels)
        kind, channel = ("MonoCut", 0) if len(channels) == 1 else ("MultiCut", channels)
        said = [_said(sample, channel, about["duration"])]
        return _cut_json(kind, channel, about, said), sample.read(self.options.recording)

    def _arrays(self, sample: Sample, names: Mapping[str, str]) -> dict[str, Any]:
        """Manifest of each array by field. The time axis is the one as long as the sample."""
        found = {}
        for member, field in names.items():
            if member not in sample:
                continue
            shape, rate_hz = array(sample, member).shape, sample.header.get("rates_hz", {}).get(member)
            wanted = None if rate_hz is None else Fraction(str(rate_hz)) * duration(sample)
            axes = [axis for axis, size in enumerate(shape) if wanted is not None and abs(size - wanted) <= 1]
            if not axes:
                told = f"{member}: no axis of {shape} is {duration(sample)} s long at {rate_hz} Hz"
                raise DamagedSample(ExportReason.WRONG_LENGTH, told)
            kept = {"storage_type": "shar", "storage_path": "", "storage_key": "", "shape": list(shape)}
            found[field] = {"array": kept, "temporal_dim": axes[-1], "frame_shift": 1 / rate_hz, "start": 0}
        return found


def _cut_json(
    kind: str, channel: Any, recording: dict[str, Any], supervisions: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "id": recording["id"],
        "start": 0,
        "duration": recording["duration"],
        "channel": channel,
        "supervisions": supervisions,
        "recording": recording,
        "type": kind,
    }


def _recording(key: str, rate_hz: int, n_samples: int, channels: list[int]) -> dict[str, Any]:
    return {
        "id": key,
        "sources": [{"type": "shar", "channels": channels, "source": ""}],
        "sampling_rate": rate_hz,
        "num_samples": n_samples,
        "duration": n_samples / rate_hz,
        "channel_ids": channels,
    }


def _said(sample: Sample, channel: Any, duration_s: float) -> dict[str, Any]:
    """The one supervision of a sample of one person."""
    header = sample.header
    words = [[word, start, round(stop - start, 6), None] for word, start, stop in header.get("words") or []]
    labels = {name: header[name] for name in ("text", "language", "speaker", "gender") if header.get(name)}
    labels |= {"alignment": {"word": words}} if words else {}
    custom = {name: header[name] for name in LABELS if header.get(name)}
    segment = {
        "id": sample.key,
        "recording_id": sample.key,
        "start": 0,
        "duration": duration_s,
        "channel": channel,
    }
    return segment | labels | ({"custom": custom} if custom else {})


def _turns(sample: Sample, told: Dialogue) -> list[dict[str, Any]]:
    """One supervision a turn; its words are those that begin in it."""
    found = []
    for number, turn in enumerate(told.turns):
        side = told.side(turn.side)
        words = [one for one in side.words or () if turn.start <= one[1] < turn.stop]
        alignment = [[word, seconds(start), seconds(stop - start), None] for word, start, stop in words]
        segment = {
            "id": f"{sample.key}-{number:04d}",
            "recording_id": sample.key,
            "start": seconds(turn.start),
            "duration": seconds(turn.stop - turn.start),
            "channel": SIDES.index(turn.side),
            "speaker": side.speaker,
            "custom": {"kind": turn.kind, "side": turn.side},
        }
        spoken = {"text": " ".join(word for word, _, _ in words), "alignment": {"word": alignment}}
        found.append(segment | (spoken if words else {}))
    return found


def _add(tar: TarWriter, key: str, extension: str, data: bytes | None, manifest: Any) -> None:
    if data is None:
        tar.add(f"{key}.nodata", b"")
        tar.add(f"{key}.nometa", b"")
        return
    tar.add(f"{key}.{extension}", data)
    tar.add(f"{key}.json", json.dumps(manifest).encode() + b"\n")


def _flac(samples: Any, rate_hz: int) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()
