"""label: turns, events and what follows of them, for each view of a dialogue. One item a view."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import pyarrow as pa

from manifests.ids import digest
from manifests.receipts import Row
from pipelines.dialogues.labels import label_members
from pipelines.dialogues.render import SIDES, arranged_plans
from pipelines.dialogues.sections import LabelConfig
from pipelines.step import Item, Resources, Step, Workspace
from synth.dialogue.plan import DialoguePlan
from synth.dialogue.truth import truth

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


class Label(Step[LabelConfig]):
    """Of a rendered dialogue the labels are those of its plan: nothing is detected."""

    name = "label"
    version = 1
    speed = 500.0
    upstream = ("arrange",)
    libraries = ("numpy",)
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = pa.schema([pa.field("about", pa.string())])  # JSON, for KEY.json

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Each dialogue twice, each side once as main."""
        for key, plan in arranged_plans(corpus).items():
            for main, name in enumerate(SIDES):
                item = f"{key}-{name}-{digest(plan, length=8)}"
                inputs = {"key": f"{key}-{name}", "main": main, "plan": plan}
                yield Item(item, key, inputs, plan["n_samples"] / plan["rate_hz"])

    def open(self) -> None:
        """Load the tokenizer, if any."""
        from synth.turns.tokenizers import load_tokenizer

        self._tokenizer = load_tokenizer(self.config.tokenizer) if self.config.tokenizer else None

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write every label that the config asks for."""
        plan = DialoguePlan.from_json(item.inputs["plan"])
        payloads, about = label_members(
            truth(plan),
            main=item.inputs["main"],
            origin="plan",
            wanted=self.config.members,
            tokenizer=self._tokenizer,
            text_rate_hz=Fraction(self.config.text_rate_hz),
        )
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        return [item.row(artifacts=tuple(artifacts), measures={"about": json.dumps(about, sort_keys=True)})]
