"""A corpus of dialogues that are made of scripts: steps over a file of scripts, under one config."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pipelines.corpus import Corpus
from pipelines.dialogues.casting import Cast, cast
from pipelines.dialogues.sections import SynthConfig
from synth.rewriting.dialogue_splits import dialogue_splits
from synth.rewriting.scripts import Dialogue, read_scripts


@dataclass
class ScriptCorpus(Corpus):
    """`source_root` is the file of scripts."""

    config: SynthConfig = field(kw_only=True)

    @cached_property
    def scripts(self) -> tuple[Dialogue, ...]:
        """The dialogues, in the file's order. Raises ScriptError."""
        return tuple(read_scripts(Path(self.source_root)))

    @cached_property
    def splits(self) -> dict[str, str]:
        """By dialogue: people who talk with each other, however indirectly, are in one split."""
        pack = self.config.pack
        return dialogue_splits(self.scripts, pack.split_shares, seed=pack.split_seed)

    @cached_property
    def cast(self) -> Cast:
        """Who has which voice, over all scripts. Raises UnusableError for a voice that cannot speak."""
        return cast(self.scripts, self.splits, self.config)


def scripts_of(corpus: Corpus) -> ScriptCorpus:
    """The corpus as what it is."""
    assert isinstance(corpus, ScriptCorpus)
    return corpus
