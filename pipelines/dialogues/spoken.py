"""What a finished corpus says was spoken: a clip of one person is a turn, a dialogue of two holds several.

A turn is named by the sample in which its speaker is seen and heard: `KEY`, or `KEY#N` for the N-th turn of
the dialogue of which `KEY` is the view with that speaker as main.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from manifests.corpus_reader import CorpusError, Sample
from manifests.exports.dialogue import TURNS
from pipelines.dialogues.render import SIDES as VIEWS
from synth.turns.record import SIDES as STREAMS
from synth.turns.record import RecordError, read_turns

Row = dict[str, Any]
DIALOGUE = "dialogue"
"""The time line of a conversation; a clip whose place there nobody told has its recording's."""
_GENDERS = {"f": "female", "female": "female", "m": "male", "male": "male", "other": "other"}


@dataclass(frozen=True)
class Said:
    """One turn; `start` and `stop` are seconds of `timeline`, `sample` the one that it was read from."""

    clip: str
    sample: str
    person: str | None
    text: str
    emotion: str | None
    gender: str | None
    language: str | None
    timeline: str
    start: Fraction
    stop: Fraction
    place: str  # the recording's path; of a dialogue its name without the view
    nods: tuple[tuple[int, str], ...] = ()  # backchannels of the other: after which word, text


def is_dialogue(sample: Sample) -> bool:
    """Whether it holds two people."""
    return TURNS in sample


def said_in_clip(sample: Sample) -> Said:
    """What the person of a clip says. The emotion is the kept one, else as labelled."""
    header, source = sample.header, sample.header["source"]
    start, stop = (Fraction(source.get(edge) or 0) for edge in ("start", "stop"))  # text alone has none
    began = header.get("dialogue_start_s")
    gender = str(header.get("gender") or "").casefold()
    return Said(
        clip=sample.key,
        sample=sample.key,
        person=header.get("speaker") or header.get("person"),
        text=str(header.get("text") or ""),
        emotion=header.get("emotion") or header.get("emotion_given"),
        gender=_GENDERS.get(gender),
        language=header.get("language"),
        timeline=DIALOGUE if began is not None else source["id"],
        start=start + Fraction(str(began)) if began is not None else start,
        stop=stop + Fraction(str(began)) if began is not None else stop,
        place=source["path"],
    )


def turns_of(sample: Sample) -> list[Row]:
    """The turns of a dialogue as KEY.json has them: `key`, `side`, `kind`, `text`, `emotion`, `start`, `stop`
    (exact seconds of the sample), `clips`, `rewritten_from`. Of recordings they are read off turns.json: the
    words are the texts, and the emotion is the recording's. Raises CorpusError.
    """
    if "turns" in sample.header:
        return list(sample.header["turns"])
    try:
        seen, _ = read_turns(sample.read(TURNS))
    except RecordError as error:
        raise CorpusError(f"{sample.key}.{TURNS} in {sample.row.shard}: {error}") from error
    told = sample.header.get("speakers") or {}
    return [
        {
            "key": f"{sample.key}#{number}",
            "side": (side := STREAMS[turn.speaker]),
            "kind": str(turn.kind),
            "text": " ".join(word.text for word in seen.words[turn.speaker] or () if word.turn == number),
            "emotion": (told.get(side) or {}).get("emotion"),
            "start": str(turn.start),
            "stop": str(turn.stop),
            "clips": [],
            "rewritten_from": None,
        }
        for number, turn in enumerate(seen.turns)
    ]


def turn_name(sample: str, side: str, number: int) -> str:
    """Name of a turn of a dialogue, from whichever of its two views."""
    stem, _, view = sample.rpartition("-")
    speaker = view if side == STREAMS[0] else VIEWS[1 - VIEWS.index(view)]
    return f"{stem}-{speaker}#{number}"


def person_of(header: Row, side: str) -> str | None:
    """Who speaks on a side: the person that the corpus knows, else the name; `a` and `b` are no names."""
    told = (header.get("speakers") or {}).get(side) or {}
    name = told.get("name")
    if header.get("origin") == "recorded" and name not in (None, *VIEWS):
        return str(name)
    return told.get("person")


def said_in_dialogue(sample: Sample) -> Iterator[Said]:
    """The turns of a dialogue by time, each with the backchannels given to it.

    Turns within another's and backchannels that no turn holds are left out: whoever counts them compares with
    `turns_of`.
    """
    header, told = sample.header, turns_of(sample)
    spoken = [(number, one) for number, one in enumerate(told) if one["kind"] == "turn"]
    nods: dict[int, list[tuple[int, str]]] = {}
    for nod in (one for one in told if one["kind"] == "backchannel" and one["text"]):
        holder = _holder(nod, spoken)
        if holder is not None:
            nods.setdefault(holder[0], []).append((holder[1], nod["text"]))
    began = Fraction((header.get("window") or {}).get("start") or 0)
    stem = sample.key.rpartition("-")[0]
    for number, one in spoken:
        person = person_of(header, one["side"])
        name = turn_name(sample.key, one["side"], number)
        about = (header.get("speakers") or {}).get(one["side"]) or {}
        yield Said(
            clip=name,
            sample=sample.key,
            person=person or f"{header.get('dialogue')}/{name.partition('#')[0].removeprefix(stem)[1:]}",
            text=one["text"],
            emotion=one["emotion"],
            gender=_GENDERS.get(str(about.get("gender") or "").casefold()),
            language=header.get("language"),
            timeline=DIALOGUE,
            start=began + Fraction(one["start"]),
            stop=began + Fraction(one["stop"]),
            place=stem,
            nods=tuple(nods.get(number, ())),
        )


def _holder(nod: Row, spoken: list[tuple[int, Row]]) -> tuple[int, int] | None:
    """The other's turn that a backchannel begins in, and after which word, by the share of its time."""
    start = Fraction(nod["start"])
    for number, one in spoken:
        low, high = Fraction(one["start"]), Fraction(one["stop"])
        if one["side"] != nod["side"] and low <= start < high:
            n_words = len(one["text"].split())
            return (number, max(1, int((start - low) / (high - low) * n_words))) if n_words else None
    return None
