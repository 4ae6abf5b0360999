"""From what two people said to scripts: in order of time, without holes, each script as long as it may be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, Field, ValidationError

from manifests.ids import digest
from pipelines.dialogues.assembled import joined
from pipelines.dialogues.spoken import DIALOGUE, Said
from pipelines.section import Section
from synth.rewriting.scripts import Backchannel, Dialogue, Speaker, Turn, words_of

LONGEST_ID = 60
SPEAKERS = ("A", "B")


class ScriptReason(StrEnum):
    """Why a sample, or a turn of it, is in no script. `SCRIPT_REMEDIES` says what to do."""

    SPLIT_NOT_WANTED = "split_not_wanted"
    NO_DIALOGUE = "no_dialogue"
    NO_SPEAKER = "no_speaker"
    NO_TEXT = "no_text"
    NO_TIME = "no_time"
    NOT_A_DYAD = "not_a_dyad"
    NO_ANSWER = "no_answer"
    LABEL_UNFIT = "label_unfit"


SCRIPT_REMEDIES: dict[ScriptReason, str] = {
    ScriptReason.SPLIT_NOT_WANTED: "`splits` leaves its split out",
    ScriptReason.NO_DIALOGUE: "nobody says which conversation it is of; give `dialogue` in the sidecar",
    ScriptReason.NO_SPEAKER: "nobody knows who speaks; give `speaker` in the sidecar",
    ScriptReason.NO_TEXT: "no word of it is known; give `text` or a transcript in the sidecar, or have it "
    "recognised (`words.source`)",
    ScriptReason.NO_TIME: "the conversation is in several recordings, and nobody says when each begins; give "
    "`dialogue_start_s` in the sidecar, or set `order=path`",
    ScriptReason.NOT_A_DYAD: "a script is of two people, and here one is heard, or more than two are",
    ScriptReason.NO_ANSWER: "nobody of the corpus speaks right before or after it",
    ScriptReason.LABEL_UNFIT: "a label or the text is not what a script may hold; the detail says which",
}

Why = tuple[ScriptReason, str]
Model = TypeVar("Model", bound=BaseModel)


class ScriptsConfig(Section):
    """What becomes a script."""

    splits: tuple[str, ...] | None = Field(None, description="only these splits of the corpus; null: all")
    order: Literal["time", "path"] = Field(
        "time", description="of the clips of a conversation; path: by file name, numbers by value"
    )
    max_gap_s: float | None = Field(
        3.0, gt=0, description="a longer silence ends a script, since a turn may be missing; null: none does"
    )
    max_turns: int | None = Field(
        None, ge=4, description="longer conversations become scripts of equal length; null: one script"
    )
    history: int = Field(10, ge=0, description="turns before its first one that a script shows the LLM")


class _Unfit(Exception):  # noqa: N818 - no error: a conversation that becomes no script
    def __init__(self, reason: ScriptReason, detail: str) -> None:
        super().__init__(detail)
        self.why = (reason, detail)


def scripts_of(
    name: str, said: Sequence[Said], config: ScriptsConfig
) -> tuple[list[Dialogue], dict[str, Why]]:
    """The scripts of the conversation `name`, and by clip why a turn is in none of them."""
    why: dict[str, Why] = {}
    try:
        ordered = _ordered(said, config.order)
        plain = _about(ordered)
        who = {speaker.person: id_ for id_, speaker in plain["speakers"].items()}
        found = list(_pieces(ordered, config.max_gap_s, why))
        pieces = [_joined([_turn(one, str(who[one.person])) for one in piece], plain) for piece in found]
        dialogues = _numbered(_id_of(name), list(_parts(pieces, config)), plain)
    except _Unfit as unfit:
        return [], {one.clip: why.get(one.clip, unfit.why) for one in said}
    used = {clip for one in dialogues for turn in one.turns for clip in turn.clips}
    alone = (ScriptReason.NO_ANSWER, "no turn of the other beside it")
    return dialogues, {one.clip: why.get(one.clip, alone) for one in said if one.clip not in used}


def _ordered(said: Sequence[Said], order: str) -> list[Said]:
    """By time, or by name where that is asked for. Raises _Unfit where nobody knows which was first."""
    if order == "path":
        return sorted(said, key=lambda one: (_natural(one.place), one.start, one.clip))
    if len({one.timeline for one in said}) > 1:
        lacking = sorted({one.place for one in said if one.timeline != DIALOGUE})
        raise _Unfit(ScriptReason.NO_TIME, f"of {len(lacking)} recordings, the first is {lacking[0]}")
    return sorted(said, key=lambda one: (one.start, one.stop, one.clip))


def _natural(path: str) -> list[tuple[int, str]]:
    """Digits by value, so that `turn10` follows `turn9`."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _about(ordered: Sequence[Said]) -> dict[str, Any]:
    """Speakers (the first to speak is A) and language. Raises _Unfit unless there are two people."""
    people = list(dict.fromkeys(one.person for one in ordered if one.person is not None))
    if len(people) != len(SPEAKERS):
        told = ", ".join(sorted(people)) or "of whom nobody knows the name"
        raise _Unfit(ScriptReason.NOT_A_DYAD, f"{len(people)} people speak: {told}")
    genders = {one.person: one.gender for one in reversed(ordered) if one.gender is not None}
    fields = [{"person": person, "gender": genders.get(person)} for person in people]
    language = next((one.language for one in ordered if one.language), "en")
    speakers = {id_: Speaker.model_validate(one) for id_, one in zip(SPEAKERS, fields, strict=True)}
    return {"speakers": speakers, "language": language}


