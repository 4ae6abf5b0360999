"""What a row tells of the model that was asked, whatever it was asked about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Self

from synth.llm.chat import Reply
from synth.llm.prompt_files import Prompt

SHOWN_LETTERS = 500
"""So much of an answer that failed is shown to the model again, and told."""
_MOST_TOLD = 10


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Base of rows: model, prompt, and what all attempts came to."""

    detail: str | None = None
    model: str | None = None
    served_model: str | None = None
    prompt: str | None = None
    prompt_version: int | None = None
    prompt_sha: str | None = None
    request: str | None = None  # cache key of the last answer
    attempts: int = 0
    failed_checks: tuple[str, ...] = ()  # of all attempts, in order
    prompt_tokens: int = 0  # of all attempts, whoever paid for them
    completion_tokens: int = 0

    def with_prompt(self, prompt: Prompt, model: str) -> Self:
        """Before the first attempt."""
        return replace(
            self, model=model, prompt=prompt.name, prompt_version=prompt.version, prompt_sha=prompt.sha
        )

    def after(self, reply: Reply, request: str, attempt: int, failed: Iterable[str] = ()) -> Self:
        """After an answer, good or not; `failed`: the checks that it failed."""
        return replace(
            self,
            attempts=attempt,
            served_model=PurePosixPath(reply.served_model).name or None,  # local servers put a folder before
            request=request,
            failed_checks=tuple(dict.fromkeys((*self.failed_checks, *failed))),
            prompt_tokens=self.prompt_tokens + reply.prompt_tokens,
            completion_tokens=self.completion_tokens + reply.completion_tokens,
        )


def asked_again(prompt: Prompt, reply: Reply, problems: Iterable[str]) -> list[tuple[str, str]]:
    """The answer that failed, and what is wrong with it; a prompt without `retry` only gets another seed."""
    if not prompt.retry:
        return []
    details = list(dict.fromkeys(problems))
    told = "; ".join(details[:_MOST_TOLD]) + "."
    return [("assistant", reply.text[:SHOWN_LETTERS]), ("user", prompt.again(told))]
