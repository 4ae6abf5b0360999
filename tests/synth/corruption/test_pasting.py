"""Pasting on a real face: over the mouth, and with the head wherever it goes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from synth.corruption.draw import plan_corruption
from synth.corruption.face_frame import face_frame, points68
from synth.corruption.occluders import Occluder, load_occluders
from synth.corruption.pasting import lay_on, lay_square
from synth.corruption.plan import Corruption

Occluders = dict[str, Occluder]


@pytest.fixture(scope="module")
def occluders(media: Path) -> Occluders:
    return load_occluders(media / "occluders")


def planned(kind: Any, severity: int, occluder: str) -> Corruption:
    return plan_corruption("a", kind, severity, n_frames=1, occluders=(occluder,)).corruptions[0]


def lips_of(points: np.ndarray) -> np.ndarray:
    """Whole pixels of the 20 lip points."""
    return np.rint(points[48:68]).astype(int)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("mask", name) for name in ("KN95", "N95", "cloth", "surgical_blue")),
        ("hand", "hand_4_none_0a787971"),
        ("microphone", "drawn"),
    ],
)
def test_the_mouth_is_hidden_at_severity_5(talking: Any, occluders: Occluders, kind: Any, name: str) -> None:
    from synth.corruption.occluders import find

    points = points68(talking.meshes)[30]
    one = planned(kind, 5, name)
    covered, mask = lay_on(talking.frames[30], points, one, find(occluders, name, one.spec.occluder))  # type: ignore[arg-type]
    x, y = lips_of(points).T
    assert mask[y, x].mean() >= 0.9
    assert np.array_equal(covered[~mask], talking.frames[30][~mask])  # nothing else is touched
    eyes = np.rint(points[36:48]).astype(int)
    assert mask[eyes[:, 1], eyes[:, 0]].mean() <= 0.25


def test_a_mask_follows_the_jaw_and_leaves_what_is_above(talking: Any, occluders: Occluders) -> None:
    points = points68(talking.meshes)[30]
    _, mask = lay_on(
        talking.frames[30], points, planned("mask", 5, "surgical_blue"), occluders["surgical_blue"]
    )
    rows, columns = np.nonzero(mask)
    size = face_frame(points).scale
    assert abs(rows.max() - points[8, 1]) < 12 * size  # the chin
    assert abs(columns.min() - points[2:6, 0].min()) < 10 * size  # the cheeks
    assert abs(columns.max() - points[11:15, 0].max()) < 10 * size
    assert rows.min() > points[36:48, 1].max() - 4 * size
    _, low = lay_on(
        talking.frames[30], points, planned("mask", 1, "surgical_blue"), occluders["surgical_blue"]
    )
    assert np.nonzero(low)[0].min() > points[[48, 54], 1].mean()


@pytest.mark.parametrize("kind", ["hand", "mask", "patch", "cutout"])
def test_it_moves_turns_and_grows_with_the_head(talking: Any, kind: Any) -> None:
    """A frame and its landmarks turned by 25 degrees, shifted and made larger: so is what is laid on it."""
    points = points68(talking.meshes)[10]
    blank = np.zeros((600, 600), np.uint8)
    centre = points[[48, 54]].mean(axis=0)
    move = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), -25, 1.4)
    move[:, 2] += 300 - centre
    other = points @ move[:, :2].T + move[:, 2]
    back = np.array([[1, 0, 300], [0, 1, 300]], float)
    back[:, 2] -= centre
    mask, moved = (laid(kind, blank, one) for one in (points + back[:, 2], other))
    matrix = cv2.getRotationMatrix2D((300, 300), -25, 1.4)
    expected = cv2.warpAffine(mask.astype(np.uint8) * 255, matrix, (600, 600)) > 127
    union = (expected | moved).sum()
    assert union > 400 and (expected & moved).sum() / union > 0.93


def laid(kind: Any, image: np.ndarray, points: np.ndarray) -> np.ndarray:
    from synth.corruption.painted import painted

    if kind == "cutout":
        return lay_square(image, points, size_px=60, level=0)[1]
    one = planned(kind, 3, "drawn")
    return lay_on(image, points, one, painted(one.spec.occluder))[1]  # type: ignore[arg-type]


def test_halves_of_a_mask_meet_without_a_gap_on_a_turned_head(media: Path, models: Path) -> None:
    """The far half of the face is a third as wide as the near one; every row of the mask is one piece."""
    from synth.corruption.painted import painted

    points = np.load(models / "20words_mean_face.npy").astype(np.float64)
    points[:, 0] = 128 + np.where(points[:, 0] < 128, 1.0, 0.33) * (points[:, 0] - 128)
    one = planned("mask", 5, "drawn")
    _, mask = lay_on(np.zeros((256, 256), np.uint8), points, one, painted("mask"))
    for row in mask[mask.any(axis=1)][2:-2]:
        assert np.abs(np.diff(row.astype(int))).sum() == 2


def test_blending_by_hand() -> None:
    """Half of 200 over 100 is 150, in colour and in grey."""
    rgba = np.full((40, 40, 4), 200, np.uint8)
    rgba[..., 3] = 128
    rgba[15:25, 15:25, 3] = 255
    one = Occluder.of("x", "object", rgba)
    points = np.zeros((68, 2)) + 60.0
    points[36:42], points[42:48] = (33.0, 0.0), (86.5, 0.0)
    points[[48, 54]] = (30.0, 62.2), (90.0, 62.2)
    values = (("size_px", 40.0), ("point", 60), ("offset_px", 0.0), ("tilt_deg", 0.0))
    patch = Corruption("patch", ((0, 1),), values, occluder="x")
    for image in (np.full((150, 150, 3), 100, np.uint8), np.full((150, 150), 100, np.uint8)):
        covered, mask = lay_on(image, points, patch, one)
        assert np.allclose(covered[62:70, 62:70], 150, atol=1)
        assert (covered[77:83, 77:83] == 200).all()
        rows, columns = np.nonzero(mask)
        assert (rows.min(), columns.min()) == (pytest.approx(60, abs=1), pytest.approx(60, abs=1))
        assert (rows.max(), columns.max()) == (pytest.approx(99, abs=1), pytest.approx(99, abs=1))
        assert (image == 100).all()


def test_what_leaves_the_picture_is_cut_off() -> None:
    points = np.zeros((68, 2)) - 400.0
    points[36:42], points[42:48] = (-420.0, -462.0), (-380.0, -462.0)
    image = np.full((50, 60, 3), 7, np.uint8)
    assert not laid("hand", image, points).any()
    assert not laid("cutout", image, points).any()
    assert math.isfinite(face_frame(points).scale)
