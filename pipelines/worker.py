"""The child process that does media work, and the handle its parent holds.

Media libraries crash and hang. So a unit runs in a process of its own with a deadline; when it dies
or hangs, the parent (a Ray actor) records the attempt, starts a new child and goes on with the next
unit. Parent and child speak JSON lines; the child answers on a pipe of its own, so that whatever a
library prints cannot be mistaken for an answer.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO

from pipelines.job import End, Job, Outcome, execute
from pipelines.step import Unit
from pipelines.threads import ONE_THREAD

OPEN_DEADLINE_S = 600.0
"""Longest a step may take to load its models."""


class Worker:
    """One child process for one job. Use as a context manager."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: IO[bytes] | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the worker

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def run(self, unit: Unit) -> Outcome:
        """One attempt at a unit; kills the child when the unit's deadline passes."""
        begun = time.monotonic()
        if self._process is None:
            fatal = self._start()
            if fatal:
                return Outcome(unit.id, End.FATAL, fatal)
        self._stderr.seek(0)
        self._stderr.truncate()  # what an earlier unit wrote is no clue to this one
        try:
            self._send(unit.to_json())
        except BrokenPipeError:
            return self._lost(unit, begun)
        answer = self._receive(self._job.deadline_s(unit))
        if answer is None:
            self.stop()
            limit = self._job.deadline_s(unit)
            return Outcome(unit.id, End.TIMED_OUT, f"killed after its deadline of {limit:.0f} s", limit)
        return Outcome.from_json(answer) if answer else self._lost(unit, begun)

    def stop(self) -> None:
        """Kill the child and whatever it started."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            for pipe in (self._process.stdin, self._answers):
                if pipe:
                    pipe.close()
        self._process, self._answers = None, None

    def _start(self) -> str:
        """Start the child and wait for its models. Returns why that failed, or an empty string."""
        reading, writing = os.pipe()
        self._process = subprocess.Popen(
            # -P: nothing in the current folder may stand in for our packages
            [sys.executable, "-P", "-m", "pipelines.worker", str(writing)],
            stdin=subprocess.PIPE,
            stdout=self._stderr,
            stderr=self._stderr,
            pass_fds=(writing,),
            env={**os.environ, **ONE_THREAD},
            start_new_session=True,
        )
        os.close(writing)
        self._answers = os.fdopen(reading, "rb", buffering=0)
        self._send(self._job.to_json())
        answer = self._receive(OPEN_DEADLINE_S)
        if answer == "ready":
            return ""
        self.stop()
        if answer is None:
            return f"step {self._job.name} did not load its models within {OPEN_DEADLINE_S:.0f} s"
        return answer or f"the worker of step {self._job.name} died while starting:\n{self._tail()}"

    def _send(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def _receive(self, timeout_s: float) -> str | None:
        """One line from the child; empty when it died, None when the time is over."""
        assert self._answers is not None
        line, until = b"", time.monotonic() + timeout_s
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                return None
            block = self._answers.read(1 << 16)
            if not block:
                return ""
            line += block
        return str(json.loads(line))

    def _lost(self, unit: Unit, begun: float) -> Outcome:
        assert self._process is not None
        code = self._process.wait()
        died = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        detail = f"the worker process died ({died})\n{self._tail()}"
        self.stop()
        return Outcome(unit.id, End.CRASHED, detail, time.monotonic() - begun, unit.media_s)

    def _tail(self, limit: int = 2000) -> str:
        """The last the child wrote, for the quarantine's detail."""
        end = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, end - limit))
        return self._stderr.read().decode(errors="replace").strip()


def serve(answers: IO[bytes]) -> None:
    """The child's side: read the job, load the step, then do one unit a line until the parent leaves."""
    from pipelines.job import is_fatal

    def answer(text: str) -> None:
        answers.write(json.dumps(text).encode() + b"\n")
        answers.flush()

    job = Job.from_json(sys.stdin.readline())
    try:
        step, workspace = job.load()
        step.open()
    except Exception as error:  # noqa: BLE001 - any failure to load a model stops the run, with its message
        kind = "" if is_fatal(error) else f"{type(error).__name__}: "
        answer(f"step {job.name} cannot start: {kind}{error}")
        return
    answer("ready")
    for line in sys.stdin:
        answer(execute(step, Unit.from_json(line), workspace).to_json())


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, so that a killed run leaves no zombies behind."""
    import ctypes

    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        # a child is the first to go when memory runs out, not the driver that would notice
        with open("/proc/self/oom_score_adj", "w") as handle:  # noqa: PTH123 - not a file of ours
            handle.write("1000")


if __name__ == "__main__":
    _die_with_parent()
    with os.fdopen(int(sys.argv[1]), "wb") as pipe:
        serve(pipe)
