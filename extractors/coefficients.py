"""Face coefficients on fixed grids: `arkit52` and `livelink61` at 25 Hz, `face61` at 12.5 and 25 Hz."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.gaze import gaze_deg
from extractors.landmarks import BLENDSHAPE_NAMES
from extractors.pose import euler_deg, from_six, rotation_of, to_six
from extractors.resampling import interpolate, to_mimi_rate

ARKIT52_NAMES = BLENDSHAPE_NAMES
"""MediaPipe's published order: `_neutral`, then 51 of ARKit's shapes; `tongueOut` is not measured."""

GRID_HZ = 25.0

FACE61_NAMES = (
    *ARKIT52_NAMES,
    *(f"rotation_{axis}{column}" for column in (0, 1) for axis in "xyz"),
    *(f"translation_{axis}_cm" for axis in "xyz"),
)
"""52 blendshapes; first, then second column of the head's rotation; its place before the camera in cm."""

ROTATION = slice(52, 58)
TRANSLATION = slice(58, 61)

# The order of Epic's `EARFaceBlendShape`, in which Live Link Face sends and writes them.
# fmt: off
LIVELINK61_NAMES: tuple[str, ...] = (
    "EyeBlinkLeft", "EyeLookDownLeft", "EyeLookInLeft", "EyeLookOutLeft", "EyeLookUpLeft", "EyeSquintLeft",
    "EyeWideLeft", "EyeBlinkRight", "EyeLookDownRight", "EyeLookInRight", "EyeLookOutRight",
    "EyeLookUpRight", "EyeSquintRight", "EyeWideRight", "JawForward", "JawRight", "JawLeft", "JawOpen",
    "MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft", "MouthSmileLeft",
    "MouthSmileRight", "MouthFrownLeft", "MouthFrownRight", "MouthDimpleLeft", "MouthDimpleRight",
    "MouthStretchLeft", "MouthStretchRight", "MouthRollLower", "MouthRollUpper", "MouthShrugLower",
    "MouthShrugUpper", "MouthPressLeft", "MouthPressRight", "MouthLowerDownLeft", "MouthLowerDownRight",
    "MouthUpperUpLeft", "MouthUpperUpRight", "BrowDownLeft", "BrowDownRight", "BrowInnerUp",
    "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff", "CheekSquintLeft", "CheekSquintRight",
    "NoseSneerLeft", "NoseSneerRight", "TongueOut",
    "HeadYaw", "HeadPitch", "HeadRoll",
    "LeftEyeYaw", "LeftEyePitch", "LeftEyeRoll", "RightEyeYaw", "RightEyePitch", "RightEyeRoll",
)
# fmt: on
"""The columns of a Live Link Face CSV after `Timecode` and `BlendShapeCount`."""

LIVELINK61_MEASURED: tuple[bool, ...] = tuple(
    name not in ("TongueOut", "LeftEyeRoll", "RightEyeRoll") for name in LIVELINK61_NAMES
)
"""Channels that are measured at all; the others are 0, never made up."""

_HEAD_SIGNS = (1.0, -1.0, 1.0)
_EYE_SIGNS = (-1.0, 1.0, -1.0, 1.0)
_EYE_COLUMNS = [55, 56, 58, 59]  # yaw and pitch of the left, then of the right eye


@dataclass(frozen=True)
class Coefficients:
    """Coefficients float32, each with a validity a frame: `arkit52` (2n, 52), `face61` (n, 61), and so on.

    `face61_25hz` (2n, 61) is `face61` before it goes down to 12.5 Hz; `livelink61` (2n, 61) is described at
    the function of that name. The three of 25 Hz share `arkit52_valid`.
    """

    arkit52: NDArray[np.float32]
    arkit52_valid: NDArray[np.bool_]
    face61: NDArray[np.float32]
    face61_valid: NDArray[np.bool_]
    face61_25hz: NDArray[np.float32]
    livelink61: NDArray[np.float32]


