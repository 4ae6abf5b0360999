"""DualHyp: a JSON list a split with N-best of recogniser and lip reader, sound as WAV and lips as HDF5.

Fields are those of sungnyun/dualhyp:data/make_json_asr.py, make_json_vsr.py and merge_json.py. What was mixed
in and painted over comes from KEY.json of a noisy test set (`mix`, `corruption`); the trainer takes its
reliability labels from there. `Clean_Wav` is the sample's sound as it is, noise and all, for
`audio_corruption_enabled=False`. Where the test set kept its stems (`mix.stems`), it is the clean one, and
`Noise_Wav` what was added: with `True` the data set mixes them again by its own rule, to whole decibels.
Pickled landmarks are not made: `visual_corruption_enabled` stays False.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from manifests.corpus_reader import Sample
from manifests.exports.avhubert import lips
from manifests.exports.base import (
    DamagedSample,
    Entry,
    ExportError,
    ExportOptions,
    ExportReason,
    SampleExport,
)
from manifests.exports.media import SPEECH_HZ, frames, mono_16k, wav
from manifests.exports.text import plain_words, text_of
from manifests.store import Store

HYPS = {"nhyps_asr": "hyps_asr.json", "nhyps_vsr": "hyps_vsr.json"}
STEMS = ("target.flac", "interferer0.flac")
"""What a test set with `mix.stems` keeps beside the mix."""
NO_SPEECH_DB = -100
"""The data set's own number for a modality of which nothing is left (sungnyun/dualhyp:data/av_dataset.py)."""


class DualHypOptions(ExportOptions):
    """How the paths are written."""

    root: str = "."
    """Where the export lies when the trainer runs; a full path lets it run in any folder."""
    dataset: str = "duologue"


class DualHyp(SampleExport):
    """Lists for `AVDataset` of DualHyp."""

    name = "dualhyp"
    needs: ClassVar[tuple[str, ...]] = ("json", "flac", "lips.mp4", *HYPS.values())
    options_model: ClassVar[type[ExportOptions]] = DualHypOptions
    options: DualHypOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`clean/KEY.wav`, `noise/KEY.wav` where there are stems, `lips/KEY.hdf5`."""
        about: dict[str, Any] = {
            "Dataset": self.options.dataset,
            "Uid": sample.key,
            "Caption": text_of(sample),
        }
        about |= {name: _hypotheses(sample, member) for name, member in HYPS.items()}
        n_frames = lips(sample)
        stems = all(name in sample for name in STEMS)
        sound = mono_16k(sample, STEMS[0] if stems else "flac")
        about |= _corruptions(sample, len(sound), n_frames)
        if stems:
            out.write(f"noise/{sample.key}.wav", wav(mono_16k(sample, STEMS[1]), SPEECH_HZ))
        out.write(f"clean/{sample.key}.wav", wav(sound, SPEECH_HZ))
        out.write(f"lips/{sample.key}.hdf5", hdf5(np.stack(frames(sample.read("lips.mp4"), "gray"))))
        about["Clean_Wav"] = self._path(f"clean/{sample.key}.wav")
        about["Noise_Wav"] = self._path(f"noise/{sample.key}.wav") if stems else ""
        about["Mouthroi"] = self._path(f"lips/{sample.key}.hdf5")
        return about | {"Video": "", "Face_landmark": ""}

    def _path(self, name: str) -> str:
        return name if self.options.root == "." else f"{self.options.root.rstrip('/')}/{name}"

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`SPLIT.json`, a list sorted by Uid."""
        for split, mine in entries.items():
            with out.writing(f"{split}.json") as handle:
                handle.writelines(_json_list(mine))

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Which switches of the data set fit."""
        noisy = sum(bool(one.about["Noise_Wav"]) for mine in entries.values() for one in mine)
        total = sum(map(len, entries.values()))
        return [f"{noisy} of {total} samples have stems: `audio_corruption_enabled` only with those"]


def _corruptions(sample: Sample, n_samples: int, n_frames: int) -> dict[str, Any]:
    """From when to when sound and picture are corrupted: one span each, as the trainer knows no more."""
    mix, corruption = sample.header.get("mix") or {}, sample.header.get("corruption") or {}
    added = (mix.get("plans") or {}).get("flac", {}).get("interferers", ())
    heard = _one_span([span for one in added for span in one["spans"]], n_samples)
    snr_db = 0 if not added else NO_SPEECH_DB if mix["snr_db"] is None else mix["snr_db"]
    names = [source["name"] for source in mix.get("sources", ())]
    return {
        "SNR": mix.get("snr_db"),
        "Noise_Category": [mix.get("family", "none"), corruption.get("family", "none")],
        "Audio_Corruption": heard | {"snr": snr_db, "noise_name": ", ".join(names)},
        "Visual_Corruption": _one_span(corruption.get("spans", ()), n_frames),
    }


def _one_span(spans: Iterable[Sequence[int]], total: int) -> dict[str, int]:
    """The span from the first corrupted frame (or sample) to the last."""
    edges = [(start, min(stop, total)) for start, stop in spans if start < total]
    first = min((start for start, _ in edges), default=0)
    last = max((stop for _, stop in edges), default=first)
    return {"total_len": total, "start_fr": first, "occ_len": last - first}


def hdf5(video: Any) -> bytes:
    """An HDF5 file with `video_frames`, `(T, 96, 96)` uint8; without times of writing."""
    try:
        import h5py
    except ImportError as error:
        raise ExportError("writing HDF5 needs `pip install duologue[exports]`") from error
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file.create_dataset("video_frames", data=video, track_times=False)
    return buffer.getvalue()


def _hypotheses(sample: Sample, member: str) -> dict[str, list[Any]]:
    try:
        found = [
            (plain_words(str(one["text"])), float(one["score"])) for one in json.loads(sample.read(member))
        ]
    except (ValueError, KeyError, TypeError) as error:
        told = f"{member}: {type(error).__name__} {error}"
        raise DamagedSample(ExportReason.MEMBER_DAMAGED, told) from error
    if not found:
        raise DamagedSample(ExportReason.MEMBER_DAMAGED, f"{member}: no hypothesis")
    return {"hyps": [text or "<UNK>" for text, _ in found], "scores": [score for _, score in found]}


def _json_list(entries: list[Entry]) -> Iterator[bytes]:
    yield b"["
    for number, entry in enumerate(entries):
        yield b",\n" if number else b"\n"
        yield json.dumps(entry.about, ensure_ascii=False, sort_keys=True).encode("utf-8")
    yield b"\n]\n"
