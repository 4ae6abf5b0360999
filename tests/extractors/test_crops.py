from __future__ import annotations

import numpy as np
import pytest

from extractors.crops import CropPlan, centred_mean, face_crop, plan_crops
from extractors.lips import last_known
from manifests.reasons import ItemError


def still(n: int = 9) -> np.ndarray:
    return np.tile([100.0, 80, 150, 140], (n, 1))


def test_the_square_is_round_the_face() -> None:
    plan = plan_crops(still(), scale=1.5)
    assert np.allclose(plan.centres, [125, 110]) and np.allclose(plan.sides, 90)


def test_the_window_is_centred_so_steady_motion_is_followed_exactly() -> None:
    boxes = still(40) + np.arange(40)[:, None]
    plan = plan_crops(boxes, window_frames=11)
    assert np.allclose(plan.centres[:, 0], 125 + np.arange(40))


def test_jitter_is_smoothed() -> None:
    boxes = still(60) + np.random.default_rng(0).normal(scale=3, size=(60, 4))
    assert plan_crops(boxes).centres[:, 0].std() < 0.5 * ((boxes[:, 0] + boxes[:, 2]) / 2).std()


def test_centred_mean_against_the_definition() -> None:
    values = np.random.default_rng(0).normal(size=(20, 3))
    rows = centred_mean(values, np.zeros(20, bool), 4, last_known(20, None))
    for t, row in enumerate(rows):
        reach = min(4, t, 19 - t)
        assert np.allclose(row, values[t - reach : t + reach + 1].mean(axis=0))


@pytest.mark.parametrize(
    "box", [(10, 10, 40, 40), (-30, -30, 20, 20), (180, 90, 260, 170), (500, 500, 520, 520)]
)
def test_crops_beyond_the_edge_repeat_it(box: tuple[int, ...]) -> None:
    image = np.zeros((120, 200, 3), np.uint8)
    image[:, :, 0] = np.arange(200)
    crop = face_crop(image, plan_crops(np.array([box], np.float64)), 0, size_px=64)
    assert crop.shape == (64, 64, 3) and crop.dtype == np.uint8
    if box[0] == 500:
        assert (crop[:, :, 0] == 199).all()
    if box[0] == 180:
        assert crop[0, -1, 0] == 199


def test_a_crop_shows_what_is_in_the_square() -> None:
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    plan = plan_crops(np.array([[50.0, 60, 114, 124]]), scale=1.0)
    assert (face_crop(image, plan, 0, size_px=64) == image[60:124, 50:114]).all()


def test_a_bound_shrinks_the_window_and_blackens_what_precedes_the_first_face() -> None:
    boxes = still(20)
    boxes[10:] += 50
    free, bounded = (
        plan_crops(boxes, window_frames=11),
        plan_crops(boxes, window_frames=11, lookahead_frames=2),
    )
    assert free.centres[5, 0] > 125 and bounded.centres[7, 0] == 125 < bounded.centres[8, 0]
    assert bounded.centres[9, 0] == pytest.approx(125 + 50 * 2 / 5), "two of five frames have moved"
    boxes[:6] = np.nan
    plan = plan_crops(boxes, lookahead_frames=2)
    assert list(np.flatnonzero(np.isnan(plan.sides))) == [0, 1, 2, 3]
    image = np.full((200, 200, 3), 200, np.uint8)
    assert not face_crop(image, plan, 3, size_px=32).any() and face_crop(image, plan, 4, size_px=32).all()


def test_no_face_is_no_crop() -> None:
    with pytest.raises(ItemError):
        plan_crops(np.full((3, 4), np.nan))


@pytest.mark.parametrize("shift_px", [0.25, 0.5, 0.8])
def test_a_slow_move_does_not_jitter(shift_px: float) -> None:
    """The face moves by part of a pixel and the square with it: the crop stays the same picture."""
    y, x = np.mgrid[:288, :360] + 0.5
    crops = []
    for shift in (0.0, shift_px):
        grey = np.rint(127.5 + 100 * np.sin((x - shift) / 9) * np.cos(y / 11)).astype(np.uint8)
        plan = CropPlan(np.array([[180 + shift, 144.0]]), np.array([100.0]))
        crops.append(face_crop(np.stack([grey] * 3, axis=2), plan, 0, size_px=224).astype(int))
    assert np.abs(crops[0] - crops[1]).max() <= 3
