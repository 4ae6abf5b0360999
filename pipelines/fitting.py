"""`duologue fit-units`: k-means centres from the speech of a corpus that was built."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.ids import digest
from manifests.store import Store
from pipelines.build import INDEX
from pipelines.look import read_sample

Kind = Literal["semantic", "pitch", "style"]


class FittingError(ValueError):
    """Nothing to fit on; the message says what to do."""


def fit_centres(
    url: str, model: str, out: Path, *, layer: int, n_units: int, sample_s: float, kind: Kind, seed: int
) -> tuple[int, str]:
    """Fit centres on a seeded sample of the training clips; returns the rows used and the file's SHA-256.

    Clips are taken in the order of digests of their keys until there are `sample_s` seconds, so that the
    same corpus and seed give the same file. Raises FittingError for a corpus without sound.
    """
    from extractors.kmeans_units import fit_kmeans
    from extractors.ssl_features import SslFeatures
    from extractors.unit_streams import PitchTracker, pitch_features, style_features

    network = SslFeatures(model, layer=layer) if kind != "pitch" else None
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
    """Keys and 16 kHz mono sound of training clips, up to `sample_s` seconds."""
    import soundfile

    table = pq.read_table(io.BytesIO(store.read(INDEX))).to_pylist()
    heard = [row for row in table if row["split"] == "train" and "flac" in row["members"]]
    left_s = sample_s
    for row in sorted(heard, key=lambda row: digest("fit", seed, row["key"])):
        if left_s <= 0:
            break
        _, members = read_sample(store, row["key"])
        pcm, _ = soundfile.read(io.BytesIO(members["flac"]), dtype="float32")
        left_s -= row["duration_s"]
        yield row["key"], pcm
