"""Shots: where the camera changes, found with PySceneDetect's detectors on the frames of the one decode."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scenedetect.common import FrameTimecode
    from scenedetect.detector import SceneDetector

THUMB_PX = 64  # longest side of what the detectors see: motion is a pixel there, and they take 0.1 ms
LEVEL_MEAN, LEVEL_SPREAD = 128.0, 50.0  # grey levels that every thumbnail is brought to
BLANK_SPREAD = 2.0  # grey levels: a picture with a smaller standard deviation shows nothing
BRIGHTEST_PERCENT = 95.0  # a station logo on black is smaller than the other 5 %
BLEND_RESIDUAL = 0.15  # on the clips of the thresholds two blended speakers leave 0.02, motion 0.19


@dataclass(frozen=True)
class Boundary:
    """A new shot begins with frame `frame`, counted from 0 since the last reset.

    `cut`: its picture differs from the one before. `fade`: the picture comes back from black, faded in or
    at once; the black frames before it still belong to the old shot.
    """

    frame: int
    kind: Literal["cut", "fade"]


class ShotDetector:
    """Finds hard cuts and fades through black, frame by frame, without looking ahead.

    A cut is reported with the very frame that begins the new shot, a fade with the first frame that is
    brighter than `black_level`: at most a tenth of the fade-in after the first light. Nothing depends on
    time or frame rate: `pts` only guards the order. There is no shortest shot: a surplus boundary splits a
    track, a missing one joins two people.

    Thumbnails are brought to one mean and spread first, so that a lamp, a flash or a dark room counts for
    nothing, and a cut between two people in front of the same wall counts fully. A cut needs both a change
    of the pixels (ContentDetector on luma, at TalkVid's threshold of 10) and a new layout (HashDetector,
    16x16; 0.25 lies between the largest value within a shot, 0.20, and the smallest between two speakers
    of the same framing, 0.45, on clips that the test does not report). Where a conversion of the frame
    rate mixed old and new in one frame, the cut shows over two frames, and is reported with the second.
    Pictures without content (white, black) are compared with nothing, the next one with the last.

    Not found: longer dissolves, and jump cuts between takes of one person in the same framing. Reported
    though no cut: a pan faster than 1.5 % of the width a frame, and a flash that blows out most of the
    picture but not all.
    """

    def __init__(
        self, *, content_threshold: float = 10.0, hash_threshold: float = 0.25, black_level: int = 12
    ) -> None:
        """Thresholds of PySceneDetect's detectors.

        `content_threshold` is a mean difference in grey levels after levelling, `hash_threshold` a share
        of differing hash bits, `black_level` (PySceneDetect's default) the 8-bit luma that the brightest
        5 % of a black picture stay below.
        """
        self._content_threshold = content_threshold
        self._hash_threshold = hash_threshold
        self._black_level = black_level
        self.reset()

    def reset(self) -> None:
        """Forget the video; the next frame is number 0."""
        from scenedetect.detectors import ThresholdDetector

        self._n_frames = 0
        self._last_pts: Fraction | None = None
        self._fades = ThresholdDetector(threshold=self._black_level, min_scene_len=0)
        self._neighbours = self._change_detectors()
        self._over_two = (self._change_detectors(), self._change_detectors())
        self._recent: tuple[NDArray[np.uint8], ...] = ()
        self._found_last = False

    def __call__(self, image: NDArray[np.uint8], pts: Fraction) -> list[Boundary]:
        """Boundaries that this frame reveals: none, or one that names this frame.

        `image` is (H, W, 3) RGB, of one size since the reset; `pts` its time in seconds. Raises
        ValueError when time does not move forward: without `reset` two videos would be compared.
        """
        from scenedetect.common import FrameTimecode

        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"a frame at {pts} s after one at {self._last_pts} s: reset() between videos")
        frame, self._n_frames, self._last_pts = self._n_frames, self._n_frames + 1, pts
        # a mere count: the detectors use its rate only for shortest lengths, of which there are none
        count = FrameTimecode(frame, fps=1.0)
        thumb = _thumbnail(image)
        brightest = np.percentile(thumb, BRIGHTEST_PERCENT)
        is_back = bool(self._fades.process_frame(count, np.full((1, 1, 3), brightest)))
        levelled = _levelled(thumb) if brightest >= self._black_level else None
        if levelled is None:
            return []
        is_new = self._is_new(count, thumb, levelled)
        self._found_last = is_back or is_new
        return [Boundary(frame, "fade" if is_back else "cut")] if self._found_last else []

    def _is_new(self, count: FrameTimecode, thumb: NDArray[np.uint8], levelled: NDArray[np.uint8]) -> bool:
        """Whether the picture is not that of the last frame, nor a blend away from the last but one."""
        changed = _all_fire(self._neighbours, count, levelled)
        self._over_two = self._over_two[::-1]  # each pair sees every other frame
        changed_over_two = _all_fire(self._over_two[0], count, levelled)
        recent, self._recent = self._recent, (*self._recent[-1:], thumb)
        if changed or self._found_last or not changed_over_two:
            return changed
        before_last, last = recent
        return _is_blend(before_last, last, thumb)

    def _change_detectors(self) -> tuple[SceneDetector, ...]:
        from scenedetect.detectors import ContentDetector, HashDetector

        return (
            ContentDetector(threshold=self._content_threshold, min_scene_len=0, luma_only=True),
            HashDetector(threshold=self._hash_threshold, size=16, lowpass=2, min_scene_len=0),
        )


def _all_fire(detectors: tuple[SceneDetector, ...], count: FrameTimecode, image: NDArray[np.uint8]) -> bool:
    fired = [bool(each.process_frame(count, image)) for each in detectors]  # each must see every frame
    return all(fired)


def _is_blend(first: NDArray[np.uint8], middle: NDArray[np.uint8], last: NDArray[np.uint8]) -> bool:
    """Whether `middle` is a weighted mean of its neighbours: mixed pictures are, moving ones are not."""
    step, part = (image.astype(np.float64).ravel() - first.ravel() for image in (last, middle))
    residual = part - step * (part @ step) / (step @ step)
    return bool(residual @ residual < BLEND_RESIDUAL**2 * (step @ step))


def _thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey, longest side `THUMB_PX`. Of tall pictures every n-th row is enough, and cheaper."""
    height, width = image.shape[:2]
    scale = THUMB_PX / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(image[:: max(1, height // (3 * THUMB_PX))], cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _levelled(grey: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """The same picture with one mean and spread, as (H, W, 3) for the detectors; None when it is blank."""
    mean, spread = (float(value[0, 0]) for value in cv2.meanStdDev(grey))
    if spread < BLANK_SPREAD:
        return None
    level = (grey - mean) * (LEVEL_SPREAD / spread) + LEVEL_MEAN
    return np.asarray(cv2.merge([np.clip(np.round(level), 0, 255).astype(np.uint8)] * 3), np.uint8)
