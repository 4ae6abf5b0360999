"""Face tracks as `who` needs them: on the source's 25 Hz grid, each with the sound of its time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from manifests.store import Store
from pipelines.steps.seen import matrix

if TYPE_CHECKING:
    from extractors.track_crop import StoredCrops

MAX_STEP_S = 0.2
"""An instant further than this from a frame with the face has no score."""
RATE_HZ = 16_000


@dataclass(frozen=True)
class HeardTrack:
    """One track on the source's 25 Hz grid, and the sound of its time."""

    number: int
    ticks: range
    near: NDArray[np.bool_]  # of each tick: a frame with the face is near
    crops: StoredCrops  # one a tick
    rows: NDArray[np.int64]  # of each tick: the nearest frame with the face, a row of what follows the sound
    pcm: NDArray[np.float32]  # 16 kHz mono, from the instant of the first tick on
    start_s: float  # that instant
    frames: NDArray[np.int64]  # numbers of the frames with the face, (N,)
    times_s: NDArray[np.float64]  # their times, (N,)
    boxes: NDArray[np.float64]  # of the landmarks there, (N, 4) x0 y0 x1 y1 px
    lips: NDArray[np.float64]  # there, (N, 4), as `extractors.lip_motion` has them


@dataclass
class _Rows:
    """What the table of faces holds of one track."""

    frames: list[int] = field(default_factory=list)
    crops: list[bytes] = field(default_factory=list)
    boxes: list[NDArray[np.float64]] = field(default_factory=list)
    lips: list[NDArray[np.float64]] = field(default_factory=list)


def heard_shots(path: str, facts: dict[str, Any], store: Store) -> Iterator[list[HeardTrack]]:
    """The tracks of one shot after the other, in one pass over the faces and one over the sound."""
    from extractors.audio import AudioReader, to_mono16k

    with store.open(facts["tables"][0]) as handle:
        frames = pq.read_table(handle, columns=["time_num", "time_den", "shot"]).to_pydict()
    times = [Fraction(n, d) for n, d in zip(frames["time_num"], frames["time_den"], strict=True)]
    with AudioReader(path, stream_index=facts["audio_stream"]) as reader:
        for shot in _shots(store, facts["tables"][1], frames["shot"]):
            start = times[min(rows.frames[0] for rows in shot.values())]
            stop = times[max(rows.frames[-1] for rows in shot.values())]
            mono = to_mono16k(reader.read_span(start, stop + 1), reader.rate_hz)
            yield [
                track
                for number, rows in sorted(shot.items())
                for track in _heard(number, rows, times, start, mono)
            ]


def _shots(store: Store, table: str, shot_of_frame: list[int]) -> Iterator[dict[int, _Rows]]:
    """Rows of the tracks of one shot after the other; a track lies in one shot."""
    from extractors.lip_motion import lip_features

    tracks: dict[int, _Rows] = {}
    shot = -1
    wanted = ["frame", "track", "crop", "box", "landmarks"]
    with store.open(table) as handle:
        for batch in pq.ParquetFile(handle).iter_batches(columns=wanted):
            part = pa.Table.from_batches([batch])
            boxes = matrix(part, "box", 4)
            lips = lip_features(matrix(part, "landmarks", 478 * 3).reshape(-1, 478, 3))
            columns = [part.column(name).to_pylist() for name in ("frame", "track", "crop")]
            for frame, track, crop, box, opening in zip(*columns, boxes, lips, strict=True):
                if shot_of_frame[frame] != shot and tracks:
                    yield tracks
                    tracks = {}
                shot = shot_of_frame[frame]
                rows = tracks.setdefault(track, _Rows())
                rows.frames.append(frame)
                rows.crops.append(crop)
                rows.boxes.append(box)
                rows.lips.append(opening)
    if tracks:
        yield tracks


def _heard(
    number: int, rows: _Rows, times: list[Fraction], mono_start: Fraction, mono: NDArray[np.float32]
) -> Iterator[HeardTrack]:
    """The track on the grid of the source; nothing where it is too short to hold an instant of it."""
    from extractors.resampling import nearest_indices
    from extractors.track_crop import StoredCrops

    mine = [times[frame] for frame in rows.frames]
    ticks = range(ceil((mine[0] - times[0]) * TICK_HZ), floor((mine[-1] - times[0]) * TICK_HZ) + 1)
    if not ticks:
        return
    instants = [times[0] + Fraction(tick, TICK_HZ) for tick in ticks]
    nearest = nearest_indices(mine, instants)
    away_s = [abs(float(mine[index] - instant)) for index, instant in zip(nearest, instants, strict=True)]
    yield HeardTrack(
        number=number,
        ticks=ticks,
        near=np.array(away_s) <= MAX_STEP_S,
        crops=StoredCrops([rows.crops[index] for index in nearest]),
        rows=np.array(nearest),
        pcm=mono[round((instants[0] - mono_start) * RATE_HZ) :],
        start_s=float(instants[0]),
        frames=np.array(rows.frames),
        times_s=np.array([float(time) for time in mine]),
        boxes=np.stack(rows.boxes),
        lips=np.stack(rows.lips),
    )
