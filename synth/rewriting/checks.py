"""What an answer must be to become speech: each check is a function that says what is wrong, or nothing.

The sentences go back to the model, so they say what to do. Nothing is repaired here: an answer that fails
is asked for again, and the row fails when no attempt passes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from pydantic import BaseModel, ConfigDict, Field, model_validator

from synth.rewriting.entities import strange_names, strange_numbers
from synth.rewriting.labels import heading
from synth.rewriting.language import another_language
from synth.rewriting.refusals import META, REFUSALS
from synth.rewriting.scripts import words_of


class CheckConfig(BaseModel):
    """Limits of the checks. AVLM asks for "about two sentences"; the bounds round that are ours."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_words: int = Field(4, ge=1)
    max_words: int = Field(60, ge=1)
    min_sentences: int = Field(1, ge=1)
    max_sentences: int = Field(3, ge=1)
    copied_words: int = Field(8, ge=2, description="so many words in a row from the prompt are a copy")
    repeated_words: int = Field(3, ge=2, description="a run of so many words may not occur three times")
    max_language_share: float = Field(
        0.05, ge=0, le=1, description="below this probability of the asked language, another one is told"
    )
    language: bool = True
    names: bool = Field(True, description="capitalised names must occur in what the model was shown")
    numbers: bool = Field(True, description="numbers likewise")

    @model_validator(mode="after")
    def _ordered(self) -> CheckConfig:
        if self.min_words > self.max_words or self.min_sentences > self.max_sentences:
            raise ValueError("a minimum exceeds its maximum")
        return self


@dataclass(frozen=True)
class Shown:
    """What the model was shown, as far as an answer is compared with it."""

    history: tuple[str, ...] = ()  # texts of the turns before
    example: str = ""  # the turn to be rewritten
    labels: tuple[str, ...] = ()  # names and ids of the speakers
    own_name: str | None = None  # of who speaks
    instructions: str = ""  # the prompt file's own words
    language: str = "en"


@dataclass(frozen=True)
class Failure:
    """A check that an answer failed, and the sentence that tells so."""

    check: str
    detail: str


def failures(text: str, shown: Shown, config: CheckConfig) -> list[Failure]:
    """All checks that a spoken text fails, in the order of `CHECKS`; only `empty` when there is no word."""
    if not words_of(text):
        return [Failure("empty", "it has no words")]
    if len(text) > _LONGEST_LETTERS:  # the patterns below take quadratic time on what was never speech
        return [
            Failure("length", f"it has {len(text)} letters; {config.max_words} words are the most wanted")
        ]
    found = ((name, check(text, shown, config)) for name, check in CHECKS.items())
    return [Failure(name, detail) for name, detail in found if detail]


def sentences_of(text: str) -> list[str]:
    """Sentences: they end at . ! ? … before a space and no small letter, or at 。！？."""
    parts = _SENTENCE_END.split(_TITLE.sub(r"\1", text))
    return [part.strip() for part in parts if words_of(part)]


def normal(text: str) -> str:
    """Words in small letters, one space between: how texts are compared."""
    return " ".join(word.casefold() for word in words_of(text))


_LONGEST_LETTERS = 5000
_TITLE = re.compile(r"\b(Mr|Mrs|Ms|Dr|St|Prof|vs|etc)\.")
_SENTENCE_END = re.compile(r"(?:(?<=[.!?…])[\"'”’)]?\s+(?=[^a-z\s])|(?<=[。！？]))")

_STAGE = re.compile(
    r"\*[^*]+\*|\([^)]*\)|\[[^\]]*\]|<[^>]*>|\{[^}]*\}|（[^）]*）|【[^】]*】|_{1,2}[^_\s][^_]*_{1,2}"
)
_WRITTEN = re.compile(r"[#`|~^=\\]|https?://|\n\s*[-•\d]|[\U0001F000-\U0001FAFF☀-➿️]")


def _length(text: str, shown: Shown, config: CheckConfig) -> str | None:
    words, sentences = len(words_of(text)), len(sentences_of(text))
    if not config.min_words <= words <= config.max_words:
        return f"it has {words} words; {config.min_words} to {config.max_words} are wanted"
    if not config.min_sentences <= sentences <= config.max_sentences:
        return f"it has {sentences} sentences; {config.min_sentences} to {config.max_sentences} are wanted"
    return None


def _stage_direction(text: str, shown: Shown, config: CheckConfig) -> str | None:
    found = _STAGE.search(text)
    return f"{found[0][:40]!r} cannot be spoken; write only the words said" if found else None


