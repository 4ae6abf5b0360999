"""Samples of dialogues: each dyad twice, each side once as main, both sides' members under a prefix."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manifests.reasons import Status
from manifests.schemas import FORMAT_VERSION
from manifests.shards import Member, PlannedSample
from pipelines.dialogues.corpus import ScriptCorpus, scripts_of
from pipelines.dialogues.labels import RATES_HZ
from pipelines.dialogues.render import SIDES, arranged_plans
from pipelines.dialogues.rewrite import rewritten
from pipelines.steps.clips import extension_of
from pipelines.steps.pack import Pack

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

Row = dict[str, Any]


class PackDialogues(Pack):
    """Shards of two-stream samples."""

    def samples(self, corpus: Corpus) -> Iterable[PlannedSample]:
        """Both views of every dialogue that is whole."""
        return planned_dialogues(scripts_of(corpus))


def planned_dialogues(corpus: ScriptCorpus) -> Iterator[PlannedSample]:
    """Every dialogue of which both sides and both views are there."""
    of_side = _by_key(corpus, [name for name, step in corpus.steps.items() if step.per_clip])
    of_view = _by_key(corpus, ["label"])
    about = _About(corpus)
    for key, plan in arranged_plans(corpus).items():
        if _ended(corpus, key, of_side, of_view) is not None:
            continue
        for main, name in enumerate(SIDES):
            view = f"{key}-{name}"
            sides = {"main": of_side[f"{key}-{name}"], "other": of_side[f"{key}-{SIDES[1 - main]}"]}
            members = [
                _member(f"{side}.{extension_of(one['name'])}", one)
                for side, rows in sides.items()
                for row in rows.values()
                for one in row["artifacts"]
            ]
            labels = of_view[view]["label"]
            members += [_member(extension_of(one["name"]), one) for one in labels["artifacts"]]
            members.sort(key=lambda member: member.extension)
            extensions = [member.extension for member in members]
            header = about.header(_View(key, main, plan, sides, json.loads(labels["about"]), extensions))
            text = json.dumps(header, ensure_ascii=False, sort_keys=True, indent=1)
            told = Member("json", len(text.encode()), hashlib.sha256(text.encode()).hexdigest(), inline=text)
            yield PlannedSample(view, header["split"], (told, *members))


def _member(extension: str, artifact: Row) -> Member:
    return Member(extension, artifact["bytes"], artifact["sha256"], name=artifact["name"])


def _by_key(corpus: ScriptCorpus, steps: list[str]) -> dict[str, dict[str, Row]]:
    """By `DIALOGUE-SIDE`, then by step, the row about it."""
    found: dict[str, dict[str, Row]] = {}
    for name in steps:
        items = corpus.items(name)
        for row in corpus.rows(name):
            found.setdefault(items[row["item"]].inputs["key"], {})[name] = row
    return found


def _ended(
    corpus: ScriptCorpus, key: str, of_side: dict[str, dict[str, Row]], of_view: dict[str, dict[str, Row]]
) -> tuple[str, Row | None] | None:
    """Step and row that ended a dialogue which was arranged; no row: still open. None: it is whole."""
    steps = [name for name, step in corpus.steps.items() if step.per_clip and corpus.items(name)]
    for name, told in [*((name, of_side) for name in steps), ("label", of_view)]:
        for side in SIDES:
            row = told.get(f"{key}-{side}", {}).get(name)
            if row is None or row["status"] != Status.OK:
                return name, row
    return None


def dialogue_ends(corpus: ScriptCorpus) -> Iterator[tuple[str, str, Row | None]]:
    """Of every dialogue of the scripts: key, the step that ended it (`pack`: whole), and its row."""
    of_side = _by_key(corpus, [name for name, step in corpus.steps.items() if step.per_clip])
    of_view = _by_key(corpus, ["label"])
    arranged = {corpus.items("arrange")[row["item"]].inputs["key"]: row for row in corpus.rows("arrange")}
    for dialogue in corpus.scripts:
        row = arranged.get(dialogue.id)
        if row is None or row["status"] != Status.OK:
            yield dialogue.id, "arrange", row
            continue
        ended = _ended(corpus, dialogue.id, of_side, of_view)
        yield (dialogue.id, *ended) if ended else (dialogue.id, "pack", row)


@dataclass(frozen=True)
class _View:
    """`main`: the speaker's number; `sides`: rows of each by step; `labels`: what `label` told."""

    key: str
    main: int
    plan: Row
    sides: dict[str, dict[str, Row]]
    labels: Row
    members: list[str]


