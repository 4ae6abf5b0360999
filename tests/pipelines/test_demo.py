"""`duologue demo` as a new user runs it: clips whose motion is known, all the way to their shards."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extractors.landmarks import BLENDSHAPE_NAMES
from manifests.store import Store
from pipelines.look import read_sample


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "pipelines.cli", "demo", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "contact-sheet.png" in done.stdout and "Shards" in done.stdout
    return out


def sample_of(demo: Path, clip: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    store = Store(demo / "corpus")
    import io

    import pyarrow.parquet as pq

    for key in pq.read_table(io.BytesIO(store.read("shards/index.parquet"))).column("key").to_pylist():
        _, members = read_sample(store, key)
        header = json.loads(members["json"])
        if header["source"]["path"] == clip:
            return header, members
    raise AssertionError(f"{clip} is in no shard")


def array(members: dict[str, bytes], name: str) -> np.ndarray:
    import io

    return np.asarray(np.load(io.BytesIO(members[name]), allow_pickle=False))


def best_lag(found: np.ndarray, truth: np.ndarray, start: int, step: int, reach: int = 6) -> int:
    """Shift of the truth, in its own frames, that agrees best with what was found."""

    def agreement(lag: int) -> float:
        first = start + lag
        moved = truth[first : first + step * len(found)].reshape(len(found), step).mean(axis=1)
        return float(np.corrcoef(found, moved)[0, 1])

    low = max(-reach, -start)
    return max(range(low, reach + 1), key=agreement)


def test_the_demo_keeps_and_rejects_what_it_should(demo: Path) -> None:
    import io

    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO((demo / "corpus" / "manifest.parquet").read_bytes()))
    ends = {row["path"]: row["reason"] for row in table.to_pylist() if row["kind"] == "source"}
    assert ends == {
        "frontal.mp4": None,
        "glances.mp4": None,
        "silent.mp4": "silent_audio",
        "turned-away.mp4": "yaw_large",
    }
    assert (demo / "contact-sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_known_yaw_and_mouth_come_out_at_the_right_time(demo: Path) -> None:
    header, members = sample_of(demo, "glances.mp4")
    truth = json.loads((demo / "clips" / "glances.truth.json").read_text())
    start = int(header["key"].rsplit("-", 1)[1])  # ticks of 1/25 s, the clip's own frame rate
    six = array(members, "face61.npy")[:, 52:58]
    third = np.cross(six[:, :3], six[:, 3:])
    yaw = np.degrees(np.arctan2(-six[:, 2], third[:, 2]))
    known = np.array(truth["yaw_deg"])
    here = known[start : start + 2 * len(yaw)].reshape(-1, 2).mean(axis=1)
    # a portrait is no standard head: as in test_talking_face, the slope may be off by a quarter
    assert np.corrcoef(yaw, here)[0, 1] > 0.98
    assert np.abs(yaw - here).max() < 0.25 * np.abs(known).max()
    assert abs(best_lag(yaw, known, start, 2)) <= 1
    jaw = array(members, "arkit52.npy")[:, BLENDSHAPE_NAMES.index("jawOpen")]
    mouth = np.array(truth["mouth"])
    assert abs(best_lag(jaw, mouth, start, 1)) <= 1
