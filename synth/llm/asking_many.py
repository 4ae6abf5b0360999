"""Many rows asked at once: workers share the tasks, and rows are handed out as they end.

The event loop runs in a thread of its own. Only as many tasks are read as are being worked on, so memory does
not grow with their number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar

from manifests.store import Store
from synth.llm.asking import Counts, Requests
from synth.llm.budget import Budget, Tokens
from synth.llm.cache import Cache
from synth.llm.chat import Chat, ServerUnusableError
from synth.llm.config import BudgetConfig, ServerConfig

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectSendStream

TaskT = TypeVar("TaskT")
RowT = TypeVar("RowT")


class AskMany(Generic[TaskT, RowT]):
    """Turns tasks into rows by asking a server. `store` keeps the answers (below `llm/`).

    `counts` and `spent` tell what the last run sent and what the folder has cost; neither belongs into a row.
    Raises ApiKeyError at once.
    """

    def __init__(self, server: ServerConfig, budget: BudgetConfig, store: Store) -> None:
        self.counts = Counts()
        self.spent = Tokens()
        self._server, self._budget = server, budget
        self._cache = Cache(store)
        self._unusable: str | None = None
        Chat(server)  # a missing key is told before any work

    def run(
        self, tasks: Iterable[TaskT], answer: Callable[[TaskT, Requests], Awaitable[RowT]]
    ) -> Iterator[RowT]:
        """The row that `answer` makes of each task, in the order they finish.

        Raises ServerUnusableError, after the rows in flight, when no request can succeed; what the server
        has answered is kept, and the next run goes on from there.
        """
        import anyio
        from anyio.from_thread import start_blocking_portal

        self.counts, self._unusable = Counts(), None
        with start_blocking_portal() as portal:
            send, receive = anyio.create_memory_object_stream[RowT](self._server.concurrency)
            work = portal.start_task_soon(self._serve, iter(tasks), answer, send)
            try:
                while True:
                    try:
                        yield portal.call(receive.receive)
                    except anyio.EndOfStream:
                        break
                work.result()
            finally:
                work.cancel()
        if self._unusable is not None:
            raise ServerUnusableError(self._unusable)

    async def _serve(
        self,
        tasks: Iterator[TaskT],
        answer: Callable[[TaskT, Requests], Awaitable[RowT]],
        send: MemoryObjectSendStream[RowT],
    ) -> None:
        start = await asyncio.to_thread(self._cache.spent) if self._budget.limited else Tokens()
        budget = Budget(self._budget, start)
        async with send, Chat(self._server, on_try=self._sent) as chat:
            requests = Requests(chat, self._cache, budget, self.counts)
            try:
                async with asyncio.TaskGroup() as workers:
                    for _ in range(self._server.concurrency):
                        workers.create_task(self._work(tasks, answer, requests, send))
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from None  # such as a task that cannot be read
        self.spent = budget.spent

    async def _work(
        self,
        tasks: Iterator[TaskT],
        answer: Callable[[TaskT, Requests], Awaitable[RowT]],
        requests: Requests,
        send: MemoryObjectSendStream[RowT],
    ) -> None:
        """One of the workers that share `tasks`: at most one at a time is in its hands."""
        while self._unusable is None:
            try:
                task = next(tasks)
            except StopIteration:
                return
            try:
                row = await answer(task, requests)
            except ServerUnusableError as error:
                self._unusable = str(error)
                return
            if requests.unanswered >= self._server.give_up_after:
                told = f"no answer to {requests.unanswered} rows in a row; the last: {requests.last_problem}"
                self._unusable = self._unusable or told
            await send.send(row)

    def _sent(self) -> None:
        self.counts.sent += 1
