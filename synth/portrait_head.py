"""A head to turn: the public-domain astronaut portrait of scikit-image, given depth by hand.

The portrait shows Eileen Collins and is NASA's (public domain, see `skimage.data.astronaut`). The head is
cut out along an outline drawn by hand, inflated to a solid, and given a nose, brows, cheeks and a chin;
nothing here comes from a face model, so what a face model measures on it can be checked.

Coordinates: portrait pixels, x right, y down, z towards the camera, zero at the head's centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import diags_array
from scipy.sparse.linalg import spsolve

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

CENTRE = (226.0, 108.0)
"""The head's centre in the portrait, pixels (x, y); it turns about this point."""
CAMERA_PX = 800.0
"""From the camera to the head's centre, portrait pixels (1.4 mm each at her eye distance of 63 mm)."""

# Clockwise from the left ear lobe: hair, right ear lobe, jaw
_OUTLINE = (
    *((181, 133), (175, 130), (171, 120), (163, 111), (158, 102), (155, 92), (154, 80), (153, 70), (155, 62)),
    *((160, 54), (170, 46), (178, 41), (188, 35), (192, 30), (197, 26), (208, 21), (220, 18), (230, 15)),
    *((238, 16), (250, 19), (265, 25), (276, 31), (285, 38), (291, 46), (296, 57), (298, 65), (300, 75)),
    *((301, 85), (300, 95), (296, 108), (287, 120), (280, 127), (275, 133), (269, 136), (266, 145)),
    *((262, 153), (256, 162), (248, 170), (238, 177), (228, 180), (220, 180), (210, 177), (200, 171)),
    *((191, 162), (186, 154), (183, 145)),
)
_DEPTH_PX = 60.0
# Inflation lets brow and chin recede alike; hers are so held that each pixel down is this much nearer
_TILT = 0.14
# x, y, sigma x, sigma y, height: the face, the nose (bridge and tip), eye sockets, lips, chin
_RELIEF = (
    (225.0, 130.0, 30.0, 45.0, 16.0),
    (225.0, 110.0, 5.0, 13.0, 4.0),
    (225.0, 123.0, 7.0, 8.0, 12.0),
    (203.0, 101.0, 9.0, 6.0, -3.0),
    (247.0, 103.0, 9.0, 6.0, -3.0),
    (224.0, 147.0, 14.0, 9.0, 3.0),
    (221.0, 172.0, 11.0, 8.0, 5.0),
)
# The line along which the mouth opens: under the teeth, up to the corners
_MOUTH_X, _MOUTH_Y, _MOUTH_HALF_PX, _MOUTH_CURVE = 224.5, 149.0, 21.0, 0.020
_MOUTH_MAX_PX = 16.0
_JAW_REACH_PX, _JAW_HALF_PX = 26.0, 34.0
_MOUTH_COLOUR = (52.0, 16.0, 18.0)
# Corners of each eye (x, y), and how far its lash line and its lower lid bulge from the line between them
_EYES = (
    ((192.5, 101.0), (214.5, 103.5), 5.5, 2.4),
    ((236.5, 104.5), (260.0, 104.0), 5.9, 3.1),
)
_LID_PX, _LASH_PX = 4.0, 2.0  # skin above the lashes that stretches when the lid comes down; the lashes


@dataclass(frozen=True)
class Portrait:
    """The portrait taken apart.

    `picture` (the head, its rim's colours carried on outwards) and `background` (head painted over) are
    uint8 (H, W, 3) RGB; `depth` is float32 (H, W): half the head's thickness in pixels, negative outside.
    """

    picture: Image
    background: Image
    depth: Floats


@lru_cache(maxsize=1)
def load_portrait() -> Portrait:
    """Take the portrait apart. Raises ImportError, naming the extra, when scikit-image is missing."""
    try:
        from skimage.data import astronaut
    except ImportError as error:
        raise ImportError("rendering clips needs scikit-image: pip install 'duologue[demo]'") from error
    picture = np.ascontiguousarray(astronaut(), np.uint8)  # type: ignore[no-untyped-call]
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.array(_OUTLINE, np.int32)], 1)
    removed = cv2.dilate(inside, np.ones((7, 7), np.uint8))
    background = np.asarray(cv2.inpaint(picture, removed, 5.0, cv2.INPAINT_TELEA), np.uint8)
    return Portrait(_carry_outwards(picture, inside), background, _depth(inside))


