"""label: turns, events and what follows of them, for each view of a dialogue. One item a view."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.receipts import Row
from pipelines.dialogues.labels import label_members
from pipelines.dialogues.render import SIDES, arranged_plans
from pipelines.dialogues.sections import LabelConfig
from pipelines.step import Item, Resources, Step, UnusableError, Workspace
from synth.dialogue.plan import DialoguePlan
from synth.dialogue.truth import truth

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from synth.turns.model import Annotation


class ViewLabels(Step[LabelConfig]):
    """What the labels of made and of recorded dialogues have in common."""

    name = "label"
    version = 2
    speed = 500.0
    libraries = ("numpy",)
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = pa.schema([pa.field("about", pa.string())])  # JSON, for KEY.json

    def identity(self) -> dict[str, Any]:
        """A tokenizer is known by its files. Raises MissingWeightsError for one that is not there."""
        told = self.config.model_dump(mode="json")
        if self.config.tokenizer:
            told["tokenizer"] = tokenizer_digest(found_tokenizer(self.config.tokenizer))
        return told

    def open(self) -> None:
        """Load the tokenizer, if any. Raises UnusableError."""
        from synth.turns.tokenizers import TokenizerError, load_tokenizer

        try:
            named = self.config.tokenizer
            self._tokenizer = load_tokenizer(found_tokenizer(named)) if named else None
        except TokenizerError as error:
            raise UnusableError(f"labels.tokenizer: {error}") from error

    def labelled(self, item: Item, workspace: Workspace, annotation: Annotation, origin: str) -> Row:
        """The row of one view, with every label that the config asks for."""
        payloads, about = label_members(
            annotation,
            main=item.inputs["main"],
            origin=origin,
            wanted=self.config.members,
            tokenizer=self._tokenizer,
            text_rate_hz=Fraction(self.config.text_rate_hz),
        )
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        return item.row(artifacts=tuple(artifacts), measures={"about": json.dumps(about, sort_keys=True)})


class Label(ViewLabels):
    """Of a rendered dialogue the labels are those of its plan: nothing is detected."""

    upstream = ("arrange",)

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Each dialogue twice, each side once as main."""
        for key, plan in arranged_plans(corpus).items():
            for main, name in enumerate(SIDES):
                item = f"{key}-{name}-{digest(plan, length=8)}"
                inputs = {"key": f"{key}-{name}", "main": main, "plan": plan}
                yield Item(item, key, inputs, plan["n_samples"] / plan["rate_hz"])

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write them."""
        return [self.labelled(item, workspace, truth(DialoguePlan.from_json(item.inputs["plan"])), "plan")]


def found_tokenizer(name: str) -> Path:
    """The user's tokenizer, by its path or below `DUOLOGUE_MODELS`. Raises MissingWeightsError."""
    from extractors.brought import brought

    get_it = "It is a SentencePiece file, a tokenizer.json, or a folder of transformers"
    return brought(name, setting="labels.tokenizer", get_it=get_it)


def tokenizer_digest(path: Path) -> str:
    """Digest of the name and the files of a tokenizer, a file or a folder. Raises UnusableError."""
    from extractors.weights import file_digest

    files = sorted(path.iterdir()) if path.is_dir() else [path]
    found = {one.name: file_digest(one) for one in files if one.is_file()}
    if not found:
        raise UnusableError(f"labels.tokenizer: there is no tokenizer {path}: name a file or a folder")
    return digest(path.name, found)
