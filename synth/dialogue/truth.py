"""The truth of a plan: its activity, words, turns and events as `synth.turns` writes them, by no detector."""

from __future__ import annotations

from fractions import Fraction

from synth.dialogue.plan import DialoguePlan, Utterance
from synth.turns.annotate import annotate
from synth.turns.events import find_events, find_transfers
from synth.turns.model import Annotation, Turn, TurnKind, Word
from synth.turns.parameters import TurnParameters, preset
from synth.turns.times import Spans, united


def planned_activity(plan: DialoguePlan) -> dict[str, Spans]:
    """Where each speaker is heard, exact seconds."""
    return {
        speaker: united(
            span for one in plan.utterances if one.side == side for span in _seconds(one, plan.rate_hz)
        )
        for side, speaker in enumerate(plan.speakers)
    }


def planned_words(plan: DialoguePlan) -> dict[str, tuple[Word, ...]]:
    """What each speaker says, exact seconds. A speaker without a single known word is left out."""
    words = {
        speaker: tuple(
            Word(word.text, Fraction(word.start, plan.rate_hz), Fraction(word.stop, plan.rate_hz))
            for one in plan.utterances
            if one.side == side
            for word in one.words
        )
        for side, speaker in enumerate(plan.speakers)
    }
    return {speaker: own for speaker, own in words.items() if own}


def truth(plan: DialoguePlan, parameters: TurnParameters | None = None) -> Annotation:
    """Turns as planned, each utterance one, and the events that follow from them.

    `parameters`: those of the plan's name unless given; of them only what cannot be planned is used: how far
    IPUs merge, and from where on an overlap is an interruption.
    """
    chosen = parameters or preset(plan.parameters)
    ordered = sorted(plan.utterances, key=lambda one: (one.start, -one.stop, one.side))
    turns = tuple(
        Turn(
            one.side,
            TurnKind.TURN if one.kind == "turn" else TurnKind.BACKCHANNEL,
            united(_seconds(one, plan.rate_hz), bridge=chosen.ipu_merge_s),
        )
        for one in ordered
    )
    transfers = find_transfers(turns)
    return Annotation(
        parameters=chosen,
        duration=Fraction(plan.n_samples, plan.rate_hz),
        speakers=plan.speakers,
        ipus=tuple(united(own, bridge=chosen.ipu_merge_s) for own in planned_activity(plan).values()),
        turns=turns,
        events=find_events(turns, transfers, chosen),
        transfers=transfers,
        words=tuple(_words(plan, ordered, side) for side in (0, 1)),
    )


def disagreements(plan: DialoguePlan, parameters: TurnParameters | None = None) -> tuple[str, ...]:
    """Keys of utterances that the rules would take for another kind than the plan says they are.

    An answer of less than a second between two turns of the other sounds like a backchannel, say.
    """
    planned = truth(plan, parameters)
    found = annotate(
        planned_activity(plan), planned.duration, words=planned_words(plan), parameters=planned.parameters
    )
    seen = {(turn.speaker, turn.start, turn.stop, turn.kind) for turn in found.turns}
    ordered = sorted(plan.utterances, key=lambda one: (one.start, -one.stop, one.side))
    return tuple(
        one.key
        for one, turn in zip(ordered, planned.turns, strict=True)
        if (turn.speaker, turn.start, turn.stop, turn.kind) not in seen
    )


def _seconds(one: Utterance, rate_hz: int) -> Spans:
    return tuple((Fraction(start, rate_hz), Fraction(stop, rate_hz)) for start, stop in one.active)


def _words(plan: DialoguePlan, ordered: list[Utterance], side: int) -> tuple[Word, ...] | None:
    words = tuple(
        Word(word.text, Fraction(word.start, plan.rate_hz), Fraction(word.stop, plan.rate_hz), number)
        for number, one in enumerate(ordered)
        if one.side == side
        for word in one.words
    )
    return words or None
