"""Lip regions of interest, aligned as AV-HuBERT and auto_avsr do it.

Every frame is turned, scaled and moved so that stable points of the face lie where a mean face has
them on a 256x256 canvas; 96x96 pixels round the mouth are kept.

- `AVHUBERT` (facebookresearch/av_hubert, `align_mouth.py`): five points, least squares; the transform of
  frame t is estimated on the mean landmarks of frames t … t+11, a window that looks forward.
- `AUTO_AVSR` (mpc001/auto_avsr, `detectors/retinaface/video_process.py`): eight points, least median of
  squares, the mean over up to six frames on either side, moved onto the centre of frame t.

`lookahead_frames` bounds how far any of this may see: frame t is then placed as if the clip ended
`lookahead_frames` after it, which is a case that both references define.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason

CANVAS_PX = 256
LIP_PX = 96
MOUTH = slice(48, 68)
MAX_BIAS_PX = LIP_PX // 2 + 5
"""auto_avsr gives a clip up when its aligned mouth is further than this from the canvas's middle."""

# from the mean face of mpc001/auto_avsr, `20words_mean_face.npy`, which AV-HuBERT uses too
MEAN_FACE: dict[int, tuple[float, float]] = {
    28: (128.4885, 106.9246),
    33: (128.8702, 137.3025),
    36: (92.5225, 94.3688),
    39: (112.7724, 94.9436),
    42: (145.5251, 94.535),
    45: (166.6771, 93.5656),
    48: (107.1676, 157.1961),
    54: (152.1928, 156.9871),
}
"""Stable points of iBUG-68 on the canvas, px."""


@dataclass(frozen=True)
class LipPreset:
    """How one of the field's pipelines aligns lips.

    `stable`: the points of iBUG-68 that are aligned. `window_frames`: how many frames are averaged;
    `centred`: on either side of the frame, half as many each, instead of forward from it. `robust`: least
    median of squares instead of least squares. `min_frames`: shorter clips are dropped.
    """

    stable: tuple[int, ...]
    window_frames: int
    centred: bool
    robust: bool
    min_frames: int = 1


AVHUBERT = LipPreset(stable=(33, 36, 39, 42, 45), window_frames=12, centred=False, robust=False)
AUTO_AVSR = LipPreset(
    stable=(28, 33, 36, 39, 42, 45, 48, 54), window_frames=12, centred=True, robust=True, min_frames=12
)
PRESETS: dict[str, LipPreset] = {"avhubert": AVHUBERT, "auto_avsr": AUTO_AVSR}


@dataclass(frozen=True)
class LipPlan:
    """Where the lips of each of T frames are.

    `transforms` (T, 2, 3) float64 map image pixels to the 96x96 crop; NaN where no face was seen yet and
    the bound forbids to look for one: that crop is black. `interpolated` (T,) bool marks frames whose
    landmarks were missing.
    """

    transforms: NDArray[np.float64]
    interpolated: NDArray[np.bool_]


def plan_lips(
    landmarks: NDArray[np.float64], *, preset: LipPreset = AVHUBERT, lookahead_frames: int | None = None
) -> LipPlan:
    """Plan the crops of a clip from its iBUG-68 landmarks (T, 68, 2) px; missing frames are NaN.

    Gaps are interpolated linearly, the ends repeat the nearest frame. A clip shorter than the window
    uses one as long as itself, as the reference does. With `lookahead_frames`, frame t depends on no frame
    after t + `lookahead_frames`: a gap that ends later holds its last frame.

    Raises ItemError: NO_FACE when every frame is missing (the references then resize the whole frame and
    carry on), CHUNK_SHORT below the preset's `min_frames`, FACE_LOST where auto_avsr finds the aligned
    mouth too far from the middle of the canvas.
    """
    missing = np.asarray(np.isnan(landmarks).any(axis=(1, 2)))
    if missing.all():
        raise ItemError(Reason.NO_FACE, "no frame of the clip has landmarks to align the lips with")
    if len(landmarks) < preset.min_frames:
        detail = f"{len(landmarks)} frames; this lip preset drops clips of fewer than {preset.min_frames}"
        raise ItemError(Reason.CHUNK_SHORT, detail)
    target = np.array([MEAN_FACE[point] for point in preset.stable])
    fit = _robust_similarity if preset.robust else similarity
    frames = np.arange(len(landmarks))
    last = last_known(len(landmarks), lookahead_frames)
    transforms = np.full((len(landmarks), 2, 3), np.nan)
    for frame in np.flatnonzero(last >= int(np.argmin(missing))).tolist():
        rows = _window(frame, int(last[frame]) + 1, preset)
        smooth = known_at(landmarks, missing, frames[rows], last[frame]).mean(axis=0)
        points = known_at(landmarks, missing, frames[frame], last[frame])
        if preset.centred:
            smooth += points.mean(axis=0) - smooth.mean(axis=0)
            points = smooth
        transform = fit(smooth[list(preset.stable)], target)
        mouth = (points[MOUTH] @ transform[:, :2].T + transform[:, 2]).mean(axis=0)
        if preset.centred and np.abs(mouth - CANVAS_PX / 2).max() > MAX_BIAS_PX:
            raise ItemError(Reason.FACE_LOST, f"frame {frame}: the aligned mouth leaves the canvas's middle")
        transforms[frame] = transform
        transforms[frame, :, 2] -= _corner(mouth)
    return LipPlan(transforms, missing)


