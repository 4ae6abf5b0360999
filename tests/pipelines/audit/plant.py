"""Tools that damage a finished corpus, with tarfile, json, numpy, soundfile, PyAV and pyarrow alone.

Nothing of the audit (nor of the product) is imported: what is planted does not depend on what is looked for.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile

Members = dict[str, bytes]
Samples = dict[str, Members]
Edit = Callable[[Samples], Samples]


@dataclass(frozen=True)
class Defect:
    """One kind of damage at three strengths (1 the weakest), and the check that should find it."""

    name: str
    check: str
    what: tuple[str, str, str]
    plant: Callable[[Path, int], None]


def shards(corpus: Path) -> list[Path]:
    return sorted((corpus / "shards").glob("*.tar"))


def train_shard(corpus: Path) -> Path:
    """The shard with most samples."""
    return max(shards(corpus), key=lambda one: one.stat().st_size)


def read_shard(path: Path) -> Samples:
    found: Samples = {}
    with tarfile.open(path) as tar:
        for info in tar:
            key, _, extension = info.name.partition(".")
            file = tar.extractfile(info)
            assert file is not None
            found.setdefault(key, {})[extension] = file.read()
    return found


def write_shard(path: Path, samples: Samples) -> None:
    write_members(
        path, [(f"{key}.{name}", data) for key, members in samples.items() for name, data in members.items()]
    )


def write_members(path: Path, members: list[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            tar.addfile(info, io.BytesIO(data))


def edit_samples(corpus: Path, edit: Callable[[str, Members], None], *, every: bool = False) -> None:
    """Apply `edit` to the first sample of the largest shard, or to every sample of every shard."""
    for path in shards(corpus) if every else [train_shard(corpus)]:
        samples = read_shard(path)
        for key in sorted(samples) if every else sorted(samples)[:1]:
            edit(key, samples[key])
        write_shard(path, samples)


def edit_header(corpus: Path, change: Callable[[dict[str, Any]], None], *, every: bool = False) -> None:
    def edit(_: str, members: Members) -> None:
        header = json.loads(members["json"])
        change(header)
        members["json"] = json.dumps(header).encode()

    edit_samples(corpus, edit, every=every)


def edit_sound(
    corpus: Path,
    change: Callable[[np.ndarray, int], np.ndarray],
    names: tuple[str, ...] = ("flac", "native.flac"),
) -> None:
    """`change` takes and gives (n, channels) floats."""

    def edit(_: str, members: Members) -> None:
        for name in names:
            members[name] = changed_flac(members[name], change)

    edit_samples(corpus, edit)


def changed_flac(data: bytes, change: Callable[[np.ndarray, int], np.ndarray]) -> bytes:
    pcm, rate = soundfile.read(io.BytesIO(data), always_2d=True)
    sink = io.BytesIO()
    soundfile.write(sink, np.clip(change(pcm, rate), -1, 1 - 2**-15), rate, format="FLAC", subtype="PCM_16")
    return sink.getvalue()


def edit_array(
    corpus: Path, name: str, change: Callable[[np.ndarray], np.ndarray], *, every: bool = False
) -> None:
    def edit(_: str, members: Members) -> None:
        sink = io.BytesIO()
        np.save(sink, change(np.load(io.BytesIO(members[name])).copy()))
        members[name] = sink.getvalue()

    edit_samples(corpus, edit, every=every)


def edit_video(
    corpus: Path, name: str, change: Callable[[list[np.ndarray]], list[np.ndarray]], crf: str = "18"
) -> None:
    def edit(_: str, members: Members) -> None:
        members[name] = changed_video(members[name], change, crf)

    edit_samples(corpus, edit)


def changed_video(
    data: bytes, change: Callable[[list[np.ndarray]], list[np.ndarray]], crf: str = "18"
) -> bytes:
    with av.open(io.BytesIO(data)) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    sink = io.BytesIO()
    with av.open(sink, "w", format="mp4") as video:
        stream = video.add_stream("libx264", rate=Fraction(25))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"crf": crf, "threads": "1"}
        for picture in change(frames):
            video.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            )
        video.mux(stream.encode())
    return sink.getvalue()


def edit_table(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    table = pq.read_table(path)
    pq.write_table(pa.Table.from_pylist(change(table.to_pylist()), schema=table.schema), path)


def receipts(corpus: Path, step: str) -> list[Path]:
    return sorted(corpus.glob(f"steps/{step}-*/receipts/*.parquet"))


def shifted(pcm: np.ndarray, n: int) -> np.ndarray:
    """Later by n samples, the beginning silent."""
    return np.concatenate([np.zeros((n, pcm.shape[1])), pcm[: len(pcm) - n]])
