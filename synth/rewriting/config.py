"""What a rewriting run is asked to do: pydantic models with one place for every number.

`RewriteConfig.identity()` is what decides the text. The server's address, its limits and the budget do
not: they decide whether and how fast an answer comes.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from synth.rewriting.checks import CheckConfig
from synth.rewriting.emotions import EmotionRule
from synth.rewriting.scripts import Turn, words_of

Kind = Literal["respond", "style", "continue", "backchannels"]


class _Section(BaseModel):
    # a key put into the wrong field must not come back in an error
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerConfig(_Section):
    """Where the LLM answers, and how patient we are with it."""

    base_url: str = Field(description="OpenAI-compatible endpoint, e.g. http://localhost:8000/v1")
    api_key_env: str = Field("OPENAI_API_KEY", description="environment variable that holds the key")
    concurrency: int = Field(8, ge=1, le=1024, description="requests in flight")
    deadline_s: float = Field(120.0, gt=0, description="for one try, from connecting to the last byte")
    tries: int = Field(6, ge=1, description="per request, on 429, 5xx, timeouts and lost connections")
    backoff_s: float = Field(1.0, ge=0, description="before the second try; doubles each time")
    max_backoff_s: float = Field(60.0, ge=0, description="a server that asks for more is not waited for")
    max_answer_bytes: int = Field(1_000_000, ge=1000, description="a larger answer is cut off and refused")
    give_up_after: int = Field(10, ge=1, description="rows in a row without an answer end the run")

    @field_validator("base_url")
    @classmethod
    def _plain_url(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("not an http(s) address, e.g. http://localhost:8000/v1")
        if parts.username or parts.password or parts.query or parts.fragment:
            # the message must not repeat it: what stands there may be a secret
            raise ValueError("holds a user, password, query or fragment; give a key by its variable instead")
        return url.rstrip("/")

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where no key is asked for."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class Sampling(_Section):
    """Parameters of every request; all enter the cache key."""

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(256, ge=1)
    seed: int | None = Field(0, description="of the run; null where the server takes no seed")
    answer_format: Literal["json_schema", "json_object"] = "json_schema"
    extra: dict[str, Any] = Field(default_factory=dict, description="further fields for this server's body")


class BudgetConfig(_Section):
    """What one output folder may cost, over all runs and resumes; null: no limit."""

    usd: float | None = Field(None, ge=0)
    tokens: int | None = Field(None, ge=0, description="prompt and completion together")
    usd_per_million_prompt_tokens: float = Field(0.0, ge=0)
    usd_per_million_completion_tokens: float = Field(0.0, ge=0)

    @model_validator(mode="after")
    def _priced(self) -> BudgetConfig:
        free = self.usd_per_million_prompt_tokens == self.usd_per_million_completion_tokens == 0
        if self.usd is not None and free:
            raise ValueError("a budget in USD needs the prices per million tokens")
        return self

    @property
    def limited(self) -> bool:
        """Whether anything is limited at all."""
        return self.usd is not None or self.tokens is not None


class ShortTurn(_Section):
    """Which turns count as short, and are therefore rewritten.

    AVLM expands "often one-word" responses (arXiv appendix A) without giving a bound; four words is ours.
    """

    max_words: int = Field(4, ge=1)

    def holds(self, turn: Turn) -> bool:
        """Whether the turn is short."""
        return len(words_of(turn.text)) <= self.max_words


class RewriteConfig(_Section):
    """One rewriting run."""

    server: ServerConfig
    model: str = Field(min_length=1, description="model id, as the server calls it")
    kinds: tuple[Kind, ...] = Field(("respond",), min_length=1)
    sampling: Sampling = Sampling()
    budget: BudgetConfig = BudgetConfig()
    attempts: int = Field(3, ge=1, description="answers asked for until one passes the checks")
    short_turn: ShortTurn = ShortTurn()
    emotions: EmotionRule = EmotionRule()
    checks: CheckConfig = CheckConfig()
    history_turns: int = Field(10, ge=1, description="turns before that the model is shown")
    styles: tuple[str, ...] = Field((), description="for the kind `style`: e.g. casual, formal")
    continue_turns: int = Field(4, ge=1, le=50, description="for the kind `continue`")
    backchannel_turn_words: int = Field(8, ge=2, description="turns from this length on may get one")
    prompts: Path | None = Field(None, description="folder of prompt files that replace the packaged ones")

    @model_validator(mode="after")
    def _styled(self) -> RewriteConfig:
        if ("style" in self.kinds) != bool(self.styles):
            raise ValueError("`styles` and the kind `style` go together")
        return self

    def identity(self) -> dict[str, Any]:
        """All that decides the text, beside the scripts and the prompt files' hashes."""
        return self.model_dump(mode="json", exclude={"server", "budget", "prompts"})
