"""Splits in a real build: people stay where they are; what links two splits is quarantined."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import pyarrow.parquet as pq
import pytest

from manifests.sidecar import LABELS
from manifests.sources.folder import list_folder
from manifests.splits import assign, from_table
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter
from pipelines.steps.split import linked

SOUND = ["listen.dnsmos=false", "listen.events=false", "cut.members=[flac]"]


def run(clips: Path, out: Path, *overrides: str) -> Built:
    config = load_config(preset="any-modality", overrides=[*SOUND, *overrides])
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


def ends(built: Built) -> dict[str, tuple[str, str | None]]:
    rows = [row for row in built.account.rows if row["kind"] == "source"]
    return {row["path"]: (row["status"], row["reason"]) for row in rows}


def splits(built: Built) -> dict[str, str]:
    rows = built.account.rows
    return {row["path"]: row["split"] for row in rows if row["kind"] == "clip" and row["status"] == "ok"}


@pytest.fixture(scope="module")
def grown(media: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Built, Built, Path, Path]:
    """Two people, and then a conversation of them beside somebody else."""
    clips, out = tmp_path_factory.mktemp("clips"), tmp_path_factory.mktemp("out")
    for name in ("enrollment_katie.wav", "enrollment_steve.wav"):
        (clips / name).symlink_to(media / "audio" / name)
    lines = [
        "path,speaker,speakers,split",
        "enrollment_katie.wav,katie,,train",
        "enrollment_steve.wav,steve,,test",
    ]
    (clips / "sidecar.csv").write_text("\n".join(lines))
    before = run(clips, out)
    for name in ("katiesteve_mono.wav", "lyra_sample1_16k.wav"):
        (clips / name).symlink_to(media / "audio" / name)
    # the splits are told no more: the table remembers them
    lines = [
        *("path,speaker,speakers", "enrollment_katie.wav,katie,", "enrollment_steve.wav,steve,"),
        *('katiesteve_mono.wav,,"[""katie"", ""steve""]"', "lyra_sample1_16k.wav,steve,"),
    ]
    (clips / "sidecar.csv").write_text("\n".join(lines))
    return before, run(clips, out), clips, out


def test_who_was_placed_stays_and_who_comes_later_joins(grown: tuple[Built, Built, Path, Path]) -> None:
    before, after, _, _ = grown
    assert splits(before) == {"enrollment_katie.wav": "train", "enrollment_steve.wav": "test"}
    assert splits(after) == {**splits(before), "lyra_sample1_16k.wav": "test"}


def test_what_links_two_splits_is_quarantined_and_the_sums_balance(
    grown: tuple[Built, Built, Path, Path],
) -> None:
    _, after, _, out = grown
    assert not after.account.problems
    assert ends(after)["katiesteve_mono.wav"] == ("quarantined", "split_conflict")
    (line,) = [row for row in after.account.rows if row["reason"] == "split_conflict"]
    assert "speaker:katie says train, speaker:steve says test" in line["detail"]
    (table,) = (out / "splits").glob("*.parquet")
    names = from_table(pq.read_table(table))
    assert names["speaker:katie"] == "train" and names["speaker:steve"] == "test"
    told = json.loads(table.with_suffix(".json").read_text())
    assert [row["recordings"] for row in told["balance"]] == [1, 0, 2]
    assert list(told["conflicts"]) == [line["source_id"]]


def test_a_finished_rerun_does_nothing(grown: tuple[Built, Built, Path, Path]) -> None:
    _, after, clips, out = grown
    files = {path: path.stat().st_mtime_ns for path in out.rglob("*.parquet") if "steps" in path.parts}
    again = run(clips, out)
    assert {
        path: path.stat().st_mtime_ns for path in out.rglob("*.parquet") if "steps" in path.parts
    } == files
    assert again.account.rows == after.account.rows


def test_other_shares_begin_anew(grown: tuple[Built, Built, Path, Path]) -> None:
    _, _, clips, out = grown
    anew = run(clips, out, "pack.split_shares={train: 1}")
    assert set(splits(anew).values()) == {"train"} and len(splits(anew)) == 4
    assert ends(anew)["katiesteve_mono.wav"] == ("ok", None)


def test_one_face_is_one_split(media: Path, tmp_path: Path) -> None:
    """`grid_pwij3p` and `grid_id2_vcd_swwp2s` are the same man; nothing but his face tells it."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("pwij3p", "id2_vcd_swwp2s"):
        (clips / f"grid_{name}.mpg").symlink_to(media / "video" / f"grid_{name}.mpg")
    emotions = json.dumps([["happy", 0.5, 1.5, None]]).replace('"', '""')
    (clips / "sidecar.csv").write_text(f'path,split,emotions\ngrid_pwij3p.mpg,test,"{emotions}"\n')
    built = run(clips, tmp_path / "out", "who.model=none", "who.offset=none")
    assert splits(built) == {"grid_pwij3p.mpg": "test", "grid_id2_vcd_swwp2s.mpg": "test"}
    key = next(row["key"] for row in built.account.rows if row["path"] == "grid_pwij3p.mpg" and row["split"])
    header = json.loads(read_sample(built.corpus.store, key)[1]["json"])
    (ingested,) = [row for row in built.corpus.rows("ingest") if row["path"] == "grid_pwij3p.mpg"]
    late_s = float(Fraction(header["source"]["start"]) - Fraction(ingested["audio_start"]))
    low_s, high_s = max(0.0, 0.5 - late_s), min(header["duration_s"], 1.5 - late_s)
    assert high_s > low_s and header["emotion"] == "happy"
    assert header["emotions"] == [["happy", pytest.approx(low_s), pytest.approx(high_s), None]]


class Listed:
    """As much of a corpus as `linked` asks for."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self._rows = rows

    def rows(self, name: str) -> list[dict[str, Any]]:
        return self._rows if name == "ingest" else []


def source(name: str, **facts: Any) -> dict[str, Any]:
    row = {"source_id": name, "status": "ok", **dict.fromkeys(LABELS)}
    return row | dict.fromkeys(("video_start", "video_stop", "audio_start", "audio_stop")) | facts


def test_documents_move_no_recording_and_are_balanced_by_their_length() -> None:
    """5 000 documents to a hundred recordings: by seconds or by number they would fill the shares alone."""
    shares = {"train": 0.8, "valid": 0.1, "test": 0.1}
    talks = [
        source(
            f"talk{n}",
            container="mp4",
            bytes=1,
            audio_start="0/1",
            audio_stop=f"{60 + n % 7}/1",
            language="en",
        )
        for n in range(100)
    ]
    texts = [
        source(f"text{n}", container="text", bytes=100 + 10 * (n % 300), language="en") for n in range(5000)
    ]
    alone = assign(linked(cast(Corpus, Listed(talks))), shares).splits
    mixed = assign(linked(cast(Corpus, Listed(talks + texts))), shares).splits
    assert {one["source_id"]: mixed[one["source_id"]] for one in talks} == alone
    for split, share in shares.items():
        inside = sum(one["bytes"] for one in texts if mixed[one["source_id"]] == split)
        assert inside / sum(one["bytes"] for one in texts) == pytest.approx(share, abs=0.002)