def _not_speech(text: str, shown: Shown, config: CheckConfig) -> str | None:
    found = _WRITTEN.search(text)
    if found:
        return f"{found[0].strip()[:10]!r} cannot be spoken; write only the words said"
    if len(text) > 2 and text[0] in "\"“'" and text[-1] in "\"”'" and text.count(text[-1]) <= 2:
        return "it stands in quotation marks; write only the words said"
    return None


def _label(text: str, shown: Shown, config: CheckConfig) -> str | None:
    found = heading(text, shown.labels)
    return f"{found!r} names a speaker or a heading; write only the words said" if found else None


def _own_name(text: str, shown: Shown, config: CheckConfig) -> str | None:
    if shown.own_name is None:
        return None
    name = re.escape(shown.own_name)
    said = re.search(rf"\b{name}\b", text, re.IGNORECASE)
    introduced = re.search(
        rf"(?:\bI'm|\bI am|\bname's|\bname is|\bthis is|\bit's) {name}\b", text, re.IGNORECASE
    )
    return (
        f"it speaks about {shown.own_name}, who is speaking; write what is said"
        if said and not introduced
        else None
    )


def _refusal(text: str, shown: Shown, config: CheckConfig) -> str | None:
    found = REFUSALS.search(text.replace("’", "'"))
    return "it refuses or speaks as a machine; answer as the speaker" if found else None


def _meta(text: str, shown: Shown, config: CheckConfig) -> str | None:
    found = META.search(text.replace("’", "'"))
    return "it talks about the task; write only the words said" if found else None


def _copy(text: str, shown: Shown, config: CheckConfig) -> str | None:
    said = normal(text)
    if said == normal(shown.example):
        return "it is the original line unchanged"
    if any(said == normal(turn) for turn in shown.history):
        return "it repeats a line of the conversation"
    heard = {normal(sentence) for turn in shown.history for sentence in sentences_of(turn)}
    if any(len(words_of(one)) > 2 and normal(one) in heard for one in sentences_of(text)):
        return "it repeats a sentence of the conversation"
    runs = _runs(said.split(), config.copied_words)
    for place, source in [
        ("instructions", shown.instructions),
        *(("conversation", t) for t in shown.history),
    ]:
        if runs & _source_runs(source, config.copied_words):
            return f"it copies {config.copied_words} words in a row from the {place}"
    return None


def _repetition(text: str, shown: Shown, config: CheckConfig) -> str | None:
    told = Counter(normal(sentence) for sentence in sentences_of(text))
    if any(count > 1 and len(sentence.split()) > 1 for sentence, count in told.items()):
        return "it says the same sentence twice"
    words = normal(text).split()
    size = config.repeated_words
    runs = Counter(tuple(words[at : at + size]) for at in range(len(words) - size + 1))
    if any(count >= 3 for count in runs.values()):
        return "it repeats the same words"
    return None


def _language(text: str, shown: Shown, config: CheckConfig) -> str | None:
    if not config.language:
        return None
    other = another_language(text, shown.language, config.max_language_share)
    return f"it is in another language ({other}), not in {shown.language!r}" if other else None


def _entities(text: str, shown: Shown, config: CheckConfig) -> str | None:
    known = " \n".join([*shown.history, shown.example, *shown.labels])
    strange = strange_numbers(text, known) if config.numbers else []
    if config.names:
        strange += strange_names(text, known, shown.language)
    return f"nothing said before holds {', '.join(strange[:5])}; leave it out" if strange else None


@lru_cache(maxsize=1024)
def _source_runs(source: str, size: int) -> frozenset[tuple[str, ...]]:
    return frozenset(_runs(normal(source).split(), size))


def _runs(words: list[str], size: int) -> set[tuple[str, ...]]:
    return {tuple(words[at : at + size]) for at in range(len(words) - size + 1)}


Check = Callable[[str, Shown, CheckConfig], str | None]

CHECKS: dict[str, Check] = {
    "length": _length,
    "stage_direction": _stage_direction,
    "not_speech": _not_speech,
    "label": _label,
    "own_name": _own_name,
    "refusal": _refusal,
    "meta": _meta,
    "copy": _copy,
    "repetition": _repetition,
    "language": _language,
    "entities": _entities,
}


def names_of(found: Iterable[Failure]) -> tuple[str, ...]:
    """The checks' names, each once, in order."""
    return tuple(dict.fromkeys(one.check for one in found))
