"""Captions, clip by clip: ask, check, ask again, and end each with a caption or with the reason for none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.store import Store
from synth.captions.checks import gives_nothing, problems_of
from synth.captions.config import CaptionConfig
from synth.llm.asked import SHOWN_LETTERS, Asked, asked_again
from synth.llm.asking import Counts, Requests
from synth.llm.asking_many import AskMany
from synth.llm.budget import BudgetSpentError
from synth.llm.chat import NoAnswerError, Reply, Request
from synth.llm.messages import SOUNDS, Media, Message
from synth.llm.prompt_files import Prompt, load_prompt
from synth.rewriting.checks import Failure, names_of

PROMPT = "caption"


class Fault(StrEnum):
    """Why there is no caption. The first is `skipped`, the others `failed`."""

    LLM_BUDGET_SPENT = "llm_budget_spent"
    LLM_NO_ANSWER = "llm_no_answer"
    NO_CAPTION = "no_caption"


@dataclass(frozen=True)
class CaptionTask:
    """A clip to be described: what of it is sent, and the id of its recording."""

    key: str
    media: tuple[Media, ...]
    origin: str


@dataclass(frozen=True)
class Captioned(Asked):
    """What became of a clip's caption, with its provenance."""

    key: str
    caption: str | None = None
    fault: Fault | None = None
    sound: bool = False  # was sent
    frames: int = 0  # were sent

    @property
    def status(self) -> Status:
        """Skipped, failed or ok, as the fault says."""
        if self.fault is None:
            return Status.OK
        return Status.SKIPPED if self.fault is Fault.LLM_BUDGET_SPENT else Status.FAILED

    def measures(self) -> dict[str, Any]:
        """The columns of `CAPTIONED`."""
        fields = asdict(self)
        return {name: fields[name] for name in CAPTIONED.names} | {"failed_checks": list(self.failed_checks)}


CAPTIONED = pa.schema(
    [
        pa.field("caption", pa.string()),
        pa.field("model", pa.string()),
        pa.field("served_model", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("prompt_version", pa.int64()),
        pa.field("prompt_sha", pa.string()),
        pa.field("sound", pa.bool_()),
        pa.field("frames", pa.int64()),
        pa.field("request", pa.string()),
        pa.field("attempts", pa.int64()),
        pa.field("failed_checks", pa.list_(pa.string())),
        pa.field("prompt_tokens", pa.int64()),
        pa.field("completion_tokens", pa.int64()),
    ]
)


class Captioner:
    """Describes clips. `store` keeps the answers (below `llm/`): what is there costs nothing again.

    Raises ApiKeyError or PromptError at once.
    """

    def __init__(self, config: CaptionConfig, store: Store) -> None:
        self.config = config
        self.prompt: Prompt = load_prompt(PROMPT, config.prompts)
        self._asker: AskMany[CaptionTask, Captioned] = AskMany(config.server, config.budget, store)

    @property
    def counts(self) -> Counts:
        """What the last run sent."""
        return self._asker.counts

    def run(self, tasks: Iterable[CaptionTask]) -> Iterator[Captioned]:
        """A row for each task, in the order they finish. Raises ServerUnusableError when none can succeed."""
        yield from self._asker.run(tasks, self._row)

    async def _row(self, task: CaptionTask, requests: Requests) -> Captioned:
        messages = asked = self._messages(task)
        row = self._begun(task)
        detail = ""
        for attempt in range(1, self.config.attempts + 1):
            request = Request(self.config.model, tuple(asked), self._parameters(attempt), task.origin)
            try:
                reply, _ = await requests.ask(request)
            except BudgetSpentError as error:
                return replace(row, fault=Fault.LLM_BUDGET_SPENT, detail=str(error))
            except NoAnswerError as error:
                return replace(row, fault=Fault.LLM_NO_ANSWER, detail=str(error))
            if gives_nothing(reply):
                row = row.after(reply, request.key, attempt)
                return replace(row, fault=Fault.NO_CAPTION, detail="the model finds nothing to describe")
            found = self._problems(reply)
            row = row.after(reply, request.key, attempt, names_of(found))
            if not found:
                return replace(row, caption=reply.text.strip())
            detail = f"attempt {attempt}: " + "; ".join(f"{one.check}: {one.detail}" for one in found)
            asked = [*messages, *asked_again(self.prompt, reply, (one.detail for one in found))]
        return replace(row, fault=Fault.NO_CAPTION, detail=detail[:SHOWN_LETTERS])

    def _begun(self, task: CaptionTask) -> Captioned:
        row = Captioned(
            task.key,
            sound=any(one.kind in SOUNDS for one in task.media),
            frames=sum(one.kind not in SOUNDS for one in task.media),
        )
        return row.with_prompt(self.prompt, self.config.model)

    def _messages(self, task: CaptionTask) -> list[Message]:
        n_frames = sum(one.kind not in SOUNDS for one in task.media)
        parts = ["its sound"] if len(task.media) > n_frames else []
        parts += [f"{n_frames} pictures of it, in order"] if n_frames > 1 else ["a picture of it"] * n_frames
        places = {"given": " and ".join(parts), "language": self.config.language}
        (_, system), (_, user) = self.prompt.messages(places)
        return [("system", system), ("user", (user, *task.media))]

    def _problems(self, reply: Reply) -> list[Failure]:
        config = self.config
        own_words = self.prompt.own_words
        return problems_of(reply, instructions=own_words, language=config.language, limits=config.checks)

    def _parameters(self, attempt: int) -> dict[str, Any]:
        config = self.config
        fixed: dict[str, Any] = {"temperature": config.temperature, "max_tokens": config.max_tokens}
        if config.seed is not None:
            fixed["seed"] = config.seed + attempt - 1
        return fixed | config.extra
