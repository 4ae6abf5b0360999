"""Forgetting somebody: nothing of them is left, everybody else is as if they had never been there."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import webdataset as wds
from raw_search import hits

from manifests.cards import CARD, CROISSANT, write_cards
from manifests.sources.folder import list_folder
from manifests.store import Store
from manifests.tombstones import living, read_tombstones
from pipelines.build import build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.forget import UnknownSubjectError, forget, prove_forgotten, report
from pipelines.reporter import QuietReporter
from pipelines.sections import BuildConfig

THEIRS = ("grid_pwij3p.mpg", "grid_id2_vcd_swwp2s.mpg")
"""The same man, as whoever looks at them can tell; the sidecar names him in the first one only."""
OTHERS = ("grid_bbaf2n.mpg", "grid_lbbc2a.mpg")
SIDECAR = """path,speaker,text,language
grid_pwij3p.mpg,manA,place white in j three please,en
grid_bbaf2n.mpg,womanB,bin blue at f two now,en
grid_lbbc2a.mpg,womanC,lay blue by c two again,en
"""


@pytest.fixture(scope="module")
def config() -> BuildConfig:
    members = "cut.members=[flac, face61]"
    return load_config(
        preset="talking-face", overrides=[members, "listen.dnsmos=false", "listen.events=false"]
    )


@pytest.fixture(scope="module")
def clips(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in (*THEIRS, *OTHERS):
        shutil.copy2(media / "video" / name, folder / name)
    (folder / "sidecar.csv").write_text(SIDECAR)
    return folder


@pytest.fixture(scope="module")
def built(clips: Path, config: BuildConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    make(clips, out, config)
    return out


@pytest.fixture
def corpus(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "corpus"))


def make(clips: Path, out: Path, config: BuildConfig) -> None:
    """Build as the command does, tombstones honoured."""
    listing, _ = living(list_folder(clips), read_tombstones(Store(out)))
    corpus = Corpus(Store(out), str(clips), listing, build_steps(config))
    books = build(corpus, config, engine=LocalEngine(), reporter=QuietReporter()).account
    assert not books.problems


def words_of(clips: Path) -> list[str]:
    """What tells of the man: his name, file names, what he says, source ids (by hand) and content hashes."""
    ids = [hashlib.sha256(f'["source","{name}"]'.encode()).hexdigest()[:16] for name in THEIRS]
    contents = [hashlib.sha256((clips / name).read_bytes()).hexdigest() for name in THEIRS]
    return ["manA", *(Path(name).stem for name in THEIRS), "place white in j", *ids, *contents]


def persons(corpus: Path) -> dict[str, set[str]]:
    (table,) = corpus.glob("steps/people-*/data/*.parquet")
    found: dict[str, set[str]] = {}
    for row in pq.read_table(table).to_pylist():
        found.setdefault(row["person"], set()).add(row["source_id"])
    return found


def test_nothing_is_left_and_the_face_is_followed_to_the_unlabelled_clip(corpus: Path, clips: Path) -> None:
    words = words_of(clips)
    (person,) = (name for name, sources in persons(corpus).items() if len(sources) == 2)
    assert {word for _, word in hits(corpus, words)} >= set(words[:4])  # the search finds what is there
    found = forget(str(corpus), ["manA"])
    assert found.traces == () and found.n_samples == 2
    assert {path for one in found.subject.recordings for path in one.paths} == set(THEIRS)
    assert hits(corpus, [*words, person]) == []
    assert (clips / THEIRS[0]).exists()  # what the user brought stays


def test_the_others_are_still_there_before_anything_is_built_again(corpus: Path, built: Path) -> None:
    before = {s["__key__"]: s for s in samples(built)}
    forget(str(corpus), ["manA"])
    after = {s["__key__"]: s for s in samples(corpus)}
    index = pq.read_table(corpus / "shards/index.parquet").to_pylist()
    assert after.keys() == {row["key"] for row in index} and len(after) == 2
    for key, sample in after.items():
        assert {n: v for n, v in sample.items() if n[0] != "_"} == {
            n: v for n, v in before[key].items() if n[0] != "_"
        }


def samples(corpus: Path) -> list[dict[str, bytes]]:
    shards = sorted({row["shard"] for row in pq.read_table(corpus / "shards/index.parquet").to_pylist()})
    assert sorted(path.name for path in corpus.glob("shards/*.tar")) == shards
    return [
        one for name in shards for one in wds.WebDataset(str(corpus / "shards" / name), shardshuffle=False)
    ]


def test_a_build_afterwards_is_the_build_that_never_met_them(
    corpus: Path, clips: Path, config: BuildConfig, tmp_path: Path
) -> None:
    forget(str(corpus), ["manA"])
    make(clips, corpus, config)  # his files lie there as before
    assert hits(corpus, words_of(clips)) == [] and prove_forgotten(str(corpus)) == []
    without = tmp_path / "without"
    without.mkdir()
    for name in OTHERS:
        shutil.copy2(clips / name, without / name)
    (without / "sidecar.csv").write_text("\n".join(x for x in SIDECAR.splitlines() if "manA" not in x))
    shutil.copytree(corpus / "splits", tmp_path / "fresh" / "splits")  # nobody moves to another split
    make(without, tmp_path / "fresh", config)
    for kind in ("shards/*", "manifest.parquet"):
        mine, fresh = (
            {path.name: path.read_bytes() for path in folder.glob(kind)}
            for folder in (corpus, tmp_path / "fresh")
        )
        assert mine == fresh and mine


def test_a_dry_run_tells_and_changes_nothing(corpus: Path) -> None:
    before = {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()}
    found = forget(str(corpus), ["manA"], dry_run=True)
    assert {path: path.read_bytes() for path in corpus.rglob("*") if path.is_file()} == before
    told = "\n".join(report(found, dry_run=True))
    assert "2 samples would go" in told and "your file stays" in told
    done = forget(str(corpus), ["manA"])
    names = [change.name for changes in done.changes.values() for change in changes]
    assert names == [change.name for changes in found.changes.values() for change in changes]


def test_a_killed_run_is_finished_by_the_next(
    corpus: Path, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deletes = 0
    delete = Store.delete

    def dies(self: Store, name: str) -> None:
        nonlocal deletes
        deletes += 1
        if deletes == 3:
            raise KeyboardInterrupt
        delete(self, name)

    monkeypatch.setattr(Store, "delete", dies)
    with pytest.raises(KeyboardInterrupt):
        forget(str(corpus), ["manA"])
    monkeypatch.undo()
    assert hits(corpus, words_of(clips))
    assert forget(str(corpus), ["manA"]).traces == ()
    assert hits(corpus, words_of(clips)) == []


def test_by_the_name_of_the_face(corpus: Path, clips: Path) -> None:
    (person,) = (name for name, sources in persons(corpus).items() if len(sources) == 2)
    found = forget(str(corpus), [person])
    assert "manA" in found.subject.names
    assert hits(corpus, words_of(clips)) == []


def test_only_what_is_named_where_faces_are_not_followed(corpus: Path) -> None:
    found = forget(str(corpus), ["manA"], follow=False)
    assert [one.paths for one in found.subject.recordings] == [{"grid_pwij3p.mpg"}]
    assert len(samples(corpus)) == 3


def test_nobody_of_that_name(corpus: Path) -> None:
    with pytest.raises(UnknownSubjectError, match="nobody, whom"):
        forget(str(corpus), ["nobody, whom"])
    assert not (corpus / "tombstones.json").exists()


def test_a_name_that_is_also_a_word_takes_nobody_else(corpus: Path, tmp_path: Path) -> None:
    """`en` is everybody's language, `now` is said by another, and `train` is a split."""
    for name in ("en", "now", "train", "ok"):
        with pytest.raises(UnknownSubjectError):
            forget(str(corpus), [name])
    listing = json.loads((corpus / "listing.json").read_text())
    for source in listing["sources"]:
        if source["labels"].get("speaker") == "womanB":
            source["labels"]["speaker"] = "en"
    (corpus / "listing.json").write_text(json.dumps(listing))
    found = forget(str(corpus), ["en"])
    assert found.traces == () and len(samples(corpus)) == 3


