"""Cards of a corpus made by hand: what they say is counted by hand too."""

from __future__ import annotations

import io
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from manifests.cards import CARD, CROISSANT, write_cards
from manifests.cards.members import MEMBERS, member_facts
from manifests.corpus_reader import CorpusError
from manifests.schemas import INDEX

FORMAT_PAGE = Path(__file__).parents[3] / "docs" / "format.md"


def header(key: str, split: str, duration_s: float, **facts: Any) -> dict[str, Any]:
    source = {"id": key.partition("-")[0], "path": "x.mp4"}
    return {"key": key, "split": split, "duration_s": duration_s, "source": source, **facts}


HEADERS = [
    header("a" * 16 + "-t00-0000001", "train", 90.0, speaker="Ann", person="p1", licence="CC-BY-4.0",
           consent="research", language="en", measures={"snr_db": 10.0}),
    header("b" * 16 + "-t00-0000002", "train", 20.0, speaker="Bo", person="p2", licence="CC-BY-4.0",
           measures={"snr_db": 30.0}),
    header("c" * 16 + "-na-0000003", "valid", 10.0, speaker="Ann", person=None, measures={"snr_db": 20.0},
           tokens={"mimi-untrained.npy": {"trained": False}}),
]  # fmt: skip


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    rows = []
    (tmp_path / "shards").mkdir()
    for split in ("train", "valid"):
        shard = f"{split}-000000-12345678.tar"
        with tarfile.open(tmp_path / "shards" / shard, "w") as tar:
            for one in (one for one in HEADERS if one["split"] == split):
                members = [
                    "flac",
                    "json",
                    *one.get("tokens", {}),
                    *(["turns.json"] if split == "train" else []),
                ]
                for member in members:
                    data = json.dumps(one).encode() if member == "json" else member.encode()
                    info = tarfile.TarInfo(f"{one['key']}.{member}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
                rows.append(
                    {name: one[name] for name in ("key", "split", "duration_s")}
                    | {"shard": shard, "source_id": one["source"]["id"], "members": members, "bytes": 1}
                )
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX), tmp_path / "shards/index.parquet")
    return tmp_path


@pytest.fixture
def page(corpus: Path) -> str:
    write_cards(str(corpus), name="Three | clips", description="By hand.")
    return (corpus / CARD).read_text()


def row_of(page: str, first: str) -> list[str]:
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_what_is_counted(page: str) -> None:
    assert "3 samples, 2.00 min, version 1.0.0." in page
    assert row_of(page, "train")[1:3] + row_of(page, "train")[4:] == ["2", "1.83 min", "1", "2", "2", "2"]
    assert row_of(page, "valid")[1:3] + row_of(page, "valid")[4:] == ["1", "0.17 min", "1", "1", "1", "0"]
    assert row_of(page, "CC-BY-4.0") == ["CC-BY-4.0", "2", "1.83 min", "91.7 %"]
    assert row_of(page, "research") == ["research", "1", "1.50 min", "75.0 %"]
    assert row_of(page, "SNR, dB") == ["SNR, dB", "3", "10.00", "20.00", "30.00"]
    assert row_of(page, "`turns.json`")[-1] == "2 of 3"


def test_what_is_wrong_is_said(page: str) -> None:
    limits = page.partition("## Known limits")[2].partition("##")[0]
    assert "8.3 % of the time has no licence" in limits and "25.0 % of the time has no consent" in limits
    assert "speakers in more than one split: 1" in limits
    assert "`mimi-untrained.npy` was made with random weights" in limits
    assert "`turns.json` is in 2 of 3 samples" in limits


def test_nobody_is_named(page: str, corpus: Path) -> None:
    for text in (page, (corpus / CROISSANT).read_text()):
        assert not re.search(r"\b(Ann|Bo|p1|p2)\b", text)


def test_the_front_matter_is_yaml_that_points_at_the_shards(page: str, corpus: Path) -> None:
    front = yaml.safe_load(page.split("---")[1])
    (config,) = front["configs"]
    for one in config["data_files"]:
        assert len(list(corpus.glob(one["path"]))) == 1
    assert [one["split"] for one in config["data_files"]] == ["train", "valid"]
    assert front["language"] == ["en"]


def test_croissant_is_valid_and_json_does_not_take_turns_json_for_itself(page: str, corpus: Path) -> None:
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra `dev`)")
    described = mlc.Dataset(jsonld=str(corpus / CROISSANT))
    assert not described.metadata.issues.errors
    sets = {one.name: one for one in described.metadata.distribution if hasattr(one, "includes")}
    assert sets.keys() == {"flac", "json", "turns.json", "mimi-untrained.npy"}
    from fnmatch import fnmatch

    key = HEADERS[0]["key"]
    assert fnmatch(f"{key}.json", *sets["json"].includes)
    assert not fnmatch(f"{key}.turns.json", *sets["json"].includes)
    assert described.metadata.license == ["CC-BY-4.0"]


def test_a_broken_document_is_found_by_the_library(page: str, corpus: Path) -> None:
    """The check that finds no error can find one."""
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra `dev`)")
    document = json.loads((corpus / CROISSANT).read_text())
    document["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "nothing"
    with pytest.raises(mlc.ValidationError):
        mlc.Dataset(jsonld=document)


def test_every_member_of_the_format_is_known_with_its_unit() -> None:
    table = FORMAT_PAGE.read_text().partition("## Members")[2].partition("\n\nTokens are")[0]
    documented = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([a-z_0-9.]+)`", cells[0]) if len(cells) >= 4 else ():
            full = name if not name.startswith("_") else "reference" + name + ".png"
            documented[full] = cells[3]
    (
        documented.pop("smirk55.npy"),
        documented.pop("smirk_pose.npy"),
    )  # an extractor's: KEY.json has its channels
    assert len(documented) > 25
    for name, unit in documented.items():
        assert name in MEMBERS, name
        assert MEMBERS[name].unit == unit.replace("`", ""), name


def test_a_side_and_a_member_of_the_users() -> None:
    assert member_facts("other.flac").content == "of the other speaker: mono mix at 16 kHz"
    assert member_facts("my_extractor.npy").content == "see KEY.json and docs/format.md"


def test_no_corpus_no_card(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="has not finished"):
        write_cards(str(tmp_path), name="x", description="y")
    assert not (tmp_path / CARD).exists()
