"""Which rewrites a dialogue asks for: each turn or dialogue becomes a task, or a row that says why not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from synth.rewriting.checks import Shown
from synth.rewriting.language import LanguageUnknownError, check_language
from synth.rewriting.rewritten import Fault, Rewritten
from synth.rewriting.scripts import Dialogue, Turn, words_of

if TYPE_CHECKING:
    from synth.rewriting.config import RewriteConfig

MOST_BACKCHANNELS = 2
"""In one turn."""


@dataclass(frozen=True)
class Task:
    """One thing to ask for: what fills the prompt's places, and what the answer is compared with."""

    row: Rewritten  # as far as it is known beforehand
    dialogue: Dialogue
    places: dict[str, str]
    shown: Shown

    @property
    def kind(self) -> str:
        """Which prompt and answer model it takes."""
        return self.row.kind


def plan(dialogue: Dialogue, config: RewriteConfig) -> Iterator[Task | Rewritten]:
    """All tasks of a dialogue, and a row with its reason for each turn that is not rewritten."""
    if config.checks.language:
        try:
            check_language(dialogue.language)
        except LanguageUnknownError as error:
            yield from (_ended(row, Fault.LANGUAGE_UNKNOWN, str(error)) for row in _rows(dialogue, config))
            return
    for row in _rows(dialogue, config):
        ended = None if row.turn is None else _unwanted(row, dialogue, config)
        yield ended or Task(row, dialogue, _places(row, dialogue, config), _shown(row, dialogue, config))


def _rows(dialogue: Dialogue, config: RewriteConfig) -> Iterator[Rewritten]:
    for kind in config.kinds:
        if kind in ("continue", "backchannels"):
            yield Rewritten(f"{dialogue.id}-{kind}", dialogue.id, kind, None)
            continue
        for number, turn in enumerate(dialogue.turns):
            for at, style in enumerate(config.styles if kind == "style" else (None,)):
                name = f"{dialogue.id}-{number:04d}-{kind}" + (f"{at:02d}" if style else "")
                emotion = (config.emotions.merged(turn.emotion) or turn.emotion) if turn.emotion else None
                yield Rewritten(
                    name, dialogue.id, kind, number, turn.speaker, emotion, style, original=turn.text
                )


def _unwanted(row: Rewritten, dialogue: Dialogue, config: RewriteConfig) -> Rewritten | None:
    assert row.turn is not None
    turn = dialogue.turns[row.turn]
    if row.kind == "respond" and not config.short_turn.holds(turn):
        limit = config.short_turn.max_words
        return _ended(row, Fault.TURN_NOT_SHORT, f"more than {limit} words (`short_turn.max_words`)")
    problem = config.emotions.problem(turn.emotion)
    if problem:
        return _ended(row, Fault.EMOTION_NOT_KEPT, problem)
    answered = next(
        (one for one in reversed(_before(row.turn, dialogue)) if one.speaker != turn.speaker), None
    )
    problem = config.emotions.disagreement(turn.emotion, answered.emotion if answered else None)
    return _ended(row, Fault.EMOTIONS_DISAGREE, problem) if problem else None


def _ended(row: Rewritten, fault: Fault, detail: str) -> Rewritten:
    return replace(row, fault=fault, detail=detail)


def _before(number: int | None, dialogue: Dialogue) -> tuple[Turn, ...]:
    """All that was said before turn `number`, as it was said: rewrites do not depend on each other."""
    return (*dialogue.history, *dialogue.turns[:number])


def _places(row: Rewritten, dialogue: Dialogue, config: RewriteConfig) -> dict[str, str]:
    history = _before(row.turn, dialogue)[-config.history_turns :]
    lines = [f"{dialogue.called(turn.speaker)}: {turn.text}" for turn in history]
    places = {"language": dialogue.language, "history": "\n".join(lines) or "(nothing yet)"}
    if row.kind == "continue":
        return places | _continue_places(dialogue, config)
    if row.kind == "backchannels":
        numbered = [
            f"{number} {dialogue.called(turn.speaker)}: {turn.text}"
            for number, turn in enumerate(dialogue.turns)
        ]
        least = str(config.backchannel_turn_words)
        return places | {"numbered": "\n".join(numbered), "min_words": least, "most": str(MOST_BACKCHANNELS)}
    assert row.speaker is not None and row.original is not None
    return places | {
        "speaker": dialogue.called(row.speaker),
        "gender": dialogue.speakers[row.speaker].gender or "not known",
        "emotion": row.emotion or "not known",
        "example": row.original,
        "style": row.style or "",
    }


def _continue_places(dialogue: Dialogue, config: RewriteConfig) -> dict[str, str]:
    people = [
        f"{name}: {dialogue.called(name)}, gender {speaker.gender or 'not known'}"
        for name, speaker in dialogue.speakers.items()
    ]
    return {
        "n_turns": str(config.continue_turns),
        "people": "\n".join(people),
        "ids": " or ".join(f'"{name}"' for name in dialogue.speakers),
        "emotions": ", ".join(config.emotions.keep),
        "next": dialogue.called(next_speaker(dialogue)),
    }


def next_speaker(dialogue: Dialogue) -> str:
    """Who did not speak last."""
    return next(name for name in dialogue.speakers if name != dialogue.turns[-1].speaker)


def _shown(row: Rewritten, dialogue: Dialogue, config: RewriteConfig) -> Shown:
    history = _before(row.turn, dialogue)[-config.history_turns :]
    labels = {label for name in dialogue.speakers for label in (name, dialogue.called(name))}
    return Shown(
        history=tuple(turn.text for turn in history),
        example=row.original or "",
        labels=tuple(sorted(labels)),
        own_name=dialogue.speakers[row.speaker].name if row.speaker else None,
        language=dialogue.language,
    )


def turn_words(dialogue: Dialogue, number: int) -> int:
    """Words of a turn."""
    return len(words_of(dialogue.turns[number].text))
