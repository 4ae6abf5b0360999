"""How fast a corpus is read, beside plain tar: all ways in one run, round after round, the fastest round of
each.

    python benchmarks/reading.py CORPUS [--rounds 3] [--save results/reading-DATE.json]

`tar` is the floor: `tar xOf SHARD` into nothing. The corpus should fit the page cache, else the disk is
measured.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import soundfile
import webdataset as wds
from common import machine, save

from manifests.corpus_reader import CorpusReader


def tar(shards: list[str]) -> int:
    """GNU tar, members to /dev/null; returns bytes of the shards."""
    for shard in shards:
        subprocess.run(["tar", "xOf", shard], stdout=subprocess.DEVNULL, check=True)
    return sum(Path(shard).stat().st_size for shard in shards)


def python_tarfile(shards: list[str]) -> int:
    """Python's tarfile, every member."""
    n_bytes = 0
    for shard in shards:
        with tarfile.open(shard) as archive:
            for info in archive:
                handle = archive.extractfile(info)
                assert handle is not None
                n_bytes += len(handle.read())
    return n_bytes


def webdataset_raw(shards: list[str]) -> int:
    """webdataset, undecoded."""
    samples = wds.WebDataset(shards, shardshuffle=False)
    return sum(len(data) for sample in samples for data in sample.values() if isinstance(data, bytes))


def webdataset_decoded(shards: list[str]) -> int:
    """webdataset with the handlers of docs/reading.md: sound, pictures, arrays."""
    samples = wds.WebDataset(shards, shardshuffle=False).decode(_media)
    return sum(value.nbytes for one in samples for value in one.values() if isinstance(value, np.ndarray))


def corpus_reader(corpus: str) -> int:
    """The reader behind the exports: checked against the index, every member."""
    reader = CorpusReader(corpus)
    return sum(
        len(sample.read(name))
        for shard in reader.shards
        for sample in reader.samples(shard)
        for name in sample.row.members
    )


def _media(key: str, data: bytes) -> np.ndarray | None:
    if key.endswith("flac"):
        return np.asarray(soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)[0].T)
    if key.endswith("mp4"):
        pixels = "gray" if "lips" in key else "rgb24"
        with av.open(io.BytesIO(data)) as video:
            return np.stack([frame.to_ndarray(format=pixels) for frame in video.decode(video=0)])
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", type=Path)
    given = parser.parse_args()
    before = machine()
    shards = [str(path) for path in sorted(Path(given.corpus, "shards").glob("*.tar"))]
    ways: dict[str, Callable[[], int]] = {
        "tar": lambda: tar(shards),
        "python tarfile": lambda: python_tarfile(shards),
        "webdataset": lambda: webdataset_raw(shards),
        "corpus reader": lambda: corpus_reader(given.corpus),
        "webdataset, decoded": lambda: webdataset_decoded(shards),
    }
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(given.rounds):
        for name, way in ways.items():
            begun = time.perf_counter()
            way()
            best[name] = min(best[name], time.perf_counter() - begun)
    mb = sum(Path(shard).stat().st_size for shard in shards) / 1e6
    n_samples = len(CorpusReader(given.corpus))
    found = {
        name: {
            "mb_per_s": round(mb / s, 1),
            "samples_per_s": round(n_samples / s, 1),
            "of_tar": round(best["tar"] / s, 3),
        }
        for name, s in best.items()
    }
    for name, numbers in found.items():
        print(
            f"{name:20} {numbers['mb_per_s']:8} MB/s {numbers['samples_per_s']:8} samples/s, "
            f"{numbers['of_tar']} of tar"
        )
    save(given.save, before, {"mb": round(mb, 1), "n_samples": n_samples, "ways": found})


if __name__ == "__main__":
    main()
