"""Series: what `watch` stored of one track around one clip, as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from manifests.store import Store
from pipelines.step import Item
from pipelines.steps.members import TRUST
from pipelines.steps.seen import matrix

CONTEXT_S = 1.0
"""Read on both sides of a clip, so that its first and last values are interpolated like any other."""


@dataclass(frozen=True)
class Clip:
    """A kept clip, as the work list names it. Times are exact seconds on the source's own timeline."""

    key: str
    source: dict[str, Any]  # the recording's facts
    track: int | None
    start: Fraction
    stop: Fraction
    has_audio: bool
    tables: tuple[str, ...]  # of `watch`
    scores: str | None  # of `who`
    first_tick: int

    @classmethod
    def of(cls, item: Item) -> Clip:
        """From an item of `cut`."""
        facts = item.inputs
        return cls(
            key=facts["key"],
            source=facts["recording"],
            track=facts["track"],
            start=Fraction(facts["start"]),
            stop=Fraction(facts["stop"]),
            has_audio=facts["has_audio"],
            tables=tuple(facts["tables"]),
            scores=facts["scores"],
            first_tick=facts["tick"],
        )

    @property
    def n_ticks(self) -> int:
        """Length in frames of 1/25 s."""
        return int((self.stop - self.start) * TICK_HZ)

    @property
    def grid(self) -> list[Fraction]:
        """The instants of the clip's 25 Hz frames."""
        return [self.start + Fraction(tick, TICK_HZ) for tick in range(self.n_ticks)]


@dataclass(frozen=True)
class Series:
    """Frames around a clip, and one track's measurements on those of them where it was seen.

    `frame_pts` has F exact times; `seen` (N,) indexes it; the other arrays are (N, …).
    """

    frame_pts: list[Fraction]
    seen: NDArray[np.int64]
    boxes: NDArray[np.float64]  # (N, 4) px
    poses: NDArray[np.float64]  # (N, 4, 4)
    blendshapes: NDArray[np.float64]  # (N, 52)
    landmarks: NDArray[np.float64]  # (N, 478, 3) px
    trust: dict[str, NDArray[np.float64]]  # (N,) each, by name


def read_series(store: Store, clip: Clip) -> Series:
    """Only the row groups around the clip are read, so a long source costs no more than a short one."""
    frames_name, faces_name = clip.tables[:2]
    low, high = float(clip.start) - CONTEXT_S, float(clip.stop) + CONTEXT_S
    with store.open(frames_name) as handle:
        frames = pq.read_table(handle, columns=["frame", "time_num", "time_den"])
    times = frames.column("time_num").to_numpy() / frames.column("time_den").to_numpy()
    around = np.flatnonzero((times >= low) & (times < high))
    first = int(around[0])
    frames = frames.slice(first, len(around)).to_pydict()
    with store.open(faces_name) as handle:
        faces = pq.read_table(
            handle,
            filters=[("track", "==", clip.track), ("time_s", ">=", low), ("time_s", "<", high)],
            columns=["frame", "box", "pose", "blendshapes", "landmarks", *TRUST],
        )
    return Series(
        frame_pts=[Fraction(n, d) for n, d in zip(frames["time_num"], frames["time_den"], strict=True)],
        seen=faces.column("frame").to_numpy().astype(np.int64) - first,
        boxes=matrix(faces, "box", 4),
        poses=matrix(faces, "pose", 16).reshape(-1, 4, 4),
        blendshapes=matrix(faces, "blendshapes", 52),
        landmarks=matrix(faces, "landmarks", 478 * 3).reshape(-1, 478, 3),
        trust={name: faces.column(name).to_numpy().astype(np.float64) for name in TRUST},
    )


def read_scores(store: Store, clip: Clip) -> NDArray[np.float64]:
    """(T,) score of the active speaker network on the clip's grid; NaN where there is none."""
    scores = np.full(clip.n_ticks, np.nan)
    if clip.scores is None:
        return scores
    first = clip.first_tick
    inside = [("track", "==", clip.track), ("tick", ">=", first), ("tick", "<", first + clip.n_ticks)]
    with store.open(clip.scores) as handle:
        table = pq.read_table(handle, filters=inside)
    scores[table.column("tick").to_numpy() - first] = table.column("score").to_numpy()
    return scores
