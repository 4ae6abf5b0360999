"""A real server of `/v1/audio/speech` on loopback: it speaks with hibari, and misbehaves when told to."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
import soundfile

KEY = "sk-loopback-0123456789"


@lru_cache(maxsize=32)
def wav_of(text: str, speed: float = 1.0, rate_hz: int = 24_000) -> bytes:
    """What hibari itself says, without any code of ours."""
    return as_wav(engine()(text, speed=speed, seed=0), rate_hz)


@lru_cache(maxsize=1)
def engine() -> Any:
    from hibari import Hibari

    return Hibari(threads=1)


def as_wav(pcm: np.ndarray, rate_hz: int) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, pcm, rate_hz, format="WAV", subtype="PCM_16")
    return file.getvalue()


@dataclass
class Loopback:
    """What the server was asked, and where it is. `bytes_sent` of the last answer."""

    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    bytes_sent: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def times_asked(self, voice: str) -> int:
        return sum(one["voice"] == voice for one in self.asked)


class Handler(BaseHTTPRequestHandler):
    state: Loopback

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.asked.append(asked)
        self.state.headers.append({name.lower(): value for name, value in self.headers.items()})
        assert self.path == "/v1/audio/speech"
        name, _, number = asked["voice"].partition("_")
        tried = self.state.times_asked(asked["voice"])
        try:
            getattr(self, f"as_{name}", self.as_well)(asked, tried, int(number or 0))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client had enough: what some tests want

    def as_well(self, asked: dict[str, Any], tried: int, number: int) -> None:
        self.answer(wav_of(asked["input"], asked["speed"]))

    def as_status(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """Always that status, and the key repeated, as some servers do."""
        told = json.dumps({"error": {"message": f"got {self.headers['Authorization']}"}}).encode()
        self.answer(told, status=number, kind="application/json", retry_after="0")

    def as_recovers(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """429 with Retry-After, then 503, then sound."""
        if tried <= 2:
            return self.answer(b"busy", status=(429, 503)[tried - 1], kind="text/plain", retry_after="0.01")
        return self.as_well(asked, tried, number)

    def as_hangs(self, asked: dict[str, Any], tried: int, number: int) -> None:
        self.state.closing.wait(20)

    def as_drips(self, asked: dict[str, Any], tried: int, number: int) -> None:
        body = wav_of(asked["input"])
        self.head(len(body))
        for byte in body[:200]:
            self.wfile.write(bytes([byte]))
            if self.state.closing.wait(0.05):
                return

    def as_hangup(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """Ends the connection half-way; from the third request on it does not."""
        body = wav_of(asked["input"])
        self.head(len(body))
        self.wfile.write(body if tried > 2 else body[: len(body) // 2])
        self.close_connection = True

    def as_cut(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """A whole answer that holds half a file."""
        body = wav_of(asked["input"])
        self.answer(body[: len(body) // 2])

    def as_streams(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """A header without the length, as OpenAI sends it."""
        body = bytearray(wav_of(asked["input"]))
        body[4:8] = body[40:44] = b"\xff\xff\xff\xff"
        self.answer(bytes(body))

    def as_json(self, asked: dict[str, Any], tried: int, number: int) -> None:
        self.answer(json.dumps({"queued": self.headers["Authorization"]}).encode(), kind="application/json")

    def as_garbage(self, asked: dict[str, Any], tried: int, number: int) -> None:
        self.answer(b"no sound at all " * 100)

    def as_rate(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """The same samples under another rate."""
        self.answer(wav_of(asked["input"], rate_hz=number))

    def as_silent(self, asked: dict[str, Any], tried: int, number: int) -> None:
        self.answer(as_wav(np.zeros(24_000, np.float32), 24_000))

    def as_huge(self, asked: dict[str, Any], tried: int, number: int) -> None:
        """So many megabytes."""
        self.state.bytes_sent = 0
        self.head(number << 20)
        block = bytes(1 << 16)
        for _ in range(number << 4):
            self.wfile.write(block)
            self.state.bytes_sent += len(block)

    def answer(
        self, body: bytes, *, status: int = 200, kind: str = "audio/wav", retry_after: str | None = None
    ) -> None:
        self.head(len(body), status=status, kind=kind, retry_after=retry_after)
        self.wfile.write(body)

    def head(
        self, length: int, *, status: int = 200, kind: str = "audio/wav", retry_after: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        if retry_after is not None:
            self.send_header("Retry-After", retry_after)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    pytest.importorskip("hibari")
    pytest.importorskip("openai")
    wav_of("Warm up.")  # loaded before anybody counts seconds
    state = Loopback()
    handler = type("Mine", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    state.closing.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def stopwatch() -> Any:
    begun = time.monotonic()
    return lambda: time.monotonic() - begun
