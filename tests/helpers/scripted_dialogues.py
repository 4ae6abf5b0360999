"""Dialogues made of scripts in this process, with real voices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipelines.config import parse_as
from pipelines.dialogues.corpus import ScriptCorpus
from pipelines.dialogues.dialogues import make_dialogues, open_synth
from pipelines.dialogues.sections import SynthConfig
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter

VOICES = ["hibari:heart", "flite:rms"]
PEOPLE = {"A": {"name": "Anna", "gender": "female"}, "B": {"name": "Ben", "gender": "male"}}


def script(key: str, *texts: str, speakers: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A dialogue in which two people take turns."""
    who = speakers or PEOPLE
    turns = [{"speaker": list(who)[number % 2], "text": text} for number, text in enumerate(texts)]
    return {"id": key, "speakers": who, "turns": turns, **more}


def write_scripts(path: Path, scripts: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in scripts), "utf-8")
    return path


def synthesise(
    folder: Path,
    scripts: list[dict[str, Any]],
    *,
    name: str = "out",
    retry: tuple[str, ...] = (),
    **config: Any,
) -> ScriptCorpus:
    """Run `dialogue synth` here, everybody in one split; the books must balance. Config by section."""
    plain = {"speak": {"voices": VOICES} | config.pop("speak", {}), "pack": {"split_shares": {"train": 1.0}}}
    chosen = parse_as(SynthConfig, plain | config, "the test")
    corpus = open_synth(write_scripts(folder / f"{name}.jsonl", scripts), str(folder / name), chosen)
    made = make_dialogues(corpus, engine=LocalEngine(), reporter=QuietReporter(), retry=retry)
    assert made.account.problems == ()
    return corpus


SCRIPTS = [
    script(
        "garden",
        "What do you do against the snails that eat the young leaves?",
        "I collect them in the evening, put them in an old bucket, and carry them over to the meadow.",
        "That sounds like a great deal of work for a few salads.",
        "It is the quietest hour of my whole day, so I enjoy it.",
    ),
    script("tea", "Would you like a cup of tea?", "Yes please, with milk and a little sugar."),
]
SCRIPTS[0]["turns"][1]["backchannels"] = [{"after_word": 6, "text": "Okay."}]
for _turn, _emotion in zip(SCRIPTS[0]["turns"], ("Happy", "Sad", "Neutral", "Frustrated"), strict=True):
    _turn["emotion"] = _emotion
for _number, _turn in enumerate(SCRIPTS[0]["turns"]):
    _turn["clips"] = [f"00ff-t00-{_number:07d}"]