def _pieces(ordered: Iterable[Said], max_gap_s: float | None, why: dict[str, Why]) -> Iterator[list[Said]]:
    """What was said without a hole: a turn that no script can hold, and a long silence, end a piece."""
    piece: list[Said] = []
    for one in ordered:
        if one.person is None:
            why[one.clip] = (ScriptReason.NO_SPEAKER, "KEY.json has neither `speaker` nor `person`")
        elif not words_of(one.text):
            why[one.clip] = (ScriptReason.NO_TEXT, f"text {one.text!r}")
        if piece and (one.clip in why or _is_gap(piece, one, max_gap_s)):
            yield piece
            piece = []
        if one.clip not in why:
            piece.append(one)
    if piece:
        yield piece


def _is_gap(piece: Sequence[Said], after: Said, max_gap_s: float | None) -> bool:
    """Whether there is a silence above the limit. Recordings that are ordered by name have no common time."""
    if max_gap_s is None or piece[-1].timeline != after.timeline:
        return False
    last = max(one.stop for one in piece if one.timeline == after.timeline)
    return after.start - last > Fraction(str(max_gap_s))


def _parts(
    pieces: Sequence[tuple[Turn, ...]], config: ScriptsConfig
) -> Iterator[tuple[list[Turn], list[Turn]]]:
    """Turns and history of each script. A piece in which one person speaks is history only."""
    before: list[Turn] = []
    for turns in pieces:
        if len(turns) > 1:
            n_parts = -(-len(turns) // (config.max_turns or len(turns)))
            edges = [len(turns) * number // n_parts for number in range(n_parts + 1)]
            for low, high in pairwise(edges):
                shown = [*before, *turns[:low]]
                yield list(turns[low:high]), shown[max(0, len(shown) - config.history) :]
        before += turns


def _numbered(
    stem: str, parts: Sequence[tuple[list[Turn], list[Turn]]], plain: Mapping[str, Any]
) -> list[Dialogue]:
    names = [stem] if len(parts) == 1 else [f"{stem}-p{number:03d}" for number in range(len(parts))]
    return [
        _made(Dialogue, {**plain, "id": name, "turns": turns, "history": history})
        for name, (turns, history) in zip(names, parts, strict=True)
    ]


def _turn(one: Said, speaker: str) -> Turn:
    nods = [Backchannel(after_word=at, text=text) for at, text in one.nods if words_of(text)]
    fields = {"speaker": speaker, "text": one.text, "emotion": one.emotion}
    return _made(Turn, {**fields, "backchannels": nods, "clips": [one.clip]}, one.clip)


def _joined(turns: Sequence[Turn], plain: Mapping[str, Any]) -> tuple[Turn, ...]:
    """Neighbouring turns of one person as one, as they will be spoken."""
    return joined(_made(Dialogue, {**plain, "id": "piece", "turns": turns})).turns


def _made(model: type[Model], fields: Mapping[str, Any], where: str = "") -> Model:
    """Raises _Unfit for what the form of scripts does not allow."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, bad['loc']))}: {bad['msg']}" for bad in error.errors())
        raise _Unfit(ScriptReason.LABEL_UNFIT, f"{where} {told}".strip()) from error


def _id_of(name: str) -> str:
    """The conversation's name where a script may be called so, else with a digest."""
    if re.fullmatch(rf"[A-Za-z0-9_-]{{1,{LONGEST_ID}}}", name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '_', name)[: LONGEST_ID - 9]}-{digest(name, length=8)}"
