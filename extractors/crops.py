"""Face crops: a square round the face, steady over time."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.lips import known_at, last_known
from manifests.reasons import ItemError, Reason

WARP_UP_TO = 1.5
"""Shrinking by less than this, bilinear sampling still sees every pixel; beyond, it would alias."""


@dataclass(frozen=True)
class CropPlan:
    """Squares of T frames: `centres` (T, 2) and `sides` (T,), px of the source image.

    NaN where no face was seen yet and the bound forbids to look for one: that crop is black.
    """

    centres: NDArray[np.float64]
    sides: NDArray[np.float64]


def plan_crops(
    boxes: NDArray[np.float64],
    *,
    scale: float = 1.6,
    window_frames: int = 25,
    lookahead_frames: int | None = None,
) -> CropPlan:
    """Squares from face boxes (T, 4) `x0 y0 x1 y1` px; missing frames are NaN and interpolated.

    The side is `scale` times the box's larger side (1.6 as SMIRK's configuration crops). Centre and side
    are smoothed by a centred mean over `window_frames`, shortened evenly at both ends. With
    `lookahead_frames`, frame t is placed as if the clip ended that many frames after it: the window shrinks
    to as many frames on either side, and a gap that ends later holds its last box.
    Raises ItemError(NO_FACE) when every frame is missing.
    """
    missing = np.asarray(np.isnan(boxes).any(axis=1))
    if missing.all():
        raise ItemError(Reason.NO_FACE, "no frame of the clip has a face to crop")
    size = boxes[:, 2:] - boxes[:, :2]
    squares = np.column_stack([(boxes[:, :2] + boxes[:, 2:]) / 2, scale * size.max(axis=1)])
    smooth = centred_mean(squares, missing, window_frames // 2, last_known(len(boxes), lookahead_frames))
    return CropPlan(smooth[:, :2], smooth[:, 2])


def centred_mean(
    values: NDArray[np.float64], missing: NDArray[np.bool_], reach: int, last: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Mean of each row of (T, D) and up to `reach` rows on either side, equally many on both.

    Row t is computed as if the rows ended with row `last[t]` (T,); `missing` rows are filled as far as that
    allows, else NaN.
    """
    means = np.empty(values.shape)
    for row in range(len(values)):
        each = min(reach, row, int(last[row]) - row)
        rows = np.arange(row - each, row + each + 1)
        means[row] = known_at(values, missing, rows, last[row]).mean(axis=0)
    return means


def face_crop(image: NDArray[np.uint8], plan: CropPlan, frame: int, *, size_px: int) -> NDArray[np.uint8]:
    """(size_px, size_px, 3) RGB face of `image` (H, W, 3) RGB; the image's edge is repeated outside it.

    Black where no face was seen yet.
    Up to 1.5 times the crop's size, faces are sampled at exact places, bilinearly: whole pixels of the source
    would show as jitter. Larger ones are shrunk by area from whole pixels.
    """
    if np.isnan(plan.sides[frame]):
        return np.zeros((size_px, size_px, 3), np.uint8)
    if plan.sides[frame] <= WARP_UP_TO * size_px:
        return _sampled(image, plan.centres[frame], float(plan.sides[frame]), size_px)
    side = round(float(plan.sides[frame]))
    x, y = (round(float(value) - side / 2) for value in plan.centres[frame])
    height, width = image.shape[:2]
    inside = image[max(0, y) : max(0, y + side), max(0, x) : max(0, x + side)]
    if inside.shape[:2] != (side, side):
        if inside.size == 0:  # the square has left the image altogether
            y, x = min(max(y, 1 - side), height - 1), min(max(x, 1 - side), width - 1)
            inside = image[max(0, y) : y + side, max(0, x) : x + side]
        top, left = max(0, -y), max(0, -x)
        bottom, right = side - top - inside.shape[0], side - left - inside.shape[1]
        padded = cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_REPLICATE)
        inside = np.asarray(padded, np.uint8)
    return np.asarray(cv2.resize(inside, (size_px, size_px), interpolation=cv2.INTER_AREA), np.uint8)


def _sampled(
    image: NDArray[np.uint8], centre: NDArray[np.float64], side: float, size_px: int
) -> NDArray[np.uint8]:
    """The square of `side` px round `centre`, both exact; a pixel's colour is that of its middle."""
    step = side / size_px
    x, y = centre - side / 2 + (step - 1) / 2
    to_image = np.array([[step, 0, x], [0, step, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(image, to_image, (size_px, size_px), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(crop, np.uint8)
