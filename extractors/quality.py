"""Picture quality of a face: blur and exposure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FACE_SIDE_PX = 96
DARK_LUMA, BRIGHT_LUMA = 25, 247
"""Of 255, both included: the ranges of under- and over-exposure of BSI's OFIQ (ISO/IEC 29794-5)."""


@dataclass(frozen=True)
class FaceLook:
    """How a face looks in one frame, measured on its box scaled to 96x96 so that face sizes compare.

    `sharpness` is the variance of the Laplacian (of green, 8-bit levels), after Pech-Pacheco et al.,
    "Diatom autofocusing in brightfield microscopy" (ICPR 2000): noise counts as sharp. `luma_mean` is the
    mean of BT.601 luma, 0 to 1; `dark_share` and `bright_share` are the shares of pixels crushed to black
    and blown out. Hair, pupils and an open mouth are dark in a well lit face too.
    """

    sharpness: float
    luma_mean: float
    dark_share: float
    bright_share: float


OUT_OF_SIGHT = FaceLook(sharpness=0.0, luma_mean=math.nan, dark_share=math.nan, bright_share=math.nan)


def look_at(image: NDArray[np.uint8], box: NDArray[np.float32]) -> FaceLook:
    """Measure the face in `box` (x0, y0, x1, y1, px, clipped here) of `image` (H, W, 3) RGB.

    `OUT_OF_SIGHT` when nothing of the box is inside.
    """
    height, width = image.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return OUT_OF_SIGHT
    face = cv2.resize(image[y0:y1, x0:x1], (FACE_SIDE_PX, FACE_SIDE_PX), interpolation=cv2.INTER_AREA)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(cv2.extractChannel(face, 1), cv2.CV_16S))
    counts = np.bincount(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY).ravel(), minlength=256)
    n_pixels = FACE_SIDE_PX**2
    return FaceLook(
        sharpness=float(deviation[0, 0] ** 2),
        luma_mean=float(counts @ np.arange(256)) / (255 * n_pixels),
        dark_share=float(counts[: DARK_LUMA + 1].sum()) / n_pixels,
        bright_share=float(counts[BRIGHT_LUMA:].sum()) / n_pixels,
    )


def sharpness(image: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    """`look_at(image, box).sharpness`."""
    return look_at(image, box).sharpness
