"""Pixels: each kind against a calculation of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, gaussian_filter

from synth.corruption.face_frame import points68, region_polygon
from synth.corruption.kinds import KINDS
from synth.corruption.pixels import spoil
from synth.corruption.plan import Corruption


def made(kind: Any, region: Any = "frame", seed: int = 1, **values: float) -> Corruption:
    order = KINDS[kind].parameters
    return Corruption(kind, ((0, 9),), tuple((one, values[one]) for one in order), region=region, seed=seed)


def whole(image: np.ndarray, corruption: Corruption, *, scale: float = 1.0, number: int = 0) -> np.ndarray:
    return spoil(image, corruption, scale=scale, number=number, points=None)[0]


@pytest.mark.parametrize("shape", [(200, 200), (120, 120, 3)])
def test_noise_has_the_variance_that_was_asked_for(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 128, np.uint8)
    noisy = whole(image, made("gaussian_noise", variance=0.01)) / 255
    assert noisy.var() == pytest.approx(0.01, rel=0.03)
    assert abs(noisy.mean() - 128 / 255) < 0.002
    other = whole(image, made("gaussian_noise", variance=0.01), number=1) / 255
    assert abs(np.corrcoef(noisy.ravel(), other.ravel())[0, 1]) < 0.03  # each frame has noise of its own
    stronger = whole(image, made("gaussian_noise", variance=0.02)) / 255
    assert np.corrcoef(noisy.ravel(), stronger.ravel())[0, 1] > 0.99  # and the same at every variance


def test_blur_is_a_gaussian_of_that_sigma(talking: Any) -> None:
    grey = talking.frames[0][..., 1]
    blurred = whole(grey, made("blur", sigma_px=2.0, kernel_px=25))
    expected = gaussian_filter(grey.astype(float), 2.0, mode="mirror", truncate=6)
    assert np.abs(blurred - expected).max() <= 1.5
    assert np.array_equal(
        whole(grey, made("blur", sigma_px=1.0, kernel_px=13), scale=2.0),
        whole(grey, made("blur", sigma_px=2.0, kernel_px=26)),
    )


def test_a_kernel_cuts_the_gaussian_off() -> None:
    """DualHyp: sigma 6 in a kernel of 9 is nearly a box: weights fall from 1 to exp(-16/72) only."""
    image = np.zeros((41, 41), np.uint8)
    image[20, 20] = 255
    wide = np.zeros((41, 41), np.uint8)
    wide[:, 20] = 255
    spread = whole(wide, made("blur", sigma_px=6.0, kernel_px=9))[20].astype(float)
    assert (spread > 0).sum() == 9
    assert spread[16] / spread[20] == pytest.approx(np.exp(-16 / 72), abs=0.03)


def test_pixelation_leaves_blocks_with_the_mean_of_what_was_there(talking: Any) -> None:
    grey = talking.frames[0][:200, :300, 0]
    blocks = whole(grey, made("pixelate", block_px=5)).reshape(40, 5, 60, 5)
    assert (blocks == blocks[:, :1, :, :1]).all()
    mean = grey.astype(float).reshape(40, 5, 60, 5).mean(axis=(1, 3))
    assert np.abs(blocks[:, 0, :, 0] - mean).max() <= 1


def test_low_light_dims_and_counts_photons() -> None:
    """Mean 255 g (x/255)^c; variance that of Poisson counts, plus two electrons of the camera."""
    image = np.full((300, 300), 200, np.uint8)
    dark = whole(image, made("low_light", gain=0.4, gamma=1.5, photons=300)).astype(float)
    light = 0.4 * (200 / 255) ** 1.5
    assert dark.mean() == pytest.approx(255 * light, rel=0.01)
    expected = 255 * np.sqrt(light * 300 + 4) / 300
    assert np.hypot(dark.std(), 0) == pytest.approx(np.hypot(expected, 12**-0.5), rel=0.03)


@pytest.mark.parametrize("kind", ["gaussian_noise", "blur", "pixelate", "low_light"])
@pytest.mark.parametrize("region", ["face", "mouth", "lower_lip"])
def test_a_region_keeps_it_inside(talking: Any, kind: Any, region: Any) -> None:
    import matplotlib.path

    image, points = talking.frames[5], points68(talking.meshes)[5]
    values = {name: one.levels[-1] for name, one in KINDS[kind].parameters.items()}
    spoilt, mask = spoil(image, made(kind, region, **values), scale=1.0, number=0, points=points)
    assert mask is not None
    height, width = image.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 2)
    polygon = region_polygon(points, region)
    inside = matplotlib.path.Path(polygon).contains_points(grid).reshape(height, width)
    assert not (inside & ~mask).any() and not (mask & ~binary_dilation(inside, iterations=2)).any()
    assert np.array_equal(spoilt[~mask], image[~mask])
    assert (spoilt[mask] != image[mask]).any(axis=1).mean() > 0.5


def test_a_region_outside_the_picture_changes_nothing(talking: Any) -> None:
    points = points68(talking.meshes)[5] + 5000
    spoilt, mask = spoil(
        talking.frames[5],
        made("blur", "mouth", sigma_px=3.0, kernel_px=9),
        scale=1.0,
        number=0,
        points=points,
    )
    assert np.array_equal(spoilt, talking.frames[5]) and mask is not None and not mask.any()
