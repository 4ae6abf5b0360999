"""Rows a second of `duologue audit` over synthetic receipts, its memory, its numbers against pyarrow's own.

Each clip is a row of `select`'s receipts with every measure that is audited and, where it was kept, a row of
the index; each source of 100 clips a row of `ingest`'s. Rows are counted once a clip. Every size runs in a
process of its own.

    python benchmarks/audit.py [--millions 1 2 3 4 5] [--workers 2] [--save FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from common import machine, save

from manifests.schemas import INDEX
from manifests.store import Store
from pipelines.audit.catalog import CHECKS
from pipelines.audit.model import ColumnCheck, Severity
from pipelines.audit.policy import load_policy
from pipelines.audit.tables import BATCH_ROWS, Part

CLIPS_A_SOURCE = 100
ROWS_A_FILE = 100_000
MILLION = 1_000_000
SPEAKERS = 2_000
LEAK_EVERY = 997
"""Every so many sources, one whose speaker is in another split too."""


def select_columns() -> list[str]:
    """The columns of `select` that checks read."""
    checks = [one for one in CHECKS.values() if isinstance(one, ColumnCheck) and one.table == "select"]
    names = {name for check in checks for name in check.columns}
    return sorted(names - {"status", "av_offset_method"})


def write_tables(folder: Path, n_rows: int) -> list[Part]:
    """Receipts and index of `n_rows` clips, the same for the same number."""
    select, ingest = folder / "select", folder / "ingest"
    for one in (select, ingest, folder / "shards"):
        one.mkdir()
    parts = []
    schema = INDEX.remove_metadata()
    with pq.ParquetWriter(folder / "shards" / "index.parquet", schema) as index:
        for number in range(n_rows // ROWS_A_FILE):
            table, kept, sources = _file(number, schema)
            pq.write_table(table, select / f"{number:05d}.parquet")
            pq.write_table(sources, ingest / f"{number:05d}.parquet")
            index.write_table(kept)
            parts.append(Part("select", (f"select/{number:05d}.parquet",)))
            parts.append(Part("ingest", (f"ingest/{number:05d}.parquet",)))
    return [*parts, Part("index", ("shards/index.parquet",))]


def _file(number: int, schema: pa.Schema) -> tuple[pa.Table, pa.Table, pa.Table]:
    draw = np.random.default_rng(number)
    clips = np.arange(number * ROWS_A_FILE, (number + 1) * ROWS_A_FILE)
    source = clips // CLIPS_A_SOURCE
    source_ids = pa.array([f"{one:016x}" for one in source])
    keys = pa.array([f"{one:016x}-t00-{clip:07d}" for one, clip in zip(source, clips, strict=True)])
    ok = draw.random(ROWS_A_FILE) < 0.9
    columns: dict[str, Any] = {
        name: pa.array(draw.normal(0.5, 0.4, ROWS_A_FILE), mask=draw.random(ROWS_A_FILE) < 0.02)
        for name in select_columns()
    }
    columns |= {
        "item": keys,
        "key": keys,
        "source_id": source_ids,
        "status": pa.array(np.where(ok, "ok", "skipped")),
        "reason": pa.array(np.where(ok, None, "face_small"), pa.string()),
        "av_offset_method": pa.array(["lips"] * ROWS_A_FILE),
        "identity": pa.array(np.zeros(ROWS_A_FILE, np.int64)),
    }
    table = pa.table(columns)
    split = np.where(source % 10 == 0, "test", "train")
    whole = pa.table(
        {
            "key": keys,
            "shard": pa.array([f"train-{one // 1000:06d}-00000000.tar" for one in clips]),
            "split": pa.array(split),
            "source_id": source_ids,
            "duration_s": pa.array(draw.integers(10, 180, ROWS_A_FILE) * 0.08),
            "members": pa.array([["json", "flac"]] * ROWS_A_FILE, schema.field("members").type),
            "bytes": pa.array(draw.integers(1, 1 << 20, ROWS_A_FILE)),
        }
    )
    mine = np.unique(source)
    speaker = [f"s{one % SPEAKERS // 10 if one % 10 else 10**6 + one % SPEAKERS}" for one in mine]
    speaker = [
        f"s{one + 1}" if one % LEAK_EVERY == 0 else name for one, name in zip(mine, speaker, strict=True)
    ]
    sources = pa.table(
        {
            "item": [f"{one:016x}" for one in mine],
            "key": [f"{one:016x}" for one in mine],
            "source_id": [f"{one:016x}" for one in mine],
            "status": ["ok"] * len(mine),
            "reason": pa.array([None] * len(mine), pa.string()),
            "audio_offset_s": draw.normal(0, 0.1, len(mine)),
            "content_sha256": [f"{one:064x}" for one in mine],
            "speaker": speaker,
            **{name: ["x"] * len(mine) for name in ("language", "gender", "emotion", "licence", "consent")},
        }
    )
    return table, whole.filter(pa.array(ok)).cast(schema), sources


def by_pyarrow(folder: Path) -> dict[str, Any]:
    """The same numbers by plain pyarrow, from whole tables in memory."""
    rules = load_policy("default")
    select = pq.read_table(folder / "select")
    select = select.filter(pc.equal(select["status"], "ok"))
    found: dict[str, Any] = {}
    for check in CHECKS.values():
        if isinstance(check, ColumnCheck) and check.table == "select" and check.derive is None:
            rule, column = rules.rule(check.id), select[check.columns[0]]
            bad = [pc.less(column, rule.min)] if rule.min is not None else []
            bad += [pc.greater(column, rule.max)] if rule.max is not None else []
            found[check.id] = {
                "n": len(column) - column.null_count,
                "n_missing": column.null_count,
                "n_bad": sum(pc.sum(one).as_py() or 0 for one in bad),
                "min": pc.min(column).as_py(),
                "max": pc.max(column).as_py(),
                "mean": pc.mean(column).as_py(),
                "median": pc.quantile(column, 0.5).to_pylist()[0],
                "histogram": np.histogram(column.drop_null().to_numpy(), check.bins.edges())[0].tolist(),
            }
    index = pq.read_table(folder / "shards" / "index.parquet", columns=["source_id", "split", "duration_s"])
    joined = index.join(pq.read_table(folder / "ingest", columns=["source_id", "speaker"]), "source_id")
    splits = joined.group_by("speaker").aggregate([("split", "count_distinct")])
    leaking = pc.sum(pc.greater(splits["split_count_distinct"], 1)).as_py()
    found["leak_speaker"] = {"n": splits.num_rows, "n_bad": leaking}
    found["seconds"] = pc.sum(index["duration_s"]).as_py()
    return found


def differences(facts: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Where the audit's numbers are not pyarrow's: counts exactly, means to 1e-6, the median to 1 %."""
    wrong = []
    for check, wanted in expected.items():
        if check == "seconds":
            if abs(facts["leak_source"][""]["seconds"] - wanted) > 0.1:
                wrong.append(f"seconds: {facts['leak_source']['']['seconds']} against {wanted}")
            continue
        got = facts[check][""]
        for name in ("n", "n_missing", "n_bad", "min", "max"):
            if name in wanted and got[name] != wanted[name]:
                wrong.append(f"{check} {name}: {got[name]} against {wanted[name]}")
        if "mean" in wanted:
            if abs(got["mean"] - wanted["mean"]) > 1e-6:
                wrong.append(f"{check} mean: {got['mean']} against {wanted['mean']}")
            if abs(got["quantiles"]["p50"] - wanted["median"]) > 0.0101 * abs(wanted["median"]):
                wrong.append(f"{check} median: {got['quantiles']['p50']} against {wanted['median']}")
            off = np.abs(np.array(got["histogram"]["counts"]) - wanted["histogram"]).sum()
            if off > 2:  # a value on an edge may fall on either side: 0.3 / 0.1 is not 3
                wrong.append(f"{check} histogram: {off} rows are in other bins")
    return wrong


