"""The video members of one clip, all from one decode of its span."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from extractors.extractor import FaceExtractor, FaceFrame
from manifests.reasons import ItemError, Reason
from manifests.store import Store
from pipelines.clip_sections import CutConfig
from pipelines.steps.members import Made
from pipelines.steps.numbers import add_numbers, on_frames
from pipelines.steps.portraits import add_portraits
from pipelines.steps.series import Clip, Series, read_scores, read_series

if TYPE_CHECKING:
    from extractors.media import Frame


def cut_pictures(
    clip: Clip, path: str, store: Store, *, config: CutConfig, extractors: Mapping[str, FaceExtractor]
) -> Made:
    """Everything that the picture of the clip's track gives."""
    from extractors.resampling import nearest_indices

    series = read_series(store, clip)
    lookahead = None if config.lookahead_frames is None else Fraction(0)
    chosen = nearest_indices(series.frame_pts, clip.grid, lookahead=lookahead)
    times = [series.frame_pts[one] for one in chosen]

    def images() -> Iterator[NDArray[np.uint8]]:
        return (frame.image for frame in frames_at(times, clip, path))

    scores = read_scores(store, clip)
    made = make_pictures(clip, series, chosen, scores, images, config=config, extractors=extractors)
    if "reference" in config.members:
        add_portraits(made, clip, path, store)
    return made


def make_pictures(
    clip: Clip,
    series: Series,
    chosen: list[int],
    scores: NDArray[np.float64],
    images: Callable[[], Iterator[NDArray[np.uint8]]],
    *,
    config: CutConfig,
    extractors: Mapping[str, FaceExtractor],
) -> Made:
    """The members that the frames of the clip's 25 Hz grid and what was seen in them give: all but portraits.

    `chosen` are the grid's frames in the series; `images` gives their pictures, from the begin on each call.
    """
    made = Made()
    add_numbers(made, clip, series, chosen, scores, config=config)
    makers: list[_Maker] = []
    if "lips" in config.members:
        makers.append(_Lips(_points68(series, chosen, images, config), config))
    if "face" in config.members:
        makers.append(_Face(series, chosen, config))
    makers.extend(_Extracted(name, one, series, chosen, config) for name, one in extractors.items())
    if makers:
        for index, image in enumerate(images()):
            for maker in makers:
                maker.add(index, image)
    for maker in makers:
        made.payloads |= maker.finish()
    return made


def _points68(
    series: Series, chosen: list[int], images: Callable[[], Iterator[NDArray[np.uint8]]], config: CutConfig
) -> NDArray[np.float64]:
    """(T, 68, 2) px on the clip's grid, NaN where unseen; dlib's take a decode of their own."""
    from extractors.landmarks import IBUG68_FROM_MESH

    points = on_frames(series.landmarks[:, IBUG68_FROM_MESH, :2], series, chosen)
    if config.lip_landmarks == "mesh":
        return points
    from extractors.dlib68 import Dlib68, dlib_box
    from extractors.weights import locate

    predict = Dlib68(str(locate("dlib_68").path))
    meshes = on_frames(series.landmarks, series, chosen)
    for index, image in enumerate(images()):
        if not np.isnan(points[index]).any():
            points[index] = predict(image, dlib_box(meshes[index]))
    return points


class _Maker:
    """Takes the frames of a clip one after the other, then gives its payloads."""

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        raise NotImplementedError

    def finish(self) -> dict[str, bytes]:
        raise NotImplementedError


class _Lips(_Maker):
    def __init__(self, points: NDArray[np.float64], config: CutConfig) -> None:
        from extractors import encode, lips

        preset = lips.PRESETS[config.lip_preset]
        self._plan = lips.plan_lips(points, preset=preset, lookahead_frames=config.lookahead_frames)
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

        boxes = on_frames(series.boxes, series, chosen)
        ahead = config.lookahead_frames
        self._plan = crops.plan_crops(boxes, scale=config.face_scale, lookahead_frames=ahead)
        self._side_px = config.face_px
        self._video = encode.Mp4Writer(grey=False, options=encode.FACE_OPTIONS)

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        from extractors.crops import face_crop

        self._video.add(face_crop(image, self._plan, index, size_px=self._side_px))

    def finish(self) -> dict[str, bytes]:
        return {"face.mp4": self._video.finish()}


class _Extracted(_Maker):
    """A registered extractor: shown the frames in which the face was seen; the others are filled here."""

    def __init__(
        self, name: str, extractor: FaceExtractor, series: Series, chosen: list[int], config: CutConfig
    ) -> None:
        found = (series.landmarks, series.boxes, series.blendshapes, series.poses)
        self._values = [on_frames(values, series, chosen) for values in found]
        self._seen = ~np.isnan(self._values[1]).any(axis=1)
        if not self._seen.any():
            raise ItemError(Reason.NO_FACE, "the face is in no frame of the clip")
        self._name, self._extractor, self._config = name, extractor, config
        extractor.begin(int(self._seen.sum()))

    def add(self, index: int, image: NDArray[np.uint8]) -> None:
        if self._seen[index]:
            self._extractor.add(FaceFrame(image, *(values[index] for values in self._values)))

    def finish(self) -> dict[str, bytes]:
        from extractors.encode import npy_bytes

        payloads = {f"{self._name}_valid.npy": npy_bytes(self._seen)}
        for name, values in self._extractor.finish().items():
            whole = self._extractor.outputs[name].per_clip
            payloads[f"{name}.npy"] = npy_bytes(values if whole else self._filled(values))
        return payloads

    def _filled(self, values: NDArray[Any]) -> NDArray[Any]:
        """Rows of seen frames, on all frames: interpolated within the look-ahead, 0 where that shows none."""
        from extractors.lips import fill_gaps

        every = np.zeros((len(self._seen), *values.shape[1:]))
        every[self._seen] = values
        filled = fill_gaps(every, ~self._seen, lookahead_frames=self._config.lookahead_frames)
        return np.nan_to_num(filled).astype(values.dtype)


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
