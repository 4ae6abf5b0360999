"""Corruption of crops that are finished: for corpora whose sources are not at hand.

Lips and face stay where the clean landmarks put them, so a face is never lost: `seen_again.py` tells what a
trainer would have got. Only the crops change; coefficients and masks stay those of the clean clip.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.encode import FACE_OPTIONS, LIP_OPTIONS, Mp4Writer, npy_bytes
from extractors.landmarks import IBUG68_FROM_MESH
from manifests.store import Store
from pipelines.clip_sections import CutConfig
from pipelines.steps.members import Made
from pipelines.steps.numbers import on_frames
from pipelines.steps.series import Clip, read_series
from synth.corruption.apply import apply
from synth.corruption.occluders import Occluder
from synth.corruption.plan import CorruptionPlan

CROPS = ("lips.mp4", "face.mp4")
Landmarks = Mapping[str, NDArray[np.float64]]


def corrupt_crops(
    members: Mapping[str, bytes],
    plan: CorruptionPlan,
    landmarks: Landmarks | None = None,
    occluders: Mapping[str, Occluder] | None = None,
    *,
    masks: bool = False,
) -> Made:
    """`lips.mp4` and `face.mp4` of `members`, decoded, corrupted and encoded as `cut` encodes them.

    `landmarks` (T, 68, 2) px of each crop, by its name (`crop_landmarks`); a plan that places nothing on a
    face needs none. A clean plan gives the bytes that came. `masks` as in `seen_again`.
    Raises CorruptError where the plan cannot be carried out.
    """
    made = Made()
    for name in CROPS:
        if name not in members:
            continue
        if plan.is_clean:
            made.payloads[name] = members[name]
            continue
        is_grey = name == "lips.mp4"
        known = None if landmarks is None else landmarks.get(name)
        frames = decoded(members[name], grey=is_grey)
        done = apply(plan, frames, known, occluders, masks=masks and is_grey)
        made.payloads[name] = _encoded(done.frames, grey=is_grey)
        if done.masks is not None:
            packed = [np.packbits(mask, axis=1) for mask in done.masks]
            made.payloads["lips_corrupted.npy"] = npy_bytes(np.stack(packed))
        made.measures = {
            "spans": [list(span) for span in done.spans],
            "n_frames": plan.n_frames,
            "n_corrupted": int(done.corrupted.sum()),
            "n_landmarks_missing": int(done.landmarks_missing.sum()),
        }
    return made


def crop_landmarks(clip: Clip, store: Store, config: CutConfig) -> dict[str, NDArray[np.float64]]:
    """Where the 68 points lie in the crops, by crop: (T, 68, 2) px, NaN where the face was not seen.

    From the tables of `watch`, which a finished corpus has without its sources. Lips that were placed by
    dlib's points are taken to lie where the mesh's would put them. Raises ItemError as `cut` does.
    """
    from extractors.crops import plan_crops
    from extractors.lips import PRESETS, plan_lips
    from extractors.resampling import nearest_indices

    series = read_series(store, clip)
    lookahead = None if config.lookahead_frames is None else Fraction(0)
    chosen = nearest_indices(series.frame_pts, clip.grid, lookahead=lookahead)
    points = on_frames(series.landmarks[:, IBUG68_FROM_MESH, :2], series, chosen)
    ahead = config.lookahead_frames
    found = {}
    if "lips" in config.members:
        lips = plan_lips(points, preset=PRESETS[config.lip_preset], lookahead_frames=ahead).transforms
        found["lips.mp4"] = np.einsum("tij,tpj->tpi", lips[:, :, :2], points) + lips[:, None, :, 2]
    if "face" in config.members:
        boxes = on_frames(series.boxes, series, chosen)
        face = plan_crops(boxes, scale=config.face_scale, lookahead_frames=ahead)
        corners = face.centres - face.sides[:, None] / 2
        scale = config.face_px / face.sides[:, None, None]
        found["face.mp4"] = (points - corners[:, None]) * scale
    return found


def decoded(data: bytes, *, grey: bool) -> Iterator[NDArray[np.uint8]]:
    """The frames of an MP4 of `cut`: (H, W), its luma as it is, or (H, W, 3) RGB."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    how = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count, stream.codec_context.thread_type = 1, "NONE"
        reformatter = VideoReformatter()
        for frame in container.decode(stream):
            kind = "gray" if grey else "rgb24"
            converted: Any = reformatter.reformat(frame, format=kind, interpolation=how, threads=1)
            yield np.ascontiguousarray(converted.to_ndarray(), np.uint8)


def _encoded(frames: list[NDArray[np.uint8]], *, grey: bool) -> bytes:
    writer = Mp4Writer(grey=grey, options=LIP_OPTIONS if grey else FACE_OPTIONS)
    for frame in frames:
        writer.add(frame)
    return writer.finish()
