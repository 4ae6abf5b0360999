"""What the measuring steps stored of one source, read back as arrays for `select`."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.store import Store


@dataclass(frozen=True)
class Seen:
    """What `watch` and `who` stored of a source, as arrays. Rows of the face arrays are faces, not frames."""

    frame_s: NDArray[np.float64]
    frame_corrupt: NDArray[np.bool_]
    shot_starts_s: NDArray[np.float64]
    face_s: NDArray[np.float64]
    track: NDArray[np.int32]
    height_px: NDArray[np.float64]
    abs_yaw_deg: NDArray[np.float64]
    trust: dict[str, NDArray[np.float64]]
    tracks: dict[int, dict[str, Any]]  # rows of the table, by number
    cut_short: bool  # the file ends before its index says, or in the middle of a frame
    scores: Scores | None = None  # None: `who` was not asked
    offsets: tuple[dict[str, Any], ...] = ()

    @property
    def shots_s(self) -> list[tuple[float, float]]:
        """[start, stop) of each shot; the last one has no end."""
        edges = [*self.shot_starts_s.tolist(), np.inf]
        return list(pairwise(edges))

    def shot_of(self, track: int) -> tuple[float, float]:
        """[start, stop) of the shot that a track lies in."""
        return self.shots_s[int(self.tracks[track]["shot"])]


Scores = dict[int, tuple[NDArray[np.int64], NDArray[np.float32]]]
"""By track: consecutive ticks of 1/25 s, and the score at each; NaN where the face was not seen."""

TRUST = ("sharpness", "luma", "mouth_occlusion", "jitter")


def read_seen(
    store: Store, watched: dict[str, Any], told: dict[str, Any] | None, *, lost_packets: int
) -> Seen:
    """The tables of `watch` and `who`, only the columns that thresholds need."""
    from extractors.pose import euler_deg, rotation_of

    names = [artifact["name"] for artifact in watched["artifacts"]]
    frames = pq.read_table(pa.BufferReader(store.read(names[0])))
    with store.open(names[1]) as handle:
        faces = pq.read_table(handle, columns=["track", "time_s", "box", "pose", *TRUST])
    with store.open(names[2]) as handle:
        columns = ["track", "shot", "identity"]
        tracks = {row["track"]: row for row in pq.read_table(handle, columns=columns).to_pylist()}
    boxes = matrix(faces, "box", 4)
    poses = matrix(faces, "pose", 16).reshape(-1, 4, 4)
    times = frames.column("time_num").to_numpy() / frames.column("time_den").to_numpy()
    corrupt = frames.column("corrupt").to_numpy(zero_copy_only=False)
    _, first_of_shot = np.unique(frames.column("shot").to_numpy(), return_index=True)
    scores, offsets = _read_told(store, told) if told else (None, ())
    return Seen(
        frame_s=times,
        frame_corrupt=corrupt,
        shot_starts_s=times[first_of_shot],
        face_s=faces.column("time_s").to_numpy(),
        track=faces.column("track").to_numpy(),
        height_px=boxes[:, 3] - boxes[:, 1],
        abs_yaw_deg=np.abs(euler_deg(rotation_of(poses))[:, 0]) if len(poses) else np.zeros(0),
        trust={name: faces.column(name).to_numpy().astype(np.float64) for name in TRUST},
        tracks=tracks,
        cut_short=bool(lost_packets or corrupt[-1:].any()),
        scores=scores,
        offsets=offsets,
    )


def _read_told(store: Store, told: dict[str, Any]) -> tuple[Scores | None, tuple[dict[str, Any], ...]]:
    with store.open(told["artifacts"][0]["name"]) as handle:
        table = pq.read_table(handle)
    with store.open(told["artifacts"][1]["name"]) as handle:
        offsets = tuple(pq.read_table(handle).to_pylist())
    of_row, tick, score = (table.column(name).to_numpy() for name in ("track", "tick", "score"))
    scores: Scores = {}
    for track in np.unique(of_row).tolist():
        mine = of_row == track
        scores[track] = dense_scores(tick[mine], score[mine])
    return scores if told["asked"] else None, offsets


def dense_scores(
    ticks: NDArray[np.int64], scores: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Consecutive ticks and a score at each: NaN in the gaps, where the face was not seen."""
    every = np.arange(int(ticks[0]), int(ticks[-1]) + 1, dtype=np.int64)
    dense = np.full(len(every), np.nan, np.float32)
    dense[ticks - ticks[0]] = scores
    return every, dense


def matrix(table: pa.Table, name: str, width: int) -> NDArray[np.float64]:
    """A fixed-size list column as (rows, width)."""
    flat = table.column(name).combine_chunks().flatten()
    return np.asarray(flat, np.float64).reshape(-1, width)
