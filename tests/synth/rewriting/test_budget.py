from __future__ import annotations

import asyncio
import json

import pytest
from fault_server import FaultServer
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.reasons import Status
from synth.llm.budget import Budget, BudgetSpentError, Tokens
from synth.llm.chat import Request
from synth.llm.config import BudgetConfig
from synth.rewriting import Fault, Rewriter


@settings(max_examples=50, deadline=None)
@given(
    limit=st.integers(0, 3000),
    costs=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), min_size=1, max_size=30),
    spare=st.integers(0, 200),
)
def test_the_limit_holds_whatever_the_requests_cost(limit, costs, spare) -> None:
    """Each request costs at most what was reserved; all run at once."""

    async def run() -> tuple[Budget, int]:
        budget = Budget(BudgetConfig(tokens=limit))
        sent = 0

        async def ask(prompt: int, completion: int) -> None:
            nonlocal sent
            async with budget.reserve(Tokens(prompt + spare, completion)) as settle:
                sent += 1
                await asyncio.sleep(0)
                settle(Tokens(prompt, completion))

        found = await asyncio.gather(*(ask(*cost) for cost in costs), return_exceptions=True)
        assert all(one is None or isinstance(one, BudgetSpentError) for one in found)
        return budget, sent

    budget, sent = asyncio.run(run())
    assert budget.spent.prompt + budget.spent.completion <= limit
    if sum(map(sum, costs)) + len(costs) * spare <= limit:
        assert sent == len(costs)


def test_rows_left_over_are_skipped_and_a_larger_budget_goes_on(store, make_config, make_script) -> None:
    dialogues = [make_script(number) for number in range(20)]
    with FaultServer() as server:

        def run(tokens: int) -> tuple[Rewriter, list]:
            rewriter = Rewriter(make_config(server.url, budget={"tokens": tokens}), store)
            return rewriter, [row for row in rewriter.run(dialogues) if row.fault is not Fault.TURN_NOT_SHORT]

        first, rows = run(3000)  # a request costs 120, and at most some 1 500
        spent = [row for row in rows if row.fault is Fault.LLM_BUDGET_SPENT]
        assert len(rows) == 20 and 0 < len(spent) < 20
        assert all(row.status is Status.SKIPPED and "3000 tokens" in row.detail for row in spent)
        assert all(row.status is Status.OK for row in rows if row not in spent)
        assert first.spent.prompt + first.spent.completion == 120 * server.total <= 3000
        sent = server.total

        _, again = run(3000)  # what was spent before counts: nothing more goes out
        assert server.total == sent
        assert {row.key for row in again if row.fault} == {row.key for row in spent}

        last, rows = run(100_000)
        assert server.total == 20 and all(row.status is Status.OK for row in rows)
        assert last.spent == Tokens(2000, 400)


def test_money(store, make_config, make_script) -> None:
    prices = {"usd_per_million_prompt_tokens": 10.0, "usd_per_million_completion_tokens": 50.0}
    with FaultServer() as server:
        config = make_config(server.url, budget={"usd": 0.05, **prices})
        rewriter = Rewriter(config, store)
        rows = list(rewriter.run([make_script(number) for number in range(40)]))
        cost = Budget(config.budget).usd(rewriter.spent)
    assert cost == pytest.approx(server.total * (100 * 10 + 20 * 50) / 1e6)
    assert 0 < cost <= 0.05 and any(row.fault is Fault.LLM_BUDGET_SPENT for row in rows)


def test_a_server_that_tells_no_tokens_is_charged_the_most(store, make_config, make_script) -> None:
    with FaultServer(lambda number, row: "no_usage") as server:
        rewriter = Rewriter(make_config(server.url), store)
        list(rewriter.run([make_script(1)]))
    request = server.bodies[0]
    written = sum(len(one["content"].encode()) for one in request["messages"])
    assert rewriter.counts.without_usage == 1
    assert rewriter.counts.paid.prompt >= written
    assert rewriter.counts.paid.completion == request["max_tokens"]


def test_money_needs_prices() -> None:
    with pytest.raises(ValueError, match="prices"):
        BudgetConfig(usd=1.0)


def test_the_key_of_a_request_is_all_that_decides_it() -> None:
    base = Request("m", (("user", "hello"),), {"seed": 1, "temperature": 0.5})
    same = Request("m", (("user", "hello"),), {"temperature": 0.5, "seed": 1})
    assert base.key == same.key and len(base.key) == 32
    others = [
        Request("n", base.messages, base.parameters),
        Request("m", (("system", "hello"),), base.parameters),
        Request("m", (("user", "hello!"),), base.parameters),
        Request("m", base.messages, base.parameters | {"seed": 2}),
    ]
    assert len({base.key, *(one.key for one in others)}) == 5
    assert json.loads(json.dumps(base.body))["messages"] == [{"role": "user", "content": "hello"}]
