"""Tokens and money: what was spent in an output folder, and whether one more request may go out.

A request goes out when even the most it can cost still fits, together with those in flight. So the limits
hold as long as the server tells the truth about tokens; tries that came to nothing are not in its bill here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from synth.llm.config import BudgetConfig


class BudgetSpentError(Exception):
    """The budget does not hold another request."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of requests together."""

    prompt: int = 0
    completion: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt - other.prompt, self.completion - other.completion)


class Budget:
    """The book of one output folder. `spent` starts with what its cache has cost already."""

    def __init__(self, config: BudgetConfig, spent: Tokens = Tokens()) -> None:
        self.config = config
        self.spent = spent
        self._reserved = Tokens()
        self._in_flight = 0
        self._closed = False
        self._changed = asyncio.Condition()

    def usd(self, tokens: Tokens) -> float:
        """Price of tokens."""
        config = self.config
        return (
            tokens.prompt * config.usd_per_million_prompt_tokens
            + tokens.completion * config.usd_per_million_completion_tokens
        ) / 1e6

    @asynccontextmanager
    async def reserve(self, most: Tokens) -> AsyncIterator[Callable[[Tokens], None]]:
        """Room for a request that costs at most `most`; call what it yields with what it did cost.

        Waits while requests in flight may still turn out cheaper. Raises BudgetSpentError when it does not
        fit with none in flight; from then on nothing does, so that the rows left are those at the end.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._closed or self._fits(most) or not self._in_flight)
            if self._closed or not self._fits(most):
                self._closed = True
                self._changed.notify_all()
                raise BudgetSpentError(self._told())
            self._reserved += most
            self._in_flight += 1

        def settle(cost: Tokens) -> None:
            self.spent += cost

        try:
            yield settle
        finally:
            self._reserved -= most
            self._in_flight -= 1
            async with self._changed:
                self._changed.notify_all()

    def _fits(self, most: Tokens) -> bool:
        total = self.spent + self._reserved + most
        config = self.config
        in_tokens = config.tokens is None or total.prompt + total.completion <= config.tokens
        return in_tokens and (config.usd is None or self.usd(total) <= config.usd)

    def _told(self) -> str:
        limits = (("USD", self.config.usd), ("tokens", self.config.tokens))
        return "no room for another request in the budget of " + " and ".join(
            f"{limit:g} {unit}" for unit, limit in limits if limit is not None
        )
