"""A kept clip seen again: its source frames are corrupted, then watched and cut as any recording is.

So landmarks, crops and coefficients are those that a trainer would have got from such a recording: where the
face is lost, they are lost. `corrupted_crops.py` is for when there is no source at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from extractors.extractor import FaceExtractor
from extractors.media import Frame
from extractors.resampling import nearest_indices
from extractors.tracks import overlaps
from manifests.ids import TICK_HZ
from manifests.reasons import ItemError, Reason
from manifests.store import Store
from pipelines.clip_sections import CutConfig
from pipelines.sections import WatchConfig
from pipelines.steps.members import AUDIO_MEMBERS, TRUST, Made
from pipelines.steps.pictures import cut_pictures, frames_at, make_pictures
from pipelines.steps.series import Clip, Series, read_scores, read_series
from pipelines.steps.watching import Watcher
from pipelines.testsets.lips_mask import lips_mask
from pipelines.testsets.seen_measures import Watched, measured
from synth.corruption.apply import stream
from synth.corruption.occluders import Occluder
from synth.corruption.picture import Picture
from synth.corruption.plan import CorruptionPlan

LEAD_S = 2.0
"""Watched before the clip, uncorrupted, where its shot is that old, for what the measures remember
(`MouthOcclusion`: 50 frames). A clip nearer to the begin of its shot gives exactly what `watch` saw, a later
one the same landmarks within 0.05 px (seen on a dialogue of two GRID speakers, leads of 0, 1 and 4 s)."""


class SecondLook:
    """Corrupts clips of finished corpora. Loads its networks once; nothing of a clip reaches the next.

    `watch` and `cut`: sections of the corpus' config. `extractors`: those that `cut.members` names.
    `occluders` by the names that plans use.
    """

    def __init__(
        self,
        watch: WatchConfig,
        cut: CutConfig,
        *,
        extractors: Mapping[str, FaceExtractor] | None = None,
        occluders: Mapping[str, Occluder] | None = None,
    ) -> None:
        self._watch, self._cut = watch, cut
        # who it is was told on the clean frames
        self._watcher = Watcher(watch.model_copy(update={"embedder": "none"}))
        self._extractors = extractors or {}
        self._occluders = occluders or {}

    def __call__(
        self, clip: Clip, path: str, store: Store, plan: CorruptionPlan, *, masks: bool = False
    ) -> Made:
        """The members of the clip's picture, as `cut` writes them, with the plan carried out on the source.

        `path` of the source; `store` with the tables of `watch`. The plan's frames are the clip's, at 25 Hz.
        A clean plan gives the very bytes of `cut`. Otherwise there are no reference pictures (they show the
        person, not the clip), and `speaking` of `trust.npy` stays as scored on the clean clip. When no frame
        shows the face any more, every member of it is missing (`no_face`). With `masks`,
        `lips_corrupted.npy` tells which pixels of the lip crops a corruption reached: (T, 96, 12) uint8, bits
        packed along the rows (`numpy.unpackbits(…, axis=2)`).

        Raises CorruptError where the plan cannot be carried out, ItemError as `cut` does, ValueError for a
        plan of another length or rate.
        """
        if plan.n_frames != clip.n_ticks or plan.rate_hz != TICK_HZ:
            asked = f"{plan.n_frames} frames at {plan.rate_hz} Hz"
            raise ValueError(f"a plan of {asked}; {clip.key} has {clip.n_ticks} at {TICK_HZ}")
        if plan.is_clean:
            return cut_pictures(clip, path, store, config=self._cut, extractors=self._extractors)
        return self.look(clip, path, store, plan, masks=masks)

    def look(self, clip: Clip, path: str, store: Store, plan: CorruptionPlan, *, masks: bool = False) -> Made:
        """As a call, without the short cut for clean plans: the face is looked for whatever the plan."""
        clean = read_series(store, clip)
        lookahead = None if self._cut.lookahead_frames is None else Fraction(0)
        chosen = nearest_indices(clean.frame_pts, clip.grid, lookahead=lookahead)
        around = _around(clip, store, clean, chosen, detect_every=self._watch.detect_every)

        def pictures(*, masks: bool = False) -> Iterator[Picture]:
            images = (frame.image for frame in frames_at(around.pts, clip, path))
            return stream(plan, images, around.meshes, self._occluders, ticks=around.ticks, masks=masks)

        series, watched = self._watched(clean, around, pictures())
        made = Made(measures=measured(clean, series, chosen, watched))
        if not made.measures["n_seen"]:
            pictured = [one for one in self._cut.members if one not in (*AUDIO_MEMBERS, "reference")]
            made.missing = dict.fromkeys(pictured, str(Reason.NO_FACE))
            return made
        again = make_pictures(
            clip,
            series,
            chosen,
            read_scores(store, clip),
            lambda: (one.image for one in around.shown(pictures(), chosen)),
            config=self._cut,
            extractors=self._extractors,
        )
        made.payloads, made.measures = again.payloads, again.measures | made.measures
        if masks and "lips" in self._cut.members:
            touched = around.shown(pictures(masks=True), chosen)
            made.payloads["lips_corrupted.npy"] = lips_mask(series, chosen, touched, config=self._cut)
        return made

    def _watched(self, clean: Series, around: _Around, pictures: Iterator[Picture]) -> tuple[Series, Watched]:
        """What `watch` finds of the clip's face in the corrupted frames: the face that lies where it lay."""
        shown = np.full(len(clean.frame_pts), -1)
        flags = np.zeros((2, len(clean.frame_pts)), bool)
        rows: list[dict[str, Any]] = []

        def noted() -> Iterator[Frame]:
            for picture in pictures:
                local = picture.number + around.offset
                if 0 <= local < len(shown):
                    shown[local] = picture.shown + around.offset
                    flags[:, local] = picture.corrupted, picture.landmarks_missing
                yield around.frame(picture)

        self._watcher.begin()
        for _, faces in self._watcher.look(noted()):
            rows += faces
        rows += self._watcher.finish()
        boxes = dict(zip(clean.seen.tolist(), clean.boxes, strict=True))
        of_frame: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            of_frame.setdefault(row["frame"] + around.offset, []).append(row)
        found: dict[int, dict[str, Any]] = {}
        for local, faces in sorted(of_frame.items()):
            box = boxes.get(int(shown[local])) if 0 <= local < len(shown) else None
            if box is None:
                continue
            shared = overlaps([box], [row["box"] for row in faces])[0]
            if shared.max() >= self._watch.track_iou:
                found[local] = faces[int(shared.argmax())]
        return _series(clean, found), Watched(shown, flags[0], flags[1])


