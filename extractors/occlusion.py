"""Is the mouth hidden? The face mesh draws lips under a hand, and its own score stays above 0.999.

The picture is read at points of the mesh on and round the lips. Two small logistic models judge it: one
knows only this frame (are there lips: redder than the skin round them, dark line, even on both sides?), the
other compares with what this track looked like when its mouth was thought visible. Coefficients come from
`benchmarks/occlusion.py`, fitted on pasted hands and masks; see docs/occlusion.md for what to expect.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]

# Rings of the lips, 20 vertices each, from the corner at the image's left by the lower lip to the other
# corner and back by the upper lip: vertex i lies opposite to vertex (10 - i) % 20. The first and last are
# MediaPipe's FACEMESH_LIPS (`face_mesh_connections.py`), those between are read off the canonical mesh.
# fmt: off
BORDER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
_MIDDLE = (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306, 408, 304, 303, 302, 11, 72, 73, 74, 184)
_INNER = (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292, 407, 272, 271, 268, 12, 38, 41, 42, 183)
_LINE = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
_AROUND = (  # skin between nose, cheeks and chin
    164, 167, 393, 165, 391, 92, 322, 43, 273, 106, 335, 182, 406, 83, 313, 18, 200, 199, 201, 421, 204, 424,
    202, 422, 186, 410, 57, 287,
)
_ABOVE = (50, 280, 101, 330, 9, 195, 117, 346, 118, 347, 5, 205, 425)  # cheeks, nose, between the brows
# fmt: on
_VERTICES = np.array(_MIDDLE + _INNER + _LINE + _AROUND + _ABOVE)
_BORDER_AT = np.array(BORDER)
_MIDDLE_AT, _LIPS_AT, _LINE_AT = slice(0, 20), slice(0, 40), slice(40, 60)
_AROUND_AT = slice(60, 60 + len(_AROUND))
_ABOVE_AT = slice(_AROUND_AT.stop, len(_VERTICES))
_OUTSIDE_AT = slice(len(_VERTICES), len(_VERTICES) + 20)
_OPPOSITE = (10 - np.arange(20)) % 20
_OUTSIDE = 1.6  # skin beside the lips: this far from the middle ring, in steps to the border

_FACE_SIDE_PX = 88  # a face is scaled to this before it is read, so that all sizes look alike
_SMOOTHING_PX = 1.0
_MAX_HIDDEN = 0.25  # share of the lips' border outside the picture that counts as a hidden mouth
_COLOUR_NOISE = np.array([100, 9, 9], np.float32)  # variance below which no change of L, a, b means anything
_MAX_DEVIATION = 5.0
_MEMORY_FRAMES = 50.0
_LEAST_TRUST = 0.01  # a frame that looks hidden teaches a little, or a lasting change would never end
_YOUNG_FRAMES = 5.0  # with fewer trusted frames than this, a frame counts for more than its track's past


@dataclass(frozen=True)
class Logistic:
    """A logistic model: for each named feature its (mean, scale, weight), and a bias."""

    terms: dict[str, tuple[float, float, float]]
    bias: float

    def __call__(self, features: list[float]) -> float:
        """Probability; `features` in the order of `terms`."""
        total = self.bias
        for value, (mean, scale, weight) in zip(features, self.terms.values(), strict=True):
            total += weight * (value - mean) / scale
        return 1 / (1 + math.exp(-min(max(total, -30.0), 30.0)))


# Fitted by `benchmarks/occlusion.py fit`, from pasted hands and masks (docs/occlusion.md).
STILL = Logistic(
    {
        "redder_than_beside": (0.2622, 1.1794, -0.2717),
        "lightness_unevenness": (5.284, 2.9555, -2.0962),
        "lightness_asymmetry": (3.7337, 2.9048, 1.8292),
        "brightest_of_line": (-3.7737, 9.5211, 1.8126),
        "chroma_unlike_above": (5.7621, 5.5044, 1.3877),
        "chroma_spread_around": (2.0793, 1.0448, 0.0066),
        "lightness_spread_around": (12.6707, 8.219, 0.534),
        "redness": (2.0683, 5.4288, 0.2986),
        "yellower_than_beside": (-1.3487, 1.6736, 0.4543),
    },
    -1.1847,
)
TRACK = Logistic(
    {
        "lips_unlike_before": (0.9434, 0.9932, 1.128),
        "beside_unlike_before": (0.8225, 0.8619, 0.2731),
        "likeness": (0.7874, 0.3408, -0.2749),
        "contrast_unlike_before": (3.615, 4.0603, 0.2198),
        "still_logit": (-1.1842, 3.4274, 2.2438),
        "still_logit_before": (-2.3331, 2.3876, 0.8531),
    },
    -1.0162,
)


class Judgement(NamedTuple):
    """What `MouthOcclusion.judge` found in a frame: the number, and the features of both models."""

    occlusion: float
    still: list[float]
    track: list[float]


def read_points(image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> Values | None:
    """Colours at the points of the face, (n, 3): L, a, b of 8-bit CIELAB less their median above the mouth.

    `image` (H, W, 3) RGB, `landmarks` (478, 2 or 3) px. None where a quarter of the lips' border or more
    lies outside the picture.
    """
    points = landmarks[:, :2]
    height, width = image.shape[:2]
    border = points[_BORDER_AT]
    inside = ((border >= 0) & (border <= (width - 1, height - 1))).all(axis=1)
    if inside.mean() <= 1 - _MAX_HIDDEN:
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    x0, y0 = (max(0, int(value) - 2) for value in low)
    x1, y1 = min(width, int(high[0]) + 3), min(height, int(high[1]) + 3)
    side = float((high - low).max())
    stride = max(1, int(side / (2 * _FACE_SIDE_PX)))  # shrinking by area reads every pixel: too dear above
    size = tuple(max(2, round(length * _FACE_SIDE_PX / side)) for length in (x1 - x0, y1 - y0))
    shrinks = side > stride * _FACE_SIDE_PX
    face = cv2.resize(
        image[y0:y1:stride, x0:x1:stride],
        size,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    lab = cv2.cvtColor(cv2.GaussianBlur(face, (0, 0), _SMOOTHING_PX), cv2.COLOR_RGB2LAB)
    scale = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
    middle = points[_VERTICES[_MIDDLE_AT]]
    at = np.concatenate([points[_VERTICES], middle + _OUTSIDE * (border - middle)])
    at = ((at - (x0, y0) + 0.5) * scale - 0.5).astype(np.float32)
    colours = cv2.remap(
        lab, at[:, None, 0], at[:, None, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )[:, 0].astype(np.float32)
    return np.asarray(colours - np.median(colours[_ABOVE_AT], axis=0), np.float32)


def _quantile(values: Values, share: float) -> float:
    return float(np.sort(values)[round(share * (len(values) - 1))])


def still_features(colours: Values) -> list[float]:
    """What one frame shows; in the order of `STILL.terms`."""
    lips, around, outside = colours[_LIPS_AT], colours[_AROUND_AT], colours[_OUTSIDE_AT]
    step = colours[_MIDDLE_AT] - outside
    chroma = around[:, 1:]
    beside_above = chroma - colours[_ABOVE_AT, 1:].mean(axis=0)
    return [
        _quantile(step[:, 1], 0.2),
        float(np.abs(step[:, 0] - step[:, 0].mean()).mean()),
        float(np.abs(step[:, 0] - step[_OPPOSITE, 0]).mean()),
        _quantile(colours[_LINE_AT, 0] - outside[:, 0], 0.8),
        float(np.hypot(beside_above[:, 0], beside_above[:, 1]).mean()),
        float(np.abs(chroma - chroma.mean(axis=0)).mean()),
        float(around[:, 0].std()),
        float(lips[:, 1].mean()),
        float(lips[:, 2].mean() - outside[:, 2].mean()),
    ]


def _logit(probability: float) -> float:
    return min(max(math.log((probability + 1e-9) / (1 - probability + 1e-9)), -6.0), 6.0)


class _Reference:
    """How the track looked: running mean and variance of its colours, weighted by trust in each frame."""

    def __init__(self, colours: Values, still: float) -> None:
        self._mean = colours.copy()
        self._variance = np.zeros_like(colours)
        self._weight = 0.0
        self._still = still

    @property
    def worth(self) -> float:
        """0 … 1: how far what was learned can be relied on."""
        return self._weight / (self._weight + _YOUNG_FRAMES)

    def features(self, colours: Values, still: float) -> list[float]:
        """How a frame differs from the track; in the order of `TRACK.terms`."""
        squared = (colours - self._mean) ** 2 / (self._variance + _COLOUR_NOISE)
        deviation = np.minimum(np.sqrt(squared.mean(axis=1)), _MAX_DEVIATION)
        step = colours[_MIDDLE_AT, 0] - colours[_OUTSIDE_AT, 0]
        mean_step = self._mean[_MIDDLE_AT, 0] - self._mean[_OUTSIDE_AT, 0]
        return [
            _quantile(deviation[_LIPS_AT], 0.8),
            _quantile(deviation[_OUTSIDE_AT], 0.8),
            self._likeness(colours[:, 0]),
            float(np.abs(step - mean_step).mean()),
            _logit(still),
            _logit(self._still),
        ]

    def _likeness(self, lightness: Values) -> float:
        """Correlation of the lower face's lightness with that of the reference; 0 for flat pictures."""
        lower = np.r_[0 : _AROUND_AT.stop, _OUTSIDE_AT]
        one, other = lightness[lower], self._mean[lower, 0]
        one, other = one - one.mean(), other - other.mean()
        norm = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(one @ other) / (norm + 20.0)

    def learn(self, colours: Values, still: float, occlusion: float) -> None:
        """Move towards a frame, the less the more it looks hidden."""
        trust = max(_LEAST_TRUST, 1 - 2 * occlusion)
        self._weight = min(self._weight + trust, _MEMORY_FRAMES)
        rate = trust / self._weight
        change = colours - self._mean
        self._mean += np.float32(rate) * change
        self._variance = np.float32(1 - rate) * (self._variance + np.float32(rate) * change * change)
        self._still += rate * (still - self._still)


