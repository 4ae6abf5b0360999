"""An HTTP client that stops reading at a limit, whoever answers, error pages included.

httpx2 (what the openai client is built on) is imported here at the top: import this module where it is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2

from synth.llm.config import ServerConfig


class AnswerRefusedError(httpx2.RequestError):
    """The answer is too large, or compressed though it was asked not to be, so that its size is unknown."""


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error after `max_bytes`."""

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int) -> None:
        self._stream = stream
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for block in self._stream:
            size += len(block)
            if size > self._max_bytes:
                raise AnswerRefusedError(f"an answer of more than {self._max_bytes} bytes")
            yield block

    async def aclose(self) -> None:
        await self._stream.aclose()


def bounded_http_client(config: ServerConfig) -> httpx2.AsyncClient:
    """For as many connections as requests in flight; no redirects, which would carry the key elsewhere.

    Proxies of the environment are used, but not for a server on this machine.
    """

    async def bound(response: httpx2.Response) -> None:
        if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise AnswerRefusedError("a compressed answer, which was not asked for")
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream, config.max_answer_bytes)

    many = config.concurrency
    return httpx2.AsyncClient(
        event_hooks={"response": [bound]},
        headers={"Accept-Encoding": "identity"},
        timeout=httpx2.Timeout(config.deadline_s),
        limits=httpx2.Limits(max_connections=many, max_keepalive_connections=many),
        follow_redirects=False,
        trust_env=not config.is_loopback,
    )
