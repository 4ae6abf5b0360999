"""Reading the shards of a corpus or a test set with nothing but tarfile, json and soundfile."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import soundfile

from pipelines.testsets.corpus import SetCorpus

MakeSet = Callable[..., SetCorpus]


def samples(folder: Path | str) -> dict[str, dict[str, bytes]]:
    """Every sample of the shards below a folder: key -> extension -> bytes."""
    found: dict[str, dict[str, bytes]] = {}
    for shard in sorted(Path(folder, "shards").glob("*.tar")):
        with tarfile.open(shard) as tar:
            for info in tar:
                key, _, extension = info.name.partition(".")
                file = tar.extractfile(info)
                assert file is not None
                found.setdefault(key, {})[extension] = file.read()
    return found


def pcm_of(data: bytes) -> tuple[Any, int]:
    """(n,) int16 samples and their rate."""
    samples, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
    return samples, rate_hz


def header_of(sample: dict[str, bytes]) -> dict[str, Any]:
    """Its KEY.json."""
    header: dict[str, Any] = json.loads(sample["json"])
    return header
