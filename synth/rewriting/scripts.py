"""`scripts.jsonl`: one dialogue a line, two speakers, turns with text and emotion (docs/rewriting.md)."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from manifests.errors import CommandError

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,80}$")]
"""Letters, digits, `_` and `-`: it becomes part of sample keys, which have no dots."""

ClipName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,200}(#[0-9]{1,6})?$")]
"""Key of a corpus' sample; `KEY#N` is the N-th turn of a sample that holds several, counted from 0."""

_WORD = re.compile(r"[぀-ヿ㐀-鿿]|[^\W_]+(?:['’\-][^\W_]+)*")


def words_of(text: str) -> list[str]:
    """Words of a text; in Chinese and Japanese every character counts as one."""
    return _WORD.findall(text)


def _spoken(text: str) -> str:
    flat = " ".join(text.split())
    if not words_of(flat):
        raise ValueError("no word in it")
    if any(unicodedata.category(letter) in ("Cc", "Cs", "Co", "Cn") for letter in flat):
        raise ValueError("holds control characters or half a character")
    return flat


Spoken = Annotated[str, Field(max_length=5000), AfterValidator(_spoken)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Speaker(_Part):
    """One side. `person` names the speaker across dialogues: splits keep a person together."""

    name: str | None = Field(None, description="what the others call them")
    person: str | None = None
    gender: Literal["female", "male", "other"] | None = None
    voice: str | None = Field(None, description="one of `speak.voices`, for this person alone")


class Backchannel(_Part):
    """A word or two of the listener while the turn goes on, heard after its `after_word`-th word."""

    after_word: int = Field(ge=1)
    text: Spoken


class Turn(_Part):
    """What one speaker says in one go. `clips`: where it was said, in order, if a corpus says it."""

    speaker: str
    text: Spoken
    emotion: str | None = None
    backchannels: tuple[Backchannel, ...] = ()
    clips: tuple[ClipName, ...] = ()


class Dialogue(_Part):
    """A script. `history` came before the first turn and is never rewritten or spoken."""

    id: Name
    language: str = Field("en", pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$", description="BCP 47")
    speakers: dict[Name, Speaker] = Field(min_length=2, max_length=2)
    turns: tuple[Turn, ...] = Field(min_length=1)
    history: tuple[Turn, ...] = ()

    @model_validator(mode="after")
    def _known_speakers(self) -> Dialogue:
        for place, turns in (("history", self.history), ("turns", self.turns)):
            for number, turn in enumerate(turns):
                if turn.speaker not in self.speakers:
                    known = ", ".join(self.speakers)
                    raise ValueError(f"{place}[{number}] is said by {turn.speaker!r}; speakers are {known}")
        return self

    def called(self, speaker: str) -> str:
        """What the prompt calls a speaker."""
        return self.speakers[speaker].name or f"Speaker {speaker}"

    def person(self, speaker: str) -> str:
        """Name of the speaker across dialogues; without one, a person of this dialogue alone."""
        return self.speakers[speaker].person or f"{self.id}/{speaker}"


class ScriptError(CommandError, ValueError):
    """A line of a script file that cannot be used; the message names file, line and field."""


def read_scripts(path: Path) -> Iterator[Dialogue]:
    """The dialogues of a file, one at a time. Raises ScriptError at the first line that is wrong."""
    seen: dict[str, int] = {}
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                dialogue = _dialogue(line, f"{path} line {number}")
                if dialogue.id in seen:
                    before = seen[dialogue.id]
                    raise ScriptError(f"{path} line {number}: id {dialogue.id!r} was given in line {before}")
                seen[dialogue.id] = number
                yield dialogue
    except OSError as error:
        raise ScriptError(f"{path}: {error.strerror}") from error


def _dialogue(line: bytes, where: str) -> Dialogue:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ScriptError(f"{where}: not JSON: {error}") from None
    if not isinstance(record, dict):
        raise ScriptError(f"{where}: not an object but {type(record).__name__}")
    try:
        return Dialogue.model_validate(record)
    except ValidationError as error:
        problems = "; ".join(_explain(dict(problem)) for problem in error.errors())
        raise ScriptError(f"{where}: {problems}") from None


def _explain(problem: dict[str, Any]) -> str:
    field = ".".join(str(part) for part in problem["loc"])
    return f"{field}: {problem['msg']}" if field else str(problem["msg"])
