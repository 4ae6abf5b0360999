"""What steps share whose items a language model is asked about: many at a time, within a budget."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from manifests.reasons import Reason
from manifests.receipts import Row
from pipelines.step import Item, Unit
from synth.llm.config import BudgetConfig, ServerConfig

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from synth.captions.captioner import Captioned
    from synth.rewriting.rewritten import Rewritten

ITEMS_A_UNIT = 64
PATIENCE = 1 / 20
"""Media seconds for each second that answers may take: the engine grants 20 s for one. Whoever waits for
the server gives up first, with a reason."""


def patience_s(server: ServerConfig, attempts: int) -> float:
    """Media seconds that stand for the longest wait for one answer that passes."""
    return attempts * server.tries * server.deadline_s * PATIENCE


def units_of(items: Sequence[Item], budget: BudgetConfig | None) -> list[Unit]:
    """Enough items to keep the server busy; all of them where a budget is to be kept, which only one process
    can."""
    if items and budget is not None and budget.limited:
        return [Unit.of(items)]
    starts = range(0, len(items), ITEMS_A_UNIT)
    return [Unit.of(items[start : start + ITEMS_A_UNIT]) for start in starts]


def row_of(item: Item, one: Captioned | Rewritten) -> Row:
    """The row of a receipt."""
    reason = Reason(str(one.fault)) if one.fault else None
    told: dict[str, Any] = {"status": one.status, "reason": reason, "detail": one.detail}
    return item.row(one.key, measures=one.measures(), **told)


def unpaid(corpus: Corpus, step: str) -> list[str]:
    """Items that a budget left out: a larger one goes on from there, so they are asked about again."""
    return [row["item"] for row in corpus.rows(step) if row["reason"] == Reason.LLM_BUDGET_SPENT]
