from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_corpus import Made, header, write_corpus

from manifests.corpus_reader import CorpusError, CorpusReader


def tiny(number: int, split: str = "train", **members: bytes) -> Made:
    key = f"{number:016x}-na-0000000"
    return Made(key, split, header(key, split, 5), {"txt": b"x" * (500 + number), **members})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    samples = [tiny(n, "valid" if n % 4 == 0 else "train") for n in range(9)]
    return write_corpus(tmp_path / "corpus", samples, per_shard=3)


def read(corpus: Path) -> dict[str, bytes]:
    reader = CorpusReader(str(corpus))
    return {one.key: one.read("txt") for shard in reader.shards for one in reader.samples(shard)}


def test_every_sample_comes_once_with_its_bytes_split_and_header(corpus: Path) -> None:
    reader = CorpusReader(str(corpus))
    seen = [(one.key, one.split, one.header["key"]) for name in reader.shards for one in reader.samples(name)]
    assert sorted(key for key, _, _ in seen) == [f"{n:016x}-na-0000000" for n in range(9)]
    assert all(key == told for key, _, told in seen)
    assert {int(key[:16], 16) for key, split, _ in seen if split == "valid"} == {0, 4, 8}
    assert read(corpus) == {f"{n:016x}-na-0000000": b"x" * (500 + n) for n in range(9)}
    assert len(reader) == 9


def test_the_shards_folder_is_the_same_corpus(corpus: Path) -> None:
    assert CorpusReader(f"{corpus}/shards/").digest == CorpusReader(str(corpus)).digest


def test_offsets_are_those_of_the_tar(corpus: Path) -> None:
    reader = CorpusReader(str(corpus))
    shard = reader.shards[0]
    places = [(one.offset, one.end, one.key) for one in reader.samples(shard)]
    data = (corpus / "shards" / shard).read_bytes()
    assert places[0][0] == 0
    assert [stop for _, stop, _ in places[:-1]] == [start for start, _, _ in places[1:]]
    for start, stop, key in places:  # each piece is a tar of its own
        with tarfile.open(fileobj=io.BytesIO(data[start:stop] + bytes(1024))) as tar:
            assert {name.split(".")[0] for name in tar.getnames()} == {key}


def cut_short(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])


@pytest.mark.parametrize("at", [0.0, 0.1, 0.34, 0.5, 0.67, 0.8, 0.99])
def test_a_shard_that_was_cut_short_anywhere_is_an_error_that_names_it(corpus: Path, at: float) -> None:
    shard = sorted((corpus / "shards").glob("*.tar"))[0]
    with tarfile.open(shard) as tar:
        last = tar.getmembers()[-1]
    cut_short(shard, int((last.offset_data + last.size) * at))
    with pytest.raises(CorpusError, match=shard.name):
        read(corpus)


def no_index(corpus: Path) -> None:
    (corpus / "shards" / "index.parquet").unlink()


def half_an_index(corpus: Path) -> None:
    cut_short(corpus / "shards" / "index.parquet", 500)


def lost_shard(corpus: Path) -> None:
    sorted((corpus / "shards").glob("*.tar"))[1].unlink()


def newer_format(corpus: Path) -> None:
    path = corpus / "shards" / "index.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({"duologue.index": "2.0"}), path)


def one_shard_for_another(corpus: Path) -> None:
    first, second = sorted((corpus / "shards").glob("*.tar"))[:2]
    first.write_bytes(second.read_bytes())


def sample_not_in_index(corpus: Path) -> None:
    path = corpus / "shards" / "index.parquet"
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


def member_not_in_index(corpus: Path) -> None:
    path = corpus / "shards" / "index.parquet"
    rows = pq.read_table(path).to_pylist()
    rows[0]["members"] = ["json"]
    pq.write_table(pa.Table.from_pylist(rows, schema=pq.read_schema(path)), path)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_index, "not a corpus, or a build that has not finished"),
        (half_an_index, "is damaged"),
        (lost_shard, "1 of .* shards that the index names are not there"),
        (newer_format, "format 2.0; this version reads 1.0"),
        (one_shard_for_another, "which the index does not name there"),
        (sample_not_in_index, "which the index does not name there"),
        (member_not_in_index, "with txt, unlike the index says"),
    ],
)
def test_what_is_no_finished_corpus_is_refused(
    corpus: Path, spoil: Callable[[Path], None], told: str
) -> None:
    spoil(corpus)
    with pytest.raises(CorpusError, match=told):
        read(corpus)


def test_a_header_that_is_no_json_object_is_named(tmp_path: Path) -> None:
    made = tiny(1)
    write_corpus(tmp_path / "corpus", [made])
    shard = next((tmp_path / "corpus" / "shards").glob("*.tar"))
    right = json.dumps(made.header, sort_keys=True).encode()
    shard.write_bytes(shard.read_bytes().replace(right, b"[" + right[1:-1] + b"]"))
    reader = CorpusReader(str(tmp_path / "corpus"))
    with pytest.raises(CorpusError, match=rf"{made.key}\.json .* is not JSON"):
        _ = [one.header for one in reader.samples(reader.shards[0])]
