"""Probes on dialogues of numbers, whose truth is how they were made."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numeric_dialogues import numeric_dialogues
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from extractors.coefficients import FACE61_NAMES, TRANSLATION
from pipelines.audit.probe_data import Dialogue
from pipelines.audit.probes import ProbeConfig, ProbeReason, ProbeResult, probe, probe_side_by_side

FAST = ProbeConfig(n_draws=300)


@pytest.fixture(scope="module")
def told() -> ProbeResult:
    return probe("told", numeric_dialogues(20, 1, told_by="rotation_", with_activity=True), FAST)


def test_a_head_that_tells_is_found_and_named(told: ProbeResult) -> None:
    assert told.face is not None and told.face.value > 0.9 and told.face.low > 0.9
    assert told.carried_by == "head_rotation"
    drops = {one.group: one.drop for one in told.groups}
    assert drops["head_rotation"].low > 0.3
    assert all(abs(drop.value) < 0.03 for group, drop in drops.items() if group != "head_rotation")
    alone = {one.group: one.alone for one in told.groups}
    assert alone["head_rotation"].low > 0.9 and alone["jaw_mouth"].high < 0.6


def test_the_shuffled_control_is_a_half(told: ProbeResult) -> None:
    assert told.shuffled is not None and abs(told.shuffled.value - 0.5) < 0.05


def test_the_face_adds_to_what_is_known_without_it(told: ProbeResult) -> None:
    assert told.without_face is not None and told.with_face is not None and told.gain is not None
    assert 0.55 < told.without_face.value < told.with_face.value
    assert told.gain.low > 0.1
    assert told.gain.value == pytest.approx(told.with_face.value - told.without_face.value)


def test_a_face_that_tells_nothing_adds_nothing_and_is_carried_by_nothing() -> None:
    found = probe("mute", numeric_dialogues(20, 2, with_activity=True), FAST)
    assert found.face is not None and found.face.low <= 0.5 <= found.face.high
    assert found.gain is not None and found.gain.low <= 0
    assert found.carried_by is None


@pytest.mark.parametrize("group", ["brow", "jaw", "eye"])
def test_another_group_that_tells_is_named(group: str) -> None:
    found = probe("told", numeric_dialogues(14, 3, told_by=group, seconds=40.0), FAST)
    assert str(found.carried_by).startswith({"jaw": "jaw_mouth", "eye": "eye_gaze"}.get(group, group))


def moved(dialogues: list[Dialogue], place: NDArray[np.float64]) -> list[Dialogue]:
    """The heads put elsewhere."""
    found = []
    for one in dialogues:
        face = one.face.copy()
        face[:, TRANSLATION] = place
        found.append(replace(one, face=face))
    return found


def test_a_channel_that_never_moves_gets_exactly_nothing() -> None:
    dialogues = moved(
        numeric_dialogues(12, 4, told_by="rotation_", seconds=40.0), np.array([1.5, -2.0, 45.0])
    )
    for zero in (True, False):
        found = probe("still", dialogues, replace(FAST, zero_translation=zero))
        drop = {one.group: one.drop for one in found.groups}["translation"]
        assert (drop.value, drop.low, drop.high) == (0.0, 0.0, 0.0)


def test_translation_zeroed_first_leaves_no_trace_of_the_camera() -> None:
    dialogues = numeric_dialogues(12, 5, told_by="translation_", seconds=40.0)
    seen = probe("camera", dialogues, replace(FAST, zero_translation=False))
    assert seen.carried_by == "translation"
    blind = probe("camera", dialogues, FAST)
    assert blind == probe("camera", moved(dialogues, np.zeros(3)), FAST)
    assert blind.face is not None and blind.face.value < 0.65


def test_zeroing_after_normalisation_invents_attribution_on_a_constant_channel() -> None:
    """Why the group is removed before normalisation and the probe fitted again.

    Statistics come from heads 45 ± 5 cm away; in the dialogues translation is 0 throughout: it says nothing.
    Normalised it is -9 throughout, the fit puts its intercept there, and zeroing it then looks like a loss.
    """
    rng = np.random.default_rng(6)
    yields = rng.random(2000) < 0.2
    face = rng.normal(size=(2000, 2)) + 0.8 * yields[:, None] * [1, 0]
    z_cm = np.zeros((2000, 1))
    normalised = np.hstack([face, (z_cm - 45.0) / 5.0])
    model = LogisticRegression(fit_intercept=True, C=1.0, max_iter=2000).fit(normalised, yields)
    ablated = normalised.copy()
    ablated[:, 2] = 0.0
    invented = log_loss(model.predict_proba(ablated)[:, 1], yields) - log_loss(
        model.predict_proba(normalised)[:, 1], yields
    )
    again = LogisticRegression(fit_intercept=True, C=1.0, max_iter=2000).fit(face, yields)
    honest = log_loss(again.predict_proba(face)[:, 1], yields) - log_loss(
        model.predict_proba(normalised)[:, 1], yields
    )
    assert invented > 0.1
    assert abs(honest) < 1e-3


def log_loss(probability: NDArray[np.float64], yields: NDArray[np.bool_]) -> float:
    return float(-np.log(np.where(yields, probability, 1 - probability)).mean())


def test_a_single_dialogue_gives_a_reason_and_no_number() -> None:
    found = probe("one", numeric_dialogues(1, 7), FAST)
    assert (found.reason, found.face, found.groups) == (ProbeReason.TOO_FEW_DIALOGUES, None, ())
    assert found.detail is not None and "1 dialogues" in found.detail
    json.dumps(found.record(), allow_nan=False)


def test_no_face_and_no_outcome_give_a_reason() -> None:
    dialogues = numeric_dialogues(12, 8, seconds=30.0)
    hidden = [replace(one, face_valid=np.zeros(len(one.face), bool)) for one in dialogues]
    assert probe("hidden", hidden, FAST).reason is ProbeReason.NO_FRAMES
    never = [replace(one, yields=np.zeros(len(one.face), bool)) for one in dialogues]
    assert probe("never", never, FAST).reason is ProbeReason.ONE_OUTCOME
    assert probe("none", [], FAST).reason is ProbeReason.NO_FRAMES


def test_the_order_of_the_dialogues_does_not_matter() -> None:
    dialogues = numeric_dialogues(12, 9, told_by="brow", seconds=30.0)
    assert probe("x", dialogues, FAST) == probe("x", dialogues[::-1], FAST)


def test_a_camera_that_tells_in_one_corpus_shows_in_its_row_only() -> None:
    """In the first corpus somebody zooms out when a turn ends; translation is kept to see it."""
    config = replace(FAST, zero_translation=False)
    zoomed = numeric_dialogues(12, 10, told_by="translation_", seconds=40.0)
    fixed = numeric_dialogues(12, 11, told_by="rotation_", seconds=40.0)
    found = probe_side_by_side({"zoomed": zoomed, "fixed": fixed}, config)
    assert [(one.corpus, one.carried_by) for one in found] == [
        ("fixed", "head_rotation"),
        ("zoomed", "translation"),
    ]


def test_record_is_json_and_says_what_was_done(told: ProbeResult) -> None:
    found = json.loads(json.dumps(told.record(), allow_nan=False))
    assert found["schema"] == 1 and found["carried_by"] == "head_rotation"
    assert found["config"]["stride"] == 4 and found["window_frames"] == 12
    assert {one["group"] for one in found["groups"]} >= {"eye_gaze", "head_rotation", "jaw_mouth", "brow"}
    assert sum(one["n_channels"] for one in found["groups"]) == len(FACE61_NAMES)
