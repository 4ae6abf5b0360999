"""K-means units: features to the number of the nearest of K centres, fitted once and kept in a file."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from extractors.weights import WeightsError

Features = NDArray[np.float32]

_ROWS_A_RUN = 4096  # bounds memory
_TIE = 1e-4
"""Share of the scale of a row's distances within which float32 cannot tell two centres apart."""


class KMeansUnits:
    """Centres (K, D) float32, and what they were fitted on.

    `assign` gives the same units whatever else is in the call, on any machine: distances are taken in
    float32, and where two centres are too near to tell, again in float64, row by row. Raises ValueError for
    centres that are not a finite matrix.
    """

    def __init__(self, centres: Features, *, about: Mapping[str, Any] | None = None) -> None:
        if centres.ndim != 2 or not centres.size or not np.isfinite(centres).all():
            raise ValueError(f"centres of shape {centres.shape} are not a finite matrix")
        self.centres = np.ascontiguousarray(centres, np.float32)
        self.about = dict(about or {})
        """What the user wants to find in the file: the network, its layer, the sample, the seed."""
        self._half_norms = 0.5 * np.square(self.centres, dtype=np.float64).sum(axis=1)

    @classmethod
    def load(cls, path: str) -> KMeansUnits:
        """Of a file written by `save`. Raises WeightsError for any other."""
        try:
            with np.load(path, allow_pickle=False) as file:
                return cls(file["centres"], about=json.loads(str(file["about"])))
        except (BadZipFile, KeyError, ValueError, EOFError) as error:
            raise WeightsError(f"{path} is no file of k-means centres: {error}") from error

    def save(self, path: str) -> str:
        """Write an .npz without pickle; equal centres and `about` give equal bytes. Returns its SHA-256."""
        sink = io.BytesIO()
        np.savez(sink, centres=self.centres, about=np.array(json.dumps(self.about, sort_keys=True)))
        Path(path).write_bytes(sink.getvalue())
        return hashlib.sha256(sink.getvalue()).hexdigest()

    def assign(self, features: Features) -> NDArray[np.int32]:
        """(N, D) features to (N,) units; the lower number where two centres are equally near."""
        if features.ndim != 2 or features.shape[1] != self.centres.shape[1]:
            raise ValueError(f"features of shape {features.shape} do not fit centres {self.centres.shape}")
        runs = [
            self._assign(features[start : start + _ROWS_A_RUN])
            for start in range(0, len(features), _ROWS_A_RUN)
        ]
        units: NDArray[np.int32] = np.concatenate([np.zeros(0, np.int32), *runs])
        return units

    def _assign(self, rows: Features) -> NDArray[np.int32]:
        # half the squared distance, without the part that is the same for all centres
        scores = self._half_norms.astype(np.float32) - rows @ self.centres.T
        units: NDArray[np.int32] = scores.argmin(axis=1).astype(np.int32)
        if len(self.centres) > 1:
            best, second = np.partition(scores, 1, axis=1)[:, :2].T
            size = np.sqrt(np.square(rows).sum(axis=1) * 2 * self._half_norms.max()) + self._half_norms.max()
            for row in np.flatnonzero(second - best <= _TIE * size):
                near = np.flatnonzero(scores[row] <= best[row] + _TIE * size[row])
                apart = self.centres[near].astype(np.float64) - rows[row].astype(np.float64)
                units[row] = near[np.square(apart).sum(axis=1).argmin()]
        return units


def fit_kmeans(
    features: Features,
    n_units: int,
    *,
    seed: int,
    device: Literal["cpu", "cuda"] = "cpu",
    n_iterations: int = 100,
    about: Mapping[str, Any] | None = None,
) -> KMeansUnits:
    """Centres of (N, D) features, a sample that fits into memory; the same ones for the same `seed`.

    On the CPU scikit-learn's MiniBatchKMeans with the settings of HuBERT's `learn_kmeans.py` (k-means++,
    batches of 10 000, no reassignment), 5 starts instead of 20. On a GPU plain Lloyd iterations over the
    whole sample in torch from rows drawn at random: other centres, and no worse for thousands of them.
    Raises ValueError with fewer rows than units.
    """
    if not 0 < n_units <= len(features):
        raise ValueError(f"{len(features)} rows cannot give {n_units} units")
    fit = _fit_minibatches if device == "cpu" else _fit_lloyd
    centres = fit(np.ascontiguousarray(features, np.float32), n_units, seed, n_iterations, device)
    facts = {"seed": seed, "device": device, "n_rows": len(features), "n_iterations": n_iterations}
    return KMeansUnits(centres, about=facts | dict(about or {}))


def _fit_minibatches(features: Features, n_units: int, seed: int, n_iterations: int, device: str) -> Features:
    from sklearn.cluster import MiniBatchKMeans
    from threadpoolctl import threadpool_limits

    model = MiniBatchKMeans(
        n_units,
        init="k-means++",
        max_iter=n_iterations,
        batch_size=10_000,
        tol=0.0,
        max_no_improvement=100,
        n_init=5,
        reassignment_ratio=0.0,
        random_state=seed,
    )
    with threadpool_limits(1):  # sums depend on the number of threads
        centres: Features = model.fit(features).cluster_centers_
    return centres


def _fit_lloyd(features: Features, n_units: int, seed: int, n_iterations: int, device: str) -> Features:
    """Sums are matrix products with the memberships: adding rows one by one on a GPU has no fixed order."""
    import torch

    chosen = np.sort(np.random.default_rng(seed).choice(len(features), n_units, replace=False))
    rows = torch.from_numpy(features).to(device)
    centres = rows[torch.from_numpy(chosen).to(device)]
    members: torch.Tensor | None = None
    for _ in range(n_iterations):
        sums, counts, found = torch.zeros_like(centres), torch.zeros(n_units, device=device), []
        for part in torch.split(rows, _ROWS_A_RUN):
            nearest = (0.5 * centres.square().sum(dim=1) - part @ centres.T).argmin(dim=1)
            one_hot = torch.nn.functional.one_hot(nearest, n_units).to(part.dtype)
            sums += one_hot.T @ part
            counts += one_hot.sum(dim=0)
            found.append(nearest)
        joined = torch.cat(found)
        if members is not None and torch.equal(joined, members):
            break
        members = joined
        # a centre without members stays where it was
        centres = torch.where(counts[:, None] > 0, sums / counts[:, None].clamp(min=1), centres)
    return centres.cpu().numpy()
