"""A loopback HTTP server that answers chat completions as a test scripts it, well or badly.

A `Script` maps (number of the try of this row, request body) to a behaviour's name. Rows are told apart by
the line "Short line: …" of their prompt.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GOOD = "Honestly, I had not thought about it that way before. Tell me what happened after that."
Script = Callable[[int, str], str]


class FaultServer:
    """Use as a context manager. `asked` counts tries by row; `most_at_once` the requests in flight."""

    def __init__(self, script: Script | None = None, *, latency_s: float = 0.0, good: str = GOOD) -> None:
        self.script = script or (lambda number, row: "ok")
        self.latency_s = latency_s
        self.good = good
        self.asked: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {}
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def total(self) -> int:
        return sum(self.asked.values())

    def __enter__(self) -> FaultServer:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer._lock:
                    outer._at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer._at_once)
                try:
                    outer._answer(self, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True
                finally:
                    with outer._lock:
                        outer._at_once -= 1

        class Server(ThreadingHTTPServer):
            request_queue_size = 256
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Clients that hang up are what these tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def row_of(self, body: dict[str, Any]) -> str:
        """What tells the rows apart."""
        prompt = body["messages"][1]["content"]
        found = re.search(r"Short line: (.*)", prompt)
        return found[1] if found else str(prompt)

    def _answer(self, handler: Any, body: dict[str, Any]) -> None:
        row = self.row_of(body)
        with self._lock:
            self.asked[row] += 1
            number = self.asked[row]
            self.times.setdefault(row, []).append(time.monotonic())
            self.bodies.append(body)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
        if self.latency_s:
            self._closing.wait(self.latency_s)
        behaviour = self.script(number, row)
        getattr(self, f"_do_{behaviour}", self._do_status)(handler, behaviour)

    def completion(self, content: str | None, **changes: Any) -> bytes:
        message = {"role": "assistant", "content": content, **changes.pop("message", {})}
        choice = {"index": 0, "message": message, "finish_reason": changes.pop("finish_reason", "stop")}
        usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        record = {"id": "c", "object": "chat.completion", "created": 1, "model": "fake", "usage": usage}
        return json.dumps({**record, "choices": [choice], **changes}).encode()

    def _send(self, handler: Any, data: bytes, status: int = 200, **headers: str) -> None:
        handler.send_response(status)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    def _do_ok(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(json.dumps({"response": self.good})))

    def _do_status(self, handler: Any, behaviour: str) -> None:
        """A number; with "429:0.2" the server also asks to wait so long."""
        status, _, wait_s = behaviour.partition(":")
        headers = {"retry_after": wait_s} if wait_s else {}
        error = {"error": {"message": "scripted", "type": "server_error"}}
        self._send(handler, json.dumps(error).encode(), int(status), **headers)

    def _do_hang(self, handler: Any, _: str) -> None:
        self._closing.wait(30)
        handler.close_connection = True

    def _do_drop(self, handler: Any, _: str) -> None:
        handler.close_connection = True
        handler.connection.close()

    def _do_cut_body(self, handler: Any, _: str) -> None:
        data = self.completion(json.dumps({"response": self.good}))
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[:40])
        handler.close_connection = True

    def _do_truncated_json(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion('{"response": "Honestly, I had', finish_reason="stop"))

    def _do_cut_off(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion('{"response": "Honestly, I had', finish_reason="length"))

    def _do_wrong_schema(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(json.dumps({"answer": self.good})))

    def _do_no_choices(self, handler: Any, _: str) -> None:
        self._send(handler, json.dumps({"object": "chat.completion", "choices": []}).encode())

    def _do_html(self, handler: Any, _: str) -> None:
        self._send(handler, b"<html>the proxy is down for maintenance</html>")

    def _do_refusal_text(self, handler: Any, _: str) -> None:
        said = "I'm sorry, but I can't assist with that request. Please ask something else."
        self._send(handler, self.completion(json.dumps({"response": said})))

    def _do_refusal_field(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(None, message={"refusal": "I will not do that."}))

    def _do_no_usage(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(json.dumps({"response": self.good}), usage=None))

    def _do_huge(self, handler: Any, _: str) -> None:
        said = "Well, you see. " * 700_000  # 10 MB
        self._send(handler, self.completion(json.dumps({"response": said})))

    def _do_huge_error(self, handler: Any, _: str) -> None:
        self._send(handler, b"x" * 10_000_000, 500)

    def _do_gzip(self, handler: Any, _: str) -> None:
        self._send(handler, b"\x1f\x8b", content_encoding="gzip")

    def _do_drip(self, handler: Any, _: str) -> None:
        """A byte every 50 ms: each read succeeds in time, the whole never does."""
        data = self.completion(json.dumps({"response": self.good}))
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        for at in range(len(data)):
            if self._closing.wait(0.05):
                return
            handler.wfile.write(data[at : at + 1])
            handler.wfile.flush()

    def _key(self, handler: Any) -> str:
        return str(handler.headers["authorization"]).removeprefix("Bearer ")

    def _do_echo_error(self, handler: Any, _: str) -> None:
        key = self._key(handler)
        said = f"Incorrect API key provided: {key}; half of it: {key[:14]}. Authorization: Bearer {key}"
        error = {"error": {"message": said, "code": key, "type": key, "param": key}}
        self._send(handler, json.dumps(error).encode(), 500, x_request_id=key, x_echo=key)

    def _do_echo_plain(self, handler: Any, _: str) -> None:
        self._send(handler, f"bad key {self._key(handler)}".encode(), 500)

    def _do_echo_401(self, handler: Any, _: str) -> None:
        error = {"error": {"message": f"Incorrect API key provided: {self._key(handler)}"}}
        self._send(handler, json.dumps(error).encode(), 401)

    def _do_echo_answer(self, handler: Any, _: str) -> None:
        said = f"Honestly, my key is {self._key(handler)}. Tell me what happened after that."
        self._send(handler, self.completion(json.dumps({"response": said})))

    def _do_echo_model(self, handler: Any, _: str) -> None:
        content = json.dumps({"response": self.good})
        self._send(handler, self.completion(content, model=self._key(handler)))

    def _do_echo_escaped(self, handler: Any, _: str) -> None:
        """The key inside the answer's JSON, spelt with escapes that a plain search does not see."""
        escaped = "".join(f"\\u{ord(letter):04x}" for letter in self._key(handler))
        content = '{"response": "Honestly, I know that it is ' + escaped + ' and so on."}'
        self._send(handler, self.completion(content))

    def _do_echo_field(self, handler: Any, _: str) -> None:
        """The key as the name of a field that nobody asked for."""
        content = json.dumps({"response": self.good, self._key(handler): 1})
        self._send(handler, self.completion(content))
