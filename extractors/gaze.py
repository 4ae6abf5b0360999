"""Where each eye looks, relative to the head.

From the eye-look blendshapes, not from the iris landmarks. On a portrait with eyes rendered as spheres the
iris points and the blendshapes both follow a yaw of -30 … 30 degrees; but iris points need the place of the
eyeball behind the corners of this face's eyes (10 … 20 degrees between the two eyes of one GRID speaker, who
looks at one thing), and drift by 60 degrees when the head turns by 70 with its eyes kept, blendshapes by 30.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import BLENDSHAPE_NAMES

DEG_PER_SHAPE = 35.0
"""Turn of an eye at a full look shape: in a take of Live Link Face (think-biq/LLV) the angles that ARKit
gives beside its shapes are 0.605 to 0.613 rad a shape, both ways."""

GAZE_NAMES = ("left_yaw", "left_pitch", "right_yaw", "right_pitch")
"""Left and right are the subject's."""

# the shape that turns the eye to the positive side, and its opponent
_PAIRS = (
    ("eyeLookOutLeft", "eyeLookInLeft"),
    ("eyeLookDownLeft", "eyeLookUpLeft"),
    ("eyeLookInRight", "eyeLookOutRight"),
    ("eyeLookDownRight", "eyeLookUpRight"),
)
_POSITIVE, _NEGATIVE = ([BLENDSHAPE_NAMES.index(pair[side]) for pair in _PAIRS] for side in (0, 1))


def gaze_deg(blendshapes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gaze (…, 4) in degrees, as `GAZE_NAMES`, from blendshapes (…, 52) in MediaPipe's order.

    Signs as `extractors.pose.euler_deg`: yaw > 0 turns the eye to the right of the image (the subject's
    left), pitch > 0 turns it down. The roll of an eye is not measured. NaN is carried through.

    On rendered eyes of a frontal face yaw is within 7 degrees up to 30; pitch shows only half of 15 when the
    lids stay still. A turned head pulls the gaze back towards the camera by up to half its turn. Behind
    closed lids the numbers mean nothing.
    """
    shapes = np.asarray(blendshapes, np.float64)
    return DEG_PER_SHAPE * (shapes[..., _POSITIVE] - shapes[..., _NEGATIVE])
