"""Labels of stereo channels against voices and faces: tables by hand, as `ingest` and `voices` write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.receipts import Row, write_receipt
from manifests.sidecar import LABEL_SCHEMA
from manifests.store import Store
from pipelines.audit.channel_voices import check_channels

FOLDERS = {"ingest": "steps/ingest-1", "voices": "steps/voices-1"}
PEOPLE = {name: np.random.default_rng(at).normal(size=64) for at, name in enumerate(("Ann", "Bob", "Cid"))}


def write(store: Store, recordings: list[dict[str, Any]]) -> None:
    """`on`: who is really on each channel; `label`: the sidecar's; `face`: the channel it speaks."""
    ingest, voices = [], []
    for number, one in enumerate(recordings):
        source = f"{number:016x}"
        labels = {"channels": json.dumps(one["label"]), "speaker": one.get("speaker")}
        ingest.append(Row(source, source, source, measures=labels))
        draw = np.random.default_rng(100 + number)
        rows = [
            {
                "voice": channel,
                "total_s": one.get("total_s", 10.0),
                "embedding": (PEOPLE[name] + draw.normal(0, 0.4, 64)).tolist(),
                "identity": 0 if one.get("face") == channel else None,
                "confidence": 0.8 if one.get("face") == channel else 0.0,
            }
            for channel, name in enumerate(one["on"])
        ]
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows), sink)
        made = store.write(f"steps/voices-1/data/{source}.voices.parquet", sink.getvalue().to_pybytes())
        facts = {"voices_from": one.get("by", "channels")}
        voices.append(Row(source, source, source, artifacts=(made,), measures=facts))
    write_receipt(store, "steps/ingest-1/receipts", "unit", ingest, pa.schema(LABEL_SCHEMA))
    schema = pa.schema([pa.field("voices_from", pa.string())])
    write_receipt(store, "steps/voices-1/receipts", "unit", voices, schema)


def found(store: Store) -> tuple[dict[str, int], set[tuple[str, str]]]:
    looked, faults = check_channels(store, FOLDERS)
    return looked, {(check, one.key) for check, one in faults}


def ab(n: int = 5, **wrong: Any) -> list[dict[str, Any]]:
    return [{"on": ("Ann", "Bob"), "label": ["Ann", "Bob"], **wrong} for _ in range(n)]


@pytest.mark.parametrize(("n_wrong", "told", "compared"), [(0, 0, 5), (1, 1, 5), (2, 2, 2), (5, 0, 5)])
def test_a_recording_that_differs_from_the_others_is_named(
    tmp_path: Path, n_wrong: int, told: int, compared: int
) -> None:
    """Of 3 against 2, the 3 see two of each kind beside them: nothing can be told of them. Where all are
    labelled the same wrong way, each voice still has one name: nothing can be heard of it."""
    store = Store(tmp_path)
    write(store, [*ab(n_wrong, label=["Bob", "Ann"]), *ab(5 - n_wrong)])
    looked, faults = found(store)
    assert looked == {"channel_voices": compared, "channel_face": 0}
    assert faults == {("channel_voices", f"{at:016x}") for at in range(told)}


def test_who_is_in_one_recording_only_cannot_be_compared(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(
        store,
        [*ab(2), {"on": ("Cid", "Ann"), "label": ["Ann", "Cid"]}, *ab(1, total_s=1.0), *ab(1, by="mono")],
    )
    assert found(store) == ({"channel_voices": 2, "channel_face": 0}, set())


def test_the_face_of_the_labelled_speaker_on_the_other_channel(tmp_path: Path) -> None:
    store = Store(tmp_path)
    write(
        store,
        [*ab(1, speaker="Ann", face=0), *ab(1, speaker="Bob", face=0), *ab(1, face=0), *ab(1, speaker="Bob")],
    )
    looked, faults = found(store)
    assert looked["channel_face"] == 2 and faults == {("channel_face", f"{1:016x}")}


def test_a_corpus_that_was_not_asked_for_its_voices(tmp_path: Path) -> None:
    assert check_channels(Store(tmp_path), {"ingest": "steps/ingest-1"})[0] == {
        "channel_voices": 0,
        "channel_face": 0,
    }
