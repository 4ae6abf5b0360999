"""One request to an OpenAI-compatible server: tried again when that can help, ended when it cannot.

Exceptions of the client library hold headers and the server's words, either of which may contain the key.
So they are read where they are caught, and what is raised here is raised anew, outside of their context.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from manifests.ids import digest
from synth.llm.api_key import ApiKey
from synth.llm.config import ServerConfig
from synth.llm.messages import Message, as_record, as_sent, has_media, most_tokens
from synth.llm.retry_after import retry_after_s

if TYPE_CHECKING:
    import openai

REQUEST_VERSION = 1
_DETAIL_LETTERS = 200
_TALKATIVE = ("openai", "httpx2", "httpcore2")
"""At DEBUG these log headers as they came, and a server may send the key back in one."""

_TEXT_ONLY = re.compile(
    r"\bmm_?proj\b|not (?:a )?multi-?modal"
    r"|(?:audio|image|vision)\w*(?: inputs?)? (?:is|are) (?:not supported|only supported by)"
    r"|does(?: not|n't) support (?:the )?(?:audio|image|vision)|at most 0 (?:audio|image)"
    r"|(?:input_audio|image_url)\W.{0,40}(?:not supported|only supported by|unsupported|invalid|unknown)"
    r"|(?:unsupported|invalid|unknown).{0,40}\W(?:input_audio|image_url)\b",
    re.IGNORECASE,
)
"""How servers say that a model takes text alone: llama.cpp, vLLM, OpenAI."""


@dataclass(frozen=True)
class Request:
    """What decides an answer. Its key names the answer in the cache."""

    model: str
    messages: tuple[Message, ...]
    parameters: dict[str, Any] = field(hash=False)
    origin: str | None = field(default=None, compare=False)
    """Id of the recording that it is about: kept beside the answer, which can then be forgotten."""

    @cached_property
    def key(self) -> str:
        """32 hex digits over model, messages and parameters."""
        messages = [(role, as_record(content)) for role, content in self.messages]
        return digest("llm", REQUEST_VERSION, self.model, messages, self.parameters, length=32)

    @property
    def body(self) -> dict[str, Any]:
        """As it is sent."""
        messages = [{"role": role, "content": as_sent(content)} for role, content in self.messages]
        return {"model": self.model, "messages": messages, **self.parameters}

    @property
    def record(self) -> dict[str, Any]:
        """As it is kept: digests in place of sounds and pictures."""
        messages = [{"role": role, "content": as_record(content)} for role, content in self.messages]
        return {"model": self.model, "messages": messages, **self.parameters}

    @property
    def max_tokens(self) -> tuple[int, int]:
        """Most tokens it can cost: prompt and completion."""
        prompt = sum(most_tokens(content) for _, content in self.messages)
        return prompt + 64, int(self.parameters.get("max_tokens", 0))

    @property
    def has_media(self) -> bool:
        """Whether a sound or a picture goes along."""
        return any(has_media(content) for _, content in self.messages)


class Reply(BaseModel):
    """What the model said, and what it cost."""

    model_config = ConfigDict(frozen=True)

    text: str
    refused: bool = False
    cut_off: bool = False  # it ran into max_tokens
    served_model: str = ""
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    tokens_told: bool = True  # false: the server gave no usage, so the most it can be is counted


class NoAnswerError(Exception):
    """All tries of one request failed, or the server refused this one; others may fare better."""


class ServerUnusableError(Exception):
    """No request can succeed: wrong key, no such model or path, or nothing answers at all."""


@dataclass(frozen=True)
class _Trouble:
    """Why a try gave no reply: `again` when another one may, `hopeless` when no request will."""

    detail: str
    again: bool = True
    hopeless: bool = False
    wait_s: float | None = None  # as the server asked


class Chat:
    """The server. Open it with `async with`; `ask` may then be called concurrently."""

    def __init__(self, config: ServerConfig, *, on_try: Callable[[], None] = lambda: None) -> None:
        self._config = config
        self._on_try = on_try  # called for every request that goes out
        self._key = ApiKey.of_server(config)

    async def __aenter__(self) -> Chat:
        import openai

        from synth.llm.bounded_http import bounded_http_client

        for name in _TALKATIVE:
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), logging.WARNING))
        self._client = openai.AsyncOpenAI(
            base_url=self._config.base_url,
            api_key=self._key.reveal() if self._key else "none",
            max_retries=0,  # tries are counted, spaced and ended here
            http_client=bounded_http_client(self._config),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def ask(self, request: Request) -> Reply:
        """The model's reply. Raises NoAnswerError or ServerUnusableError, neither with the key in it."""
        config = self._config
        for number in range(1, config.tries + 1):
            self._on_try()
            found = await self._try(request)
            if isinstance(found, Reply):
                return found
            if found.hopeless:
                raise ServerUnusableError(f"{config.base_url}: {found.detail}")
            wait_s = found.wait_s or 0.0
            if wait_s > config.max_backoff_s:
                raise NoAnswerError(f"{found.detail}; it asks to wait {wait_s:g} s")
            if not found.again or number == config.tries:
                raise NoAnswerError(f"{found.detail} ({number} of {config.tries} tries)")
            await asyncio.sleep(max(wait_s, self._backoff_s(request, number)))
        raise AssertionError("at least one try is made")

    def _backoff_s(self, request: Request, number: int) -> float:
        """Doubles with each try, times 0.5 to 1 by the request, so that requests do not return in step."""
        share = 0.5 + int(digest("backoff", request.key, number, length=8), 16) / 2**33
        return float(min(self._config.backoff_s * 2 ** (number - 1), self._config.max_backoff_s) * share)

    async def _try(self, request: Request) -> Reply | _Trouble:
        import httpx2
        import openai

        from synth.llm.bounded_http import AnswerRefusedError

        try:
            async with asyncio.timeout(self._config.deadline_s):  # httpx's own limits are per read
                # `post` and not `chat.completions.create`, which spends 2 ms on walking through the body
                response = await self._client.post(
                    "/chat/completions", cast_to=httpx2.Response, body=request.body
                )
        except (TimeoutError, openai.APITimeoutError):
            return _Trouble(f"no whole answer within {self._config.deadline_s:g} s")
        except openai.APIStatusError as error:
            return self._status(error, request)
        except openai.APIConnectionError as error:
            cause = error.__cause__
            if isinstance(cause, AnswerRefusedError):
                return _Trouble(str(cause))
            return _Trouble(f"connection lost ({type(cause).__name__})")
        return self._reply(response.content, request)

    def _status(self, error: openai.APIStatusError, request: Request) -> _Trouble:
        code = error.status_code
        words = self._key.redact(error.message) if self._key else error.message
        detail = f"HTTP {code}: {' '.join(words.split())[:_DETAIL_LETTERS]}"
        if request.has_media and _TEXT_ONLY.search(words):
            told = f"{request.model} takes no sound or no pictures, or the server does not pass them on"
            return _Trouble(f"{told} ({detail})", again=False, hopeless=True)
        if code in (401, 403, 404, 405):
            return _Trouble(detail, again=False, hopeless=True)
        again = code in (408, 409, 425, 429) or code >= 500
        return _Trouble(detail, again=again, wait_s=retry_after_s(error.response.headers))

    def _reply(self, body: bytes, request: Request) -> Reply | _Trouble:
        try:
            completion = _Completion.model_validate_json(body)
        except ValidationError as error:
            # what the server sent stays out: it may hold the key
            return _Trouble(f"not a chat completion ({error.error_count()} faults)")
        choice = completion.choices[0]
        text = choice.message.content or ""
        if self._key and any(
            self._key.occurs_in(part) for part in (*_spellings(text), completion.model or "")
        ):
            return _Trouble("the answer contains the API key")
        usage = completion.usage
        most = request.max_tokens
        return Reply(
            text=text,
            refused=bool(choice.message.refusal) or choice.finish_reason == "content_filter",
            cut_off=choice.finish_reason == "length",
            served_model=completion.model or "",
            prompt_tokens=usage.prompt_tokens if usage else most[0],
            completion_tokens=usage.completion_tokens if usage else most[1],
            tokens_told=usage is not None,
        )


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    usage: _Usage | None = None


def _spellings(text: str) -> tuple[str, ...]:
    """An answer as it came, and without the escapes that its JSON may hold."""
    try:
        return text, json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return (text,)
