from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.kmeans_units import KMeansUnits, fit_kmeans
from extractors.weights import WeightsError

Features = NDArray[np.float32]


def clouds(n_rows: int = 3_000, n_clouds: int = 8, dims: int = 24) -> tuple[Features, NDArray[np.int64]]:
    random = np.random.default_rng(4)
    middles = 10 * random.standard_normal((n_clouds, dims))
    which = random.integers(0, n_clouds, n_rows)
    return (middles[which] + random.standard_normal((n_rows, dims))).astype(np.float32), which


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_finds_clouds_again(device: str, request: pytest.FixtureRequest) -> None:
    if device == "cuda":
        request.getfixturevalue("cuda")
    features, which = clouds()
    units = fit_kmeans(features, 8, seed=1, device=device).assign(features)  # type: ignore[arg-type]
    pairs = {(int(unit), int(cloud)) for unit, cloud in zip(units, which, strict=True)}
    if device == "cpu":  # k-means++ and five starts find them all
        assert len(pairs) == 8
    else:
        assert len(pairs) <= 16


def test_lloyd_goes_on_until_nothing_moves() -> None:
    """The iterations of the GPU path, run on the CPU, against scikit-learn's from the same start."""
    from sklearn.cluster import KMeans

    from extractors.kmeans_units import _fit_lloyd

    features, _ = clouds()
    start = features[np.sort(np.random.default_rng(3).choice(len(features), 8, replace=False))]
    expected = KMeans(8, init=start, n_init=1, tol=0, algorithm="lloyd").fit(features).cluster_centers_
    np.testing.assert_allclose(_fit_lloyd(features, 8, 3, 100, "cpu"), expected, atol=1e-4)


def test_a_seed_decides_the_bytes(tmp_path: Path) -> None:
    features, _ = clouds()
    digests = [
        fit_kmeans(features, 20, seed=seed, about={"layer": 9}).save(str(tmp_path / f"{n}.npz"))
        for n, seed in enumerate([5, 5, 6])
    ]
    assert digests[0] == digests[1] != digests[2]
    assert (tmp_path / "0.npz").read_bytes() == (tmp_path / "1.npz").read_bytes()
    again = KMeansUnits.load(str(tmp_path / "0.npz"))
    assert again.about["layer"] == 9
    assert again.about["n_rows"] == 3_000
    np.testing.assert_array_equal(again.assign(features), fit_kmeans(features, 20, seed=5).assign(features))


def test_assigns_the_nearest_in_float64() -> None:
    random = np.random.default_rng(8)
    centres = random.standard_normal((300, 64)).astype(np.float32)
    features = random.standard_normal((500, 64)).astype(np.float32)
    apart = features[:, None].astype(np.float64) - centres[None].astype(np.float64)
    expected = np.square(apart).sum(axis=2).argmin(axis=1)
    np.testing.assert_array_equal(KMeansUnits(centres).assign(features), expected)


def test_near_ties_do_not_depend_on_company() -> None:
    """Rows half way between two centres, but for a few parts in ten million."""
    random = np.random.default_rng(9)
    centres = (100 + random.standard_normal((64, 256))).astype(np.float32)
    pairs = random.integers(0, 64, (400, 2))
    middle = centres[pairs].astype(np.float64).mean(axis=1)
    features = (middle * (1 + 1e-7 * random.standard_normal(middle.shape))).astype(np.float32)
    units = KMeansUnits(centres)
    together = units.assign(features)
    alone = np.concatenate([units.assign(row[None]) for row in features])
    np.testing.assert_array_equal(together, alone)
    apart = features[:, None].astype(np.float64) - centres[None].astype(np.float64)
    np.testing.assert_array_equal(together, np.square(apart).sum(axis=2).argmin(axis=1))


def test_equal_centres_give_the_lower_number() -> None:
    centres = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    np.testing.assert_array_equal(KMeansUnits(centres).assign(np.eye(3, dtype=np.float32)), [0, 2, 4])


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 rows cannot give 4 units"):
        fit_kmeans(np.zeros((3, 2), np.float32), 4, seed=0)
    with pytest.raises(ValueError, match="do not fit"):
        KMeansUnits(np.zeros((2, 3), np.float32)).assign(np.zeros((1, 2), np.float32))
    with pytest.raises(ValueError, match="finite"):
        KMeansUnits(np.full((2, 3), np.nan, np.float32))
    (tmp_path / "no.npz").write_bytes(b"not a zip")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", centres=np.array([{}], dtype=object), about=np.array("{}"))
    for name in ("no", "other", "pickle"):
        with pytest.raises(WeightsError, match="no file of k-means centres"):
            KMeansUnits.load(str(tmp_path / f"{name}.npz"))


def test_no_rows_no_units() -> None:
    assert KMeansUnits(np.zeros((2, 3), np.float32)).assign(np.zeros((0, 3), np.float32)).shape == (0,)
