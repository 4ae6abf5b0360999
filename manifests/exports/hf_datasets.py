"""HF datasets: Parquet with its features named, or WebDataset tars that its loader accepts;
`load_dataset(OUT)` reads both.

Its WebDataset loader cannot read the corpus's own shards: it turns every `.json` into Arrow, where `words` (a
text beside two numbers) has no type, and it wants the same members in every sample. So in both layouts every
sample has the same members, and KEY.json travels as one string, beside the labels that most people look for.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from manifests.corpus_reader import CorpusReader, Sample
from manifests.exports.base import Entry, Export, ExportError, ExportOptions
from manifests.exports.tars import writing_tar
from manifests.store import Store

FEATURES = {"flac": "Audio", "wav": "Audio", "mp4": "Video", "png": "Image"}
"""Feature of a member by its last extension; all others are bytes."""
LABELS = ("text", "language", "speaker", "emotion", "person")
MEDIA = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
ROW_GROUP_BYTES = 64_000_000


class HfDatasetsOptions(ExportOptions):
    """What is written."""

    layout: Literal["parquet", "webdataset"] = "parquet"
    members: tuple[str, ...] | None = None
    """Members of each sample; samples that lack one are skipped. Null: those that all samples have."""


class HfDatasets(Export):
    """A folder for `load_dataset`."""

    name = "hf-datasets"
    options_model: ClassVar[type[ExportOptions]] = HfDatasetsOptions
    options: HfDatasetsOptions

    def __init__(self, options: Any, corpus: CorpusReader) -> None:
        super().__init__(options, corpus)
        rows = [row for row in corpus.rows() if options.splits is None or row.split in options.splits]
        common = set.intersection(*(set(row.members) for row in rows)) if rows else set()
        self.members = tuple(sorted(set(common if options.members is None else options.members) - {"json"}))
        if len({_column(name) for name in self.members}) != len(self.members):
            raise ExportError(f"option members: {', '.join(self.members)} do not make distinct columns")
        self._names = {shard: f"{shard.split('.')[0]}" for shard in corpus.shards}

    def needed(self) -> tuple[str, ...]:
        """KEY.json and the members."""
        return ("json", *self.members)

    def shard(self, shard: str, samples: Iterable[Sample], out: Store) -> Iterator[tuple[str, Any]]:
        """`data/SHARD.parquet` or `data/SHARD.tar`."""
        stem = f"data/{self._names[shard]}"
        if self.options.layout == "webdataset":
            with writing_tar(out, f"{stem}.tar") as tar:
                for sample in samples:
                    tar.add(
                        f"{sample.key}.json", json.dumps(_labels(sample), ensure_ascii=False).encode("utf-8")
                    )
                    for member in self.members:
                        tar.add(f"{sample.key}.{member}", sample.read(member))
                    yield sample.key, {}
            return
        schema = self._schema()
        with (
            out.writing(f"{stem}.parquet") as handle,
            pq.ParquetWriter(handle, schema, compression="none") as file,
        ):
            rows: list[dict[str, Any]] = []
            size = 0
            for sample in samples:
                row = _labels(sample) | {_column(name): _cell(sample, name) for name in self.members}
                rows.append(row)
                size += sum(len(sample.read(name)) for name in self.members)
                yield sample.key, {}
                if size > ROW_GROUP_BYTES:
                    file.write_table(pa.Table.from_pylist(rows, schema=schema))
                    rows, size = [], 0
            file.write_table(pa.Table.from_pylist(rows, schema=schema))

    def _schema(self) -> pa.Schema:
        """Arrow's types, and in the metadata the features that HF datasets makes of them."""
        strings = ("key", "split", *LABELS, "header")
        fields = [pa.field(name, pa.string()) for name in strings] + [pa.field("duration_s", pa.float64())]
        features: dict[str, Any] = {name: {"dtype": "string", "_type": "Value"} for name in strings}
        features["duration_s"] = {"dtype": "float64", "_type": "Value"}
        for member in self.members:
            kind = FEATURES.get(member.rpartition(".")[2])
            fields.append(pa.field(_column(member), MEDIA if kind else pa.binary()))
            features[_column(member)] = {"_type": kind} if kind else {"dtype": "binary", "_type": "Value"}
        return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`README.md` with the splits, as the Hub and `load_dataset` read it."""
        suffix = "tar" if self.options.layout == "webdataset" else "parquet"
        files = [
            {"split": split, "path": f"data/{split}-*.{suffix}"} for split, mine in entries.items() if mine
        ]
        card = yaml.safe_dump({"configs": [{"config_name": "default", "data_files": files}]}, sort_keys=False)
        out.write(
            "README.md", f"---\n{card}---\n\nMade by `duologue export --format {self.name}`.\n".encode()
        )

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Which members are there."""
        del entries
        left = sorted({name for row in self.corpus.rows() for name in row.members} - {*self.members, "json"})
        notes = [f"members: {', '.join(self.members)}"]
        if left and self.options.members is None:
            notes.append(f"not in every sample, so left out: {', '.join(left)}")
        return notes


def _labels(sample: Sample) -> dict[str, Any]:
    """Labels with one type each and no null, and KEY.json as text under `header`."""
    header = sample.header
    return {
        "key": sample.key,
        "split": sample.split,
        "duration_s": float(header["duration_s"]),
        **{name: str(header.get(name) or "") for name in LABELS},
        "header": sample.read("json").decode("utf-8"),
    }


def _column(member: str) -> str:
    return member.replace(".", "_")


def _cell(sample: Sample, member: str) -> Any:
    data = sample.read(member)
    known = member.rpartition(".")[2] in FEATURES
    return {"bytes": data, "path": f"{sample.key}.{member}"} if known else data
