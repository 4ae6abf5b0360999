"""Throughput and memory of rewriting against a server that only waits.

    python benchmarks/rewriting.py --rows 10000 --concurrency 16 --latency-s 0.1 [--json RESULT.json]

Throughput is told as a share of concurrency / latency, what an ideal client reaches. The server runs in a
process of its own and takes the latency on the clock of its event loop; how much longer its answers take on
the wire is in the share. Memory is that of this process (RSS) after each tenth of the rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.common import machine, save
from manifests.store import Store
from synth.rewriting import Dialogue, RewriteConfig, Rewriter

ANSWER = "Honestly, I had not thought about it that way before. Tell me what happened after that."


def reply() -> bytes:
    message = {"role": "assistant", "content": json.dumps({"response": ANSWER})}
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "model": "fake",
        "usage": {"prompt_tokens": 100, "completion_tokens": 20},
    }
    data = json.dumps(body).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    return head.encode() + data


def serve(latency_s: float, ports: Any) -> None:
    """Answers every POST after `latency_s`."""
    answer = reply()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                due = asyncio.get_running_loop().time() + latency_s
                length = int(head.split("content-length:")[1].split("\r\n")[0])
                await reader.readexactly(length)
                await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
                writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionResetError):
            writer.close()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1024)
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def dialogues(rows: int) -> Iterator[Dialogue]:
    """One short turn each, all different."""
    for number in range(rows):
        word = "".join("abcdefghij"[int(digit)] for digit in f"{number:06d}")
        turns = [{"speaker": "B", "text": f"Oh no, {word}."}]
        history = [{"speaker": "A", "text": "I waited for the bus for an hour and it drove past me."}]
        record = {"id": f"d{number:06d}", "speakers": {"A": {}, "B": {}}, "turns": turns, "history": history}
        yield Dialogue.model_validate(record)


def measure(rows: int, concurrency: int, latency_s: float) -> dict[str, Any]:
    ports: Any = multiprocessing.get_context("spawn").Queue()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(latency_s, ports), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}/v1"
    with tempfile.TemporaryDirectory() as folder:
        settings = {"base_url": url, "concurrency": concurrency}
        rewriter = Rewriter(RewriteConfig.model_validate({"server": settings, "model": "m"}), Store(folder))
        list(rewriter.run(dialogues(concurrency)))  # imports, connections
        found = timed(rewriter, rows, concurrency, latency_s)
    server.kill()
    return found


def timed(rewriter: Rewriter, rows: int, concurrency: int, latency_s: float) -> dict[str, Any]:
    memory_mib, spent_cpu_s, started = [], time.process_time(), time.perf_counter()
    fresh = (one for number, one in enumerate(dialogues(rows + concurrency)) if number >= concurrency)
    for number, row in enumerate(rewriter.run(fresh), 1):
        assert row.text == ANSWER, row
        if number % max(1, rows // 10) == 0:
            memory_mib.append(round(psutil.Process().memory_info().rss / 2**20, 1))
    took_s = time.perf_counter() - started
    assert rewriter.counts.sent == rows
    return {
        "rows": rows,
        "concurrency": concurrency,
        "latency_s": latency_s,
        "rows_per_s": round(rows / took_s, 1),
        "share_of_ideal": round(rows / took_s / (concurrency / latency_s), 3),
        "cpu_ms_per_row": round(1000 * (time.process_time() - spent_cpu_s) / rows, 2),
        "memory_mib_after_each_tenth": memory_mib,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[16])
    parser.add_argument("--latency-s", type=float, default=0.2)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    before = machine()
    runs = [measure(arguments.rows, one, arguments.latency_s) for one in arguments.concurrency]
    for run in runs:
        print(json.dumps(run))
    save(arguments.json, before, {"runs": runs})


if __name__ == "__main__":
    main()
