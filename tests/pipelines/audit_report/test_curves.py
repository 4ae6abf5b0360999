"""Curves: values stand where a reader finds them again, gaps stay gaps, damage is told."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import flac, npy

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES
from pipelines.audit.report.curves import MAX_POINTS, Curve, curves_of, draw


def read(curve: Curve) -> dict[int, float]:
    """Values by point, as the page's script reads them."""
    points = re.findall(r"[ML](\d+)\.5 (\d+)", curve.path)
    return {int(x): curve.low + (96 - int(y)) / 92 * (curve.high - curve.low) for x, y in points}


@given(st.lists(st.one_of(st.none(), st.floats(-2, 3)), min_size=1, max_size=MAX_POINTS))
def test_values_are_read_back_and_gaps_stay(values: list[float | None]) -> None:
    curve = draw("x", "", np.array([np.nan if one is None else one for one in values]), (-1.0, 1.0))
    found = read(curve)
    assert set(found) == {at for at, one in enumerate(values) if one is not None}
    for at, one in found.items():
        assert one == pytest.approx(min(max(values[at], -1.0), 1.0), abs=0.02)  # type: ignore[type-var]


def test_a_long_curve_is_means_of_equal_parts() -> None:
    curve = draw("x", "", np.repeat([0.0, 1.0], 30_000), (0.0, 1.0))
    found = read(curve)
    assert len(found) == MAX_POINTS == curve.n_points
    assert found[10] == pytest.approx(0.0) and found[MAX_POINTS - 10] == pytest.approx(1.0)


def test_level_of_a_tone_and_jaw_and_yaw() -> None:
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)
    pcm = np.concatenate([np.zeros(16_000), tone])[:32_000]
    arkit = np.zeros((50, 52), np.float32)
    arkit[:, ARKIT52_NAMES.index("jawOpen")] = np.linspace(0, 1, 50)
    face = np.zeros((25, 61), np.float32)
    angle = np.radians(30.0)  # about the vertical axis: first column (cos, 0, -sin), second (0, 1, 0)
    face[:, 52:58] = [np.cos(angle), 0.0, -np.sin(angle), 0.0, 1.0, 0.0]
    members = {
        "other.flac": flac((pcm * 32767).astype(np.int16), 16_000),
        "other.arkit52.npy": npy(arkit),
        "other.face61.npy": npy(face),
    }
    header = {"channels": {"other.arkit52.npy": list(ARKIT52_NAMES), "other.face61.npy": list(FACE61_NAMES)}}
    curves, notes = curves_of(header, members)
    level, jaw, yaw = curves
    assert notes == [] and {one.side for one in curves} == {"other"}
    assert read(level)[10] == pytest.approx(-70, abs=0.5)
    assert read(level)[90] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.8)
    assert read(jaw)[49] == pytest.approx(1.0)
    assert abs(read(yaw)[12]) == pytest.approx(30.0, abs=1.0)


def test_damage_is_told_by_name() -> None:
    _, notes = curves_of({}, {"main.flac": b"no sound", "face61.npy": b"\x93NUMPY", "trust.npy": b""})
    assert [note.partition(" ")[0] for note in notes] == ["face61.npy", "main.flac", "trust.npy"]
