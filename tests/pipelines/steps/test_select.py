"""select on measurements made by hand: every limit, alone and together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from manifests.receipts import Row
from manifests.store import Artifact, Store
from pipelines.sections import SelectConfig
from pipelines.step import Item, Workspace
from pipelines.steps.listen import HOP_S, SPEECH
from pipelines.steps.select import Select
from pipelines.steps.watch import FACES, FRAMES, TableStream

RECORDING = {"path": "a.mp4", "content_sha256": "0", "video_lost_packets": 0}


def record(artifact: Artifact) -> dict[str, Any]:
    return {"name": artifact.name, "bytes": artifact.bytes, "sha256": artifact.sha256}


class Bench:
    """A source made of arrays instead of media."""

    def __init__(self, folder: Path) -> None:
        self.workspace = Workspace(Store(folder), "steps/select", str(folder))
        self.inputs: dict[str, Any] = {"recording": RECORDING}

    def speech(
        self,
        spans: list[tuple[float, float]],
        *,
        length_s: float = 20.0,
        loud: float = -20.0,
        gap_s: float = 0.0,
    ) -> None:
        times = np.arange(int(length_s / HOP_S)) * HOP_S
        inside = np.zeros(len(times), bool)
        for start, stop in spans:
            inside |= (times >= start) & (times < stop)
        columns = [np.where(inside, 0.95, 0.02), np.where(inside, loud, -90.0)]
        table = pa.Table.from_arrays([pa.array(one, pa.float32()) for one in columns], schema=SPEECH)
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink)
        artifact = self.workspace.put("speech.parquet", sink.getvalue().to_pybytes())
        self.inputs["listen"] = {
            "artifacts": [record(artifact)],
            "start": "0/1",
            "duration_s": length_s,
            "loudest_hop_dbfs": loud,
            "gap_s": gap_s,
        }

    def video(
        self, tracks: list[dict[str, Any]], *, length_s: float = 20.0, corrupt: tuple[int, ...] = ()
    ) -> None:
        names = []
        with self.workspace.writing("frames") as handle, TableStream(handle, FRAMES) as frames:
            for number in range(int(length_s * 25)):
                seen = sum(number in track["frames"] for track in tracks)
                frames.add(
                    {
                        "frame": number,
                        "time_num": number,
                        "time_den": 25,
                        "corrupt": number in corrupt,
                        "n_faces": seen,
                    }
                )
        with self.workspace.writing("faces") as handle, TableStream(handle, FACES) as faces:
            for number in range(int(length_s * 25)):
                for index, track in enumerate(tracks):
                    if number in track["frames"]:
                        faces.add(face(number, index, track))
        names = ["frames", "faces"]
        self.inputs["watch"] = {
            "artifacts": [record(self.workspace.written(name)) for name in names],
            "first_frame": "0/1",
            "last_frame": f"{int(length_s * 25) - 1}/25",
            "n_frames": int(length_s * 25),
        }

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
        "pose": pose.reshape(-1),
        "blendshapes": np.zeros(52, np.float32),
        "landmarks": np.zeros(478 * 3, np.float32),
    }


ALL = range(100_000)


def reasons(row: Row) -> list[str]:
    return [limit["reason"] for limit in row.measures["failed_limits"]]


def test_a_frontal_talking_head_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 5.0), (5.5, 8.0), (14.0, 16.0)])
    bench.video([{"frames": ALL}])
    first, second = bench.select()
    assert (first.status, first.measures["track"], reasons(first)) == ("ok", 0, [])
    assert first.key == f"0123456789abcdef-t00-{first.measures['tick']:07d}"
    start, stop = (eval(first.measures[name]) for name in ("start", "stop"))
    assert 1.7 <= start <= 2.0 and 8.0 <= stop <= 8.4
    assert second.status == "ok" and first.measures["face_coverage"] == 1.0


@pytest.mark.parametrize(
    ("track", "config", "reason"),
    [
        ({"frames": ALL, "px": 40}, {}, "face_small"),
        ({"frames": ALL, "yaw": lambda _: 40.0}, {}, "yaw_large"),
        ({"frames": ALL, "yaw": lambda n: 45.0 if n % 2 else -45.0}, {}, "yaw_large"),  # signed mean is 0
        ({"frames": ALL, "sharpness": 3.0}, {"min_sharpness": 10}, "face_blurred"),
        ({"frames": [n for n in ALL if not 80 <= n < 95]}, {"min_face_coverage": 0}, "face_lost"),
        ({"frames": [n for n in ALL if n % 4]}, {}, "face_lost"),
        ({"frames": range(0)}, {}, "no_face"),
    ],
)
def test_each_limit_rejects(
    tmp_path: Path, track: dict[str, Any], config: dict[str, Any], reason: str
) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)])
    bench.video([track])
    (row,) = bench.select(**config)
    assert (row.status, row.reason, reasons(row)) == ("skipped", reason, [reason])


def test_a_rejected_clip_names_every_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)])
    small = {"frames": ALL, "px": 30, "yaw": lambda _: -50.0}
    bench.video([small, {"frames": range(60, 100)}], corrupt=(70,))
    (row,) = bench.select(min_chunk_s=10)
    assert set(reasons(row)) == {"chunk_short", "several_faces", "yaw_large", "face_small", "damaged_media"}
    assert row.detail is not None and "yaw_large (50, limit 30)" in row.detail


def test_clips_of_one_long_speech_meet_without_overlapping(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(1.0, 19.0)])
    bench.video([{"frames": ALL}])
    first, second = bench.select(max_chunk_s=10)
    assert first.measures["stop"] == second.measures["start"]
    assert all(row.status == "ok" for row in (first, second))


def test_speech_without_a_picture_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0), (12.0, 14.0)])
    bench.video([{"frames": ALL}], length_s=4.0)
    kept, cut_off, beyond = bench.select()
    assert (kept.status, cut_off.reason, beyond.reason) == ("ok", "no_video", "no_video")
    assert [row.measures["tick"] for row in (cut_off, beyond)] == [100, 295]
    both = bench.select(need_video=False)
    assert [row.measures["track"] for row in both] == [None, None], "audio only, whole"
    assert [row.status for row in both] == ["ok", "ok"]


def test_audio_with_holes_is_damaged(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)], gap_s=2.0)
    bench.video([{"frames": ALL}])
    (row,) = bench.select()
    assert row.reason == "damaged_media"


def test_a_moved_threshold_does_not_rename_clips(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0), (9.0, 12.0)])
    bench.video([{"frames": ALL, "yaw": lambda n: 40.0 if n > 200 else 0.0}])
    strict, loose = bench.select(), bench.select(max_mean_abs_yaw_deg=60)
    assert [row.status for row in strict] == ["ok", "skipped"]
    assert [row.status for row in loose] == ["ok", "ok"]
    assert [row.key for row in strict] == [row.key for row in loose]


@pytest.mark.parametrize(
    ("setup", "config", "expected"),
    [
        (lambda b: b.speech([]), {}, ["no_video", "no_speech"]),
        (lambda b: b.speech([], loud=-80), {"need_video": False}, ["silent_audio"]),
        (lambda b: b.video([{"frames": ALL}]), {}, ["no_audio"]),
        (lambda b: (b.speech([]), b.video([{"frames": range(0)}])), {}, ["no_face", "no_speech"]),
    ],
)
def test_a_source_without_clips_says_why(
    tmp_path: Path, setup: Any, config: dict[str, Any], expected: list[str]
) -> None:
    bench = Bench(tmp_path)
    setup(bench)
    (row,) = bench.select(**config)
    assert row.status == "skipped" and row.key == "item" and reasons(row) == expected


def test_other_modalities_where_the_preset_allows_them(tmp_path: Path) -> None:
    anything = {"need_video": False, "need_audio": False}
    audio = Bench(tmp_path / "audio")
    audio.speech([(2.0, 6.0)])
    (row,) = audio.select(**anything)
    assert row.status == "ok" and row.measures["track"] is None and "-na-" in row.key
    video = Bench(tmp_path / "video")
    video.video([{"frames": ALL}])
    rows = video.select(**anything)
    assert [row.status for row in rows] == ["ok", "ok"] and not any(row.measures["has_audio"] for row in rows)
    both = Bench(tmp_path / "both")
    both.speech([(2.0, 6.0)])
    both.video([{"frames": ALL, "px": 20}])
    (row,) = both.select(**anything)
    assert row.status == "ok" and row.measures["track"] is None, "kept as audio only"
    assert reasons(row) == ["face_small"], "and says why"
