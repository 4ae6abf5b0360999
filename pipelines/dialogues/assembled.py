"""What is spoken of each dialogue: its rewrites put in, or how it ended before anything was said."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from manifests.reasons import Reason, Status
from pipelines.dialogues.corpus import ScriptCorpus
from pipelines.dialogues.rewrite import rewritten
from synth.rewriting.assembling import IncompleteError, assemble
from synth.rewriting.scripts import Backchannel, Dialogue, Turn, words_of


@dataclass(frozen=True)
class Ended:
    """Where a dialogue ended, and how."""

    step: str
    status: str
    reason: str
    detail: str

    @classmethod
    def at(cls, step: str, row: dict[str, Any]) -> Ended:
        """As a row of the step tells it."""
        return cls(step, row["status"], row["reason"], f"{row['key']}: {row['detail']}")

    def to_json(self) -> dict[str, Any]:
        """For an item's inputs."""
        return asdict(self)


def assembled(corpus: ScriptCorpus) -> dict[str, Dialogue | Ended]:
    """Every dialogue that the rewriting has answered, in the file's order."""
    rows = rewritten(corpus)
    crashed = {row["source_id"]: row for row in corpus.rows("rewrite") if row["status"] == Status.QUARANTINED}
    found: dict[str, Dialogue | Ended] = {}
    for dialogue in corpus.scripts:
        if dialogue.id in corpus.forgotten:
            told = "somebody in it was forgotten"
            found[dialogue.id] = Ended("speak", Status.SKIPPED, str(Reason.FORGOTTEN), told)
        elif dialogue.id in crashed:
            found[dialogue.id] = Ended.at("rewrite", crashed[dialogue.id])
        elif dialogue.id in rows or not corpus.steps["rewrite"].wanted:
            found[dialogue.id] = _spoken(corpus, dialogue, rows)
    return found


def _spoken(corpus: ScriptCorpus, dialogue: Dialogue, rows: dict[str, Any]) -> Dialogue | Ended:
    """With neighbouring turns of one speaker as one; ended where it is incomplete or nobody can speak it."""
    try:
        whole = assemble(dialogue, rows.get(dialogue.id, ()))
    except IncompleteError as error:
        row = error.row
        return Ended("rewrite", row.status, str(row.fault), f"{row.key}: {row.detail}")
    if dialogue.id in corpus.placed.conflicts:
        detail = corpus.placed.conflicts[dialogue.id]
        return Ended("speak", Status.FAILED, str(Reason.SPLIT_CONFLICT), detail)
    for person in (dialogue.person(name) for name in dialogue.speakers):
        voice = corpus.cast.voices.get(person)
        if voice is None:
            fault = corpus.cast.faults[person]
            return Ended("speak", Status.FAILED, str(fault.fault), fault.detail)
        spoken = corpus.cast.languages[voice]
        if _primary(spoken) != _primary(dialogue.language):
            detail = f"{voice} speaks {spoken}, and the dialogue is {dialogue.language}"
            return Ended("speak", Status.FAILED, str(Reason.NO_VOICE), detail)
    return joined(whole)


def _primary(language: str) -> str:
    return language.partition("-")[0].lower()


def joined(dialogue: Dialogue) -> Dialogue:
    """Neighbouring turns of one speaker as one turn, in the first emotion that one of them has: nobody
    passes the floor to themselves."""
    turns: list[Turn] = []
    for turn in dialogue.turns:
        if turns and turns[-1].speaker == turn.speaker:
            turns[-1] = _one_turn(turns[-1], turn)
        else:
            turns.append(turn)
    return dialogue.model_copy(update={"turns": tuple(turns)})


def scripted(dialogue: Dialogue) -> list[range]:
    """Numbers of the script's turns that each spoken turn is made of, as `joined` joins them."""
    found: list[range] = []
    for number, turn in enumerate(dialogue.turns):
        if found and dialogue.turns[number - 1].speaker == turn.speaker:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found


def _one_turn(before: Turn, after: Turn) -> Turn:
    n_words = len(words_of(before.text))
    later = [Backchannel(after_word=one.after_word + n_words, text=one.text) for one in after.backchannels]
    return before.model_copy(
        update={
            "text": f"{before.text} {after.text}",
            "emotion": before.emotion or after.emotion,
            "backchannels": (*before.backchannels, *later),
            "clips": (*before.clips, *after.clips),
        }
    )


@dataclass(frozen=True)
class Utterance:
    """What is said: its key, the dialogue's channel, and whether it is a turn or a backchannel.

    `after_word`: of a backchannel, after which written word of its turn it is asked for, counted from 1.
    """

    key: str
    side: int
    text: str
    emotion: str | None
    kind: str
    after_word: int | None = None


def utterances(dialogue: Dialogue) -> list[Utterance]:
    """In order; a turn's backchannels follow it."""
    sides = {name: number for number, name in enumerate(dialogue.speakers)}
    found = []
    for number, turn in enumerate(dialogue.turns):
        key, side = f"{dialogue.id}-{number:04d}", sides[turn.speaker]
        found.append(Utterance(key, side, turn.text, turn.emotion, "turn"))
        for count, one in enumerate(turn.backchannels):
            place = _written_word(turn.text, one.after_word)
            found.append(Utterance(f"{key}-b{count}", 1 - side, one.text, None, "backchannel", place))
    return found


def _written_word(text: str, after_word: int) -> int:
    """Which word of an aligner's that is: it takes what stands between spaces for one word, and a script
    counts words alone ("well—no" are two)."""
    from extractors.spelling import spoken_tokens

    n_words = 0
    tokens = spoken_tokens(text)
    for number, token in enumerate(tokens, 1):
        n_words += len(words_of(token.written))
        if n_words >= after_word:
            return number
    return len(tokens)