def _window(frame: int, n_known: int, preset: LipPreset) -> slice:
    """Frames to average for `frame` when the first `n_known` frames of the clip are known."""
    if preset.centred:
        reach = min(preset.window_frames // 2, frame, n_known - 1 - frame)
        return slice(frame - reach, frame + reach + 1)
    window = min(preset.window_frames, n_known)
    start = min(frame, n_known - window)  # the last frames reuse the last window
    return slice(start, start + window)


def last_known(n_frames: int, lookahead_frames: int | None) -> NDArray[np.intp]:
    """The last frame that each of `n_frames` frames may look at; None: all of them.

    Raises ValueError for a negative bound.
    """
    if lookahead_frames is None:
        return np.full(n_frames, n_frames - 1, np.intp)
    if lookahead_frames < 0:
        raise ValueError(f"lookahead_frames={lookahead_frames} must not be negative")
    return np.minimum(np.arange(n_frames) + lookahead_frames, n_frames - 1)


def known_at(
    values: NDArray[np.float64],
    missing: NDArray[np.bool_],
    rows: NDArray[np.intp],
    last: NDArray[np.intp] | int,
) -> NDArray[np.float64]:
    """Rows of `values` (T, …) as they stand when frame `last` is the latest known; `missing` (T,).

    Missing rows are interpolated linearly between their neighbours, or repeat the nearest where only one is
    known; NaN where none is. `rows` and `last` are integers of one shape S, `rows` <= `last`; gives (S, …).
    """
    frames = np.arange(len(values))
    before = np.maximum.accumulate(np.where(missing, -1, frames))[rows]
    after = np.minimum.accumulate(np.where(missing, len(values), frames)[::-1])[::-1][rows]
    after = np.where(after <= last, after, before)
    before = np.where(before < 0, after, before)
    known = (before >= 0) & (before <= last)
    before, after = np.where(known, before, 0), np.where(known, after, 0)
    share = (rows - before) / np.maximum(after - before, 1)
    shape = share.shape + (1,) * (values.ndim - 1)
    start = values[before]
    between = np.where((after > before).reshape(shape), share.reshape(shape) * (values[after] - start), 0.0)
    return np.where(known.reshape(shape), start + between, np.nan)


def fill_gaps(
    values: NDArray[Any], missing: NDArray[np.bool_], *, lookahead_frames: int | None = None
) -> NDArray[np.float64]:
    """Missing frames (T, …) interpolated linearly between their neighbours; the ends repeat the nearest.

    With `lookahead_frames`, frame t uses no frame after t + `lookahead_frames`: a gap that ends later holds
    its last value, and frames that can see no value yet are NaN.
    """
    frames = np.arange(len(values))
    return known_at(np.asarray(values), missing, frames, last_known(len(values), lookahead_frames))


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


def _robust_similarity(points: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """As `similarity`, by least median of squares: up to half of the points may lie anywhere.

    OpenCV draws its trials from a generator of its own with a fixed seed: the same points give the same
    bytes, whatever `cv2.setRNGSeed` was given (a test holds it to that).
    """
    transform, _ = cv2.estimateAffinePartial2D(points, target, method=cv2.LMEDS)
    if transform is None:
        raise ValueError("the stable points of the face have no extent")
    return np.asarray(transform, np.float64)


def _corner(centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper left corner of the crop: whole pixels, and inside the canvas, as the reference cuts."""
    half = LIP_PX // 2
    return np.asarray(np.round(np.clip(centre, half, CANVAS_PX - half)) - half, np.float64)


def lip_crop(image: NDArray[np.uint8], plan: LipPlan, frame: int) -> NDArray[np.uint8]:
    """(96, 96) grey lips of `image` (H, W, 3) RGB, black where the image ends or no face was seen yet.

    One warp straight to the crop: equal to warping the whole canvas and cutting.
    """
    transform = plan.transforms[frame]
    if np.isnan(transform).any():
        return np.zeros((LIP_PX, LIP_PX), np.uint8)
    colour = cv2.warpAffine(image, transform, (LIP_PX, LIP_PX), flags=cv2.INTER_LINEAR)
    return np.asarray(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY), np.uint8)