def test_the_proof_finds_what_was_put_back(corpus: Path, built: Path) -> None:
    forget(str(corpus), ["manA"])
    source = hashlib.sha256(b'["source","grid_pwij3p.mpg"]').hexdigest()[:16]
    (shard,) = (path for path in built.glob("shards/*.tar") if source.encode() in path.read_bytes())
    (corpus / "notes.txt").write_text("seen at /data/in/grid_pwij3p.mpg, twice")
    (corpus / "steps/x.json").write_text(json.dumps({"deep": [{"speakers": '["manA", "x"]'}]}))
    shutil.copy(shard, corpus / "shards/again-000000-00000000.tar")
    told = "\n".join(prove_forgotten(str(corpus)))
    assert "notes.txt" in told and "steps/x.json" in told and "again-000000" in told
    (corpus / "fine.txt").write_text("seen at /data/in/grid_pwij3p.mpgx by manA's brother")
    assert "fine.txt" not in "\n".join(prove_forgotten(str(corpus)))


def test_cards_are_true_before_and_after(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Croissant is checked, and its records loaded, by the library of its makers."""
    mlc = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed (extra `dev`)")
    from etils import epath
    from mlcroissant._src.operation_graph.operations import extract  # where it unpacks is no argument

    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "unpacked"))
    for n_samples in (4, 2):
        write_cards(str(corpus), name="people", description="Four clips.")
        first = [(corpus / name).read_bytes() for name in (CARD, CROISSANT)]
        write_cards(str(corpus), name="people", description="Four clips.")
        assert [(corpus / name).read_bytes() for name in (CARD, CROISSANT)] == first
        described = mlc.Dataset(jsonld=str(corpus / CROISSANT))
        assert not described.metadata.issues.errors
        told = {one["__key__"]: one for one in samples(corpus)}
        assert len(told) == n_samples
        index = {one["index/key"].decode(): one for one in described.records("index")}
        assert index.keys() == told.keys()
        for member in ("json", "flac", "face61.npy"):
            found = {
                one[f"{member}/key"].decode(): one[f"{member}/content"] for one in described.records(member)
            }
            assert found == {key: sample[member] for key, sample in told.items()}
        sums = {one.name: one.sha256 for one in described.metadata.distribution if hasattr(one, "sha256")}
        assert sums == {name: sha256_of(corpus / "shards" / name) for name in sums} and len(sums) >= 2
        if n_samples == 4:
            forget(str(corpus), ["manA"])
            assert not (corpus / CARD).exists() and not (corpus / CROISSANT).exists()


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
