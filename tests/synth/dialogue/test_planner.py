from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.dialogue.offsets import OffsetDistribution, fitted
from synth.dialogue.plan import DialoguePlan, PlanError, Tone
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.sounds import SaidWord, SoundError, Speech, speech_of
from synth.dialogue.truth import disagreements, planned_activity, planned_words, truth
from synth.turns.annotate import annotate
from synth.turns.model import EventKind, TurnKind
from synth.turns.parameters import PRESETS

RATE_HZ = 8000
STEADY = OffsetDistribution("steady", "normal", location_s=0.2, scale_s=1e-6)


def said(length_s: float, n_words: int) -> Speech:
    """Sound of one level from 0.1 s on, in which words of equal length follow each other."""
    n_samples = round(length_s * RATE_HZ)
    edges = np.linspace(800, 800 + n_samples, n_words + 1).astype(int)
    words = tuple(SaidWord(f"w{n}", int(a), int(b)) for n, (a, b) in enumerate(pairwise(edges)))
    pcm = np.full(n_samples + 1600, 0.1, np.float32)
    return Speech(pcm, RATE_HZ, ((800, 800 + n_samples),), words)


TURNS = st.lists(
    st.tuples(
        st.floats(1.3, 5),
        st.integers(1, 12),
        st.one_of(st.none(), st.floats(0.2, 1.3)),
        st.one_of(st.none(), st.integers(1, 14)),
    ),
    min_size=1,
    max_size=7,
)


def dialogue(turns: list, **settings: object) -> DialoguePlan:  # type: ignore[type-arg]
    """Turns that alternate, each with a nod from the other side after it in the script (asked for after a
    word, or anywhere), or without."""
    lines, sounds = [], {}
    for number, (length_s, n_words, nod_s, *asked) in enumerate(turns):
        sounds[f"t{number}"] = said(length_s, n_words)
        lines.append(Line(f"t{number}", number % 2, "text", f"t{number}"))
        if nod_s is not None:
            sounds[f"n{number}"] = said(nod_s, 1)
            lines.append(Line(f"n{number}", 1 - number % 2, "mm", f"n{number}", "backchannel", *asked))
    return plan_dialogue("d", lines, sounds, ("A", "B"), PlannerSettings(**settings))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    TURNS,
    st.integers(0, 9),
    st.sampled_from([0.0, 0.6]),
    st.sampled_from([0.0, 0.6]),
    st.sampled_from(["duologue", "full_duplex_bench"]),
)
def test_the_rules_find_what_was_planned(
    turns: list, seed: int, pauses: float, cuts: float, name: str
) -> None:  # type: ignore[type-arg]
    plan = dialogue(turns, seed=seed, pause_share=pauses, interruption_share=cuts, parameters=PRESETS[name])
    planned = truth(plan)
    found = annotate(
        planned_activity(plan), planned.duration, words=planned_words(plan), parameters=planned.parameters
    )
    # against the plan's own numbers, by hand
    ordered = sorted(plan.utterances, key=lambda one: (one.start, -one.stop, one.side))
    kinds = [(TurnKind.TURN if one.kind == "turn" else TurnKind.BACKCHANNEL, one.side) for one in ordered]
    assert [(turn.kind, turn.speaker) for turn in found.turns] == kinds
    assert [(turn.start * RATE_HZ, turn.stop * RATE_HZ) for turn in found.turns] == [
        (one.start, one.stop) for one in ordered
    ]
    takers = [one for one in ordered if one.kind == "turn"]
    assert [one.fto * RATE_HZ for one in found.transfers] == [one.offset for one in takers[1:]]
    assert [one.start * RATE_HZ for one in found.of_kind(EventKind.INTERRUPTION)] == [
        one.start for one in takers if one.interrupts
    ]
    pauses_put_in = [span for one in ordered for span in one.pauses]
    assert [(e.start * RATE_HZ, e.stop * RATE_HZ) for e in found.of_kind(EventKind.PAUSE)] == pauses_put_in
    # and the truth that is written says the same
    assert found == planned and disagreements(plan) == ()
    keys = {one.key for one in plan.utterances} | {one.key for one in plan.unplaced}
    assert len(keys) == len(turns) + sum(nod is not None for _, _, nod, _ in turns), (
        "nothing is lost silently"
    )
    check_nods(plan, turns)


def check_nods(plan: DialoguePlan, turns: list) -> None:  # type: ignore[type-arg]
    """Each begins where a word of its turn ends, so many words off as it says, counted anew here."""
    placed = {one.key: one for one in plan.utterances}
    for key, nod in placed.items():
        if nod.kind == "backchannel":
            host, asked = placed[f"t{key[1:]}"], turns[int(key[1:])][3]
            ends = [word.stop for word in host.words]
            assert nod.start in ends
            said = None if asked is None else min(asked, len(ends)) + nod.moved_words
            assert nod.moved_words is None if asked is None else ends[said - 1] == nod.start


