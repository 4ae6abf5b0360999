"""Where a language model answers and what it may cost. Neither decides what the answer is."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class LlmSection(BaseModel):
    """Base of all sections about a server."""

    # a key put into the wrong field must not come back in an error
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ServerConfig(LlmSection):
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


class BudgetConfig(LlmSection):
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