def _carry_outwards(picture: Image, inside: Image) -> Image:
    """Mirror the head's colours over its rim: its hidden sides show them, and not the background."""
    kept = cv2.erode(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7)))
    _, labels = cv2.distanceTransformWithLabels(1 - kept, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    rows, columns = np.nonzero(kept)
    nearest = np.zeros((2, int(labels.max()) + 1), np.float32)
    nearest[:, labels[rows, columns]] = rows, columns
    y, x = np.mgrid[: kept.shape[0], : kept.shape[1]].astype(np.float32)
    to_y, to_x = (2.0 * nearest[axis][labels] - here for axis, here in enumerate((y, x)))
    return np.asarray(cv2.remap(picture, to_x, to_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _depth(inside: Image) -> Floats:
    """Inflate the outline (an ellipse would become an ellipsoid) and add the relief."""
    rows, columns = np.nonzero(inside)
    film = np.zeros(inside.shape, np.float64)
    film[rows, columns] = _torsion(inside, rows, columns)
    depth = _DEPTH_PX * np.sqrt(film / film.max())
    y, x = np.mgrid[: inside.shape[0], : inside.shape[1]].astype(np.float64)
    for at_x, at_y, sigma_x, sigma_y, height in _RELIEF:
        bump = height * np.exp(-0.5 * (((x - at_x) / sigma_x) ** 2 + ((y - at_y) / sigma_y) ** 2))
        depth += bump * np.minimum(depth / (0.5 * _DEPTH_PX), 1.0)
    outside = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    sharp = np.where(inside, depth, -4.0 * outside).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(sharp, (0, 0), 1.0), np.float32)


def _torsion(inside: Image, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float64]:
    """Solve Poisson's equation with a constant load and zero at the outline; one value a pixel inside."""
    number = np.full(inside.shape, -1, np.int64)
    number[rows, columns] = np.arange(len(rows))
    right = (number[rows, columns + 1] >= 0)[:-1].astype(np.float64)  # the next pixel in reading order
    matrix = diags_array([-right, np.full(len(rows), 4.0), -right], offsets=[-1, 0, 1]).tolil()
    below = number[rows + 1, columns]
    here = np.nonzero(below >= 0)[0]
    matrix[here, below[here]] = -1.0
    matrix[below[here], here] = -1.0
    return np.asarray(spsolve(matrix.tocsc(), np.ones(len(rows))))


def open_mouth(portrait: Portrait, amount: float) -> tuple[Image, Floats]:
    """Picture and depth with the jaw lowered; `amount` 0 (as photographed) to 1 (23 mm).

    What lies under the lip line moves down, most at the middle of the mouth; the gap is dark.
    """
    picture, depth = portrait.picture.copy(), portrait.depth.copy()
    top, bottom, left, right = 130, 215, 160, 292
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    off = x - _MOUTH_X
    line = _MOUTH_Y - _MOUTH_CURVE * np.minimum(np.abs(off), _MOUTH_HALF_PX) ** 2
    gap = np.clip(1.0 - (off / _MOUTH_HALF_PX) ** 2, 0.0, None)
    jaw = np.exp(-((off / _JAW_HALF_PX) ** 2))
    along = np.clip((y - line) / _JAW_REACH_PX, 0.0, 1.0)
    shift = amount * _MOUTH_MAX_PX * (gap + along * (jaw - gap))
    edge = line + amount * _MOUTH_MAX_PX * gap
    from_y = np.where(y <= line, y, np.maximum(y - shift, line)).astype(np.float32)
    moved = cv2.remap(picture, x, from_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    dark = np.clip(np.minimum(y - line, edge - y) + 0.3, 0.0, 1.0) * np.clip(edge - line, 0.0, 1.0)
    dark = dark[..., None]
    mixed = moved * (1.0 - dark) + np.array(_MOUTH_COLOUR, np.float32) * dark
    picture[top:bottom, left:right] = np.round(mixed).astype(np.uint8)
    depth[top:bottom, left:right] = cv2.remap(portrait.depth, x, from_y, cv2.INTER_LINEAR)
    return picture, depth


def close_eyes(picture: Image, amount: float) -> Image:
    """The picture with the upper lids lowered; `amount` 0 (as photographed) to 1 (shut).

    The lashes sink to the lower lid, and the skin above them stretches over the eye.
    """
    picture = picture.copy()
    for (left_x, left_y), (right_x, right_y), lashes_px, lower_px in _EYES:
        left, right, top, bottom = int(left_x), int(right_x) + 2, int(left_y) - 14, int(left_y) + 14
        y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
        across = np.clip((x - left_x) / (right_x - left_x), 0.0, 1.0)
        line = left_y + across * (right_y - left_y)
        bulge = 4.0 * across * (1.0 - across)
        lashes = line - lashes_px * bulge
        skin = lashes - _LID_PX * bulge
        sunk = lashes + amount * (lashes_px + lower_px) * bulge
        stretched = skin + (y - skin) * (lashes - skin) / np.maximum(sunk - skin, 1e-6)
        lid = np.where(y < sunk, stretched, y - sunk + lashes)
        from_y = np.where((y <= skin) | (y >= sunk + _LASH_PX), y, lid).astype(np.float32)
        picture[top:bottom, left:right] = cv2.remap(picture, x, from_y, cv2.INTER_CUBIC)
    return picture


def rotation(yaw_deg: float, pitch_deg: float) -> NDArray[np.float64]:
    """Rotation of the head, (3, 3), in right-handed camera axes (x right, y up, z to the camera).

    R = Rx(pitch) Ry(yaw), so yaw = atan2(-R31, R33): positive turns the nose to the picture's right, and
    positive pitch lowers it.
    """
    (sin_y, sin_p), (cos_y, cos_p) = (fn(np.radians([yaw_deg, pitch_deg])) for fn in (np.sin, np.cos))
    around_y = np.array([[cos_y, 0.0, sin_y], [0.0, 1.0, 0.0], [-sin_y, 0.0, cos_y]])
    around_x = np.array([[1.0, 0.0, 0.0], [0.0, cos_p, -sin_p], [0.0, sin_p, cos_p]])
    return np.asarray(around_x @ around_y)


def see_head(depth: Floats, x: Floats, y: Floats, turn: NDArray[np.float64]) -> tuple[Floats, Floats, Floats]:
    """Follow the ray of each pixel to the turned head.

    Args: depth of `Portrait`; x, y: (h, w) pixels looked through, portrait coordinates; turn: `rotation`.
    Returns portrait coordinates u, v of the point seen and the clearance (how deep the ray enters the
    head, pixels; negative where it misses), each float32 (h, w).
    """
    reach = float(depth.max()) + 8.0
    steps = np.linspace(reach, -0.7 * reach, 18, dtype=np.float32)
    z = np.broadcast_to(steps[:, None, None], (len(steps), *x.shape))
    _, _, inside = _look_up(depth, x, y, z, turn)
    entry = np.argmax(inside > 0, axis=0)
    hit = inside.max(axis=0) > 0
    best = np.where(hit, entry, np.argmax(inside, axis=0))
    before = np.maximum(best - 1, 0)
    after_in, before_in = (np.take_along_axis(inside, i[None], 0)[0] for i in (best, before))
    share = np.where(hit & (best > 0), after_in / np.maximum(after_in - before_in, 1e-6), 0.0)
    surface = steps[best] + share * (steps[before] - steps[best])
    u, v, _ = _look_up(depth, x, y, surface[None].astype(np.float32), turn)
    return u[0], v[0], inside.max(axis=0)


def _look_up(
    depth: Floats, x: Floats, y: Floats, z: Floats, turn: NDArray[np.float64]
) -> tuple[Floats, Floats, Floats]:
    """Where points of the rays at camera depth z (n, h, w) lie in the portrait; how far inside the head."""
    y_down = np.diag([1.0, -1.0, 1.0])  # `rotation` counts y upwards
    r = (y_down @ turn @ y_down).astype(np.float32)
    near = (1.0 - z / CAMERA_PX).astype(np.float32)
    camera = ((x - CENTRE[0]) * near, (y - CENTRE[1]) * near, z)
    head = [sum(r[row, column] * camera[row] for row in range(3)) for column in range(3)]
    scale = CAMERA_PX / (CAMERA_PX - head[2])
    u = (head[0] * scale + CENTRE[0]).astype(np.float32)
    v = (head[1] * scale + CENTRE[1]).astype(np.float32)
    n, height, width = u.shape
    flat = (n * height, width)
    thick = cv2.remap(depth, u.reshape(flat), v.reshape(flat), cv2.INTER_LINEAR)
    off_middle = head[2] - _TILT * (v - CENTRE[1])
    return u, v, np.asarray(thick.reshape(u.shape) - np.abs(off_middle), np.float32)
