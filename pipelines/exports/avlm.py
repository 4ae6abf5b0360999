"""AVLM: prompt sets as JSON lines, of clips and the responses to them, or of dialogues.

`SPLIT/SET.jsonl` for the sets `zero_shot`, `in_context`, `avsr` and `forced_emotion`; `SPLIT/left_out.jsonl`
names every line that is not there, with its reason. What a line refers to lies in `input/` and `response/`.
It stands here and not in `manifests/exports/` since the prompts are made by `synth.rewriting.avlm`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

from manifests.corpus_reader import CorpusReader, Sample
from manifests.exports.base import (
    Entry,
    ExportError,
    ExportOptions,
    ExportReason,
    SampleExport,
    SkipSample,
    write_lines,
)
from manifests.exports.dialogue import TURNS
from manifests.ids import digest
from manifests.store import Store
from pipelines.exports.exchanges import Exchange, of_clip, of_dialogue
from pipelines.exports.pieces import STRING, UNITS
from pipelines.exports.prompt_sets import SHOWN_FROM, AvlmOptions, PromptSets
from pipelines.exports.responses import Responses
from synth.llm.prompt_files import PromptError, load_prompt


class Avlm(SampleExport):
    """Prompt sets for AVLM."""

    name = "avlm"
    options_model: ClassVar[type[ExportOptions]] = AvlmOptions
    options: AvlmOptions

    def __init__(self, options: Any, corpus: CorpusReader) -> None:
        super().__init__(options, corpus)
        self._sets = PromptSets(options)
        self._left: Counter[tuple[str, str]] = Counter()
        self._of_two = any(TURNS in row.members for row in corpus.rows())
        if options.responses is None and not self._of_two and set(options.sets) - {"avsr", "forced_emotion"}:
            raise ExportError(
                "avlm: clips alone hold no responses; give the folder of `duologue dialogue synth` as "
                "`responses`, or `sets=[avsr]`"
            )

    @cached_property
    def _responses(self) -> Responses | None:
        return Responses(self.options.responses) if self.options.responses is not None else None

    def needed(self) -> tuple[str, ...]:
        """Unit strings; of dialogues those of both sides, and their streams, out of which turns are cut."""
        if not self._of_two:
            return ("json", STRING)
        return ("json", TURNS, *(f"{side}.{name}" for side in ("main", "other") for name in (UNITS, STRING)))

    def read_inputs(self) -> dict[str, str]:
        """The responses by their index, the prompts by their words. Raises ExportError."""
        try:
            words = {
                name: load_prompt(f"avlm_{name}", self.options.prompts).sha for name in self.options.sets
            }
        except PromptError as error:
            raise ExportError(f"option prompts: {error}") from error
        found = {"prompts": digest(words)}
        return found | ({"responses": self._responses.corpus.digest} if self._responses else {})

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """Media of the sample's exchanges. Raises SkipSample where it has a line in none of the sets."""
        of_two = TURNS in sample
        found = (
            list(of_dialogue(sample, self._responses, out))
            if of_two
            else [of_clip(sample, self._responses, out)]
        )
        lacks = [self._sets.lack(one, name) for one in found for name in self.options.sets]
        if not found:
            raise SkipSample(ExportReason.NO_RESPONSE, "main answers nothing")
        if all(lacks):
            raise next(lack for lack in lacks if lack)
        return {"exchanges": [one.to_json() for one in found]}

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """The sets of each split, and what is in none."""
        pool = self._sets.pool(_exchanges(entries.get(SHOWN_FROM, [])))
        for split, mine in entries.items():
            left: list[dict[str, Any]] = []
            for name in self.options.sets:
                lines = self._sets.lines(_exchanges(mine), name, pool, left)
                write_lines(out, f"{split}/{name}.jsonl", map(_json, lines))
            write_lines(out, f"{split}/left_out.jsonl", map(_json, left))
            self._left.update((one["set"], one["reason"]) for one in left)

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Exchanges, and for each set why lines are left out."""
        told = [f"{sum(1 for mine in entries.values() for _ in _exchanges(mine))} exchanges"]
        for name in self.options.sets:
            left = sorted((reason, count) for (set_, reason), count in self._left.items() if set_ == name)
            if left:
                told.append(f"{name}: left out {', '.join(f'{count} {reason}' for reason, count in left)}")
        return told


def _exchanges(entries: list[Entry]) -> Iterator[Exchange]:
    for entry in entries:
        yield from map(Exchange.from_json, entry.about["exchanges"])


def _json(line: dict[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=False, sort_keys=True)
