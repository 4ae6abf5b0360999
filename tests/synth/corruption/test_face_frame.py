"""Where the face is: it turns, grows and moves with the points; gaps are filled only when they are short."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from extractors.landmarks import IBUG68_FROM_MESH as EXTRACTED
from synth.corruption.face_frame import (
    IBUG68_FROM_MESH,
    MAX_GAP_FRAMES,
    face_frame,
    points68,
    region_polygon,
    usual_scale,
    without_gaps,
)


@pytest.fixture(scope="session")
def mean_face(models: Path) -> NDArray[np.float64]:
    """(68, 2) px of the canvas, by the authors of auto_avsr."""
    return np.load(models / "20words_mean_face.npy").astype(np.float64)


def test_the_68_points_are_those_of_the_extractors() -> None:
    assert IBUG68_FROM_MESH == EXTRACTED


def test_the_mean_face_is_upright_and_of_size_one(mean_face: NDArray[np.float64]) -> None:
    head = face_frame(mean_face)
    assert abs(head.scale - 1) < 0.03 and abs(head.angle) < math.radians(1)
    assert np.abs(head.mouth - mean_face[[48, 54]].mean(axis=0)).max() < 1e-9


@settings(max_examples=50)
@given(degrees=st.floats(-180, 180), scale=st.floats(0.1, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_it_moves_with_the_head(
    mean_face: NDArray[np.float64], degrees: float, scale: float, x: float, y: float
) -> None:
    turn = math.radians(degrees)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    here, moved = face_frame(mean_face), face_frame(mean_face @ linear.T + (x, y))
    assert moved.scale == pytest.approx(here.scale * scale, rel=1e-6)
    for point in ((0.0, 0.0), (30.0, -20.0)):
        expected = linear @ here.at(*point) + (x, y)
        assert np.abs(moved.at(*point) - expected).max() < 1e-6 * max(1, scale, abs(x), abs(y))


def test_a_turn_of_the_head_does_not_make_it_smaller(mean_face: NDArray[np.float64]) -> None:
    """Seen from the side a face is narrow, not far away."""
    narrow = mean_face * (0.6, 1.0)
    assert face_frame(narrow).scale == pytest.approx(face_frame(mean_face).scale, rel=0.03)


def test_regions_hold_what_they_are_named_for(mean_face: NDArray[np.float64]) -> None:
    def inside(region: str, point: int) -> bool:
        import cv2

        polygon = region_polygon(mean_face, region).astype(np.float32)  # type: ignore[arg-type]
        x, y = mean_face[point]
        return cv2.pointPolygonTest(polygon[:, None], (float(x), float(y)), False) >= 0

    assert all(inside("face", point) for point in range(68))
    assert all(inside("mouth", point) for point in range(48, 68))
    assert not any(inside("mouth", point) for point in (8, 30, 36, 45))
    assert all(inside("lower_lip", point) for point in range(55, 60))
    assert not any(inside("lower_lip", point) for point in (50, 51, 52, 33))
    with pytest.raises(ValueError, match="no part of a face"):
        region_polygon(mean_face, "frame")


@settings(max_examples=60)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_short_gaps_are_filled_and_long_ones_are_flagged(seen: list[bool]) -> None:
    """Truth: the points of a head that moves evenly, and the lengths of the gaps counted by hand."""
    known = np.array(seen)
    points = np.zeros((len(seen), 68, 2)) + np.arange(len(seen))[:, None, None] * [2.0, -3.0]
    holed = points.copy()
    holed[~known] = np.nan
    filled_points, filled, missing = without_gaps(holed)
    text = "".join("s" if one else "-" for one in seen)
    for frame, one in enumerate(seen):
        gap = (
            len(text[:frame])
            - len(text[:frame].rstrip("-"))
            + len(text[frame:])
            - len(text[frame:].lstrip("-"))
        )
        short = known.any() and gap <= MAX_GAP_FRAMES
        assert filled[frame] == (not one and short) and missing[frame] == (not one and not short)
        if missing[frame]:
            assert np.isnan(filled_points[frame]).all()
    between = np.flatnonzero(filled)
    if known.any():
        first, last = np.flatnonzero(known)[[0, -1]]
        assert np.allclose(filled_points[between], points[np.clip(between, first, last)])
    assert np.isnan(holed[~known]).all()  # what came in is not changed


def test_a_clip_without_faces_has_no_size_of_its_own() -> None:
    assert usual_scale(np.full((3, 68, 2), np.nan)) == 1.0


@pytest.mark.parametrize("shape", [(478, 2), (3, 5, 2), (3, 68, 4)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="478 or 68"):
        points68(np.zeros(shape))