@settings(max_examples=60, deadline=None)
@given(st.floats(2.5, 6), st.integers(2, 12), st.floats(0.2, 0.7), st.integers(1, 12), st.integers(0, 99))
def test_a_nod_comes_at_the_nearest_word_that_allows_one(
    length_s: float, n_words: int, nod_s: float, asked: int, seed: int
) -> None:
    """With one turn the rules allow a nod wherever the other is heard before and after it: between the first
    0.1 s of the turn and its last (the nod's length and 0.1 s). Counted here by hand from equal words."""
    plan = dialogue([(length_s, n_words, nod_s, asked)], seed=seed, parameters=PRESETS["duologue"])
    host = next(one for one in plan.utterances if one.key == "t0")
    length = round(nod_s * RATE_HZ)
    ends = [word.stop for word in host.words]
    allowed = [at for at in ends if host.start + 800 <= at <= host.stop - length - 800]
    nod = next((one for one in plan.utterances if one.key == "n0"), None)
    if nod is None:
        assert not allowed
        return
    wanted = ends[min(asked, n_words) - 1]
    assert abs(nod.start - wanted) == min(abs(at - wanted) for at in allowed)
    assert nod.moved_words == ends.index(nod.start) - (min(asked, n_words) - 1)
    if wanted in allowed:
        assert nod.moved_words == 0 and nod.start == wanted


def test_without_a_wish_the_place_is_drawn() -> None:
    places = {dialogue([(5.0, 12, 0.4, None)], seed=seed).utterances[1].start for seed in range(12)}
    asked = {dialogue([(5.0, 12, 0.4, 6)], seed=seed).utterances[1].start for seed in range(12)}
    assert len(places) > 3 and len(asked) == 1


def test_offsets_are_those_of_the_distribution_to_the_sample() -> None:
    plan = dialogue([(2.0, 4, None)] * 5, offsets=STEADY)
    assert [one.offset for one in plan.utterances] == [None, 1600, 1600, 1600, 1600]


def test_an_interrupted_turn_is_cut_at_a_word_boundary() -> None:
    plan = dialogue([(4.0, 8, None), (3.0, 6, None)], interruption_share=1.0, interruption_s=(0.75, 0.75))
    first, second = plan.utterances
    assert second.interrupts and second.offset == -6000 and first.n_cut_words > 0
    assert (
        first.stop
        == first.words[-1].stop
        == first.pieces[-1].at + first.pieces[-1].stop - first.pieces[-1].first
    )
    assert len(first.words) + first.n_cut_words == 8 and first.fade == 80


def test_a_pause_stands_between_words() -> None:
    plan = dialogue([(4.0, 4, None)], pause_share=1.0, pause_s=(1.0, 1.0), offsets=STEADY)
    (one,) = plan.utterances
    ((start, stop),) = one.pauses
    assert (
        stop - start == 8000
        and start in {word.stop for word in one.words}
        and stop in {w.start for w in one.words}
    )
    first = one.pieces[0]
    assert first.at + first.stop - first.first == start == one.pieces[1].at - 8000


def test_a_draw_does_not_depend_on_later_lines() -> None:
    short, long = (dialogue([(2.0, 4, None)] * n, seed=3) for n in (3, 6))
    assert long.utterances[:3] == short.utterances
    assert dialogue([(2.0, 4, None)] * 3, seed=4).utterances != short.utterances


def test_a_nod_without_a_place_is_listed_with_its_reason() -> None:
    plan = dialogue([(1.5, 1, 0.5), (2.0, 2, 1.2)])
    assert {one.key: one.reason for one in plan.unplaced} == {
        "n0": "the turn before it is too short for it",
        "n1": "longer than a backchannel is",
    }


def test_a_short_answer_is_told_to_sound_like_a_nod() -> None:
    sounds = {"long": said(3.0, 6), "yes": said(0.5, 1)}
    lines = [Line("a", 0, "", "long"), Line("b", 1, "yes", "yes"), Line("c", 0, "", "long")]
    plan = plan_dialogue("d", lines, sounds, ("A", "B"), PlannerSettings(offsets=STEADY))
    assert "b" in disagreements(plan)
    assert [one.kind for one in truth(plan).turns] == [TurnKind.TURN] * 3, "the truth is the plan's"


def test_offsets_of_real_turns() -> None:
    plan = dialogue([(2.0, 4, None)] * 4, offsets=fitted("mine", [0.5, 0.5]))
    assert {one.offset for one in plan.utterances[1:]} == {4000} and plan.offsets == "mine"


def test_scripts_that_cannot_be() -> None:
    sounds, line = {"a": said(2, 2)}, Line("x", 0, "", "a")
    for lines, match in (
        ([], "needs a turn"),
        ([line, replace(line, key="y")], "join them"),
        ([line, replace(line, side=1)], "same key"),
        ([replace(line, sound="b")], "no sound is called b"),
    ):
        with pytest.raises(PlanError, match=match):
            plan_dialogue("d", lines, sounds, ("A", "B"))
    other = replace(sounds["a"], rate_hz=16_000)
    with pytest.raises(PlanError, match="sample rates"):
        plan_dialogue("d", [line, Line("y", 1, "", "b")], {"a": sounds["a"], "b": other}, ("A", "B"))
    tones = (Tone(), Tone(None, "room"))
    with pytest.raises(PlanError, match="room"):
        plan_dialogue("d", [line], sounds, ("A", "B"), PlannerSettings(tones=tones))


def test_words_are_cut_to_where_the_speech_is() -> None:
    speech = speech_of(
        np.zeros(8000, np.float32), RATE_HZ, ((1000, 6000),), [("a", 0.0, 0.5), ("b", 0.5, 0.9)]
    )
    assert [(one.start, one.stop) for one in speech.words] == [(1000, 4000), (4000, 6000)]
    with pytest.raises(SoundError, match="'b'"):
        speech_of(np.zeros(8000, np.float32), RATE_HZ, ((1000, 4000),), [("a", 0.0, 0.5), ("b", 0.5, 0.9)])
    with pytest.raises(SoundError, match="nothing is heard"):
        Speech(np.zeros(8, np.float32), RATE_HZ, ())
    assert Fraction(truth(dialogue([(2.0, 4, None)])).duration) > 2
