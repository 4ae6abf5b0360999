"""A corpus of dialogues that are made of scripts: steps over a file of scripts, under one config."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from manifests.tombstones import Tombstones, read_tombstones
from pipelines.corpus import Corpus
from pipelines.dialogues.casting import Cast, cast
from pipelines.dialogues.cloning import Lent, lent_voices
from pipelines.dialogues.sections import SynthConfig
from synth.rewriting.dialogue_splits import Placed, dialogue_splits
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
    def forgotten(self) -> frozenset[str]:
        """Dialogues of people whom `duologue forget` took out of this folder."""
        tombstones: Tombstones = read_tombstones(self.store)
        return frozenset(
            dialogue.id
            for dialogue in self.scripts
            if any(tombstones.has_name(dialogue.person(name)) for name in dialogue.speakers)
        )

    @cached_property
    def lent(self) -> Lent:
        """Who is imitated, from which clip. Raises UnusableError for a corpus that cannot lend any."""
        speak = self.config.speak
        with_text = speak.server is not None and speak.server.reference_text_field is not None
        living = [dialogue for dialogue in self.scripts if dialogue.id not in self.forgotten]
        return lent_voices(living, speak.clone, with_text=with_text)

    @cached_property
    def placed(self) -> Placed:
        """The splits of the dialogues. Whoever is imitated stays in the split of the corpus that lends them,
        and so does whoever talks with them."""
        pack = self.config.pack
        return dialogue_splits(self.scripts, pack.split_shares, seed=pack.split_seed, given=self.lent.splits)

    @property
    def splits(self) -> dict[str, str]:
        """By dialogue; one that would link two splits has none."""
        return self.placed.splits

    @cached_property
    def cast(self) -> Cast:
        """Who has which voice, over all scripts. Raises UnusableError for a voice that cannot speak."""
        return cast(self.scripts, self.splits, self.lent, self.config)


def scripts_of(corpus: Corpus) -> ScriptCorpus:
    """The corpus as what it is."""
    assert isinstance(corpus, ScriptCorpus)
    return corpus
