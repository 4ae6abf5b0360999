"""The stage: a folder of its own for what must be made before a corpus can be listed.

Unpacked archives, sound and picture put together, and what was fetched from an object store lie here, beside
the output and outside the corpus. What is here is whole: it is made under another name and renamed, and its
receipt is written last, so a killed run goes on where it was and a finished one makes nothing again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from manifests.ids import digest
from manifests.sources import CorpusError
from manifests.sources.folder import STAGE_MARK

RECEIPTS = ".done"
PARTIAL = ".partial"


class Stage:
    """A stage below `root`, which is made when it is not there. Raises CorpusError when it cannot be."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        try:
            for folder in (RECEIPTS, PARTIAL):
                (self.root / folder).mkdir(parents=True, exist_ok=True)
            (self.root / STAGE_MARK).touch()
        except OSError as error:
            raise CorpusError(f"stage {root} is no folder that can be written to: {error}") from error

    @classmethod
    def needed(cls, root: Path | None, why: str) -> Stage:
        """A stage. Raises CorpusError, which says `why` one is needed, when no folder was given."""
        if root is None:
            raise CorpusError(f"{why}: name a folder for that with --stage")
        return cls(root)

    def receipt(self, *parts: Any) -> dict[str, Any] | None:
        """What was told of a finished piece of work; None when there is none."""
        try:
            told: dict[str, Any] = json.loads(self._receipt(parts).read_bytes())
        except FileNotFoundError:
            return None
        return told

    def finish(self, told: dict[str, Any], *parts: Any) -> None:
        """Write the receipt of a piece of work."""
        with writing(self._receipt(parts)) as handle:
            handle.write(json.dumps(told, sort_keys=True).encode("utf-8", "surrogateescape"))

    def _receipt(self, parts: tuple[Any, ...]) -> Path:
        return self.root / RECEIPTS / f"{digest(*parts)}.json"

    def partial(self, *parts: Any) -> Path:
        """A folder for what is not whole yet; the same one for the same work."""
        folder = self.root / PARTIAL / digest(*parts)
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def writing(path: Path, *, mtime: float | None = None) -> Iterator[IO[bytes]]:
    """A file that is there whole or not at all; `mtime` keeps its fingerprint when it is made again."""
    part = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
    try:
        with part.open("wb") as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        if mtime is not None:
            os.utime(part, (mtime, mtime))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
