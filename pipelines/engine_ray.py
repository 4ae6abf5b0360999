"""The Ray engine: Ray Data with one row a unit over a pool of actors.

Only units go in and outcomes come out (plain text, small): frames are decoded, used and
written where they are, in a child process of the actor, and never cross the object store.
The settings are argued for in docs/adr/0002-ray-settings.md.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import warnings
from collections.abc import Iterable, Iterator, Sequence
from math import ceil
from typing import Any

from manifests.store import Store
from pipelines.attempts import Attempts
from pipelines.engine import Attempt, EngineError, supervised
from pipelines.job import Job, Outcome
from pipelines.sections import EngineConfig
from pipelines.step import Step, Unit
from pipelines.worker import OPEN_DEADLINE_S, Worker

OBJECT_STORE_BYTES = 160 * 2**20  # only outcomes live there; Ray refuses less than about 75 MiB
STALL_FACTOR = 2.0
"""A run is stalled when nothing ended for this many times the longest deadline still open."""


def _here(job: Job, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
    """One worker of the driver's own, in a child process with deadlines like any other."""
    store = Store(job.store_url)
    with Worker(job) as worker:
        for attempt in attempts:
            yield supervised(job, worker.run, store, attempt)


class _UnitActor:
    """Runs inside Ray: holds one worker process and hands it one unit a call."""

    def __init__(self, job_json: str) -> None:
        self._job = Job.from_json(job_json)
        self._store = Store(self._job.store_url)
        self._worker = Worker(self._job)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        outcomes = []
        for text, number in zip(batch["unit"], batch["number"], strict=True):
            attempt = Attempt(Unit.from_json(str(text)), int(number))
            outcomes.append(supervised(self._job, self._worker.run, self._store, attempt).to_json())
        return {"outcome": np.array(outcomes, dtype=object)}

    def __del__(self) -> None:
        self._worker.stop()


class RayEngine:
    """A local Ray started for the run, or a cluster joined by its address."""

    def __init__(
        self,
        *,
        workers: int | None = None,
        address: str | None = None,
        cpus_a_worker: float = 1.0,
        pool_start_s: float = 0.0,
    ) -> None:
        self._workers = workers or max(1, len(os.sched_getaffinity(0)))
        self._address = address
        self._cpus = cpus_a_worker  # the most that any step of the run asks for
        self._pool_start_s = pool_start_s
        self._started = False

    @classmethod
    def of(
        cls,
        config: EngineConfig,
        steps: Iterable[Step[Any]],
        *,
        workers: int | None = None,
        address: str | None = None,
    ) -> RayEngine:
        """An engine large enough for the greediest of the steps."""
        asked = [one.cpus for one in config.resources.values() if one.cpus is not None]
        most = max([*asked, *(step.resources.cpus for step in steps)])
        start_s = config.pool_start_s
        return cls(workers=workers, address=address, cpus_a_worker=most, pool_start_s=start_s)

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            import ray

            ray.shutdown()
            self._started = False

    def run(self, job: Job, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Try each unit once, in any order: on the pool, or here when the pool would take longer to start."""
        if job.store_url.startswith("memory:"):
            raise EngineError("memory:// lives in one process; use --engine local with it")
        if job.expected_s([one.unit for one in attempts]) < self._pool_start_s:
            yield from _here(job, attempts)
            return
        self._start()
        workers = min(self._workers, len(attempts))
        if job.resources.gpus:  # fewer GPUs than CPUs is the rule, and no fault
            import ray

            gpus = ray.cluster_resources().get("GPU", 0.0)  # type: ignore[no-untyped-call]
            workers = max(1, min(workers, int(gpus // job.resources.gpus)))
        self._preflight(job, workers)
        results = _in_background(_dataset(job, attempts, workers))
        patience_s = OPEN_DEADLINE_S + STALL_FACTOR * max(job.deadline_s(one.unit) for one in attempts)
        while True:
            try:
                found = results.get(timeout=patience_s)
            except queue.Empty:
                running = Attempts.of(job, Store(job.store_url)).running()
                raise EngineError(
                    f"step {job.name} stalled: nothing ended for {patience_s:.0f} s; still running: "
                    f"{', '.join(running) or 'no unit'}. Run again to resume; what is committed stays."
                ) from None
            if found is None:
                return
            if isinstance(found, BaseException):
                raise EngineError(f"Ray failed in step {job.name}: {found}") from found
            yield found

    def _start(self) -> None:
        if self._started:
            return
        try:
            import ray
        except ImportError as error:
            raise EngineError("the ray engine needs `pip install duologue[build]`") from error
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # its remarks are not for our users
        options: dict[str, Any] = {"address": self._address}
        if self._address is None:
            # one logical CPU more than workers: a pool that claims every CPU hangs for ever
            options = {
                "address": "local",
                "num_cpus": ceil(self._workers * max(1.0, self._cpus)) + 1,
                "object_store_memory": OBJECT_STORE_BYTES,
                "include_dashboard": False,
            }
        try:
            ray.init(**options, log_to_driver=False, logging_level=logging.ERROR, configure_logging=False)
        except (ConnectionError, ValueError, OSError) as error:
            raise EngineError(f"Ray did not start ({self._address or 'local'}): {error}") from error
        self._started = True

    def _preflight(self, job: Job, workers: int) -> None:
        """Refuse what Ray would wait for without a word."""
        import ray

        have = ray.cluster_resources()  # type: ignore[no-untyped-call]
        need = {
            "CPU": workers * job.resources.cpus,
            "GPU": workers * job.resources.gpus,
            "memory": workers * job.resources.memory_gb * 2**30,
        }
        for kind, amount in need.items():
            spare = have.get(kind, 0.0) - amount
            if amount and (spare < 0 or (kind == "CPU" and spare <= 0)):
                raise EngineError(
                    f"step {job.name} wants {amount:g} {kind} for {workers} workers and the cluster has "
                    f"{have.get(kind, 0.0):g} (one CPU must stay free): lower --workers or "
                    f"engine.resources.{job.name} in the config"
                )


def _dataset(job: Job, attempts: Sequence[Attempt], workers: int) -> Any:
    """The lazy Ray Data pipeline of one round."""
    import ray
    from ray.data import ActorPoolStrategy, DataContext

    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1  # a lost actor loses its unit's outcome only; the driver reconciles
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    rows = [{"unit": one.unit.to_json(), "number": one.number} for one in attempts]
    # Ray 2.60 warns of options it will rename in 2.64 (we pin < 2.61)
    warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"ray\.|pipelines\.engine_ray")
    return ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        _UnitActor,
        fn_constructor_args=(job.to_json(),),
        batch_size=1,
        compute=ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=job.resources.cpus,
        num_gpus=job.resources.gpus or None,
        memory=job.resources.memory_gb * 2**30,
        max_restarts=-1,
        max_task_retries=1,
    )


def _in_background(dataset: Any) -> queue.Queue[Outcome | BaseException | None]:
    """Outcomes as they end, then None; or the exception Ray raised. Read from a thread so that the
    caller can notice silence."""
    results: queue.Queue[Outcome | BaseException | None] = queue.Queue()

    def pull() -> None:
        try:
            for row in dataset.iter_rows():
                results.put(Outcome.from_json(row["outcome"]))
        except Exception as error:  # noqa: BLE001 - handed to the caller's thread, which raises it
            results.put(error)
        else:
            results.put(None)

    threading.Thread(target=pull, daemon=True, name="ray-outcomes").start()
    return results
