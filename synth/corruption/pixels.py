"""What is done to the pixels of one frame: noise, blur, blocks, darkness; whole, or kept to a region."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.face_frame import Points, region_polygon
from synth.corruption.pasting import Image, Mask, polygon_mask
from synth.corruption.plan import Corruption
from synth.noise_plan import generator

_READ_NOISE = 2.0
"""Electrons that a camera adds to the photons it counts, root mean square."""


def spoil(
    image: Image, corruption: Corruption, *, scale: float, number: int, points: Points | None
) -> tuple[Image, Mask | None]:
    """`image` (H, W) or (H, W, 3) uint8 spoilt, and (H, W) where; None: everywhere.

    `scale`: px of the picture a px of the canvas; `number` that of the frame, of which its noise is drawn;
    `points` (68, 2) of the face, where the corruption is kept to a region.
    """
    if corruption.region == "frame":
        return _spoilt(image, corruption, scale, number), None
    assert points is not None
    mask = polygon_mask(image.shape, region_polygon(points, corruption.region))
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return image, mask  # the region lies outside the picture
    margin = round(corruption.values.get("kernel_px", 0) * scale) + 1  # blur mixes what lies beside
    y0, y1 = max(0, int(rows[0]) - margin), int(rows[-1]) + margin + 1
    x0, x1 = max(0, int(columns[0]) - margin), int(columns[-1]) + margin + 1
    covered = image.copy()
    part, inside = covered[y0:y1, x0:x1], mask[y0:y1, x0:x1]
    part[inside] = _spoilt(part, corruption, scale, number)[inside]
    return covered, mask


def _spoilt(image: Image, corruption: Corruption, scale: float, number: int) -> Image:
    values = corruption.values
    if corruption.kind == "blur":
        return _blurred(image, values["sigma_px"] * scale, values["kernel_px"] * scale)
    if corruption.kind == "pixelate":
        return _pixelated(image, max(1, round(values["block_px"] * scale)))
    noise = generator(corruption.kind, corruption.seed, number).standard_normal(image.shape, np.float32)
    if corruption.kind == "gaussian_noise":
        noise *= np.float32(255 * math.sqrt(values["variance"]))
        return _to_uint8(noise + image)
    return _darkened(image, noise, **values)


def _blurred(image: Image, sigma: float, kernel: float) -> Image:
    side = 2 * max(0, round((kernel - 1) / 2)) + 1
    return np.asarray(
        cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT_101), np.uint8
    )


def _pixelated(image: Image, block: int) -> Image:
    height, width = image.shape[:2]
    size = (max(1, width // block), max(1, height // block))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _darkened(
    image: Image, noise: NDArray[np.float32], *, gain: float, gamma: float, photons: float
) -> Image:
    """Less light on the same camera: the signal falls, the noise of counting photons less so."""
    light = gain * (np.arange(256) / 255) ** gamma
    spread = np.sqrt(light * photons + _READ_NOISE**2) / photons
    noise *= cv2.LUT(image, (255 * spread).astype(np.float32))
    noise += cv2.LUT(image, (255 * light).astype(np.float32))
    return _to_uint8(noise)


def _to_uint8(values: NDArray[np.float32]) -> Image:
    return np.clip(np.rint(values, out=values), 0, 255, out=values).astype(np.uint8)
