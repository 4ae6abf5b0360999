from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from manifests.reasons import Reason, Status
from manifests.receipts import Row, committed_units, read_receipts, write_receipt
from manifests.remedies import REMEDIES
from manifests.store import Store

MEASURES = pa.schema([pa.field("yaw_deg", pa.float64())])


def test_rows_come_back_in_key_order(tmp_path: Path) -> None:
    store = Store(tmp_path)
    rows = [
        Row("i", "b", "s", measures={"yaw_deg": 1.5}),
        Row("i", "a", "s", Status.SKIPPED, Reason.YAW_LARGE, "31 > 30"),
    ]
    first = write_receipt(store, "r", "unit", rows, MEASURES)
    assert write_receipt(store, "r", "unit", rows[::-1], MEASURES) == first, "order must not show"
    assert committed_units(store, "r") == ["unit"]
    read = read_receipts(store, "r", ["unit"])
    assert [(row["key"], row["status"], row["yaw_deg"]) for row in read] == [
        ("a", "skipped", None),
        ("b", "ok", 1.5),
    ]


@pytest.mark.parametrize(
    "row",
    [
        Row("i", "a", "s", Status.FAILED),
        Row("i", "a", "s", Status.OK, Reason.CRASHED),
        Row("i", "a", "s", measures={"pitch_deg": 1}),
        Row("i", "a", "s", measures={"status": "ok"}),
    ],
)
def test_rows_that_contradict_themselves_are_refused(tmp_path: Path, row: Row) -> None:
    with pytest.raises(ValueError, match="row a"):
        write_receipt(Store(tmp_path), "r", "unit", [row], MEASURES)


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        write_receipt(Store(tmp_path), "r", "unit", [Row("i", "a", "s"), Row("j", "a", "s")], MEASURES)


def test_a_damaged_receipt_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("r/unit.parquet", b"PAR1 nonsense")
    with pytest.raises(ValueError, match=r"r/unit.parquet cannot be read"):
        read_receipts(store, "r", ["unit"])


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(Reason)
