"""What the speed benchmarks share: frames of a clip, several processes in step, the machine they ran on."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from extractors.media import Frame, VideoReader
from extractors.probe import probe


def opened(clip: Path) -> Iterator[Frame]:
    """The frames of a clip, RGB."""
    video = probe(str(clip)).video
    assert video is not None
    with VideoReader(str(clip), stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
        yield from reader.frames()


def at_once(n_processes: int, work: Callable[..., Any], *arguments: object) -> list[Any]:
    """`work(*arguments, barrier)` in so many processes; what each returned."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(n_processes), context.Queue()
    workers = [
        context.Process(target=_put, args=(results, work, *arguments, barrier), daemon=True)
        for _ in range(n_processes)
    ]
    for worker in workers:
        worker.start()
    found = [results.get() for _ in workers]
    for worker in workers:
        worker.join()
    return found


def _put(results: Any, work: Callable[..., object], *arguments: object) -> None:
    results.put(work(*arguments))


def machine() -> dict[str, Any]:
    """Date, processor, cores and load, so that results of a busy machine are known as such."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "date": str(date.today()),
        "processor": names[0].split(":", 1)[1].strip() if names else "unknown",
        "cores": len(os.sched_getaffinity(0)),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


def save(path: Path | None, before: dict[str, Any], found: dict[str, Any]) -> None:
    """Write a result with the machine as it was `before` and is now."""
    if path is not None:
        record = {**before, "load_after": machine()["load"], **found}
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
