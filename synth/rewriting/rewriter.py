"""Rewriting, row by row: ask, check, ask again, and end each row with a text or with its reason.

Rows run concurrently (`asking_many`); only as many dialogues are read as are being worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from manifests.ids import digest
from manifests.store import Store
from synth.llm.asked import SHOWN_LETTERS, asked_again
from synth.llm.asking import Counts, Requests
from synth.llm.asking_many import AskMany
from synth.llm.budget import BudgetSpentError, Tokens
from synth.llm.chat import NoAnswerError, Request
from synth.llm.prompt_files import Prompt, load_prompt
from synth.rewriting.answers import Response, response_format
from synth.rewriting.checks import names_of
from synth.rewriting.config import RewriteConfig
from synth.rewriting.judging import Answer, judge
from synth.rewriting.rewritten import Fault, Rewritten
from synth.rewriting.scripts import Dialogue
from synth.rewriting.tasks import Task, plan


class Rewriter:
    """Rewrites dialogues. `store` keeps the answers (below `llm/`): what is there costs nothing again.

    Raises ApiKeyError or PromptError at once.
    """

    def __init__(self, config: RewriteConfig, store: Store) -> None:
        self.config = config
        self.prompts: dict[str, Prompt] = {
            kind: load_prompt(kind, config.prompts) for kind in dict.fromkeys(config.kinds)
        }
        self._asker: AskMany[Task | Rewritten, Rewritten] = AskMany(config.server, config.budget, store)

    def identity(self) -> dict[str, Any]:
        """All that decides the rows of a dialogue, for a step's key."""
        prompts = {kind: prompt.sha for kind, prompt in self.prompts.items()}
        return {"config": self.config.identity(), "prompts": prompts}

    @property
    def counts(self) -> Counts:
        """What the last run sent."""
        return self._asker.counts

    @property
    def spent(self) -> Tokens:
        """What the folder has cost, where a budget counts it."""
        return self._asker.spent

    def run(self, dialogues: Iterable[Dialogue]) -> Iterator[Rewritten]:
        """A row for every planned rewrite, in the order they finish (receipts sort them by key).

        Raises ServerUnusableError, after the rows in flight, when no request can succeed; what the server
        has answered is kept, and the next run goes on from there.
        """
        planned = (one for dialogue in dialogues for one in plan(dialogue, self.config))
        yield from self._asker.run(planned, self._ended)

    def rewrite(self, dialogue: Dialogue) -> list[Rewritten]:
        """All rows of one dialogue, sorted by key. Raises ServerUnusableError."""
        return sorted(self.run([dialogue]), key=lambda row: row.key)

    async def _ended(self, task: Task | Rewritten, requests: Requests) -> Rewritten:
        """What is not to be rewritten has its row already."""
        return task if isinstance(task, Rewritten) else await self._row(task, requests)

    async def _row(self, task: Task, requests: Requests) -> Rewritten:
        prompt = self.prompts[task.kind]
        messages = asked = prompt.messages(task.places)
        task = replace(task, shown=replace(task.shown, instructions=prompt.own_words))
        row = replace(task.row, cached=True).with_prompt(prompt, self.config.model)
        detail = ""
        for attempt in range(1, self.config.attempts + 1):
            request = self._request(task, asked, attempt)
            try:
                reply, cached = await requests.ask(request)
            except BudgetSpentError as error:
                return replace(row, fault=Fault.LLM_BUDGET_SPENT, detail=str(error), cached=False)
            except NoAnswerError as error:
                return replace(row, fault=Fault.LLM_NO_ANSWER, detail=str(error), cached=False)
            answer, found = judge(reply, task, self.config)
            row = row.after(reply, request.key, attempt, names_of(found))
            row = replace(row, cached=row.cached and cached)
            if answer is not None and not found:
                return _accepted(row, answer)
            detail = f"attempt {attempt}: " + "; ".join(f"{one.check}: {one.detail}" for one in found)
            asked = [*messages, *asked_again(prompt, reply, (one.detail for one in found))]
        return replace(row, fault=Fault.REWRITE_REJECTED, detail=detail[:SHOWN_LETTERS])

    def _request(self, task: Task, messages: list[tuple[str, str]], attempt: int) -> Request:
        sampling = self.config.sampling
        parameters: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "response_format": response_format(task.kind, sampling.answer_format),
            **sampling.extra,
        }
        if sampling.seed is not None:
            # 31 bits: servers read it as a signed int
            seed = int(digest("rewrite", sampling.seed, task.row.key, attempt, length=8), 16) >> 1
            parameters["seed"] = seed
        return Request(self.config.model, tuple(messages), parameters)


def _accepted(row: Rewritten, answer: Answer) -> Rewritten:
    text = answer.response.strip() if isinstance(answer, Response) else None
    return replace(row, text=text, answer=answer.model_dump_json())
