"""Corpus readers: each turns a data set's own layout into `SourceFile`s. One file a reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from manifests.errors import CommandError
from manifests.ids import source_id
from manifests.sidecar import Complaint


class CorpusError(CommandError, ValueError):
    """The input is not a corpus: nothing there, or nothing usable."""


@dataclass(frozen=True)
class SourceFile:
    """One input recording, found but not opened.

    `fingerprint` changes when the file does (size and modification time); the content hash that keys
    all later work is taken by `ingest`.
    """

    path: str  # below the corpus root, with /
    bytes: int
    fingerprint: str
    labels: dict[str, str] = field(default_factory=dict)
    transcript: dict[str, Any] | None = None
    """`path` below the root, `sha256`, whether it was `named` rather than found; of some data sets also the
    `format` and, where it is of a conversation and the recording of one person, the `speaker`."""

    @property
    def id(self) -> str:
        """The source id."""
        return source_id(self.path)


@dataclass(frozen=True)
class Listing:
    """What a reader found: sources sorted by path, and complaints about side data.

    `root` is the folder that the paths are below, where it is not the one that was given: what was unpacked
    or put together lies in a folder of its own.
    """

    sources: tuple[SourceFile, ...]
    complaints: tuple[Complaint, ...] = ()
    root: str | None = None
