"""Asking through cache and budget: an answer is paid for once, also when two rows ask the same at once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from synth.llm.budget import Budget, Tokens
from synth.llm.cache import Cache
from synth.llm.chat import Chat, NoAnswerError, Reply, Request


@dataclass
class Counts:
    """What a run did. None of it enters an output: a rerun counts other numbers and writes equal bytes."""

    sent: int = 0  # tries that went to the server
    cached: int = 0  # answers that the cache had
    without_usage: int = 0  # answers whose tokens the server did not tell
    paid: Tokens = field(default_factory=Tokens)  # by this run


class Requests:
    """The one way to the model. `unanswered`: so many requests in a row came to nothing, the last one because
    of `last_problem`."""

    def __init__(self, chat: Chat, cache: Cache, budget: Budget, counts: Counts) -> None:
        self._chat = chat
        self._cache = cache
        self._budget = budget
        self._counts = counts
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self.unanswered = 0
        self.last_problem = ""

    async def ask(self, request: Request) -> tuple[Reply, bool]:
        """The reply, and whether the cache had it.

        Raises BudgetSpentError, NoAnswerError or ServerUnusableError.
        """
        lock = self._locks.setdefault(request.key, asyncio.Lock())
        async with lock:
            kept = await asyncio.to_thread(self._cache.get, request)
            if kept is not None:
                self._counts.cached += 1
                self.unanswered = 0
                return kept, True
            async with self._budget.reserve(Tokens(*request.max_tokens)) as settle:
                reply = await self._answered(request)
                cost = Tokens(reply.prompt_tokens, reply.completion_tokens)
                settle(cost)
            self._counts.paid += cost
            self._counts.without_usage += not reply.tokens_told
            await asyncio.to_thread(self._cache.put, request, reply)
            return reply, False

    async def _answered(self, request: Request) -> Reply:
        try:
            reply = await self._chat.ask(request)
        except NoAnswerError as error:
            self.unanswered += 1
            self.last_problem = str(error)
            raise
        self.unanswered = 0
        return reply
