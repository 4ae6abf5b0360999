"""A dialogue with its rewrites put in: what is spoken next."""

from __future__ import annotations

from collections.abc import Iterable

from manifests.reasons import Status
from synth.rewriting.answers import Backchannels, Continuation
from synth.rewriting.rewritten import Fault, Rewritten
from synth.rewriting.scripts import Backchannel, Dialogue, Turn

_KEPT_AS_IT_WAS = frozenset({Fault.TURN_NOT_SHORT, Fault.EMOTION_NOT_KEPT, Fault.EMOTIONS_DISAGREE})


class IncompleteError(Exception):
    """A rewrite that the dialogue needs did not come about: `row` says which and why."""

    def __init__(self, row: Rewritten) -> None:
        super().__init__(f"{row.key}: {row.fault}: {row.detail}")
        self.row = row


def assemble(dialogue: Dialogue, rows: Iterable[Rewritten]) -> Dialogue:
    """The dialogue with `respond` rewrites, backchannels and continuation put in.

    Turns that nobody wanted rewritten stay as they were, and a rewritten one keeps its emotion and clips;
    `style` rows are variants of their own and stay out. Backchannels are placed in the script's own turns:
    those of a rewritten turn are left out, since their place counts words that are no longer said. Raises
    IncompleteError for a row that failed, or that the budget left out, so that no dialogue is passed on half
    rewritten.
    """
    own = sorted((row for row in rows if row.dialogue_id == dialogue.id), key=lambda row: row.key)
    for row in own:
        if row.status is not Status.OK and row.fault not in _KEPT_AS_IT_WAS:
            raise IncompleteError(row)
    done = [row for row in own if row.status is Status.OK and row.answer is not None]
    texts = {row.turn: row.text for row in done if row.kind == "respond"}
    heard: dict[int, list[Backchannel]] = {}
    added: list[Turn] = []
    for row in done:
        assert row.answer is not None
        if row.kind == "backchannels":
            for one in Backchannels.model_validate_json(row.answer).backchannels:
                placed = Backchannel(after_word=one.after_word, text=one.text)
                heard.setdefault(one.turn, []).append(placed)
        if row.kind == "continue":
            for said in Continuation.model_validate_json(row.answer).turns:
                added.append(Turn(speaker=said.speaker, text=said.text, emotion=said.emotion))
    turns = []
    for number, turn in enumerate(dialogue.turns):
        if number in texts:
            turns.append(turn.model_copy(update={"text": texts[number], "backchannels": ()}))
            continue
        placed_here = sorted([*turn.backchannels, *heard.get(number, [])], key=lambda one: one.after_word)
        turns.append(turn.model_copy(update={"backchannels": tuple(placed_here)}))
    return dialogue.model_copy(update={"turns": (*turns, *added)})
