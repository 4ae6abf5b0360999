"""Cut a rotated region out of a frame exactly as MediaPipe's networks expect it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.face_roi import Roi

_FRACTION_BITS = 16  # of the coordinates while they are added up
_TABLE_BITS = 5  # of them OpenCV's interpolation table keeps: 1/32 px


class Cropper:
    """Samples a region of a frame into `out` (side, side, 3) uint8, which is overwritten on each call.

    MediaPipe warps with OpenCV 3/4 (`image_to_tensor_converter_opencv.cc`), which rounds every source
    coordinate to 1/32 px. OpenCV 5 does not round: its `warpAffine` moves landmarks of a small face by up
    to 0.9 px against MediaPipe's; this keeps them within 0.02 px. `remap` with fixed-point maps still
    rounds, so the maps are made here, at the cost of one `warpAffine`.
    """

    def __init__(self, out: NDArray[np.uint8], *, border: int = cv2.BORDER_REPLICATE) -> None:
        side = out.shape[0]
        self._out = out
        self._border = border
        self._steps = np.arange(side, dtype=np.float64)
        self._x = np.empty((side, side), dtype=np.int32)
        self._y = np.empty((side, side), dtype=np.int32)
        self._whole = np.empty((side, side, 2), dtype=np.int16)
        self._part = np.empty((side, side), dtype=np.uint16)

    def __call__(self, image: NDArray[np.uint8], roi: Roi) -> None:
        """Sample `roi` of `image` (H, W, 3), bilinearly. Sides of up to 32 767 px."""
        x, y, whole = self._x, self._y, self._whole
        for row, coordinate in zip(roi.to_image(len(self._steps)), (x, y), strict=True):
            self._sum(row, out=coordinate)
        np.right_shift(x, _FRACTION_BITS, out=whole[..., 0], casting="unsafe")
        np.right_shift(y, _FRACTION_BITS, out=whole[..., 1], casting="unsafe")
        mask = (1 << _TABLE_BITS) - 1
        np.right_shift(x, _FRACTION_BITS - _TABLE_BITS, out=x)
        np.bitwise_and(x, mask, out=x)
        np.right_shift(y, _FRACTION_BITS - 2 * _TABLE_BITS, out=y)
        np.bitwise_and(y, mask << _TABLE_BITS, out=y)
        np.bitwise_or(x, y, out=self._part, casting="unsafe")
        cv2.remap(image, whole, self._part, cv2.INTER_LINEAR, dst=self._out, borderMode=self._border)

    def _sum(self, row: NDArray[np.float64], *, out: NDArray[np.int32]) -> None:
        """One source coordinate of every pixel, in fixed point, half a table step up to round by shifts."""
        one = 1 << _FRACTION_BITS
        half_step = one >> (_TABLE_BITS + 1)
        across = np.rint(row[0] * one * self._steps).astype(np.int32)
        down = np.rint((row[1] * self._steps + row[2]) * one).astype(np.int32) + np.int32(half_step)
        np.add(down[:, None], across, out=out)
