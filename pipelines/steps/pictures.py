"""The video members of one clip, all from one decode of its span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extractors.extractor import FaceExtractor, FaceFrame
from manifests.reasons import ItemError, Reason
from pipelines.sections import CutConfig
from pipelines.steps.series import Clip, Series

if TYPE_CHECKING:
    from extractors.media import Frame

MAX_GAP_S = 0.1
"""A coefficient between two measurements further apart than this is marked invalid: one missed frame at
25 fps is bridged, and video of 12 fps still counts as measured."""


def cut_pictures(
    clip: Clip,
    path: str,
    series: Series,
    *,
    config: CutConfig,
    extractors: Mapping[str, FaceExtractor],
    measures: dict[str, Any],
) -> dict[str, bytes]:
    """Video and coefficients of the clip's track, by member file name; adds to `measures`."""
    from extractors.resampling import nearest_indices

    payloads = _coefficients(clip, series, config, measures)
    chosen = nearest_indices(series.frame_pts, clip.grid)
    makers: list[_Maker] = []
    if "lips" in config.members:
        makers.append(_Lips(series, chosen, config))
    if "face" in config.members:
        makers.append(_Face(series, chosen, config))
    makers.extend(_Extracted(series, chosen, one) for one in extractors.values())
    if makers:
        times = [series.frame_pts[one] for one in chosen]
        for index, frame in enumerate(frames_at(times, clip, path)):
            for maker in makers:
                maker.add(index, frame.image)
    for maker in makers:
        payloads |= maker.finish()
    return payloads


def _coefficients(
    clip: Clip, series: Series, config: CutConfig, measures: dict[str, Any]
) -> dict[str, bytes]:
    from extractors.coefficients import coefficients
    from extractors.encode import npy_bytes

    times_s = np.array([float(time) for time in series.frame_pts])[series.seen]
    grid_s = np.array([float(time) for time in clip.grid])
    found = coefficients(times_s, series.blendshapes, series.poses, grid_s, max_gap_s=MAX_GAP_S)
    measures["face61_valid_share"] = float(found.face61_valid.mean())
    payloads: dict[str, bytes] = {}
    for name in ("arkit52", "face61"):
        if name in config.members:
            payloads[f"{name}.npy"] = npy_bytes(getattr(found, name))
            payloads[f"{name}_valid.npy"] = npy_bytes(getattr(found, f"{name}_valid"))
    return payloads


class _Maker:
    """Takes the frames of a clip one after the other, then gives its payloads."""

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        raise NotImplementedError

    def finish(self) -> dict[str, bytes]:
        raise NotImplementedError


class _Lips(_Maker):
    def __init__(self, series: Series, chosen: list[int], config: CutConfig) -> None:
        from extractors import encode, lips
        from extractors.landmarks import IBUG68_FROM_MESH

        self._plan = lips.plan_lips(on_frames(series.landmarks[:, IBUG68_FROM_MESH, :2], series, chosen))
        self._video = encode.Mp4Writer(grey=True, options=encode.LIP_OPTIONS)

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        from extractors.lips import lip_crop

        self._video.add(lip_crop(image, self._plan, index))

    def finish(self) -> dict[str, bytes]:
        from extractors.encode import npy_bytes

        return {
            "lips.mp4": self._video.finish(),
            "lips_interpolated.npy": npy_bytes(self._plan.interpolated),
        }


class _Face(_Maker):
    def __init__(self, series: Series, chosen: list[int], config: CutConfig) -> None:
        from extractors import crops, encode

        self._plan = crops.plan_crops(on_frames(series.boxes, series, chosen), scale=config.face_scale)
        self._side_px = config.face_px
        self._video = encode.Mp4Writer(grey=False, options=encode.FACE_OPTIONS)

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        from extractors.crops import face_crop

        self._video.add(face_crop(image, self._plan, index, size_px=self._side_px))

    def finish(self) -> dict[str, bytes]:
        return {"face.mp4": self._video.finish()}


class _Extracted(_Maker):
    """A registered extractor, and the face it is shown."""

    def __init__(self, series: Series, chosen: list[int], extractor: FaceExtractor) -> None:
        from extractors.lips import fill_gaps

        seen = on_frames(np.ones(len(series.seen)), series, chosen)
        self._seen = ~np.isnan(seen)
        if not self._seen.any():
            raise ItemError(Reason.NO_FACE, "the face is in no frame of the clip")
        self._filled = [
            fill_gaps(on_frames(values, series, chosen), ~self._seen)
            for values in (series.landmarks, series.boxes, series.blendshapes, series.poses)
        ]
        self._extractor = extractor
        extractor.begin(len(chosen))

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        landmarks, box, blendshapes, pose = (values[index] for values in self._filled)
        self._extractor.add(FaceFrame(image, landmarks, box, blendshapes, pose, bool(self._seen[index])))

    def finish(self) -> dict[str, bytes]:
        from extractors.encode import npy_bytes

        return {f"{name}.npy": npy_bytes(values) for name, values in self._extractor.finish().items()}


def on_frames(values: NDArray[Any], series: Series, chosen: list[int]) -> NDArray[Any]:
    """Values (N, …) of the frames with the face, on the chosen frames (T, …); NaN where it was not seen."""
    every = np.full((len(series.frame_pts), *values.shape[1:]), np.nan)
    every[series.seen] = values
    return every[chosen]


def frames_at(times: list[Fraction], clip: Clip, path: str) -> Iterator[Frame]:
    """The source frames with these PTS (ascending, may repeat), decoded again.

    Raises ItemError when the second decode does not give the frames of the first.
    """
    from extractors.media import VideoReader

    video, rotation = clip.source["video_stream"], clip.source["rotation_deg"]
    with VideoReader(path, stream_index=video, rotation_deg=rotation) as reader:
        frames = reader.frames(times[0], times[-1] + Fraction(1, 10**6))
        frame = next(frames, None)
        for time in times:
            while frame is not None and frame.pts < time:
                frame = next(frames, None)
            if frame is None or frame.pts != time:
                raise ItemError(Reason.DECODE_FAILED, f"no frame at {float(time):.3f} s in the second decode")
            yield frame
