"""Lip regions of interest, aligned as AV-HuBERT does it (facebookresearch/av_hubert, `align_mouth.py`).

Every frame is turned, scaled and moved so that stable points of the face lie where a mean face has
them on a 256x256 canvas; 96x96 pixels round the mouth are kept. The transform of frame t is estimated on
the mean landmarks of frames t … t+11, a window that looks forward.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason

CANVAS_PX = 256
LIP_PX = 96
MOUTH = slice(48, 68)


@dataclass(frozen=True)
class LipPreset:
    """How one of the field's pipelines aligns lips: points of iBUG-68, where they go, and the window."""

    stable: tuple[int, ...]
    mean_face: tuple[tuple[float, float], ...]  # px on the canvas, one for each stable point
    window_frames: int


AVHUBERT = LipPreset(
    stable=(33, 36, 39, 42, 45),
    # from the mean face of mpc001/auto_avsr, `20words_mean_face.npy`, which AV-HuBERT uses too
    mean_face=(
        (128.8702, 137.3025),
        (92.5225, 94.3688),
        (112.7724, 94.9436),
        (145.5251, 94.535),
        (166.6771, 93.5656),
    ),
    window_frames=12,
)


@dataclass(frozen=True)
class LipPlan:
    """Where the lips of each of T frames are.

    `transforms` (T, 2, 3) float64 map image pixels to the 96x96 crop; `interpolated` (T,) bool marks
    frames whose landmarks were missing.
    """

    transforms: NDArray[np.float64]
    interpolated: NDArray[np.bool_]


def plan_lips(landmarks: NDArray[np.float64], *, preset: LipPreset = AVHUBERT) -> LipPlan:
    """Plan the crops of a clip from its iBUG-68 landmarks (T, 68, 2) px; missing frames are NaN.

    Gaps are interpolated linearly, the ends repeat the nearest frame. A clip shorter than the window
    uses one as long as itself, as the reference does. Raises ItemError(NO_FACE) when every frame is
    missing: the references then resize the whole frame and carry on.
    """
    missing = np.asarray(np.isnan(landmarks).any(axis=(1, 2)))
    if missing.all():
        raise ItemError(Reason.NO_FACE, "no frame of the clip has landmarks to align the lips with")
    filled = fill_gaps(landmarks, missing)
    window = min(preset.window_frames, len(filled))
    target = np.asarray(preset.mean_face, np.float64)
    transforms = np.empty((len(filled), 2, 3))
    for frame in range(len(filled)):
        if frame <= len(filled) - window:
            smooth = filled[frame : frame + window].mean(axis=0)
            transform = similarity(smooth[list(preset.stable)], target)
        mouth = filled[frame, MOUTH] @ transform[:, :2].T + transform[:, 2]
        transforms[frame] = transform
        transforms[frame, :, 2] -= _corner(mouth.mean(axis=0))
    return LipPlan(transforms, missing)


def fill_gaps(landmarks: NDArray[np.float64], missing: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Missing frames (T, …) interpolated linearly between their neighbours; the ends repeat the nearest."""
    frames, known = np.arange(len(landmarks)), np.flatnonzero(~missing)
    flat = landmarks.reshape(len(landmarks), -1)
    columns = [np.interp(frames, known, flat[known, column]) for column in range(flat.shape[1])]
    return np.stack(columns, axis=1).reshape(landmarks.shape)


def similarity(points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 3) rotation, uniform scale and shift that maps `points` (N, 2) onto `target` best (least squares).

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns"
    (TPAMI 1991); in the plane it is one division of complex numbers.
    """
    z, w = points @ np.array([1, 1j]), target @ np.array([1, 1j])
    centred = z - z.mean()
    turn = complex(np.vdot(centred, w - w.mean()) / np.vdot(centred, centred))
    shift = complex(w.mean() - turn * z.mean())
    rows = [[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]]
    return np.array(rows, np.float64)


def _corner(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper left corner of the crop: whole pixels, and inside the canvas, as the reference cuts."""
    half = LIP_PX // 2
    return np.asarray(np.round(np.clip(centre, half, CANVAS_PX - half)) - half, np.float64)


def lip_crop(image: NDArray[np.uint8], plan: LipPlan, frame: int) -> NDArray[np.uint8]:
    """(96, 96) grey lips of `image` (H, W, 3) RGB, black where the image ends.

    One warp straight to the crop: equal to warping the whole canvas and cutting.
    """
    colour = cv2.warpAffine(image, plan.transforms[frame], (LIP_PX, LIP_PX), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
