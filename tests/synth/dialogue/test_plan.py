from __future__ import annotations

import json
from dataclasses import replace

import pytest

from synth.dialogue.plan import DialoguePlan, Piece, PlanError, PlannedWord, Tone, Unplaced, Utterance

ONE = Utterance(
    key="u0",
    side=0,
    kind="turn",
    text="hello",
    sound="a",
    pieces=(Piece(0, 100, 50),),
    active=((50, 150),),
    words=(PlannedWord("hello", 50, 150),),
    gain_db=-3.25,
    fade=10,
    pauses=((80, 90),),
)
PLAN = DialoguePlan(
    key="d",
    rate_hz=16_000,
    n_samples=1000,
    speakers=("A", "B"),
    utterances=(ONE, replace(ONE, key="u1", side=1, offset=-20)),
    tones=(Tone(), Tone(None, "a", -2.0)),
    offsets="deruiter2006",
    unplaced=(Unplaced("u2", "why"),),
)


def test_a_plan_survives_json() -> None:
    assert DialoguePlan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda plain: plain.update(version=2), "version 2"),
        (lambda plain: plain.update(mood="glad"), "mood"),
        (lambda plain: plain["utterances"][0].update(side=2), "side"),
        (lambda plain: plain["utterances"][0].update(kind="sigh"), "kind"),
        (lambda plain: plain["utterances"][0].update(active=[]), "nothing is heard"),
        (lambda plain: plain["utterances"][0].update(active=[[0, 2000]]), "outside"),
        (lambda plain: plain["utterances"][0]["pieces"][0].update(at=950), "leaves the dialogue"),
        (lambda plain: plain["utterances"][0]["pieces"][0].update(at=1.5), "at"),
        (lambda plain: plain["utterances"][1].update(side=0), "overlap"),
        (lambda plain: plain["tones"][0].update(level_dbfs=None), "source or a level"),
    ],
)
def test_what_is_no_plan(change, match: str) -> None:
    plain = json.loads(json.dumps(PLAN.to_json()))
    change(plain)
    with pytest.raises((PlanError, ValueError), match=match):
        DialoguePlan.from_json(plain)
