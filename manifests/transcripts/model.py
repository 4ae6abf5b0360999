"""What every transcript becomes, and the error that every reader raises."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """A word or an utterance. Times are exact seconds of the recording, [start, stop), or both None."""

    text: str
    start: Fraction | None = None
    stop: Fraction | None = None
    speaker: str | None = None
    language: str | None = None
    recording: str | None = None
    """As ctm and stm, which may hold many, name it."""
    channel: str | None = None
    """As ctm and stm name it: 1, A, …"""
    confidence: float | None = None


@dataclass(frozen=True)
class Transcript:
    """Everything one file says. A format that has only words has no utterances, and the other way round."""

    utterances: tuple[Spoken, ...] = ()
    words: tuple[Spoken, ...] = ()

    @property
    def text(self) -> str:
        """All of it as one line."""
        return " ".join(one.text for one in self.utterances or self.words)

    def of(self, recording: str) -> Transcript:
        """What is said in one recording, of a file that holds several; other files stay as they are."""
        parts = (self.utterances, self.words)
        return Transcript(
            *(tuple(one for one in part if one.recording in (None, recording)) for part in parts)
        )

    def said_by(self, speaker: str) -> Transcript:
        """What one person says, where the transcript is of a conversation."""
        parts = (self.utterances, self.words)
        return Transcript(*(tuple(one for one in part if one.speaker == speaker) for part in parts))

    @property
    def timed(self) -> bool:
        """Whether every utterance, or every word, says when."""
        return all(one.start is not None for one in self.utterances or self.words)


class TranscriptError(ValueError):
    """A transcript that cannot be read: which file, which line where known, and what to do."""

    def __init__(self, path: object, line: int | None, problem: str) -> None:
        super().__init__(f"{path}{f' line {line}' if line else ''}: {problem}")
        self.line = line
        self.problem = problem


class LineError(ValueError):
    """A problem in one line; `read_transcript` adds the file to it."""

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(problem)
        self.line = line


def exact(text: str, line: int | None) -> Fraction:
    """Decimal seconds as they are written."""
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise LineError(line, f"{text!r} is no time in seconds") from error
    if not number.is_finite() or abs(number) > 10**9:
        raise LineError(line, f"{text!r} is no time in seconds")
    return Fraction(number)


def span(start: Fraction, stop: Fraction, line: int | None) -> tuple[Fraction, Fraction]:
    """Both, in order."""
    if stop < start:
        raise LineError(
            line, f"it ends at {float(stop):g} s, before it starts at {float(start):g} s; swap them"
        )
    return start, stop