@dataclass(frozen=True)
class _Around:
    """The frames that are decoded for a clip: those of its shot from the lead to the end of the series.

    `pts`, `ticks` (on the clip's time line), `corrupt` of each; `meshes` (F, 478, 2) px, NaN where the clip's
    face was not seen; frame 0 is frame `offset` of the series (negative: before it).
    """

    pts: list[Fraction]
    ticks: list[int]
    corrupt: list[bool]
    meshes: NDArray[np.float64]
    offset: int

    def frame(self, picture: Picture) -> Frame:
        """As a decoder would have given it."""
        return Frame(
            index=None,
            pts=self.pts[picture.number],
            image=np.ascontiguousarray(picture.image),
            corrupt=self.corrupt[picture.number],
        )

    def shown(self, pictures: Iterator[Picture], chosen: Sequence[int]) -> Iterator[Picture]:
        """Those pictures whose frames of the series are chosen (ascending, may repeat)."""
        picture = next(pictures)
        for local in chosen:
            while picture.number + self.offset < local:
                picture = next(pictures)
            yield picture


def _around(clip: Clip, store: Store, clean: Series, chosen: Sequence[int], *, detect_every: int) -> _Around:
    """Raises ItemError(NO_FACE) for a clip without a face even before it is corrupted."""
    if not len(clean.seen):
        raise ItemError(Reason.NO_FACE, f"{clip.key}: no frame of the clean clip has the face")
    with store.open(clip.tables[0]) as handle:
        table = pq.read_table(handle, columns=["time_num", "time_den", "corrupt", "shot"])
    num, den = (table.column(name).to_numpy() for name in ("time_num", "time_den"))
    times, shots = num / den, table.column("shot").to_numpy()
    first = int(np.searchsorted(times, float(clean.frame_pts[0])))
    in_shot = np.flatnonzero(shots == shots[first + int(clean.seen[0])])
    begin = max(int(in_shot[0]), int(np.searchsorted(times, float(clip.start) - LEAD_S)))
    # further faces are looked for on the same frames as in the first pass
    begin -= (begin - int(in_shot[0])) % detect_every
    begin = min(begin, first + chosen[0])
    end = max(min(int(in_shot[-1]) + 1, first + len(clean.frame_pts)), first + chosen[-1] + 1)
    pts = [Fraction(int(n), int(d)) for n, d in zip(num[begin:end], den[begin:end], strict=True)]
    meshes = np.full((end - begin, *clean.landmarks.shape[1:2], 2), np.nan)
    rows = clean.seen + first - begin
    inside = (rows >= 0) & (rows < len(meshes))
    meshes[rows[inside]] = clean.landmarks[inside, :, :2]
    ticks = [math.floor((time - clip.start) * TICK_HZ + Fraction(1, 2)) for time in pts]
    corrupt = table.column("corrupt").to_pylist()[begin:end]
    return _Around(pts, ticks, corrupt, meshes, begin - first)


def _series(clean: Series, found: Mapping[int, dict[str, Any]]) -> Series:
    """The series with other measurements, as precise as `watch` stores them."""

    def column(name: str, *shape: int) -> NDArray[np.float64]:
        stored = [np.asarray(row[name], np.float32).reshape(shape) for row in found.values()]
        return np.array(stored, np.float64).reshape(len(found), *shape)

    return Series(
        frame_pts=clean.frame_pts,
        seen=np.array(list(found), np.int64),
        boxes=column("box", 4),
        poses=column("pose", 4, 4),
        blendshapes=column("blendshapes", 52),
        landmarks=column("landmarks", 478, 3),
        trust={name: column(name) for name in TRUST},
    )