class _About:
    """KEY.json of each view."""

    def __init__(self, corpus: ScriptCorpus) -> None:
        self._corpus = corpus
        self._dialogues = {dialogue.id: dialogue for dialogue in corpus.scripts}
        self._spoken: dict[str, Row] = {}
        items = corpus.items("speak")
        for row in corpus.rows("speak"):
            self._spoken[items[row["item"]].inputs["key"]] = json.loads(row["spoken"])
        self._rewritten = rewritten(corpus)
        self._steps = {
            name: corpus.key(name) for name in corpus.steps if name != "pack" and corpus.items(name)
        }

    def header(self, view: _View) -> Row:
        """Everything about a view."""
        key, plan = view.key, view.plan
        dialogue = self._dialogues[key]
        names = list(dialogue.speakers)
        order = {"main": names[view.main], "other": names[1 - view.main]}
        tokens = _tokens(view)
        said = {one["key"]: self._spoken[one["key"]] for one in plan["utterances"]}
        return {
            "format": FORMAT_VERSION,
            "key": f"{key}-{SIDES[view.main]}",
            "split": self._corpus.splits[key],
            "dialogue": key,
            "origin": "synthetic",
            "source": {"id": key, "path": f"{key} of the scripts"},
            "duration_s": plan["n_samples"] / plan["rate_hz"],
            "language": dialogue.language,
            "speaker": dialogue.person(order["main"]),
            "speakers": {
                side: self._speaker(key, name, names.index(name), plan, said) for side, name in order.items()
            },
            "text": " ".join(one["text"] for one in plan["utterances"] if one["side"] == view.main),
            "turns": self._turns(plan, view.main, said),
            "unplaced": plan["unplaced"],
            "members": view.members,
            "rates_hz": _rates_hz(view, tokens),
            "tokens": tokens,
            "labels": view.labels,
            "missing": {
                f"{side}.{name}": why
                for side, rows in view.sides.items()
                for row in rows.values()
                for name, why in json.loads(row.get("missing") or "{}").items()
            },
            "measures": {},
            "provenance": {"steps": self._steps, "rewrites": self._rewrites(key)},
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
                for field in ("voice", "voice_identity", "voice_licence", "cloned_speaker")
            },
        }

    def _turns(self, plan: Row, main: int, said: Row) -> list[Row]:
        """What was said, in order, with what was measured of each rendering."""
        measured = ("emotion", "emotion_voiced", "seed", "speed", "tries", "wer", "dnsmos", "words_from")
        return [
            {
                "key": one["key"],
                "side": "main" if one["side"] == main else "other",
                "kind": one["kind"],
                "text": one["text"],
                **{name: said[one["key"]].get(name) for name in measured},
            }
            for one in plan["utterances"]
        ]

    def _rewrites(self, key: str) -> list[Row]:
        """Which texts an LLM wrote: model, prompt and the turn as it was."""
        names = (
            "key",
            "kind",
            "turn",
            "original",
            "model",
            "prompt",
            "prompt_version",
            "prompt_sha",
            "attempts",
        )
        rows = self._rewritten.get(key, ())
        return [
            {name: getattr(one, name) for name in names}
            for one in rows
            if one.status is Status.OK and one.answer
        ]


def _tokens(view: _View) -> Row:
    """What made the tokens of each side."""
    return {
        f"{side}.{name}": about
        for side, rows in view.sides.items()
        for row in rows.values()
        if row.get("tokens")
        for name, about in json.loads(row["tokens"]).items()
    }


def _rates_hz(view: _View, tokens: Row) -> Row:
    """Frames or samples a second of each member."""
    rates = {name: rate for name, rate in RATES_HZ.items() if name in view.members}
    for side in view.sides:
        rates |= {f"{side}.flac": 16_000.0, f"{side}.native.flac": float(view.plan["rate_hz"])}
    rates |= {name: about["rate_hz"] for name, about in tokens.items()}
    return rates | {
        name: about["rate_hz"] for name, about in view.labels.items() if name.endswith(".text.npy")
    }
