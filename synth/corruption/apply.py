"""A plan applied to frames: the whole clip at once (`apply`), or as a stream (`stream`).

Pure: the same plan, frames, landmarks and occluders give the same bytes. Nothing is left clean in silence:
a frame that should be corrupted where nobody knows the face is flagged, a span without any face is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synth.corruption.face_frame import N_POINTS, Points, points68, usual_scale, without_gaps
from synth.corruption.occluders import Occluder, find
from synth.corruption.pasting import lay_on, lay_square
from synth.corruption.picture import Picture
from synth.corruption.pixels import spoil
from synth.corruption.plan import CorruptError, Corruption, CorruptionPlan, Fault
from synth.corruption.recompress import recompressed
from synth.corruption.retiming import retimed
from synth.levels import Spans

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Corrupted:
    """A corrupted clip of T frames.

    `frames`: images like those given. `masks`: (H, W) bool each, the pixels that a corruption reached; None
    where not asked for. `corrupted` (T,) frames that were changed or replaced; `landmarks_missing` (T,) those
    that should have been and whose face nobody knows: they are as they were (another corruption of the plan
    may still have changed them); `interpolated` (T,) those whose landmarks come from their neighbours;
    `shown` (T,) which frame is seen at each.
    """

    frames: list[Image]
    masks: list[NDArray[np.bool_]] | None
    corrupted: NDArray[np.bool_]
    landmarks_missing: NDArray[np.bool_]
    interpolated: NDArray[np.bool_]
    shown: NDArray[np.int64]

    @property
    def spans(self) -> Spans:
        """What `synth.reliability` takes: spans of the frames that are corrupted, by what was done."""
        return spans_of(self.corrupted)


def apply(
    plan: CorruptionPlan,
    frames: Iterable[Image],
    landmarks: NDArray[np.floating] | None = None,
    occluders: Mapping[str, Occluder] | None = None,
    *,
    masks: bool = False,
) -> Corrupted:
    """The whole of a plan, for set builders and trainers.

    `frames`: `plan.n_frames` images (H, W, 3) RGB or (H, W) grey, uint8, of one size; they are not changed.
    `landmarks` (T, 478 or 68, 2 or 3) px of those images, NaN where the face was not seen; None where
    the plan needs none. `occluders` by name (`load_occluders`).

    Raises CorruptError: LANDMARKS_MISSING where the plan needs landmarks and there are none in a whole span,
    NO_OCCLUDER, LENGTH_DIFFERS, FRAME_UNSUITABLE.
    """
    pictures = list(stream(plan, frames, landmarks, occluders, masks=masks))
    if len(pictures) != plan.n_frames:
        raise CorruptError(Fault.LENGTH_DIFFERS, f"{len(pictures)} frames, planned are {plan.n_frames}")
    filled = np.zeros(plan.n_frames, bool)
    if landmarks is not None and any(one.needs_landmarks for one in plan.corruptions):
        filled = without_gaps(points68(landmarks))[1]
    return Corrupted(
        frames=[one.image for one in pictures],
        masks=[one.touched for one in pictures if one.touched is not None] if masks else None,
        corrupted=np.array([one.corrupted for one in pictures]),
        landmarks_missing=np.array([one.landmarks_missing for one in pictures]),
        interpolated=filled,
        shown=np.array([one.shown for one in pictures], np.int64),
    )


def stream(
    plan: CorruptionPlan,
    frames: Iterable[Image],
    landmarks: NDArray[np.floating] | None = None,
    occluders: Mapping[str, Occluder] | None = None,
    *,
    ticks: Sequence[int] | None = None,
    masks: bool = False,
) -> Iterator[Picture]:
    """As `apply`, frame by frame: memory does not grow with the clip.

    `landmarks` has a row for each frame that comes. `ticks` (ascending) tells where on the plan's time line
    each frame lies, for video of another rate and for frames before and after the clip, which are only looked
    at; None: frame t is tick t. Faults of the plan are raised here, those of a frame when it comes.
    """
    points = None if landmarks is None else without_gaps(points68(landmarks))[0]
    _check_landmarks(plan, points, ticks)
    given = occluders or {}
    scale = 1.0 if points is None else usual_scale(points)
    pictures = _pictures(frames, points, ticks, masks=masks)
    for one in plan.corruptions:
        if one.spec.retimes:
            pictures = retimed(pictures, one)
        elif one.kind == "h264":
            pictures = recompressed(pictures, one)
        else:
            pictures = _each(pictures, one, _occluder(one, given), scale)
    return pictures


def _occluder(corruption: Corruption, given: Mapping[str, Occluder]) -> Occluder | None:
    if corruption.occluder is None or corruption.spec.occluder is None:
        return None
    return find(given, corruption.occluder, corruption.spec.occluder)


def spans_of(flags: NDArray[np.bool_]) -> Spans:
    """Half-open spans of the frames that are set, of (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return tuple((start, stop) for start, stop in edges.reshape(-1, 2).tolist())


def _pictures(
    frames: Iterable[Image], points: Points | None, ticks: Sequence[int] | None, *, masks: bool
) -> Iterator[Picture]:
    unknown = np.full((N_POINTS, 2), np.nan)
    shape: tuple[int, ...] | None = None
    for number, image in enumerate(frames):
        if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,)):
            detail = f"frame {number} is {image.shape} {image.dtype}, not (H, W) or (H, W, 3) uint8"
            raise CorruptError(Fault.FRAME_UNSUITABLE, detail)
        shape = shape or image.shape
        if image.shape != shape:
            detail = f"frame {number} is {image.shape}, the first was {shape}"
            raise CorruptError(Fault.FRAME_UNSUITABLE, detail)
        if any(known is not None and number >= len(known) for known in (points, ticks)):
            raise CorruptError(Fault.LENGTH_DIFFERS, f"frame {number} has no landmarks or no tick")
        here = unknown if points is None else points[number]
        touched = np.zeros(image.shape[:2], bool) if masks else None
        yield Picture(number, number if ticks is None else ticks[number], image, here, number, touched)


