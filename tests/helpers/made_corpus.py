"""Small finished corpora of made payloads: shards and index as `build` publishes them."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile
from numpy.typing import NDArray

from manifests.schemas import FORMAT_VERSION, INDEX
from manifests.shards import Member, PlannedSample, plan_shards, write_tar

WORDS = ("bin", "blue", "at", "f", "two", "now", "lay", "red", "with", "p", "nine", "again")


@dataclass(frozen=True)
class Made:
    """One sample: its KEY.json and its other members."""

    key: str
    split: str
    header: dict[str, Any]
    members: dict[str, bytes]
    pcm: dict[str, NDArray[np.int16]] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, bytes]:
        """All members, KEY.json first."""
        header = json.dumps(self.header, ensure_ascii=False, sort_keys=True)
        return {"json": header.encode(), **dict(sorted(self.members.items()))}


@dataclass(frozen=True)
class MadeCorpus:
    """A corpus folder and what is in it, by key."""

    path: str
    samples: dict[str, Made]


def write_corpus(folder: Path, samples: Iterable[Made], *, per_shard: int = 2) -> Path:
    """Shards of so many samples, then the index. Returns the folder."""
    made = {sample.key: sample for sample in samples}
    planned = [
        PlannedSample(
            one.key,
            one.split,
            tuple(
                Member(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in one.files.items()
            ),
        )
        for one in made.values()
    ]
    rows = []
    (folder / "shards").mkdir(parents=True)
    for shard in plan_shards(planned, max_bytes=10**12, max_samples=per_shard, shuffle_seed=1):
        with (folder / "shards" / shard.name).open("wb") as handle:
            members = (
                (f"{one.key}.{name}", data)
                for one in shard.samples
                for name, data in made[one.key].files.items()
            )
            write_tar(handle, members)
        rows += [
            {
                "key": one.key,
                "shard": shard.name,
                "split": one.split,
                "source_id": one.key[:16],
                "duration_s": float(made[one.key].header["duration_s"]),
                "members": [member.extension for member in one.members],
                "bytes": sum(member.bytes for member in one.members),
            }
            for one in shard.samples
        ]
    rows.sort(key=lambda row: str(row["key"]))
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX), folder / "shards" / "index.parquet")
    return folder


def header(key: str, split: str, n_frames: int, **more: Any) -> dict[str, Any]:
    """KEY.json of a clip of `n_frames` of 80 ms that begins 1/3 s into its source."""
    start = Fraction(1, 3)
    stop = start + n_frames * Fraction(2, 25)
    source = {"id": key[:16], "path": "a folder/clip.mp4", "start": str(start), "stop": str(stop)}
    return {
        "format": FORMAT_VERSION,
        "key": key,
        "split": split,
        "source": source,
        "duration_s": float(stop - start),
        **more,
    }


def talk(number: int, split: str, *, n_frames: int = 27, face_px: int = 256, **labels: Any) -> Made:
    """A clip of one person: sound, lips, face, coefficients, units, hypotheses, words."""
    key = f"{number:016x}-t00-{number * 7:07d}"
    rng = np.random.default_rng(number)
    pcm = rng.integers(-9000, 9000, n_frames * 1280, dtype=np.int16)
    said = [WORDS[(number + i) % len(WORDS)] for i in range(4)]
    units = np.repeat(rng.integers(0, 50, n_frames), rng.integers(1, 4, n_frames))[: 2 * n_frames]
    units = np.pad(units, (0, 2 * n_frames - len(units)), mode="edge").astype(np.int32)
    about = {
        "text": " ".join(said),
        "words": [[word, 0.1 + 0.4 * i, 0.4 + 0.4 * i] for i, word in enumerate(said)],
        "language": "en",
        "speaker": f"s{number % 3}",
        "rates_hz": {"face61.npy": 12.5, "units.npy": 25.0},
        "tokens": {"units.npy": {"rate_hz": 25.0, "codebook_size": 50}},
    }
    hypotheses = [{"text": " ".join(said), "score": -0.1}, {"text": "bin blue", "score": -0.7}]
    members = {
        "flac": flac(pcm, 16_000),
        "lips.mp4": mp4(number, 2 * n_frames, 96),
        "face.mp4": mp4(number, 2 * n_frames, face_px),
        "face61.npy": npy(rng.normal(size=(n_frames, 61)).astype(np.float32)),
        "units.npy": npy(units),
        "hyps_asr.json": json.dumps(hypotheses).encode(),
        "hyps_vsr.json": json.dumps(hypotheses[::-1]).encode(),
    }
    return Made(key, split, header(key, split, n_frames, **(about | labels)), members, {"flac": pcm})


def two(number: int, split: str, *, turns: dict[str, Any], n_frames: int = 500) -> Made:
    """A dialogue: the sound of both, and `turns.json`."""
    key = f"{number:016x}-na-0000000"
    rng = np.random.default_rng(number)
    pcm = {f"{side}.flac": rng.integers(-9000, 9000, n_frames * 1280, dtype=np.int16) for side in SIDES}
    members = {name: flac(samples, 16_000) for name, samples in pcm.items()}
    members["turns.json"] = json.dumps(turns).encode()
    return Made(key, split, header(key, split, n_frames, language="en"), members, pcm)


SIDES = ("main", "other")


def turns_json(duration: str = "40") -> dict[str, Any]:
    """A dialogue of five turns, written out by hand in the form of docs/turns.md.

    other 1/2-2 and 13/5-4 (one turn with a pause) · main 9/2-9 · other 8-11 (interrupts by 1 s) ·
    main 23/2-16 · other 17-19
    """

    def words(side: str, spans: Sequence[tuple[str, str]]) -> list[list[Any]]:
        return [[f"{side}{n}", start, stop, None] for n, (start, stop) in enumerate(spans)]

    main = [("9/2", "9"), ("23/2", "16")]
    other = [("1/2", "2"), ("13/5", "4"), ("8", "11"), ("17", "19")]
    turn = [
        ("other", ("1/2", "4"), other[:2]),
        ("main", ("9/2", "9"), main[:1]),
        ("other", ("8", "11"), other[2:3]),
        ("main", ("23/2", "16"), main[1:]),
        ("other", ("17", "19"), other[3:]),
    ]
    event = [
        ("pause", "2", "13/5", "other", None),
        ("gap", "4", "9/2", "other", "main"),
        ("interruption", "8", "9", "main", "other"),
        ("overlap_between", "8", "9", "main", "other"),
        ("gap", "11", "23/2", "other", "main"),
        ("gap", "16", "17", "main", "other"),
    ]
    return {
        "format": "1.0",
        "origin": "plan",
        "duration": duration,
        "streams": {
            "main": {"speaker": "anna", "ipus": main, "words": words("m", main)},
            "other": {"speaker": "ben", "ipus": other, "words": words("o", other)},
        },
        "turns": [
            {"side": side, "kind": "turn", "start": start, "stop": stop, "ipus": ipus}
            for side, (start, stop), ipus in turn
        ],
        "events": [
            {"kind": kind, "start": start, "stop": stop, "side": side, "by": by}
            for kind, start, stop, side, by in event
        ],
    }


def flac(pcm: NDArray[np.int16], rate_hz: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, pcm, rate_hz, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def npy(array: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


@cache
def mp4(seed: int, n_frames: int, px: int) -> bytes:
    """Grey H.264: a diagonal that wanders, so that every frame differs."""
    buffer = io.BytesIO()
    ramp = np.add.outer(np.arange(px), np.arange(px))
    with av.open(buffer, "w", format="mp4") as out:
        options = {"threads": "1", "preset": "ultrafast", "crf": "10"}
        stream: Any = out.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = px
        stream.pix_fmt = "yuv420p"
        for number in range(n_frames):
            grey = ((ramp * 200 // (2 * px) + 5 * number + 11 * seed) % 200 + 20).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(np.stack([grey] * 3, axis=2), format="rgb24")
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return buffer.getvalue()
