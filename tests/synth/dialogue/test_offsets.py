from __future__ import annotations

import json
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.dialogue.offsets import PUBLISHED, OffsetDistribution, OffsetError, fitted, offsets, read_offsets

SHARES = (np.arange(20_000) + 0.5) / 20_000


def sample(one: OffsetDistribution) -> np.ndarray:
    return np.array([one.quantile(float(share)) for share in SHARES])


def test_de_ruiters_shares() -> None:
    """45 % within 250 ms and 85 % within 750 ms: one parameter fits both to 2 %."""
    drawn = np.abs(sample(offsets("deruiter2006")))
    assert (drawn <= 0.25).mean() == pytest.approx(0.45, abs=0.02)
    assert (drawn <= 0.75).mean() == pytest.approx(0.85, abs=0.02)


def test_stivers_mean_median_and_mode() -> None:
    drawn = sample(offsets("stivers2009"))
    assert drawn.mean() == pytest.approx(0.208, abs=0.003)
    assert np.median(drawn) == pytest.approx(0.1, abs=0.001)
    counts, edges = np.histogram(drawn, bins=np.arange(-0.06, 0.5, 0.01))
    assert edges[counts.argmax()] == pytest.approx(0.0, abs=0.02)


def test_a_normal_one() -> None:
    one = OffsetDistribution("x", "normal", location_s=0.2, scale_s=0.3)
    assert one.quantile(0.9) == pytest.approx(NormalDist(0.2, 0.3).inv_cdf(0.9))


@given(st.lists(st.floats(-3, 3), min_size=2, max_size=40))
def test_what_was_measured_has_its_own_quantiles(values: list[float]) -> None:
    one = fitted("mine", values)
    for share in (0.1, 0.5, 0.99):
        assert one.quantile(share) == pytest.approx(float(np.quantile(values, share)), abs=1e-9)


def test_draws_are_named_and_follow_the_distribution() -> None:
    one = PUBLISHED["deruiter2006"]
    assert one.draw("a", 1) == one.draw("a", 1) != one.draw("a", 2)
    drawn = sorted(one.draw("many", number)[0] for number in range(2000))
    distance = max(abs((n + 0.5) / 2000 - _cdf(x)) for n, x in enumerate(drawn))
    assert distance < 1.63 / math.sqrt(2000), "Kolmogorov-Smirnov, 1 %"


def _cdf(x: float) -> float:
    half = 0.5 * math.exp(-abs(x) / 0.4)
    return half if x < 0 else 1 - half


def test_limits_are_kept_and_what_they_cost_is_told() -> None:
    one = PUBLISHED["deruiter2006"]
    draws = [one.draw("limits", number, low_s=0.5, high_s=1.0) for number in range(50)]
    assert all(0.5 <= offset <= 1.0 for offset, _ in draws) and any(outside for _, outside in draws)
    with pytest.raises(OffsetError, match="does not reach"):
        PUBLISHED["stivers2009"].draw("never", high_s=-0.06)


def test_files(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text(json.dumps([0.3, -0.1]), encoding="utf-8")
    (tmp_path / "real.txt").write_text("0.3\n-0.1\n", encoding="utf-8")
    found = read_offsets(tmp_path / "real.json")
    assert (
        found.samples_s == (-0.1, 0.3) == read_offsets(tmp_path / "real.txt").samples_s
        and found.name == "real"
    )
    (tmp_path / "bad.txt").write_text("soon", encoding="utf-8")
    for name in ("bad.txt", "gone.txt"):
        with pytest.raises(OffsetError, match=name):
            read_offsets(tmp_path / name)


def test_what_is_no_distribution() -> None:
    with pytest.raises(OffsetError, match="two measured"):
        fitted("one", [0.1])
    with pytest.raises(OffsetError, match="scale"):
        OffsetDistribution("x", "normal", scale_s=0.0)
    with pytest.raises(OffsetError, match="deruiter2006"):
        offsets("mine")
