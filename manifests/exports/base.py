"""What every export is: a layout that turns samples into files and, at the end, into lists of them.

An export sees one sample at a time and keeps nothing. What its final lists need of a sample is its `entry`,
a small JSON object; `run.py` keeps the entries, sorts them by key and gives them back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from manifests.corpus_reader import CorpusReader, IndexRow, Sample
from manifests.errors import CommandError
from manifests.store import Store


class ExportError(CommandError, ValueError):
    """The export cannot be made at all: a wrong folder, a wrong option, a corpus without what it needs."""


class ExportReason(StrEnum):
    """Why a sample is not in an export. `EXPORT_REMEDIES` says what to do."""

    SPLIT_NOT_WANTED = "split_not_wanted"
    MEMBER_MISSING = "member_missing"
    MEMBER_DAMAGED = "member_damaged"
    WRONG_PICTURE = "wrong_picture"
    WRONG_LENGTH = "wrong_length"
    NO_TEXT = "no_text"
    NO_LANGUAGE = "no_language"
    NO_WORDS = "no_words"
    UNITS_MISFIT = "units_misfit"
    TOO_SHORT = "too_short"
    ONE_SIDE_SILENT = "one_side_silent"
    NO_EVENTS = "no_events"
    TURNS_UNREADABLE = "turns_unreadable"
    NO_EMOTION = "no_emotion"
    NO_SPEAKER = "no_speaker"
    NO_RESPONSE = "no_response"
    EMOTIONS_DISAGREE = "emotions_disagree"
    NO_DEMONSTRATION = "no_demonstration"
    UNITS_MALFORMED = "units_malformed"


EXPORT_REMEDIES: dict[ExportReason, str] = {
    ExportReason.SPLIT_NOT_WANTED: "`splits` leaves its split out",
    ExportReason.MEMBER_MISSING: "the sample lacks a member that the format needs; its KEY.json says why",
    ExportReason.MEMBER_DAMAGED: "a member does not decode; build the corpus again",
    ExportReason.WRONG_PICTURE: "the crop has another size than the trainer reads; set it in the build",
    ExportReason.WRONG_LENGTH: "a member is not as long as the sample; build the corpus again",
    ExportReason.NO_TEXT: "the sample has no text, or none with a letter or digit in it",
    ExportReason.NO_LANGUAGE: "the trainer wants a language tag; give `language` in the sidecar",
    ExportReason.NO_WORDS: "the main speaker has no words with times",
    ExportReason.UNITS_MISFIT: "the unit stream is not as long as the picture",
    ExportReason.TOO_SHORT: "the sample is shorter than the trainer's window",
    ExportReason.ONE_SIDE_SILENT: "one of the two never speaks; the trainer leaves such dialogues out",
    ExportReason.NO_EVENTS: "the dialogue holds no event of the kinds asked for",
    ExportReason.TURNS_UNREADABLE: "turns.json is not what docs/turns.md describes; make it again",
    ExportReason.NO_EMOTION: "the sample has none of the four emotions; give `emotion` in the sidecar",
    ExportReason.NO_SPEAKER: "nobody knows who is heard; give `speaker` in the sidecar",
    ExportReason.NO_RESPONSE: "nobody answers it: no pair of `responses` names it, or it ends the dialogue",
    ExportReason.EMOTIONS_DISAGREE: "who answers has another emotion; `agree=false` takes the response "
    "all the same",
    ExportReason.NO_DEMONSTRATION: "the train split has no sample of each emotion by somebody else",
    ExportReason.UNITS_MALFORMED: "a unit string is not well formed, or not of its stream of units; "
    "build the corpus again",
}


class ExportOptions(BaseModel):
    """Options that every format has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    splits: tuple[str, ...] | None = None
    """Only these splits of the corpus, or conditions of a test set; null: all."""


class SkipSample(Exception):  # noqa: N818 - no error: a sample that the format has no place for
    """The sample does not go into this export: `reason`, and a sentence in `detail`."""

    def __init__(self, reason: ExportReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class DamagedSample(SkipSample):
    """The sample is at fault: it counts as failed, not as skipped."""


@dataclass(frozen=True)
class Entry:
    """What the final lists need of one exported sample. `about` is what `Export.shard` gave."""

    key: str
    split: str
    about: Mapping[str, Any]


class Export(ABC):
    """One layout. A subclass is one file; `EXPORTS` in `manifests/exports/__init__.py` names it."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    """Raised when the same samples would give other bytes."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Members without which a sample is skipped."""
    options_model: ClassVar[type[ExportOptions]] = ExportOptions

    def __init__(self, options: Any, corpus: CorpusReader) -> None:
        self.options = options
        self.corpus = corpus

    def needed(self) -> tuple[str, ...]:
        """Members without which a sample is skipped; an option may add some."""
        return self.needs

    def read_inputs(self) -> dict[str, str]:
        """Files of the user's that decide what is written, by option: their SHA-256."""
        return {
            name: _sha256(name, value) for name, value in self.options if isinstance(value, Path) and value
        }

    @abstractmethod
    def shard(self, shard: str, samples: Iterable[Sample], out: Store) -> Iterator[tuple[str, Any]]:
        """Write the files of a shard's samples; `(key, entry or SkipSample)` of each.

        An entry is a JSON object.
        """

    @abstractmethod
    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """Write the lists: entries of each split, sorted by key. Splits that ended up empty are there too."""

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """What the user should know about this export, a sentence each."""
        del entries
        return []


class SampleExport(Export):
    """A layout with files of its own for every sample."""

    def shard(self, shard: str, samples: Iterable[Sample], out: Store) -> Iterator[tuple[str, Any]]:
        """One sample after the other."""
        del shard
        for sample in samples:
            try:
                yield sample.key, self.sample(sample, out)
            except SkipSample as why:
                yield sample.key, why

    @abstractmethod
    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """Write a sample's files and return its entry. Raises SkipSample, DamagedSample."""


def wanted(row: IndexRow, options: ExportOptions, needs: Iterable[str]) -> SkipSample | None:
    """Why the index alone already says that a sample is not exported; None if it may be."""
    if options.splits is not None and row.split not in options.splits:
        return SkipSample(ExportReason.SPLIT_NOT_WANTED, f"split {row.split}")
    if lost := sorted(set(needs) - set(row.members)):
        return SkipSample(ExportReason.MEMBER_MISSING, f"no {', '.join(lost)}")
    return None


def write_lines(out: Store, name: str, lines: Iterable[str]) -> None:
    """A UTF-8 text file with a newline after each line, atomically."""
    with out.writing(name) as handle:
        for line in lines:
            handle.write(line.encode("utf-8") + b"\n")


def _sha256(option: str, path: Path) -> str:
    import hashlib

    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ExportError(f"option {option}: {path}: {error.strerror}") from error
