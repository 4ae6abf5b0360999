"""Recordings of two people, put together of one stereo clip of GRID, and `dialogue real` run on a folder."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from manifests.sources.dyads import list_dyads
from pipelines.build import Built
from pipelines.dialogues.real.real import load_real, make_real, open_real
from pipelines.engine import Engine, LocalEngine
from pipelines.reporter import QuietReporter

RATE_HZ = 16_000
CHEAP = ("listen.dnsmos=false", "listen.events=false", "pack.split_shares={train: 1.0}")
"""Settings that leave out what these tests do not look at."""


@dataclass(frozen=True)
class Grid:
    """`dialogue_grid_2spk`: its stereo sound (n, 2), left A, right B, and the labels of others."""

    pcm: NDArray[np.float32]
    turns: list[dict[str, Any]]

    @classmethod
    def read(cls, media: Path) -> Grid:
        pcm, rate_hz = soundfile.read(media / "audio" / "dialogue_grid_2spk_stereo.wav", dtype="float32")
        assert rate_hz == RATE_HZ
        told = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text(encoding="utf-8"))
        return cls(pcm, told["turns"])

    def words(self, speakers: str = "AB", until_s: float = 17.0) -> dict[str, Any]:
        """A transcript, in moshi-finetune's form, of what these speakers say."""
        said = [
            [word, [start, stop], turn["speaker"]]
            for turn in self.turns
            for word, start, stop in turn["words"]
            if turn["speaker"] in speakers and stop < until_s
        ]
        return {"alignments": sorted(said, key=lambda one: one[1])}


def put(
    folder: Path, name: str, pcm: NDArray[np.float32], words: dict[str, Any] | None = None, **labels: str
) -> None:
    """A WAV of 16 bits, and a line of the sidecar for its transcript and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{name}.wav", pcm, RATE_HZ, subtype="PCM_16")
    if words is not None:
        (folder / f"{name}.json").write_text(json.dumps(words), encoding="utf-8")
        labels["transcript"] = f"{name}.json"
    if labels:
        with (folder / "sidecar.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps({"path": f"{name}.wav", **labels}) + "\n")


def run_real(folder: Path, out: Path, *settings: str, engine: Engine | None = None) -> Built:
    """`duologue dialogue real`, in this process unless an engine is given."""
    config = load_real(path=None, overrides=[*CHEAP, *settings])
    corpus = open_real(list_dyads(folder), str(folder), str(out), config)
    return make_real(corpus, config, engine=engine or LocalEngine(), reporter=QuietReporter())


@dataclass(frozen=True)
class Sample:
    """Members of a view by name, and its KEY.json."""

    key: str
    members: dict[str, bytes]

    @property
    def header(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.members["json"])
        return found

    def turns(self, side: str) -> list[tuple[float, float, str]]:
        """(start_s, stop_s, kind) of one side."""
        told = json.loads(self.members["turns.json"])["turns"]
        return [
            (float(Fraction(one["start"])), float(Fraction(one["stop"])), one["kind"])
            for one in told
            if one["side"] == side
        ]

    def events(self, kind: str) -> list[tuple[float, float]]:
        """Those of which the kind begins so."""
        told = json.loads(self.members["turns.json"])["events"]
        spans = [(one["start"], one["stop"]) for one in told if one["kind"].startswith(kind)]
        return [(float(Fraction(start)), float(Fraction(stop))) for start, stop in spans]

    def words(self, side: str) -> list[str] | None:
        """What one side says."""
        told = json.loads(self.members["turns.json"])["streams"][side]["words"]
        return None if told is None else [one[0] for one in told]

    def words_of_turns(self, side: str) -> list[list[str]]:
        """What one side says in each of its turns."""
        told = json.loads(self.members["turns.json"])
        words = told["streams"][side]["words"]
        numbers = [number for number, one in enumerate(told["turns"]) if one["side"] == side]
        return [[text for text, _, _, turn in words if turn == number] for number in numbers]

    def sound(self, name: str) -> tuple[NDArray[np.float32], int]:
        """(n,) samples of a FLAC, and their rate."""
        pcm, rate_hz = soundfile.read(io.BytesIO(self.members[name]), dtype="float32")
        return pcm, rate_hz

    def array(self, name: str) -> NDArray[Any]:
        """A member of numbers."""
        found: NDArray[Any] = np.load(io.BytesIO(self.members[name]), allow_pickle=False)
        return found


def samples_of(out: Path, dialogue: str) -> dict[str, Sample]:
    """Views of the dialogue of that name, by key, read from the shards that the index names."""
    found: dict[str, Sample] = {}
    rows = pq.read_table(out / "shards" / "index.parquet").to_pylist()
    for shard in sorted({row["shard"] for row in rows}):
        members: dict[str, dict[str, bytes]] = {}
        with tarfile.open(out / "shards" / shard) as tar:
            for entry in tar:
                key, _, name = entry.name.partition(".")
                handle = tar.extractfile(entry)
                assert handle is not None
                members.setdefault(key, {})[name] = handle.read()
        found |= {key: Sample(key, mine) for key, mine in members.items()}
    return {key: one for key, one in sorted(found.items()) if one.header["dialogue"] == dialogue}


def both_views(out: Path, dialogue: str) -> tuple[Sample, Sample]:
    """The two views of a dialogue of one window, that of its first side first."""
    first, second = samples_of(out, dialogue).values()
    return first, second


def matches(
    found: Sequence[tuple[float, float, str]], wanted: Sequence[dict[str, Any]], within_s: float
) -> bool:
    """Whether turns are those of the labels, in order."""
    return len(found) == len(wanted) and all(
        abs(start - one["start"]) <= within_s + 1e-9 and abs(stop - one["end"]) <= within_s + 1e-9
        for (start, stop, _), one in zip(found, wanted, strict=True)
    )
