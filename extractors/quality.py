"""Picture quality of a face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

SHARPNESS_SIDE_PX = 96


def sharpness(image: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    """Variance of the Laplacian of the face, scaled to 96x96 (green) so that face sizes compare.

    `image` is (H, W, 3) RGB, `box` (x0, y0, x1, y1) in px, clipped to the image here. 0 when nothing of
    the face is inside. The measure is Pech-Pacheco et al., "Diatom autofocusing in brightfield
    microscopy" (ICPR 2000).
    """
    height, width = image.shape[:2]
    x0, y0 = max(0, int(box[0])), max(0, int(box[1]))
    x1, y1 = min(width, int(np.ceil(box[2]))), min(height, int(np.ceil(box[3])))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return 0.0
    green = np.ascontiguousarray(image[y0:y1, x0:x1, 1])  # carries most of the luma, at a third of the cost
    face = cv2.resize(green, (SHARPNESS_SIDE_PX, SHARPNESS_SIDE_PX), interpolation=cv2.INTER_AREA)
    _, deviation = cv2.meanStdDev(cv2.Laplacian(face, cv2.CV_16S))
    return float(deviation[0, 0] ** 2)
