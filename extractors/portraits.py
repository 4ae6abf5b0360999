"""Which frame shows a face best: the reference picture of a person."""

from __future__ import annotations

from extractors.landmarks import BLENDSHAPE_NAMES, Face
from extractors.pose import euler_deg, rotation_of

MAX_TURN_DEG = 30.0
"""TAVID excludes frames whose head is turned further (arXiv 2512.20296)."""
FULL_SIDE_PX = 224.0
"""From this size on, more pixels make a face no better: it is the input of most image models."""
_BLINKS = [BLENDSHAPE_NAMES.index(name) for name in ("eyeBlinkLeft", "eyeBlinkRight")]


def portrait_quality(face: Face, sharpness: float, *, visible: float = 1.0) -> float:
    """How well a face would serve as the reference picture of its person; 0 for not at all.

    The product of its `sharpness` (see `extractors.quality`) and five factors from 0 to 1: how little yaw
    and pitch are, each falling linearly to 0 at 30°; how far the more closed eye is open; the size, full from
    224 px; and `visible`, the part of the face that nothing covers. Sharpness depends on what is in the
    picture, so compare frames of one person only.
    """
    yaw, pitch, _ = euler_deg(rotation_of(face.pose))
    frontal = max(0.0, 1 - abs(yaw) / MAX_TURN_DEG) * max(0.0, 1 - abs(pitch) / MAX_TURN_DEG)
    eyes_open = max(0.0, 1 - float(face.blendshapes[_BLINKS].max()))
    width, height = face.box[2:] - face.box[:2]
    size = min(1.0, float(min(width, height)) / FULL_SIDE_PX)
    return float(sharpness * frontal * eyes_open * size * visible)
