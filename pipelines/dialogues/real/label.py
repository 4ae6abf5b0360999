"""label: turns, events and what follows of them, for each view of a recorded dialogue. One item a view."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from manifests.ids import digest
from manifests.receipts import Row
from pipelines.dialogues.label import ViewLabels
from pipelines.dialogues.real.sides import told_windows
from pipelines.dialogues.render import SIDES
from pipelines.step import Item, Workspace
from synth.turns.annotate import annotate
from synth.turns.model import Annotation, Word
from synth.turns.parameters import preset

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


class LabelRecorded(ViewLabels):
    """Turns follow from what was heard and said."""

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Each window twice, each side once as main."""
        for row, about in told_windows(corpus):
            given = {
                name: about[name]
                for name in ("start", "stop", "activity", "words", "words_from", "sides_from", "parameters")
            }
            given |= {"names": [side["speaker"] for side in about["sides"]]}
            for main, name in enumerate(SIDES):
                key = f"{about['key']}-{name}"
                inputs = {"key": key, "main": main, **given}
                yield Item(f"{key}-{digest(given, length=8)}", row["source_id"], inputs, row["duration_s"])

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write every label that the config asks for."""
        told = item.inputs["words_from"] == "given" or item.inputs["sides_from"] == "labels"
        origin = "labels" if told else "audio"
        return [self.labelled(item, workspace, annotation_of(item.inputs), origin)]


def annotation_of(about: dict[str, Any]) -> Annotation:
    """Turns of one window, from its activity and words."""
    first, second = about["names"]
    names = (first, second) if first != second else (f"{first} (a)", f"{second} (b)")
    activity = {
        name: [(Fraction(start), Fraction(stop)) for start, stop in spans]
        for name, spans in zip(names, about["activity"], strict=True)
    }
    words = about["words"] and {
        name: [Word(text, Fraction(start), Fraction(stop)) for text, start, stop in own]
        for name, own in zip(names, about["words"], strict=True)
    }
    duration = Fraction(about["stop"]) - Fraction(about["start"])
    return annotate(activity, duration, words=words, parameters=preset(about["parameters"]))
