"""Forgetting reaches what was made of a corpus: test sets, caches, stages. Exports are told of."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from raw_search import hits

from manifests.corpus_reader import CorpusReader
from manifests.receipts import Row, write_receipt
from manifests.schemas import INDEX
from manifests.sidecar import LABEL_SCHEMA
from manifests.store import Store
from manifests.tombstones import Tombstones, read_tombstones, write_tombstones
from pipelines.forget import forget, prove_forgotten
from pipelines.forgetting.tars import DamagedShardError
from synth.llm.cache import Cache
from synth.llm.chat import Reply, Request

HIS = hashlib.sha256(b'["source","a/his.mp4"]').hexdigest()[:16]
HERS = hashlib.sha256(b'["source","b/hers.mp4"]').hexdigest()[:16]
HIS_KEY, HER_KEY = f"{HIS}-t00-0000010", f"{HERS}-t00-0000020"
WORDS = "I left the keys, on the table"


def write_shard(store: Path, name: str, headers: dict[str, dict[str, Any]]) -> None:
    (store / "shards").mkdir(parents=True, exist_ok=True)
    with tarfile.open(store / "shards" / name, "w") as tar:
        for key, header in headers.items():
            for extension, data in (
                ("json", json.dumps(header).encode()),
                ("flac", b"sound of " + key.encode()),
            ):
                info = tarfile.TarInfo(f"{key}.{extension}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    rows = [
        {
            "key": key,
            "shard": name,
            "split": header["split"],
            "source_id": key.partition("-")[0],
            "duration_s": 2.0,
            "members": ["json", "flac"],
            "bytes": 1,
        }
        for key, header in headers.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX), store / "shards/index.parquet")


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    out = tmp_path / "corpus"
    schema = pa.schema(
        [pa.field("path", pa.string()), pa.field("content_sha256", pa.string()), *LABEL_SCHEMA]
    )
    rows = [
        Row(
            "one",
            HIS,
            HIS,
            measures={"path": "a/his.mp4", "speaker": "Bohumil", "text": WORDS, "content_sha256": "5" * 64},
        ),
        Row("two", HERS, HERS, measures={"path": "b/hers.mp4", "speaker": "Ann", "content_sha256": "6" * 64}),
    ]
    write_receipt(Store(out), "steps/ingest-1/receipts", "unit", rows, schema)
    common = {"split": "train", "text": "the table"}
    headers = {
        HIS_KEY: {"key": HIS_KEY, "speaker": "Bohumil", **common},
        HER_KEY: {"key": HER_KEY, "speaker": "Ann", **common},
    }
    write_shard(out, "train-000000-11111111.tar", headers)
    return out


@pytest.fixture
def noisy(tmp_path: Path) -> Path:
    """Her clip with him as interferer, her clip with music, his clip with music."""
    out = tmp_path / "noisy"
    base = {"key": HER_KEY, "shard": "train-000000-11111111.tar", "members": {}}
    him = {"sources": [{"name": HIS_KEY, "speaker": "Bohumil", "source": HIS}]}
    music = {"sources": [{"name": "music.wav"}]}
    write_shard(
        out,
        "babble-000000-22222222.tar",
        {
            f"{HER_KEY}-babble": {"key": f"{HER_KEY}-babble", "split": "babble", "base": base, "mix": him},
            f"{HER_KEY}-music": {"key": f"{HER_KEY}-music", "split": "music", "base": base, "mix": music},
            f"{HIS_KEY}-music": {"key": f"{HIS_KEY}-music", "split": "music", "base": base, "mix": music},
        },
    )
    store = Store(out)
    rows = [
        Row(
            f"{HER_KEY}-{kind}",
            f"{HER_KEY}-{kind}",
            None,
            artifacts=(made,),
            measures={"plans": json.dumps(plan)},
        )
        for kind, plan in (("babble", him), ("music", music))
        for made in [store.write(f"steps/mix-1/data/{HER_KEY}-{kind}.flac", b"mix " + kind.encode())]
    ]
    write_receipt(store, "steps/mix-1/receipts", "unit", rows, pa.schema([pa.field("plans", pa.string())]))
    results = [{"key": f"{HER_KEY}-babble"}, {"key": f"{HER_KEY}-music"}, {"key": f"{HIS_KEY}-music"}]
    pq.write_table(pa.Table.from_pylist(results), out / "results.parquet")
    shared = {"kind": "sample", "shard": "babble-000000-22222222.tar"}
    samples = [shared | one | {"source_id": one["key"].partition("-")[0]} for one in results]
    pq.write_table(pa.Table.from_pylist(samples), out / "manifest.parquet")
    return out


def test_a_set_loses_his_clips_and_every_mix_with_him(corpus: Path, noisy: Path) -> None:
    found = forget(str(corpus), ["Bohumil"], derived=[str(noisy)])
    assert found.traces == () and found.n_samples == 3
    assert hits(noisy, ["Bohumil", HIS]) == hits(corpus, ['"Bohumil"', HIS, "his.mp4"]) == []
    reader = CorpusReader(str(noisy))
    ((key, header),) = [(one.key, one.header) for name in reader.shards for one in reader.samples(name)]
    assert key == f"{HER_KEY}-music"
    # the clean clip moved to another shard, and the set says where
    (home,) = CorpusReader(str(corpus)).shards
    assert header["base"]["shard"] == home != "train-000000-11111111.tar"
    assert [path.name for path in noisy.glob("steps/mix-1/data/*")] == [f"{HER_KEY}-music.flac"]
    for name in ("results.parquet", "manifest.parquet"):  # that of her disturbed by him tells nothing of him
        assert pq.read_table(noisy / name).column("key").to_pylist() == [f"{HER_KEY}-music"]
    left = pq.read_table(noisy / "steps/mix-1/receipts/unit.parquet")
    assert left.column("key").to_pylist() == [f"{HER_KEY}-music"]


def test_a_set_named_later_is_cleaned_by_the_tombstones_of_the_corpus(corpus: Path, noisy: Path) -> None:
    write_tombstones(Store(noisy), Tombstones().added(names=["Eve"]))  # forgotten there before
    forget(str(corpus), ["Bohumil"])
    assert prove_forgotten(str(corpus)) == []
    forget(str(corpus), ["Bohumil"], derived=[str(noisy)])  # his recordings are known by their digests alone
    assert hits(noisy, ["Bohumil", HIS]) == []
    kept = read_tombstones(Store(noisy))
    assert kept.has_name("Eve") and kept.has_name("Bohumil")


def cached(folder: Path) -> dict[str, str]:
    cache = Cache(Store(folder))
    made = {}
    for name, text in (
        ("his", f"Rewrite what A said: {WORDS.upper().replace(',', '')}!"),
        ("hers", "Rewrite what B said: the table"),
        ("longer", "I left the keys on the tables"),
        ("inside", "Mimi left the keys on the table"),
    ):
        request = Request("model", (("user", text),), {})
        cache.put(request, Reply(text="Well.", prompt_tokens=1, completion_tokens=1))
        made[name] = request.key
    return made


def test_answers_about_what_he_says_go_and_others_stay(corpus: Path, tmp_path: Path) -> None:
    made = cached(tmp_path / "cache")
    (tmp_path / "cache/tts").mkdir()
    for name, text in (("1", WORDS), ("2", "of course")):
        (tmp_path / f"cache/tts/{name}.json").write_text(json.dumps({"text": text}))
        (tmp_path / f"cache/tts/{name}.flac").write_bytes(b"sound")
    found = forget(str(corpus), ["Bohumil"], caches=[str(tmp_path / "cache")])
    left = {path.stem for path in (tmp_path / "cache/llm").rglob("*.json")}
    assert left == {made["hers"], made["longer"], made["inside"]}
    assert {path.name for path in (tmp_path / "cache/tts").iterdir()} == {"2.json", "2.flac"}
    assert found.traces == ()


def test_a_stage_loses_its_copy(corpus: Path, tmp_path: Path) -> None:
    stage = tmp_path / "stage"
    for name in ("a/his.mp4", "b/hers.mp4"):
        (stage / name).parent.mkdir(parents=True)
        (stage / name).write_bytes(b"copy")
    (stage / "duologue-stage").touch()
    forget(str(corpus), ["Bohumil"], derived=[str(stage)])
    assert not (stage / "a/his.mp4").exists() and (stage / "b/hers.mp4").exists()


def test_an_export_is_not_altered_and_is_told_of(corpus: Path, tmp_path: Path) -> None:
    export = tmp_path / "export"
    export.mkdir()
    (export / "train.tsv").write_text(f"/root\n{HIS_KEY}\tvideo/{HIS_KEY}.mp4\n")
    (export / f"{HIS_KEY}.wav").write_bytes(b"sound")
    found = forget(str(corpus), ["Bohumil"], derived=[str(export)])
    assert (export / "train.tsv").exists() and (export / f"{HIS_KEY}.wav").exists()
    told = "\n".join(found.traces)
    assert "train.tsv" in told and ".wav" in told


def test_a_damaged_shard_stops_everything_before_anything_goes(corpus: Path) -> None:
    (shard,) = corpus.glob("shards/*.tar")
    shard.write_bytes(shard.read_bytes()[:700])
    before = {path for path in corpus.rglob("*") if path.is_file()}
    with pytest.raises(DamagedShardError, match=shard.name):
        forget(str(corpus), ["Bohumil"])
    assert before <= {path for path in corpus.rglob("*") if path.is_file()}


def test_centres_fitted_on_the_corpus_are_named(corpus: Path, tmp_path: Path) -> None:
    import numpy as np

    from extractors.kmeans_units import KMeansUnits

    centres = tmp_path / "centres.npz"
    KMeansUnits(np.ones((2, 3), np.float32), about={"n_clips": 7}).save(str(centres))
    (corpus / "duologue.yaml").write_text(
        f"config: {{units: {{centres: {centres}, pitch_centres: /gone.npz}}}}"
    )
    found = forget(str(corpus), ["Bohumil"])
    assert len(found.fitted) == 2
    assert str(centres) in found.fitted[0] and '"n_clips": 7' in found.fitted[0]
    assert "cannot be read" in found.fitted[1]
