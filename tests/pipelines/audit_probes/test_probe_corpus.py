"""From samples of two streams to dialogues: whose face, which frames, which outcome. Truth by hand."""

from __future__ import annotations

import io
import json
import tarfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.corpus_reader import CorpusReader
from manifests.schemas import INDEX
from pipelines.audit.probe_data import dialogues_of
from synth.turns.annotate import annotate
from synth.turns.record import write_turns


def npy(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


def test_other_is_asked_where_other_holds_the_floor(tmp_path: Path) -> None:
    """`other` speaks in [0, 4) s and `main` in [4.4, 8) s: other gives up the floor at 4 s."""
    spans = {"M": [(Fraction(22, 5), Fraction(8))], "O": [(Fraction(0), Fraction(4))]}
    annotation = annotate(spans, Fraction(8))
    face = np.random.default_rng(1).normal(size=(100, 61)).astype(np.float32)
    members = {
        "json": json.dumps({"key": "a-b-0000001", "source": {"id": "s"}, "dialogue": "d7"}).encode(),
        "other.face61.npy": npy(face),
        "other.face61_valid.npy": npy(np.ones(100, bool)),
        "turns.json": write_turns(annotation, origin="plan"),
    }
    (tmp_path / "shards").mkdir()
    rows = []
    with tarfile.open(tmp_path / "shards/train-000000-00000000.tar", "w") as tar:
        for key, own in (("a-b-0000001", members), ("a-b-0000002", {"json": members["json"]})):
            for name, data in own.items():
                info = tarfile.TarInfo(f"{key}.{name}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            about = {"shard": "train-000000-00000000.tar", "split": "train", "source_id": "s", "bytes": 1}
            rows.append({"key": key, "duration_s": 8.0, "members": list(own), **about})
    pq.write_table(pa.Table.from_pylist(rows, schema=INDEX), tmp_path / "shards/index.parquet")
    (one,), without = dialogues_of(CorpusReader(str(tmp_path)))
    assert one.name == "d7" and (one.face == face).all() and without == {"other.face61.npy": 1}
    ends_s = (np.arange(100) + 1) * 0.08
    # other holds the floor at the ends of these frames, and stops within 1 s of them
    assert (one.asked == (ends_s < 4)).all()
    assert (one.yields[one.asked] == (ends_s[one.asked] >= 3)).all()
    assert (
        one.without.shape == (100, 2)
        and one.without[10].tolist() == [0, 1]
        and one.without[70].tolist() == [1, 0]
    )
