"""Reference portraits and exclusion masks, as TAVID (arXiv 2512.20296) uses them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

BLUR_SIGMAS_PX = (0.5, 1.0, 2.0)
"""Gaussian blurs of TAVID's robustness check, px of the portrait."""

TURN_DEG = 30.0
"""Its in-plane rotation, clockwise as seen."""


def degraded(portrait: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """The portrait (S, S, 3) spoilt as TAVID's robustness check spoils it, by name.

    `blur05`, `blur1`, `blur2`: Gaussian blur; `turned30`: rotated about its middle, its edge repeated.
    (The check's third kind, a profile, is another frame and cannot be made of this one.)
    """
    side = portrait.shape[0]
    spoilt = {
        f"blur{sigma:g}".replace(".", ""): np.asarray(cv2.GaussianBlur(portrait, (0, 0), sigma), np.uint8)
        for sigma in BLUR_SIGMAS_PX
    }
    turn = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), -TURN_DEG, 1.0)
    turned = cv2.warpAffine(
        portrait, turn, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return spoilt | {"turned30": np.asarray(turned, np.uint8)}


def excluded(
    boxes: NDArray[np.float64],
    euler_deg: NDArray[np.float64],
    mouth_occlusion: NDArray[np.float64],
    times_s: NDArray[np.float64],
    *,
    max_turn_deg: float = 30.0,
    max_speed: float = 2.0,
    max_occlusion: float = 0.5,
) -> NDArray[np.bool_]:
    """(T,) frames that a talking-head model should not learn from.

    Those in which the face was not found (`boxes` (T, 4) px is NaN), the head is turned by more than
    `max_turn_deg` about any axis (`euler_deg` (T, 3)), the mouth is hidden (`mouth_occlusion` (T,) above its
    limit), or the face moves faster than `max_speed` of its own larger side a second. TAVID names the
    rotation limit; the other two numbers are ours. Movement is measured against the frame before, so a
    mask never looks ahead.
    """
    hidden = np.isnan(boxes).any(axis=1)
    turned = (np.abs(euler_deg) > max_turn_deg).any(axis=1)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    speed = np.zeros(len(boxes))
    if len(boxes) > 1:
        step_s = np.maximum(np.diff(times_s), 1e-6)
        speed[1:] = np.linalg.norm(np.diff(centres, axis=0), axis=1) / sides[1:] / step_s
    fast = np.nan_to_num(speed) > max_speed
    occluded = np.nan_to_num(mouth_occlusion) > max_occlusion
    return np.asarray(hidden | turned | occluded | fast)
