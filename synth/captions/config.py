"""What a captioning run is asked to do.

`CaptionConfig.identity()` is what decides a caption. The server's address, its limits, the budget and which
clips are asked about do not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from synth.llm.config import BudgetConfig, LlmSection, ServerConfig


class CaptionChecks(LlmSection):
    """Limits of a caption; ours."""

    min_words: int = Field(3, ge=1)
    max_words: int = Field(80, ge=1)
    max_sentences: int = Field(4, ge=1)
    language: bool = Field(True, description="a caption in another language is rejected")

    @model_validator(mode="after")
    def _ordered(self) -> CaptionChecks:
        if self.min_words > self.max_words:
            raise ValueError("a minimum exceeds its maximum")
        return self


class CaptionConfig(LlmSection):
    """Captions of clips that the corpus gives none."""

    server: ServerConfig
    model: str = Field(min_length=1, description="model id, as the server calls it")
    tasks: tuple[str, ...] = Field(
        ("captioning",), description="clips of sources with one of these tasks; []: of all sources"
    )
    sound: Literal["wav", "flac"] | None = Field(
        "wav", description="send the clip's 16 kHz sound so; OpenAI takes no flac; null: no sound"
    )
    frames: int = Field(0, ge=0, le=64, description="send so many frames of the recording, evenly spaced")
    frame_px: int = Field(512, ge=64, le=4096, description="longest side of a frame that is sent, pixels")
    language: str = Field("en", description="BCP 47: what the captions are written in")
    temperature: float = Field(0.0, ge=0, le=2)
    max_tokens: int = Field(200, ge=1)
    seed: int | None = Field(0, description="of every request; null where the server takes no seed")
    extra: dict[str, Any] = Field(default_factory=dict, description="further fields for this server's body")
    attempts: int = Field(2, ge=1, description="answers asked for until one passes the checks")
    checks: CaptionChecks = CaptionChecks()
    budget: BudgetConfig = BudgetConfig()
    prompts: Path | None = Field(None, description="folder with a caption.yaml in place of the packaged one")

    @model_validator(mode="after")
    def _perceptible(self) -> CaptionConfig:
        if self.sound is None and self.frames == 0:
            raise ValueError("a caption needs `sound` or `frames`: a model can only make up the rest")
        return self

    def identity(self) -> dict[str, Any]:
        """All that decides a caption, beside the clip and the prompt's hash."""
        return self.model_dump(mode="json", exclude={"server", "budget", "prompts", "tasks"})