def coefficients(
    times_s: NDArray[np.float64],
    blendshapes: NDArray[np.float64],
    poses: NDArray[np.float64],
    grid_s: NDArray[np.float64],
    *,
    max_gap_s: float,
    lookahead_frames: int | None = None,
) -> Coefficients:
    """Measurements at `times_s` (N,): blendshapes (N, 52) and poses (N, 4, 4), on the 25 Hz `grid_s` (2n,).

    Measurements before and after the grid are used, so that its ends are filtered like its middle.

    Rotations are averaged as 6-D vectors and made orthonormal again (Gram-Schmidt). The translation is
    MediaPipe's, in cm (x right, y up, z towards the viewer); it depends on the assumed camera.

    `lookahead_frames` (of 25 Hz; None: no bound) holds for frame t of 25 Hz, which sees no measurement later
    than that after its instant, and for frame k of 12.5 Hz, counted from its last frame of 25 Hz, 2k+1. A
    frame that can see no measurement yet is 0 with the head straight, and invalid.
    """
    six, shift = to_six(rotation_of(poses)), poses[:, :3, 3]
    raw = np.concatenate([blendshapes, six, shift], axis=1)
    fine, valid = _on_grid(times_s, raw, grid_s, max_gap_s, lookahead_frames)
    # one frame of the bound, if there is one, goes to the filter, the rest to what it filters
    rest = None if lookahead_frames is None else max(lookahead_frames - 1, 0)
    same = rest == lookahead_frames
    wide, wide_valid = (fine, valid) if same else _on_grid(times_s, raw, grid_s, max_gap_s, rest)
    coarse, coarse_valid = to_mimi_rate(wide, wide_valid, lookahead_frames=lookahead_frames)
    coarse, coarse_valid, fine, valid = coarse[1:-1], coarse_valid[1:-1], fine[2:-2], valid[2:-2]
    for layout in (coarse, fine):
        layout[:, ROTATION] = to_six(from_six(layout[:, ROTATION]))
    return Coefficients(
        arkit52=fine[:, :52].astype(np.float32),
        arkit52_valid=valid,
        face61=coarse.astype(np.float32),
        face61_valid=coarse_valid,
        face61_25hz=fine.astype(np.float32),
        livelink61=livelink61(fine).astype(np.float32),
    )


def _on_grid(
    times_s: NDArray[np.float64],
    raw: NDArray[np.float64],
    grid_s: NDArray[np.float64],
    max_gap_s: float,
    lookahead_frames: int | None,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """`raw` (N, 61) on the grid and two frames on either side of it: (2n + 4, 61), and its validity."""
    edge_s = np.array([1, 2]) / GRID_HZ
    wider_s = np.concatenate([grid_s[0] - edge_s[::-1], grid_s, grid_s[-1] + edge_s])
    lookahead_s = None if lookahead_frames is None else lookahead_frames / GRID_HZ
    fine, valid = interpolate(times_s, raw, wider_s, max_gap_s=max_gap_s, lookahead_s=lookahead_s)
    fine[:, :52] = np.clip(fine[:, :52], 0, 1)  # a fitted line may overshoot
    unseen = ~fine[:, ROTATION].any(axis=1)
    fine[unseen, ROTATION] = to_six(np.eye(3))
    return fine, valid


def livelink61(face61: NDArray[np.floating]) -> NDArray[np.float64]:
    """`face61` (T, 61) in the layout of a Live Link Face CSV (T, 61): 52 shapes, then nine angles in radians.

    Epic publishes no definition of the angles. In a take of the app (think-biq/LLV,
    `examples/dao.gesichter`) an eye's yaw is positive to the subject's right and its pitch down, 0.61 rad at
    a full look shape; the eyes glide against the turning head with the same sign, so the head's signs are
    the opposite ones, which is also how JimWest/MeFaMo sends it to Unreal. In the signs of
    `extractors.pose.euler_deg` and `extractors.gaze.gaze_deg`: HeadYaw = yaw, HeadPitch = -pitch,
    HeadRoll = roll, and of an eye Yaw = -yaw, Pitch = pitch. The angles are those of `euler_deg`'s order.

    Channels that `LIVELINK61_MEASURED` does not mark are 0: `TongueOut` and the rolls of the eyes.
    """
    live = np.zeros((len(face61), len(LIVELINK61_NAMES)))
    for column, name in enumerate(LIVELINK61_NAMES[:52]):
        if LIVELINK61_MEASURED[column]:
            live[:, column] = face61[:, ARKIT52_NAMES.index(name[0].lower() + name[1:])]
    live[:, 52:55] = np.radians(euler_deg(from_six(face61[:, ROTATION]))) * _HEAD_SIGNS
    live[:, _EYE_COLUMNS] = np.radians(gaze_deg(face61[:, :52])) * _EYE_SIGNS
    return live


def zero_translation(face61: NDArray[np.float32]) -> NDArray[np.float32]:
    """A copy of `face61` (…, 61) with the head's place set to 0, for presets that do so before statistics."""
    zeroed = face61.copy()
    zeroed[..., TRANSLATION] = 0
    return zeroed
