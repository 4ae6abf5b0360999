"""rewrite: what an LLM makes of the scripts' turns. One item a dialogue, many in flight at a time.

Answers are kept in the store by what was asked, so a killed run asks again at most what was in flight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.asking import patience_s, row_of, units_of
from pipelines.dialogues.corpus import scripts_of
from pipelines.section import Section
from pipelines.step import Item, Resources, Step, Unit, UnusableError, Workspace
from synth.rewriting.config import RewriteConfig
from synth.rewriting.rewritten import REWRITTEN, Fault, Rewritten
from synth.rewriting.scripts import Dialogue

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

TURN_S = 3.0


class RewriteStepConfig(Section):
    """The rewriting, if any."""

    rewrite: RewriteConfig | None = None


class Rewrite(Step[RewriteStepConfig]):
    """A row for each planned rewrite; a dialogue of which nothing is to be rewritten has one of its own."""

    name = "rewrite"
    version = 2
    speed = 10.0
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = pa.schema([column.with_nullable(True) for column in REWRITTEN])  # a crash knows none

    @property
    def wanted(self) -> bool:
        """Whether an LLM is asked for."""
        return self.config.rewrite is not None

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every dialogue of the scripts, but those of people who were forgotten."""
        config = self.config.rewrite
        if config is None:
            return
        scripts = scripts_of(corpus)
        longest_s = patience_s(config.server, config.attempts)
        for dialogue in scripts.scripts:
            if dialogue.id in scripts.forgotten:
                continue
            plain = dialogue.model_dump(mode="json")
            item = f"{dialogue.id}-{digest(plain, length=8)}"
            n_turns = len(dialogue.turns)
            yield Item(item, dialogue.id, {"dialogue": plain}, TURN_S * n_turns, longest_s * n_turns)

    def identity(self) -> dict[str, Any]:
        """What decides the text: not the server, its limits or the budget. Raises UnusableError."""
        from synth.llm.prompt_files import PromptError, load_prompt

        config = self.config.rewrite
        if config is None:
            return {}
        try:
            prompts = {kind: load_prompt(kind, config.prompts).sha for kind in config.kinds}
        except PromptError as error:
            raise UnusableError(str(error)) from error
        return {"config": config.identity(), "prompts": prompts}

    def bundle(self, items: Sequence[Item], *, unit_s: float) -> list[Unit]:
        """As many as keep the server busy."""
        return units_of(items, self.config.rewrite.budget if self.config.rewrite else None)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """One dialogue alone; `run` does many at a time."""
        return self.run(Unit.of([item]), workspace)

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """All of the unit's dialogues at once. Raises UnusableError when no request can succeed."""
        from synth.llm.api_key import ApiKeyError
        from synth.llm.chat import ServerUnusableError
        from synth.rewriting.rewriter import Rewriter

        assert self.config.rewrite is not None
        dialogues = {item.source_id: Dialogue.model_validate(item.inputs["dialogue"]) for item in unit.items}
        items = {item.source_id: item for item in unit.items}
        try:
            rewriter = Rewriter(self.config.rewrite, workspace.store)
            rows = [row_of(items[one.dialogue_id], one) for one in rewriter.run(dialogues.values())]
        except (ApiKeyError, ServerUnusableError) as error:
            raise UnusableError(str(error)) from error
        told = {row.source_id for row in rows}
        nothing = [Rewritten(f"{name}-none", str(name), "none", None) for name in items if name not in told]
        return rows + [row_of(items[one.dialogue_id], one) for one in nothing]


def rewritten(corpus: Corpus) -> dict[str, list[Rewritten]]:
    """The rows of each dialogue, as the rewriter gave them; a dialogue that crashed it has none."""
    found: dict[str, list[Rewritten]] = {}
    for row in corpus.rows("rewrite"):
        if row["status"] == Status.QUARANTINED:
            continue
        fields = {name: row[name] for name in REWRITTEN.names} | {
            "failed_checks": tuple(row["failed_checks"])
        }
        fault = Fault(row["reason"]) if row["reason"] else None
        one = Rewritten(key=row["key"], fault=fault, detail=row["detail"], **fields)
        found.setdefault(row["dialogue_id"], []).append(one)
    return found
