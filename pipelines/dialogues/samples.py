"""Samples of dialogues that were made: KEY.json of each view, and how each dialogue ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from extractors.coefficients import FACE61_NAMES
from manifests.reasons import Status
from manifests.schemas import FORMAT_VERSION
from manifests.shards import PlannedSample
from pipelines.dialogues.assembled import scripted
from pipelines.dialogues.borrowed import FACE, RATE_HZ, borrowed_of
from pipelines.dialogues.corpus import ScriptCorpus, scripts_of
from pipelines.dialogues.pairs import PAIRS, pairs
from pipelines.dialogues.render import arranged_plans
from pipelines.dialogues.rewrite import rewritten
from pipelines.dialogues.views import Made, View
from pipelines.steps.pack import Pack
from synth.rewriting.rewritten import Rewritten

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

Row = dict[str, Any]
REWRITE = (
    *("key", "kind", "turn", "original", "model", "served_model", "prompt", "prompt_version", "prompt_sha"),
    *("request", "attempts", "failed_checks", "prompt_tokens", "completion_tokens"),
)
"""What a sample tells of each text that an LLM wrote."""


_OWN: Row = {"clips": [], "rewritten_from": None}
"""Of what no script tells: a backchannel, a turn that an LLM added."""


class PackDialogues(Pack):
    """Shards of two-stream samples."""

    def samples(self, corpus: Corpus) -> Iterable[PlannedSample]:
        """Both views of every dialogue that is whole."""
        return planned_dialogues(scripts_of(corpus))


def planned_dialogues(corpus: ScriptCorpus) -> Iterator[PlannedSample]:
    """Every dialogue of which both sides and both views are there."""
    made, about = Made(corpus), _About(corpus)
    for key, plan in arranged_plans(corpus).items():
        if made.ended(key) is not None:
            continue
        for view in made.views(key):
            header = about.header(view, plan)
            yield view.sample(header, {PAIRS: pairs(header["turns"])})


def dialogue_ends(corpus: ScriptCorpus) -> Iterator[tuple[str, str, Row | None]]:
    """Of every dialogue of the scripts: key, the step that ended it (`pack`: whole), and its row."""
    made = Made(corpus)
    items = corpus.items("arrange")
    arranged = {items[row["item"]].inputs["key"]: row for row in corpus.rows("arrange")}
    for dialogue in corpus.scripts:
        row = arranged.get(dialogue.id)
        if row is None or row["status"] != Status.OK:
            ended = items[row["item"]].inputs["ended"] if row else None
            yield dialogue.id, ended["step"] if ended else "arrange", row
            continue
        later = made.ended(dialogue.id)
        yield (dialogue.id, *later) if later else (dialogue.id, "pack", row)


class _About:
    """KEY.json of each view."""

    def __init__(self, corpus: ScriptCorpus) -> None:
        self._corpus = corpus
        self._dialogues = {dialogue.id: dialogue for dialogue in corpus.scripts}
        self._spoken: dict[str, Row] = {}
        items = corpus.items("speak")
        for row in corpus.rows("speak"):
            self._spoken[items[row["item"]].inputs["key"]] = json.loads(row["spoken"] or "{}")  # {}: a crash
        self._rewritten = rewritten(corpus)
        self._steps = {
            name: corpus.key(name) for name in corpus.steps if name != "pack" and corpus.items(name)
        }

    def header(self, view: View, plan: Row) -> Row:
        """Everything about a view."""
        key = view.dialogue
        dialogue = self._dialogues[key]
        names = list(dialogue.speakers)
        order = {"main": names[view.main], "other": names[1 - view.main]}
        said = {one["key"]: self._spoken[one["key"]] for one in plan["utterances"]}
        return {
            "format": FORMAT_VERSION,
            "key": view.key,
            "split": self._corpus.splits[key],
            "dialogue": key,
            "origin": "synthetic",
            "source": {"id": key, "path": f"{key} of the scripts"},
            "duration_s": plan["n_samples"] / plan["rate_hz"],
            "language": dialogue.language,
            "speaker": dialogue.person(order["main"]),
            "licence": "; ".join(sorted(licences_of(said.values()))),
            "speakers": {
                side: self._speaker(key, name, names.index(name), plan, said) for side, name in order.items()
            },
            "text": " ".join(said_of(one) for one in plan["utterances"] if one["side"] == view.main),
            "turns": self._turns(key, plan, view.main),
            "unplaced": [*plan["unplaced"], *self._of_rewritten_turns(key)],
            "tokens": view.tokens(),
            "labels": view.labels,
            "missing": view.missing(),
            "measures": {
                side: {name: rows["render"][name] for name in ("peak_dbfs", "gain_db")}
                for side, rows in view.sides.items()
            },
            "provenance": {"steps": self._steps, "rewrites": self._rewrites(key)},
            **_of_faces(view, view.rates_hz(plan["rate_hz"])),
        }

    def _speaker(self, key: str, name: str, side: int, plan: Row, said: Row) -> Row:
        own = [said[one["key"]] for one in plan["utterances"] if one["side"] == side]
        dialogue = self._dialogues[key]
        voice = own[0] if own else {}
        return {
            "name": name,
            "person": dialogue.person(name),
            "gender": dialogue.speakers[name].gender,
            **{
                field: voice.get(field)
                for field in (
                    *("voice", "voice_identity", "voice_licence"),
                    *("cloned_speaker", "cloned_consent", "cloned_licence", "reference"),
                )
            },
        }

    def _turns(self, key: str, plan: Row, main: int) -> list[Row]:
        """What was said, in order, with what was measured of each rendering."""
        measured = (
            *("emotion", "emotion_voiced", "emotion_score", "emotion_heard", "seed", "speed", "tries", "wer"),
            *("dnsmos", "similarity", "words_from"),
        )
        of_script = self._of_script(key)
        return [
            {
                "key": one["key"],
                "side": "main" if one["side"] == main else "other",
                "kind": one["kind"],
                "text": said_of(one),
                "cut_words": one["n_cut_words"],
                "moved_words": one["moved_words"],
                **(of_script.get(number_of(one["key"]), _OWN) if one["kind"] == "turn" else _OWN),
                "start": str(Fraction(one["active"][0][0], plan["rate_hz"])),
                "stop": str(Fraction(one["active"][-1][1], plan["rate_hz"])),
                **{name: self._spoken[one["key"]].get(name) for name in measured},
            }
            for one in plan["utterances"]
        ]

    def _of_script(self, key: str) -> dict[int, Row]:
        """By number of the spoken turn: the clips that the script names, and the text before a rewrite."""
        turns = self._dialogues[key].turns
        were = {one.turn: one.original for one in self._written(key) if one.kind == "respond"}
        return {
            number: {
                "clips": [clip for one in parts for clip in turns[one].clips],
                "rewritten_from": " ".join(were.get(one) or turns[one].text for one in parts)
                if were.keys() & set(parts)
                else None,
            }
            for number, parts in enumerate(scripted(self._dialogues[key]))
        }

    def _written(self, key: str) -> list[Rewritten]:
        """The rewrites of a dialogue that were put in."""
        return [one for one in self._rewritten.get(key, ()) if one.status is Status.OK and one.answer]

    def _rewrites(self, key: str) -> list[Row]:
        """Which texts an LLM wrote: models, prompt, what it cost, and the turn as it was."""
        return [{name: getattr(one, name) for name in REWRITE} for one in self._written(key)]

    def _of_rewritten_turns(self, key: str) -> list[Row]:
        """Backchannels of the script whose place counts words that are no longer said."""
        turns = self._dialogues[key].turns
        return [
            {"key": f"{key}-{one.turn:04d}-b{number}", "reason": "its turn was rewritten"}
            for one in self._written(key)
            if one.kind == "respond" and one.turn is not None
            for number in range(len(turns[one.turn].backchannels))
        ]


def said_of(utterance: Row) -> str:
    """Its text, as far as it was said before somebody interrupted."""
    if not utterance["n_cut_words"]:
        return str(utterance["text"])
    return " ".join(word["text"] for word in utterance["words"])


def licences_of(said: Iterable[Row]) -> set[str]:
    """Of the voices, and of the clips of people whom they imitate."""
    return {one[name] for one in said for name in ("voice_licence", "cloned_licence") if one[name]}


def number_of(key: str) -> int:
    """Of the turn that an utterance's key counts."""
    return int(key.rsplit("-", 1)[1])


def _of_faces(view: View, rates_hz: dict[str, float]) -> Row:
    """Whose faces are borrowed, and the rates and columns with those of the faces."""
    borrowed = {
        f"{side}.{name}": about
        for side, rows in view.sides.items()
        for name, about in borrowed_of(rows).items()
    }
    return {
        "borrowed": borrowed,
        "rates_hz": rates_hz | dict.fromkeys(borrowed, RATE_HZ),
        "channels": {name: list(FACE61_NAMES) for name in borrowed if name.endswith(FACE)},
    }