class MouthOcclusion:
    """How likely it is that something hides the mouth, frame by frame of one track; looks at no later frame.

    One object a track, called with its frames in order. The first frame is judged by itself alone; the more
    frames with a visible mouth were seen, the more the track's own past (about the last 50 of them) is the
    measure. A track that starts hidden has no such past: it is judged as far as a single frame can tell.
    """

    def __init__(self, *, still: Logistic = STILL, track: Logistic = TRACK) -> None:
        self._still = still
        self._track = track
        self.reset()

    def reset(self) -> None:
        """Forget the track."""
        self._reference: _Reference | None = None

    def __call__(self, image: NDArray[np.uint8], landmarks: NDArray[np.floating]) -> float:
        """0 (visible) … 1 (hidden) for a face of `image` (H, W, 3) RGB with `landmarks` (478, 2 or 3) px.

        1 where a quarter of the lips' border or more lies outside the picture.
        """
        colours = read_points(image, landmarks)
        return 1.0 if colours is None else self.judge(colours).occlusion

    def judge(self, colours: Values) -> Judgement:
        """The same from what `read_points` returned."""
        features = still_features(colours)
        still = self._still(features)
        if self._reference is None:
            self._reference = _Reference(colours, still)
        reference = self._reference
        against = reference.features(colours, still)
        occlusion = reference.worth * self._track(against) + (1 - reference.worth) * still
        reference.learn(colours, still, occlusion)
        return Judgement(occlusion, features, against)
