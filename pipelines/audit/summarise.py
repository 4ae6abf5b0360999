"""From batches of rows to summaries: the arithmetic of the audit, without Beam."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.audit.catalog import CHECKS
from pipelines.audit.model import ColumnCheck, TallyCheck
from pipelines.audit.sketches import N_WORST, ColumnSummary, Example, Faults, Limits, Sketch, Tally
from pipelines.audit.tables import NO_STEPS

Name = tuple[str, str]
"""A check's id and, where it keeps several summaries, which of them (a channel, a codebook)."""
Summaries = dict[Name, Sketch]

_KEY_OF = {"ingest": "source_id", "listen": "source_id", "words": "source_id", "watch": "source_id"}
"""What names a row to a person; elsewhere the row's key."""


class Summariser:
    """Keeps the summaries of the checks on the tables it is shown.

    `rules`: limits by check; one that is off is left out. Rows of steps count when they ended `ok` and, where
    `planned` names a step's items, when their item is still planned: receipts of deleted sources and other
    thresholds stay on disk.
    """

    def __init__(self, rules: Mapping[str, Limits], planned: Mapping[str, frozenset[str]]) -> None:
        self._rules = rules
        self._planned = {step: pa.array(sorted(items), pa.string()) for step, items in planned.items()}
        self.found: Summaries = {}

    def columns(self, table: str) -> list[str]:
        """The columns of a table that its checks read."""
        names = (
            {"key", "source_id"} if table in NO_STEPS else {"item", "key", "source_id", "status", "reason"}
        )
        for check in CHECKS.values():
            if isinstance(check, ColumnCheck) and check.table == table:
                names.update(check.columns)
            if isinstance(check, TallyCheck) and _counts(check, table):
                names.update(check.columns)
        return sorted(names)

    def add(self, name: str, table: pa.Table) -> pa.Table:
        """Take in a batch of a table; returns the rows that counted as `ok`."""
        if name in self._planned and "item" in table.column_names:
            table = table.filter(pc.is_in(table["item"], self._planned[name]))
        self._tally(name, table)
        if "status" in table.column_names:
            self._quarantine(name, table)
            table = table.filter(pc.equal(table["status"], "ok"))
        for check in CHECKS.values():
            if isinstance(check, ColumnCheck) and check.table == name and check.id in self._rules:
                self._column(check, table)
        return table

    def add_rows(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Take in rows of a table that was just measured."""
        if rows:
            names = sorted({column for row in rows for column in row})
            self.add(name, pa.table({column: [row.get(column) for row in rows] for column in names}))

    def fault(self, check: str, example: Example) -> None:
        """One more fault of a FaultCheck."""
        if check in self._rules:
            faults = self.found.setdefault((check, ""), Faults())
            assert isinstance(faults, Faults)
            faults.add(example)

    def take(self, name: Name, sketch: Sketch) -> None:
        """Merge a summary made elsewhere."""
        if name[0] in self._rules:
            merge_into(self.found, [(name, sketch)])

    def looked(self, check: str, n: int = 1) -> None:
        """So many more things were looked at for faults."""
        if check in self._rules:
            faults = self.found.setdefault((check, ""), Faults())
            assert isinstance(faults, Faults)
            faults.n += n

    def _column(self, check: ColumnCheck, table: pa.Table) -> None:
        if not all(column in table.column_names for column in check.columns):
            return
        chosen = table.select(check.columns)
        column = check.derive(chosen) if check.derive else chosen.column(0)
        if isinstance(column, pa.ChunkedArray):
            column = column.combine_chunks()
        valid = np.asarray(pc.is_valid(column).to_numpy(zero_copy_only=False), bool)
        values = pc.cast(column.drop_null(), pa.float64()).to_numpy(zero_copy_only=False)
        limits = self._rules[check.id]
        limits = Limits(limits.low, limits.high, check.low_first)
        summary = self.found.setdefault((check.id, ""), ColumnSummary(check.bins, limits))
        assert isinstance(summary, ColumnSummary)
        summary.add(values, n_missing=int((~valid).sum()))
        if len(values):
            self._worst(check, summary, table, np.flatnonzero(valid), values)

    def _worst(
        self,
        check: ColumnCheck,
        summary: ColumnSummary,
        table: pa.Table,
        rows: NDArray[np.intp],
        values: NDArray[np.float64],
    ) -> None:
        badness = summary.limits.badness(values)
        kept = summary.worst.examples
        floor = -kept[-1].rank if len(kept) == N_WORST else -np.inf
        open_to = np.flatnonzero(badness >= floor)
        if len(open_to) > N_WORST:
            floor = float(np.partition(badness[open_to], -N_WORST)[-N_WORST])
        keys = table[_KEY_OF.get(check.table, "key")]
        above = open_to[badness[open_to] > floor]
        ties = _first(keys, rows, open_to[badness[open_to] == floor])
        for at in np.concatenate([above, ties]).tolist():
            row = int(rows[at])
            summary.worst.add(
                Example(
                    rank=-float(badness[at]),
                    key=clip_key(check.table, keys[row].as_py()),
                    detail=str(table[check.label][row].as_py()) if check.label else "",
                    value=float(values[at]),
                    shard=str(table["shard"][row].as_py()) if "shard" in table.column_names else "",
                    bad=bool(summary.limits.bad(values[at : at + 1])[0]),
                )
            )

    def _tally(self, name: str, table: pa.Table) -> None:
        for check in CHECKS.values():
            if not (isinstance(check, TallyCheck) and _counts(check, name) and check.id in self._rules):
                continue
            present = [column for column in check.columns if column in table.column_names]
            if not present:
                continue  # rows that a shard was measured into
            grouped = table.group_by(present).aggregate([([], "count_all")]).to_pylist()
            prefix = [] if check.tables else [name]
            tally = self.found.setdefault((check.id, ""), Tally())
            assert isinstance(tally, Tally)
            for row in grouped:
                told = [*prefix, *(str(row[column]) for column in present if row[column] is not None)]
                tally.counts[" ".join(told)] += row["count_all"]

    def _quarantine(self, name: str, table: pa.Table) -> None:
        self.looked("quarantined", table.num_rows)
        bad = table.filter(pc.equal(table["status"], "quarantined"))
        for row in bad.select(["key", "reason"]).to_pylist():
            self.fault("quarantined", Example(0.0, row["key"], f"{name}: {row['reason']}"))


def _counts(check: TallyCheck, table: str) -> bool:
    return table in check.tables if check.tables else table not in NO_STEPS


def _first(keys: pa.ChunkedArray, rows: NDArray[np.intp], ties: NDArray[np.intp]) -> NDArray[np.intp]:
    """Of rows that are equally bad, those whose keys come first; as many as are ever kept."""
    if len(ties) <= N_WORST:
        return ties
    names = keys.take(pa.array(rows[ties]))
    order = pc.select_k_unstable(names, N_WORST, sort_keys=[("", "ascending")])
    return np.asarray(ties[order.to_numpy()], np.intp)


def clip_key(table: str, key: str | None) -> str:
    """The sample's key: items of steps over clips are named by it and a digest."""
    key = key or ""
    return key.rpartition("-")[0] if table in ("cut", "tokenize", "units", "hypotheses") else key


def merge_into(found: Summaries, other: Iterable[tuple[Name, Sketch]]) -> None:
    """Merge summaries under their names."""
    for name, sketch in other:
        if name in found:
            found[name].merge(sketch)
        else:
            found[name] = sketch
