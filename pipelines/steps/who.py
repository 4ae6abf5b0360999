"""who: which face speaks, and whether its lips and its voice belong to one instant. Decides nothing.

Reads the face crops that `watch` kept, and the audio, shot by shot. Two tables a source
(`pipelines.steps.tables`): a score for each track and 25 Hz instant, and audio-visual offsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from manifests.reasons import Status
from manifests.receipts import Row
from manifests.store import Store
from pipelines.sections import WhoConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import content_item, guard_unchanged, recording
from pipelines.steps.seen import matrix
from pipelines.steps.tables import OFFSETS, SCORES, TableStream

if TYPE_CHECKING:
    from extractors.track_crop import StoredCrops
    from pipelines.corpus import Corpus

OFFSET_WINDOW_S = 30.0
"""An offset may change where a recording was edited, so a long track has one each half minute."""
MAX_STEP_S = 0.2
"""An instant further than this from a frame with the face has no score."""
RATE_HZ = 16_000


class Who(Step[WhoConfig]):
    """One item a source with picture and sound."""

    name = "who"
    version = 1
    speed = 5.0
    libraries = ("av", "numpy", "opencv-python-headless", "scipy", "soxr", "torch")
    per_source = True
    upstream = ("watch",)
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema([pa.field("n_scored", pa.int64()), pa.field("n_speaking", pa.int64())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every source that was watched and can be heard."""
        if self.config.model == "none" and self.config.offset == "none":
            return
        watched = {row["source_id"]: row for row in corpus.rows("watch")}
        for row in corpus.rows("ingest"):
            seen = watched.get(row["source_id"])
            if seen and seen["status"] == row["status"] == Status.OK and row["audio_stream"] is not None:
                tables = [artifact["name"] for artifact in seen["artifacts"]]
                yield content_item(row, recording(row) | {"tables": tables})

    def weights(self) -> tuple[str, ...]:
        """Those of the network chosen."""
        return () if self.config.model == "none" else (self.config.model,)

    def open(self) -> None:
        """Load the network."""
        from extractors.weights import locate

        self._speaker: Any = None
        if self.config.model == "lr_asd":
            from extractors.active_speaker import ActiveSpeaker

            self._speaker = ActiveSpeaker(str(locate("lr_asd").path), device=self.config.device)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Score every track. Memory grows with the longest shot: about 0.5 GB an hour and face."""
        facts = item.inputs
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        counts = {"n_scored": 0, "n_speaking": 0}
        names = [f"{item.id}.{table}.parquet" for table in ("scores", "offsets")]
        with (
            workspace.writing(names[0]) as scores_file,
            workspace.writing(names[1]) as offsets_file,
            TableStream(scores_file, SCORES) as scores,
            TableStream(offsets_file, OFFSETS) as offsets,
        ):
            for track in _tracks(path, facts, workspace.store):
                for row in self._scores(track):
                    scores.add(row)
                    counts["n_scored"] += 1
                    counts["n_speaking"] += row["score"] > 0
                for row in self._offsets(track):
                    offsets.add(row)
        guard_unchanged(path, facts["fingerprint"])
        return [item.row(artifacts=tuple(map(workspace.written, names)), measures=counts)]

    def _scores(self, track: HeardTrack) -> Iterator[dict[str, Any]]:
        from extractors.active_speaker import smooth

        if self._speaker is None:
            return
        scores = smooth(self._speaker(track.crops, track.pcm))
        for tick, score, near in zip(track.ticks, scores, track.near, strict=True):
            if near:
                yield {"track": track.number, "tick": tick, "score": float(score)}

    def _offsets(self, track: HeardTrack) -> Iterator[dict[str, Any]]:
        from extractors.av_offset import measure_offset

        if self.config.offset == "none":
            return
        first, last = track.times_s[0], track.times_s[-1]
        n_windows = max(1, round((last - first) / OFFSET_WINDOW_S))
        edges = np.linspace(first, np.nextafter(last, np.inf), n_windows + 1)
        for low, high in pairwise(edges.tolist()):
            inside = (track.times_s >= low) & (track.times_s < high)
            skipped = max(0, round((low - 1.0 - track.start_s) * RATE_HZ))
            heard = track.pcm[skipped : max(0, round((high + 1.0 - track.start_s) * RATE_HZ))]
            start_s = track.start_s + skipped / RATE_HZ
            found = measure_offset(track.times_s[inside], track.lips[inside], heard, start_s=start_s)
            yield {
                "track": track.number,
                "start_s": low,
                "stop_s": high,
                "offset_frames": found.offset_frames,
                "confidence": found.confidence,
            }


@dataclass(frozen=True)
class HeardTrack:
    """One track on the source's 25 Hz grid, and the sound of its time."""

    number: int
    ticks: range
    near: NDArray[np.bool_]  # of each tick: a frame with the face is near
    crops: StoredCrops  # one a tick
    pcm: NDArray[np.float32]  # 16 kHz mono, from the instant of the first tick on
    start_s: float  # that instant
    times_s: NDArray[np.float64]  # of the frames with the face
    lips: NDArray[np.float64]  # there, (N, 4), as `extractors.lip_motion` has them


@dataclass
class _Rows:
    """What the table of faces holds of one track."""

    frames: list[int] = field(default_factory=list)
    crops: list[bytes] = field(default_factory=list)
    lips: list[NDArray[np.float64]] = field(default_factory=list)


def _tracks(path: str, facts: dict[str, Any], store: Store) -> Iterator[HeardTrack]:
    """Every track, in one pass over the faces and one over the sound."""
    from extractors.audio import AudioReader, to_mono16k

    with store.open(facts["tables"][0]) as handle:
        frames = pq.read_table(handle, columns=["time_num", "time_den", "shot"]).to_pydict()
    times = [Fraction(n, d) for n, d in zip(frames["time_num"], frames["time_den"], strict=True)]
    with AudioReader(path, stream_index=facts["audio_stream"]) as reader:
        for shot in _shots(store, facts["tables"][1], frames["shot"]):
            start = times[min(rows.frames[0] for rows in shot.values())]
            stop = times[max(rows.frames[-1] for rows in shot.values())]
            mono = to_mono16k(reader.read_span(start, stop + 1), reader.rate_hz)
            for number, rows in sorted(shot.items()):
                yield from _heard(number, rows, times, start, mono)


def _shots(store: Store, table: str, shot_of_frame: list[int]) -> Iterator[dict[int, _Rows]]:
    """Rows of the tracks of one shot after the other; a track lies in one shot."""
    from extractors.lip_motion import lip_features

    tracks: dict[int, _Rows] = {}
    shot = -1
    with store.open(table) as handle:
        for batch in pq.ParquetFile(handle).iter_batches(columns=["frame", "track", "crop", "landmarks"]):
            part = pa.Table.from_batches([batch])
            lips = lip_features(matrix(part, "landmarks", 478 * 3).reshape(-1, 478, 3))
            columns = [part.column(name).to_pylist() for name in ("frame", "track", "crop")]
            for frame, track, crop, opening in zip(*columns, lips, strict=True):
                if shot_of_frame[frame] != shot and tracks:
                    yield tracks
                    tracks = {}
                shot = shot_of_frame[frame]
                rows = tracks.setdefault(track, _Rows())
                rows.frames.append(frame)
                rows.crops.append(crop)
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
        pcm=mono[round((instants[0] - mono_start) * RATE_HZ) :],
        start_s=float(instants[0]),
        times_s=np.array([float(time) for time in mine]),
        lips=np.stack(rows.lips),
    )
