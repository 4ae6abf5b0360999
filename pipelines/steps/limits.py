"""Limits on the face of a clip: the stored measurements of one source, judged over one span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.reasons import Reason
from manifests.store import Store
from pipelines.sections import SelectConfig
from pipelines.steps.chunks import Span

END_OF_CUT_FILE_S = 0.5
"""A clip this close to the end of a file that was cut short has probably lost its end."""


@dataclass(frozen=True)
class Limit:
    """A limit that a clip failed, the value it had, and the limit (both 0 where the reason says it all)."""

    reason: Reason
    value: float = 0.0
    limit: float = 0.0

    def __str__(self) -> str:
        """As a person reads it."""
        if not (self.value or self.limit):
            return str(self.reason)
        return f"{self.reason} ({self.value:.4g}, limit {self.limit:g})"

    def record(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        return {"reason": str(self.reason), "value": self.value, "limit": self.limit}


@dataclass(frozen=True)
class Seen:
    """What `watch` stored of a source, as arrays. Rows of the face arrays are faces, not frames."""

    frame_s: NDArray[np.float64]
    frame_corrupt: NDArray[np.bool_]
    face_s: NDArray[np.float64]
    track: NDArray[np.int32]
    height_px: NDArray[np.float64]
    abs_yaw_deg: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    cut_short: bool  # the file ends before its index says, or in the middle of a frame


def read_seen(store: Store, watched: dict[str, Any], *, lost_packets: int) -> Seen:
    """The two tables of `watch`, only the columns that thresholds need."""
    from extractors.pose import euler_deg, rotation_of

    frames_name, faces_name = (artifact["name"] for artifact in watched["artifacts"])
    frames = pq.read_table(pa.BufferReader(store.read(frames_name)))
    columns = ["track", "time_s", "box", "pose", "sharpness"]
    faces = pq.read_table(pa.BufferReader(store.read(faces_name)), columns=columns)
    boxes = matrix(faces, "box", 4)
    poses = matrix(faces, "pose", 16).reshape(-1, 4, 4)
    times = frames.column("time_num").to_numpy() / frames.column("time_den").to_numpy()
    corrupt = frames.column("corrupt").to_numpy(zero_copy_only=False)
    return Seen(
        frame_s=times,
        frame_corrupt=corrupt,
        face_s=faces.column("time_s").to_numpy(),
        track=faces.column("track").to_numpy(),
        height_px=boxes[:, 3] - boxes[:, 1],
        abs_yaw_deg=np.abs(euler_deg(rotation_of(poses))[:, 0]) if len(poses) else np.zeros(0),
        sharpness=faces.column("sharpness").to_numpy().astype(np.float64),
        cut_short=bool(lost_packets or corrupt[-1:].any()),
    )


def matrix(table: pa.Table, name: str, width: int) -> NDArray[np.float64]:
    """A fixed-size list column as (rows, width)."""
    flat = table.column(name).combine_chunks().flatten()
    return np.asarray(flat, np.float64).reshape(-1, width)


def judge_face(
    seen: Seen | None, span: Span, config: SelectConfig
) -> tuple[int | None, dict[str, float], list[Limit]]:
    """The face to follow through the span (the track seen most), its measures, and every limit it fails."""
    if seen is None:
        return None, {}, [Limit(Reason.NO_VIDEO)]
    start_s, stop_s = float(span.start), float(span.stop)
    inside = (seen.frame_s >= start_s) & (seen.frame_s < stop_s)
    n_frames, n_corrupt = max(1, int(inside.sum())), int(seen.frame_corrupt[inside].sum())
    if seen.cut_short and stop_s > seen.frame_s[-1] - END_OF_CUT_FILE_S:
        n_corrupt += 1  # whatever was being said there, the rest of it is missing
    here = (seen.face_s >= start_s) & (seen.face_s < stop_s)
    damage = [Limit(Reason.DAMAGED_MEDIA, n_corrupt, 0)] if n_corrupt else []
    tracks, counts = np.unique(seen.track[here], return_counts=True)
    if counts.max(initial=0) < config.no_face_coverage * n_frames or not here.any():
        return None, {"face_coverage": counts.max(initial=0) / n_frames}, [*damage, Limit(Reason.NO_FACE)]
    track = int(tracks[np.argmax(counts)])
    others = float(np.delete(counts, np.argmax(counts)).max(initial=0)) / n_frames
    mine = here & (seen.track == track)
    measures = {
        "face_coverage": float(mine.sum()) / n_frames,
        "longest_face_gap_s": float(np.diff([start_s, *seen.face_s[mine], stop_s]).max()),
        "face_px": float(np.median(seen.height_px[mine])),
        "mean_abs_yaw_deg": float(seen.abs_yaw_deg[mine].mean()),
        "sharpness": float(np.median(seen.sharpness[mine])),
    }
    at_most = [
        Limit(Reason.SEVERAL_FACES, others, config.max_other_face_coverage),
        Limit(Reason.FACE_LOST, measures["longest_face_gap_s"], config.max_face_gap_s),
        Limit(Reason.YAW_LARGE, measures["mean_abs_yaw_deg"], config.max_mean_abs_yaw_deg),
    ]
    at_least = [
        Limit(Reason.FACE_LOST, measures["face_coverage"], config.min_face_coverage),
        Limit(Reason.FACE_SMALL, measures["face_px"], config.min_face_px),
        Limit(Reason.FACE_BLURRED, measures["sharpness"], config.min_sharpness),
    ]
    failed = [one for one in at_most if one.value > one.limit] + [
        one for one in at_least if one.value < one.limit
    ]
    return track, measures, damage + failed
