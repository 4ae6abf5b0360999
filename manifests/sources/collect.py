"""What a reader gathers on its way through a data set, and the little that all readers share."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from manifests.reasons import Reason
from manifests.sidecar import LABELS, Complaint, as_text
from manifests.sources import CorpusError, Listing, SourceFile
from manifests.sources.folder import AUDIO_SUFFIXES, fingerprint, names_below


class Collector:
    """Sources and complaints below one root."""

    def __init__(self, root: Path, *, staged: bool = False) -> None:
        if not root.is_dir():
            raise CorpusError(f"{root}: no such folder")
        self.root = root
        self.complaints: list[Complaint] = []
        self._staged = staged
        self._sources: dict[str, SourceFile] = {}

    def files(self, *suffixes: str, below: str = "") -> list[str]:
        """Sorted names, below the root, of the files with one of the suffixes; hidden ones are left out."""
        found = names_below(self.root / below, suffixes, self.complaints)
        return sorted((f"{below}/{name}" if below else name) for name in found)

    def add(
        self,
        name: str,
        labels: Mapping[str, Any],
        *,
        transcript: str | None = None,
        kind: str | None = None,
        speaker: str | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        """A source by its name below the root, with what is known of it; labels that are None are left out.

        `transcript` is a name below the root, `kind` its format where the suffix does not tell, and
        `speaker` whose words count where it is of a conversation. One that is not there is told. `about` is a
        transcript that was found otherwise.
        """
        path = self.root / name
        told = {key: as_text(value) for key, value in labels.items() if value not in (None, "", [])}
        assert told.keys() <= LABELS.keys(), told.keys() - LABELS.keys()
        if transcript is not None:
            try:
                sha256 = hashlib.sha256((self.root / transcript).read_bytes()).hexdigest()
            except OSError:
                self.missing(name, f"its transcript {transcript}")
            else:
                extra = {"format": kind, "speaker": speaker}
                about = {"path": transcript, "sha256": sha256, "named": True}
                about |= {key: value for key, value in extra.items() if value is not None}
        self._sources[name] = SourceFile(name, path.stat().st_size, fingerprint(path), told, about)

    def missing(self, where: str, what: str) -> None:
        """A piece of the data set that is not there."""
        self.complaints.append(Complaint(where, Reason.CORPUS_PART_MISSING, f"{what} is not there"))

    def malformed(self, where: str, problem: str) -> None:
        """A piece of the data set that is not as it should be."""
        self.complaints.append(Complaint(where, Reason.CORPUS_MALFORMED, problem))

    def text(self, name: str, *, encoding: str = "utf-8-sig") -> str | None:
        """A text file of the data set; None, and told, when it cannot be read."""
        try:
            return (self.root / name).read_text(encoding=encoding)
        except FileNotFoundError:
            self.missing(name, "the file")
        except (OSError, UnicodeDecodeError) as error:
            self.malformed(name, f"cannot be read as text: {error}")
        return None

    def table(self, name: str, needed: Iterable[str], *, delimiter: str = ",") -> list[dict[str, str]]:
        """Rows of a CSV file by its header, spaces round the fields left out. Empty, and told, without the
        columns that are needed; a row with another number of fields is told and left out."""
        text = self.text(name)
        if text is None:
            return []
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True)
        found: list[dict[str, str]] = []
        header: Sequence[str] | None = None
        try:
            for row in rows:
                fields = [one.strip() for one in row]
                if header is None:
                    header = fields
                    lacking = sorted(set(needed) - set(header))
                    if lacking:
                        self.malformed(name, f"no column {', '.join(lacking)}; it has {', '.join(header)}")
                        return []
                elif len(fields) == len(header):
                    found.append(dict(zip(header, fields, strict=True)))
                elif any(fields):
                    self.malformed(
                        f"{name} line {rows.line_num}", f"{len(header)} fields expected, not {len(fields)}"
                    )
        except csv.Error as error:
            self.malformed(f"{name} line {rows.line_num}", f"not CSV: {error}")
        return found

    def listing(self, expected: str) -> Listing:
        """What was found, sorted by path. Raises CorpusError, which says what was `expected`, for nothing."""
        if not self._sources:
            told = "".join(f"\n  {one.where}: {one.detail}" for one in self.complaints[:5])
            raise CorpusError(f"{self.root}: no recording found; expected {expected}{told}")
        sources = tuple(self._sources[name] for name in sorted(self._sources))
        told_once = tuple(dict.fromkeys(self.complaints))  # a folder may have been walked for several kinds
        return Listing(sources, told_once, str(self.root.resolve()) if self._staged else None)


def one_each(names: Iterable[str], key: Callable[[str], Hashable]) -> list[str]:
    """One name a key, sorted: the video where a recording lies there both as video and as sound."""
    kept: dict[Hashable, str] = {}
    for name in sorted(names, key=lambda one: (Path(one).suffix.lower() in AUDIO_SUFFIXES, one)):
        kept.setdefault(key(name), name)
    return sorted(kept.values())


def by_stem(names: Iterable[str]) -> dict[str, str]:
    """Names by their stems; of several with one stem, the first."""
    found: dict[str, str] = {}
    for name in names:
        found.setdefault(Path(name).stem, name)
    return found
