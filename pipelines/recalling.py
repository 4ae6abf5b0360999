"""Whatever an earlier command left in a folder: its corpus, and how that command keeps its books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pipelines.accounting import Account, account
from pipelines.build import recall
from pipelines.corpus import Corpus
from pipelines.remembered import NoCorpusError, read_settings

KNOWN = ("build", "testset", "dialogue synth", "dialogue real")
"""Commands that make a corpus."""


@dataclass(frozen=True)
class Recalled:
    """`command`: build, testset, dialogue synth or dialogue real. `settings`: what it was asked to do."""

    command: str
    corpus: Corpus
    settings: dict[str, Any]
    keep_books: Callable[[Any], Account]

    def books(self) -> Account:
        """What became of everything so far."""
        return self.keep_books(self.corpus)


def recall_any(url: str) -> Recalled:
    """The corpus in a folder, whichever command made it. Raises NoCorpusError."""
    settings = read_settings(url)
    command = settings["command"]
    if command == "build":
        return Recalled(command, recall(url)[0], settings, account)
    if command == "testset":
        from pipelines.testsets.testset import recall_set, set_books

        return Recalled(command, recall_set(url), settings, set_books)
    if command == "dialogue synth":
        from pipelines.dialogues.dialogues import dialogue_books, recall_synth

        return Recalled(command, recall_synth(url), settings, dialogue_books)
    if command == "dialogue real":
        from pipelines.dialogues.real.real import real_books, recall_real

        return Recalled(command, recall_real(url)[0], settings, real_books)
    raise NoCorpusError(f"{url} was made by `duologue {command}`, which this version does not know")
