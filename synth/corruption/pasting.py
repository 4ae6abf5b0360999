"""Laying an occluder on a frame so that it sits on the face: it moves, turns and grows with the head."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.face_frame import FaceFrame, Points, face_frame
from synth.corruption.occluders import Occluder
from synth.corruption.plan import Corruption

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_CHIN, _BRIDGE = 8, 28
_BELOW_CHIN = 0.06  # of the way from bridge to chin: a mask goes round it
_RIGHT_JAW, _LEFT_JAW = list(range(9)), list(range(16, 7, -1))
_EDGE = 0.02  # of a mask's width: its outermost column of cloth


def lay_on(image: Image, points: Points, corruption: Corruption, occluder: Occluder) -> tuple[Image, Mask]:
    """A copy of `image` (H, W) or (H, W, 3) RGB with the occluder, and (H, W) where it covers anything.

    `points` (68, 2) px of the face.
    """
    if corruption.kind == "mask":
        return _lay_mask(image, points, corruption.values["height"], occluder)
    head = face_frame(points)
    return _lay(image, [_placed(points, head, corruption, occluder)], occluder)


def lay_square(image: Image, points: Points, *, size_px: float, level: int) -> tuple[Image, Mask]:
    """A copy of `image` with a plain square on the mouth, turned with the head, and where it is."""
    head, half = face_frame(points), size_px / 2
    corners = [head.at(x, y) for x, y in ((-half, -half), (half, -half), (half, half), (-half, half))]
    mask = polygon_mask(image.shape[:2], np.stack(corners))
    covered = image.copy()
    covered[mask] = level
    return covered, mask


def polygon_mask(size: tuple[int, ...], polygon: Points) -> Mask:
    """(H, W) of `size` inside a convex polygon (K, 2) px."""
    mask = np.zeros(size[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.rint(polygon * 16).astype(np.int32), 1, shift=4)
    return mask.astype(bool)


def _placed(points: Points, head: FaceFrame, corruption: Corruption, occluder: Occluder) -> Points:
    """(2, 3) from the occluder's pixels to the picture's."""
    values, (height, width) = corruption.values, occluder.alpha.shape
    size = values["size_px"]
    middle = np.array([width / 2, height / 2])
    if corruption.kind == "patch":
        # its upper left corner stays where it is as it grows
        corner = size / 2 - values["offset_px"]
        at = points[int(values["point"])] + head.at(corner, corner) - head.mouth
        grown = size / max(width, height)
    elif corruption.kind == "microphone":
        at, grown = head.at(0, values["down_px"]), size / width
        middle = np.array([width / 2, width / 2])  # of its round head
    else:
        at, grown = head.at(values["right_px"], values["down_px"]), size / max(width, height)
        rows, columns = np.nonzero(occluder.alpha)
        middle = np.array([columns.mean(), rows.mean()]) + 0.5
    turn = head.angle + math.radians(values["tilt_deg"])
    scale = grown * head.scale
    cos, sin = scale * math.cos(turn), scale * math.sin(turn)
    linear = np.array([[cos, -sin], [sin, cos]])
    return np.column_stack([linear, at - linear @ middle])


def _lay_mask(image: Image, points: Points, height: float, occluder: Occluder) -> tuple[Image, Mask]:
    """A mask from below the chin up to `height`, its sides on the jaw: one affine map for each half.

    Both halves share the middle line, so there is no gap between them however far the head is turned.
    """
    alpha = occluder.alpha
    n_columns = alpha.shape[1]
    middle = np.flatnonzero(alpha[:, n_columns // 2])
    top, bottom = (np.array([n_columns / 2, float(row)]) for row in (middle[0], middle[-1] + 1))
    edge = max(1, round(_EDGE * n_columns))
    sides = [np.array([0.0, np.nonzero(alpha[:, :edge])[0].mean()])]
    sides.append(np.array([float(n_columns), np.nonzero(alpha[:, -edge:])[0].mean()]))
    chin = points[_CHIN] + _BELOW_CHIN * (points[_CHIN] - points[_BRIDGE])
    nose = chin + height * (points[_BRIDGE] - chin)
    moves = []
    for side, jaw in zip(sides, (_RIGHT_JAW, _LEFT_JAW), strict=True):
        down = (side[1] - top[1]) / (bottom[1] - top[1])
        source = np.stack([side, top, bottom]).astype(np.float32)
        target = np.stack([_on_jaw(points[jaw], nose, chin, down), nose, chin]).astype(np.float32)
        moves.append(np.asarray(cv2.getAffineTransform(source, target), np.float64))
    return _lay(image, moves, occluder, divide=(nose, chin))


def _on_jaw(jaw: Points, nose: Points, chin: Points, down: float) -> Points:
    """The point of the jaw (K, 2), from ear to chin, that lies `down` of the way from nose to chin."""
    along = (jaw - nose) @ (chin - nose) / float((chin - nose) @ (chin - nose))
    along = np.maximum.accumulate(along)
    return np.array([np.interp(down, along, jaw[:, axis]) for axis in (0, 1)])


def _lay(
    image: Image, moves: list[Points], occluder: Occluder, *, divide: tuple[Points, Points] | None = None
) -> tuple[Image, Mask]:
    """Blend the occluder, moved. Of two moves the first holds to the right of `divide`, seen along it."""
    height, width = image.shape[:2]
    rows, columns = occluder.alpha.shape
    corners = np.array([[0, 0, 1], [columns, 0, 1], [columns, rows, 1], [0, rows, 1]], np.float64)
    reach = np.concatenate([corners @ move.T for move in moves])
    x0, y0 = (max(0, math.floor(value) - 1) for value in reach.min(axis=0))
    x1, y1 = (
        min(limit, math.ceil(value) + 1)
        for value, limit in zip(reach.max(axis=0), (width, height), strict=True)
    )
    mask = np.zeros((height, width), bool)
    if x1 <= x0 or y1 <= y0:
        return image.copy(), mask
    layers = [_warped(occluder, move, (x0, y0, x1, y1)) for move in moves]
    layer = layers[0]
    if divide is not None:
        (ax, ay), (bx, by) = divide
        x, y = np.meshgrid(np.arange(x0, x1) + 0.5, np.arange(y0, y1) + 0.5)
        first = (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0
        layer = np.where(first[..., None], layers[0], layers[1])
    colour: NDArray[np.float32] = layer[..., :3].astype(np.float32)
    if image.ndim == 2:
        colour = cv2.cvtColor(layer[..., :3].copy(), cv2.COLOR_RGB2GRAY).astype(np.float32)
    shows = 1 - layer[..., 3].astype(np.float32) / 255
    shows = shows if image.ndim == 2 else shows[..., None]
    covered = image.copy()
    covered[y0:y1, x0:x1] = np.clip(np.rint(image[y0:y1, x0:x1] * shows + colour), 0, 255)
    mask[y0:y1, x0:x1] = layer[..., 3] > 0
    return covered, mask


def _warped(occluder: Occluder, move: Points, box: tuple[int, int, int, int]) -> Image:
    """(h, w, 4) of the box `x0 y0 x1 y1`, from the level of the occluder whose pixels are nearest in size."""
    shrinks = 1 / math.sqrt(max(1e-9, abs(float(np.linalg.det(move[:, :2])))))
    level = min(max(0, math.floor(math.log2(shrinks))), len(occluder.levels) - 1) if shrinks > 1 else 0
    picture = occluder.levels[level]
    ratio = np.array(occluder.alpha.shape[::-1]) / np.array(picture.shape[1::-1])
    linear = move[:, :2] * ratio
    # corners are whole numbers in `move`; OpenCV counts from the middle of a pixel
    shift = move[:, 2] + linear @ np.array([0.5, 0.5]) - 0.5 - np.array(box[:2])
    size = (box[2] - box[0], box[3] - box[1])
    return np.asarray(
        cv2.warpAffine(picture, np.column_stack([linear, shift]), size, flags=cv2.INTER_LINEAR), np.uint8
    )