def _each(
    pictures: Iterable[Picture], corruption: Corruption, occluder: Occluder | None, scale: float
) -> Iterator[Picture]:
    """A corruption that looks at one frame at a time."""
    for picture in pictures:
        if not corruption.covers(picture.tick):
            yield picture
        elif corruption.needs_landmarks and np.isnan(picture.points).any():
            yield picture.without_landmarks()
        elif occluder is not None:
            yield picture.with_image(*lay_on(picture.image, picture.points, corruption, occluder))
        elif corruption.kind == "cutout":
            size, level = corruption.values["size_px"], int(corruption.values["level"])
            yield picture.with_image(*lay_square(picture.image, picture.points, size_px=size, level=level))
        else:
            spoilt = spoil(
                picture.image, corruption, scale=scale, number=picture.number, points=picture.points
            )
            yield picture.with_image(*spoilt)


def _check_landmarks(plan: CorruptionPlan, points: Points | None, ticks: Sequence[int] | None) -> None:
    """Raise where a span that needs landmarks has none at all."""
    for one in plan.corruptions:
        if not one.needs_landmarks:
            continue
        if points is None:
            raise CorruptError(
                Fault.LANDMARKS_MISSING, f"{one.kind} is placed on landmarks, and none are given"
            )
        at = np.arange(len(points)) if ticks is None else np.asarray(ticks)
        known = np.asarray(~np.isnan(points).any(axis=(1, 2)))
        for start, stop in one.spans:
            inside = (at >= start) & (at < stop)
            if inside.any() and not known[inside].any():
                detail = f"{one.kind} in frames {start} to {stop}: no landmarks in any of them, nor near them"
                raise CorruptError(Fault.LANDMARKS_MISSING, detail)