def measure(folder: str, millions: float, workers: int) -> dict[str, Any]:
    """One run over tables that are there: seconds, and peak memory of this process."""
    from pipelines.audit.engine import Work, run

    rules = {
        key: one.limits for key, one in load_policy("default").checks.items() if one.severity != Severity.OFF
    }
    parts = [Part(name, tuple(files)) for name, files in json.loads(Path(folder, "parts.json").read_text())]
    options = (
        ["--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"] if workers > 1 else []
    )
    begun, cpu = time.perf_counter(), _cpu_s()
    facts = run(Work(folder, parts, [], rules), Store(f"{folder}/out"), options)
    wall_s, cpu_s = time.perf_counter() - begun, _cpu_s() - cpu
    Path(folder, "facts.json").write_text(json.dumps(facts))
    return {
        "millions": millions,
        "wall_s": round(wall_s, 2),
        "cpu_s": round(cpu_s, 2),
        "rows_per_s": round(millions * MILLION / wall_s),
        "rows_per_cpu_s": round(millions * MILLION / cpu_s),
        "peak_mib": _peak_mib(),
    }


def _peak_mib() -> int:
    """Of this process since it began; `ru_maxrss` would also tell of the one that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def _cpu_s() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--millions", type=float, nargs="+", default=[1.0, 2.0, 3.0, 4.0, 5.0])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--save", type=Path)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure[0], float(options.measure[1]), options.workers)))
        return
    before, runs = machine(), []
    for millions in options.millions:
        with tempfile.TemporaryDirectory() as folder:
            parts = write_tables(Path(folder), round(millions * MILLION))
            Path(folder, "parts.json").write_text(json.dumps([[part.table, part.files] for part in parts]))
            command = [sys.executable, __file__, "--measure", folder, str(millions), "--workers"]
            done = subprocess.run(
                [*command, str(options.workers)], stdout=subprocess.PIPE, check=True, env=dict(os.environ)
            )
            found = json.loads(done.stdout.splitlines()[-1])
            wrong = differences(json.loads(Path(folder, "facts.json").read_text()), by_pyarrow(Path(folder)))
        runs.append({**found, "differences": wrong})
        print(json.dumps(runs[-1]), flush=True)
    result: dict[str, Any] = {"batch_rows": BATCH_ROWS, "workers": options.workers, "runs": runs}
    if len(runs) > 2:
        sizes, cpu = ([run[name] for run in runs] for name in ("millions", "cpu_s"))
        steps = np.diff(cpu) / np.diff(sizes)
        result["marginal_cpu_s_a_million"] = [round(float(one), 3) for one in steps]
        result["spread"] = round(float(np.abs(steps / steps.mean() - 1).max()), 3)
        print(json.dumps({name: result[name] for name in ("marginal_cpu_s_a_million", "spread")}))
    save(options.save, before, result)


if __name__ == "__main__":
    main()
