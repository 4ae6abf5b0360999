"""What became of one planned rewrite: the text with its provenance, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.schemas import NAMES
from synth.llm.asked import Asked


class Fault(StrEnum):
    """Why a rewrite did not end `ok`. The first four are `skipped`, the others `failed`."""

    TURN_NOT_SHORT = "turn_not_short"
    EMOTION_NOT_KEPT = "emotion_not_kept"
    EMOTIONS_DISAGREE = "emotions_disagree"
    LLM_BUDGET_SPENT = "llm_budget_spent"
    REWRITE_REJECTED = "rewrite_rejected"
    LLM_NO_ANSWER = "llm_no_answer"
    LANGUAGE_UNKNOWN = "language_unknown"


SKIPS = frozenset(list(Fault)[:4])


@dataclass(frozen=True)
class Rewritten(Asked):
    """One row. `answer` is JSON as the kind's answer model writes it; `text` the speech of a single turn."""

    key: str
    dialogue_id: str
    kind: str
    turn: int | None  # counted from 0; None for rows about the whole dialogue
    speaker: str | None = None
    emotion: str | None = None  # as merged
    style: str | None = None
    original: str | None = None
    text: str | None = None
    answer: str | None = None
    fault: Fault | None = None
    cached: bool = False  # the cache had every answer; never written, since it differs between runs

    @property
    def status(self) -> Status:
        """Skipped, failed or ok, as the fault says."""
        if self.fault is None:
            return Status.OK
        return Status.SKIPPED if self.fault in SKIPS else Status.FAILED

    def measures(self) -> dict[str, Any]:
        """The columns of `REWRITTEN`: all but key, status, reason and detail, which receipts have already."""
        record = {name: getattr(self, name) for name in REWRITTEN.names}
        return {**record, "failed_checks": list(self.failed_checks)}


REWRITTEN = pa.schema(
    [
        pa.field("dialogue_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("turn", pa.int32()),
        pa.field("speaker", pa.string()),
        pa.field("emotion", pa.string()),
        pa.field("style", pa.string()),
        pa.field("original", pa.string()),
        pa.field("text", pa.string()),
        pa.field("answer", pa.string()),
        pa.field("model", pa.string()),
        pa.field("served_model", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("prompt_version", pa.int32()),
        pa.field("prompt_sha", pa.string()),
        pa.field("request", pa.string()),
        pa.field("attempts", pa.int32(), nullable=False),
        pa.field("failed_checks", NAMES, nullable=False),
        pa.field("prompt_tokens", pa.int64(), nullable=False),
        pa.field("completion_tokens", pa.int64(), nullable=False),
    ]
)
"""Columns of a receipt beside the common ones."""
