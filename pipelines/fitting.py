"""`duologue fit-units`: k-means centres from the speech of a corpus that was built."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.errors import CommandError
from manifests.ids import digest
from manifests.store import Store
from pipelines.build import INDEX
from pipelines.steps.pack import SHARDS

Kind = Literal["semantic", "pitch", "style"]


class FittingError(CommandError, ValueError):
    """Nothing to fit on; the message says what to do."""


def fit_centres(
    url: str, model: str, out: Path, *, layer: int, n_units: int, sample_s: float, kind: Kind, seed: int
) -> tuple[int, str]:
    """Fit centres on a seeded sample of the training clips; returns the rows used and the file's SHA-256.

    Clips are drawn by digests of their keys, so the same corpus and seed give the same file. All features of
    the sample are held in memory: an hour of HuBERT base takes 0.5 GB, of XLS-R 1B 0.9. Raises FittingError
    for a corpus without sound.
    """
    from extractors.kmeans_units import fit_kmeans
    from extractors.ssl_features import SslFeatures
    from extractors.unit_streams import PitchTracker, pitch_features, style_features

    if not Store(url).exists(INDEX):
        raise FittingError(f"{url} has no {INDEX}; run a build to its end first")
    try:
        network = SslFeatures(model, layer=layer) if kind != "pitch" else None
    except ValueError as error:
        raise FittingError(str(error)) from error
    tracker = PitchTracker() if kind == "pitch" else None
    rows: list[NDArray[np.float32]] = []
    keys = []
    for key, pcm in _sample(Store(url), sample_s, seed):
        keys.append(key)
        if tracker is not None:
            rows.append(pitch_features(*tracker(pcm)))
            continue
        assert network is not None
        (features,) = network([pcm])
        rows.append(features if kind == "semantic" else style_features(features, rate_hz=network.rate_hz))
    if not rows:
        raise FittingError(f"{url}: no training clip has a member `flac`")
    n_rows = sum(map(len, rows))
    if n_rows < n_units:
        raise FittingError(f"{n_rows} frames cannot give {n_units} units; ask for fewer")
    about = {
        "kind": kind,
        "layer": layer,
        "model_sha256": network.digest if network else None,
        "clips_sha256": digest(sorted(keys), length=64),
        "n_clips": len(keys),
    }
    centres = fit_kmeans(np.concatenate(rows), n_units, seed=seed, about=about)
    return n_rows, centres.save(str(out))


def _sample(store: Store, sample_s: float, seed: int) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Keys and 16 kHz mono sound of training clips that last `sample_s` seconds together; each shard is read
    once."""
    import soundfile

    table = pq.read_table(io.BytesIO(store.read(INDEX)), filters=[("split", "==", "train")]).to_pylist()
    heard = [row for row in table if "flac" in row["members"]]
    chosen: dict[str, set[str]] = {}
    left_s = sample_s
    for row in sorted(heard, key=lambda row: digest("fit", seed, row["key"])):
        if left_s <= 0:
            break
        chosen.setdefault(row["shard"], set()).add(f"{row['key']}.flac")
        left_s -= row["duration_s"]
    for shard, names in sorted(chosen.items()):
        with store.open(f"{SHARDS}/{shard}") as handle, tarfile.open(fileobj=handle) as tar:
            for member in tar:
                if member.name in names:
                    content = tar.extractfile(member)
                    assert content is not None
                    pcm, _ = soundfile.read(io.BytesIO(content.read()), dtype="float32")
                    yield member.name.removesuffix(".flac"), pcm
