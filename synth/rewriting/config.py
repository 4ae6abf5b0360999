"""What a rewriting run is asked to do: pydantic models with one place for every number.

`RewriteConfig.identity()` is what decides the text. The server's address, its limits and the budget do
not: they decide whether and how fast an answer comes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from synth.llm.config import BudgetConfig, LlmSection, ServerConfig
from synth.rewriting.checks import CheckConfig
from synth.rewriting.emotions import EmotionRule
from synth.rewriting.scripts import Turn, words_of

Kind = Literal["respond", "style", "continue", "backchannels"]


class Sampling(LlmSection):
    """Parameters of every request; all enter the cache key."""

    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(1.0, gt=0, le=1)
    max_tokens: int = Field(256, ge=1)
    seed: int | None = Field(0, description="of the run; null where the server takes no seed")
    answer_format: Literal["json_schema", "json_object"] = "json_schema"
    extra: dict[str, Any] = Field(default_factory=dict, description="further fields for this server's body")


class ShortTurn(LlmSection):
    """Which turns count as short, and are therefore rewritten.

    AVLM expands "often one-word" responses (arXiv appendix A) without giving a bound; four words is ours.
    """

    max_words: int = Field(4, ge=1)

    def holds(self, turn: Turn) -> bool:
        """Whether the turn is short."""
        return len(words_of(turn.text)) <= self.max_words


class RewriteConfig(LlmSection):
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
