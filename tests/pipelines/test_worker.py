"""The child process and its handle, without Ray."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import toy_steps

from pipelines.job import End, Job
from pipelines.step import Item, Unit
from pipelines.worker import Worker


def job(folder: Path, **config: Any) -> Job:
    return Job(
        step_path=toy_steps.Toy.path(),
        name="toy",
        config=toy_steps.ToyConfig(**config).model_dump(),
        folder="steps/toy",
        store_url=str(folder),
        source_root=str(folder),
        run_id="test",
        deadline_floor_s=1.0,
        deadline_factor=0.0,
    )


def unit(number: int) -> Unit:
    return Unit.of([Item(f"item{number}", "source", {}, 1.0)])


def test_a_worker_survives_the_death_of_its_child(tmp_path: Path) -> None:
    with Worker(job(tmp_path, poison={"item0": "kill", "item1": "hang"})) as worker:
        assert worker.run(unit(0)).end is End.CRASHED
        begun = time.monotonic()
        late = worker.run(unit(1))
        assert (
            late.end is End.TIMED_OUT and time.monotonic() - begun < 20 and "deadline of 1 s" in late.detail
        )
        outcome = worker.run(unit(2))
        assert (outcome.end, outcome.counts) == (End.COMMITTED, {"ok": 1})
    assert (tmp_path / "steps/toy/receipts/item2.parquet").exists()
    assert not psutil.Process().children(), "no child is left behind"


def test_a_child_that_cannot_load_its_models_is_fatal(tmp_path: Path) -> None:
    with Worker(job(tmp_path, poison={"open": "ImportError"})) as worker:
        outcome = worker.run(unit(0))
    assert outcome.end is End.FATAL and "a_missing_package" in outcome.detail


def test_children_die_with_their_parent(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[2])\n"
        "from pathlib import Path\n"
        "from test_worker import job, unit\n"
        "from pipelines.worker import Worker\n"
        "Worker(job(Path(sys.argv[1]), sleep_s=60.0, items=1)).run(unit(0))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path), str(Path(__file__).parent)])
    children: list[psutil.Process] = []
    until = time.monotonic() + 30
    while not children and time.monotonic() < until:
        time.sleep(0.05)
        children = [
            one for one in psutil.Process(parent.pid).children() if "pipelines.worker" in one.cmdline()
        ]
    assert children
    time.sleep(1.5)  # let the child reach its work
    os.kill(parent.pid, 9)
    parent.wait()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone and not alive


def test_units_and_jobs_travel_as_json(tmp_path: Path) -> None:
    first = Unit.of([Item("a", "s", {"start": "1/25", "list": [1, None, "ü"]}, 2.5), Item("b", None, {})])
    assert Unit.from_json(first.to_json()) == first and first.id.startswith("bundle-")
    assert Job.from_json(job(tmp_path).to_json()) == job(tmp_path)
