"""A source made of arrays instead of media, and `select` run on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial.transform import Rotation

from extractors.audio_events import CLASSES
from extractors.dnsmos import COLUMNS
from manifests.receipts import Row
from manifests.store import Artifact, Store
from pipelines.select_section import SelectConfig
from pipelines.step import Item, Workspace
from pipelines.steps.listen import HOP_S, SPEECH
from pipelines.steps.select import Select
from pipelines.steps.tables import FACES, FRAMES, OFFSETS, SCORES, TRACKS, TableStream

RECORDING = {"path": "a.mp4", "content_sha256": "0", "video_lost_packets": 0}


def record(artifact: Artifact) -> dict[str, Any]:
    return {"name": artifact.name, "bytes": artifact.bytes, "sha256": artifact.sha256}


class Bench:
    """A source made of arrays instead of media."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(Store(folder), "steps/select", str(folder))
        self.inputs: dict[str, Any] = {"recording": RECORDING, "knows_speakers": False}

    def speech(
        self,
        spans: list[tuple[float, float]],
        *,
        length_s: float = 20.0,
        loud: float = -20.0,
        floor: float = -90.0,
        gap_s: float = 0.0,
        opinions: list[tuple[float, float, float, float]] | None = None,
        music_s: tuple[int, int] = (0, 0),
        **whole: float | None,
    ) -> None:
        times = np.arange(int(length_s / HOP_S)) * HOP_S
        inside = np.zeros(len(times), bool)
        for start, stop in spans:
            inside |= (times >= start) & (times < stop)
        columns = [np.where(inside, 0.95, 0.02), np.where(inside, loud, floor)]
        table = pa.Table.from_arrays([pa.array(one, pa.float32()) for one in columns], schema=SPEECH)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        artifacts = [self.workspace.put("a.speech.parquet", sink.getvalue().to_pybytes())]
        if opinions is not None:
            rows = zip(*opinions, strict=True)
            artifacts.append(self.columns("dnsmos", dict(zip(COLUMNS, rows, strict=True))))
        second = np.arange(int(length_s))
        music = ((second >= music_s[0]) & (second < music_s[1])).astype(np.float32)
        events = {"speech": 1 - music, "singing": 0 * music, "music": music}
        artifacts.append(self.columns("events", {name: events[name] for name in CLASSES}))
        self.inputs["listen"] = {
            **dict.fromkeys(("clipped_share", "bandwidth_hz", "mix_loss_db")),
            **whole,
            "artifacts": [record(artifact) for artifact in artifacts],
            "start": "0/1",
            "duration_s": length_s,
            "loudest_hop_dbfs": max(columns[1].max(), loud),
            "gap_s": gap_s,
        }

    def columns(self, name: str, values: dict[str, Any]) -> Artifact:
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({key: pa.array(one, pa.float32()) for key, one in values.items()}), sink)
        return self.workspace.put(f"a.{name}.parquet", sink.getvalue().to_pybytes())

    def video(
        self,
        tracks: list[dict[str, Any]],
        *,
        length_s: float = 20.0,
        corrupt: tuple[int, ...] = (),
        cuts: tuple[int, ...] = (),
    ) -> None:
        n_frames = int(length_s * 25)
        with self.table("frames", FRAMES) as frames:
            for number in range(n_frames):
                seen = sum(number in track["frames"] for track in tracks)
                frames.add(
                    {
                        "frame": number,
                        "time_num": number,
                        "time_den": 25,
                        "corrupt": number in corrupt,
                        "n_faces": seen,
                        "shot": sum(number >= cut for cut in cuts),
                    }
                )
        with self.table("faces", FACES) as faces:
            for number in range(n_frames):
                for index, track in enumerate(tracks):
                    if number in track["frames"]:
                        faces.add(face(number, index, track))
        with self.table("tracks", TRACKS) as rows:
            for index, track in enumerate(tracks):
                inside = [number for number in track["frames"] if number < n_frames] or [0]
                rows.add(
                    {
                        **dict.fromkeys(TRACKS.names),
                        "track": index,
                        "shot": sum(inside[0] >= cut for cut in cuts),
                        "first_frame": inside[0],
                        "last_frame": inside[-1],
                        "n_frames": len(inside),
                        "identity": index,
                        "n_embedded": 0,
                    }
                )
        self.inputs["watch"] = {
            "artifacts": [self.written(name) for name in ("frames", "faces", "tracks")],
            "first_frame": "0/1",
            "last_frame": f"{n_frames - 1}/25",
            "n_frames": n_frames,
        }

    def told(
        self, speaking: dict[int, list[tuple[float, float]]], offset: tuple[float, float] | None = None
    ) -> None:
        """`who`: score +3 inside a track's spans, -3 elsewhere; the same offset and confidence for all."""
        frames = int(self.inputs["watch"]["n_frames"])
        with self.table("scores", SCORES) as scores, self.table("offsets", OFFSETS) as offsets:
            for track, spans in speaking.items():
                for tick in range(frames):
                    speaks = any(start <= tick / 25 < stop for start, stop in spans)
                    scores.add({"track": track, "tick": tick, "score": 3.0 if speaks else -3.0})
                if offset:
                    found, sure = offset
                    row = {"track": track, "start_s": 0.0, "stop_s": frames / 25, "method": "lips"}
                    offsets.add(row | {"offset_frames": found, "confidence": sure})
        self.inputs["who"] = {"artifacts": [self.written(name) for name in ("scores", "offsets")]}
        self.inputs["knows_speakers"] = True

    @contextmanager
    def table(self, name: str, schema: pa.Schema) -> Iterator[TableStream]:
        with self.workspace.writing(name) as handle, TableStream(handle, schema) as rows:
            yield rows

    def written(self, name: str) -> dict[str, Any]:
        return record(self.workspace.written(name))

    def select(self, **config: Any) -> list[Row]:
        step = Select(SelectConfig(**config))
        return step.run_item(Item("item", "0123456789abcdef", self.inputs), self.workspace)


def face(number: int, track: int, how: dict[str, Any]) -> dict[str, Any]:
    pose = np.eye(4, dtype=np.float32)
    yaw = how.get("yaw", lambda _: 0.0)(number)
    pose[:3, :3] = Rotation.from_euler("y", yaw, degrees=True).as_matrix() * 1.02
    height = how.get("px", 120)
    return {
        "frame": number,
        "track": track,
        "time_s": number / 25,
        "score": 1.0,
        "box": np.array([10, 10, 10 + height * 0.8, 10 + height], np.float32),
        "sharpness": how.get("sharpness", 200.0),
        "luma": how.get("luma", 0.5),
        "dark_share": 0.0,
        "bright_share": 0.0,
        "mouth_occlusion": how.get("hidden", lambda _: 0.0)(number),
        "jitter": how.get("jitter", 0.002),
        "crop": b"",
        "pose": pose.reshape(-1),
        "blendshapes": np.zeros(52, np.float32),
        "landmarks": np.zeros(478 * 3, np.float32),
    }
