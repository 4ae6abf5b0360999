"""Plans: JSON and back, and what they refuse."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.corruption.draw import plan_corruption
from synth.corruption.kinds import KINDS, parameters_at
from synth.corruption.plan import DRAWN, Corruption, CorruptionPlan

NOISE = Corruption("gaussian_noise", ((0, 5),), (("variance", 0.1),))


@st.composite
def corruptions(draw: st.DrawFn, n_frames: int) -> Corruption:
    kind = draw(st.sampled_from(sorted(KINDS)))
    spec = KINDS[kind]
    parameters = tuple(
        (
            name,
            draw(
                st.integers(int(one.low), int(one.high))
                if one.whole
                else st.floats(one.low, one.high, allow_nan=False)
            ),
        )
        for name, one in spec.parameters.items()
    )
    edges = sorted(draw(st.sets(st.integers(0, n_frames), min_size=2, max_size=6)))
    spans = tuple(zip(edges[0::2], edges[1::2], strict=False))
    return Corruption(
        kind,
        spans,
        parameters,
        severity=draw(st.sampled_from([None, 1, 5])),
        region=draw(st.sampled_from(["frame", "mouth"])) if spec.regional else "frame",
        occluder=draw(st.sampled_from([DRAWN, "hands/left"])) if spec.occluder else None,
        seed=draw(st.integers(0, 2**48 - 1)),
    )


@settings(max_examples=40)
@given(st.lists(corruptions(40), max_size=3), st.fractions(1, 240))
def test_a_plan_survives_json_exactly(found: list[Corruption], rate_hz: Fraction) -> None:
    plan = CorruptionPlan("a-t00-0000001", 40, tuple(found), rate_hz=rate_hz)
    assert CorruptionPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_a_plan_without_corruptions_is_clean_and_says_so_in_json() -> None:
    plan = CorruptionPlan("a", 3)
    assert plan.is_clean and plan.to_json()["corruptions"] == []
    assert not CorruptionPlan("a", 5, (NOISE,)).is_clean


def test_json_names_every_parameter_not_only_the_severity() -> None:
    (one,) = plan_corruption("a", "blur", 3, n_frames=9).to_json()["corruptions"]
    assert one["severity"] == 3
    assert one["parameters"] == {"sigma_px": 3, "kernel_px": 19}
    assert one["spans"] == [[0, 9]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "fog"}, "no corruption 'fog'"),
        ({"severity": 6}, "severity 6"),
        ({"severity": 0}, "severity 0"),
        ({"region": "ear"}, "no region 'ear'"),
        ({"spans": ()}, "leave it out"),
        ({"occluder": "hand"}, "occluder 'hand'"),
        ({"seed": -1}, "seed=-1"),
        ({"parameters": ()}, "variance, not none"),
        ({"parameters": (("sigma_px", 1.0),)}, "not sigma_px"),
        ({"parameters": (("variance", 1.5),)}, "from 0 to 1"),
        ({"parameters": (("variance", float("nan")),)}, "not a number"),
        ({"parameters": (("variance", "0.1"),)}, "not a number"),
        ({"parameters": (("variance", 0.1), ("variance", 0.2))}, "variance"),
    ],
)
def test_what_a_corruption_refuses(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(NOISE, **change)


def test_a_region_needs_a_kind_that_can_be_kept_to_one() -> None:
    with pytest.raises(ValueError, match="kept to a region"):
        Corruption("freeze", ((0, 2),), (("share", 1.0),), region="mouth")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_frames": 4}, "outside 4"),
        ({"n_frames": 0}, "n_frames=0"),
        ({"version": 99}, "version 99"),
        ({"rate_hz": 25}, "not a Fraction"),
    ],
)
def test_what_a_plan_refuses(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(CorruptionPlan("a", 5, (NOISE,)), **change)


def test_json_with_a_field_that_is_unknown_is_refused() -> None:
    plain = CorruptionPlan("a", 5, (NOISE,)).to_json()
    with pytest.raises(ValueError, match="no field strength"):
        CorruptionPlan.from_json(plain | {"strength": 3})
    plain["corruptions"][0]["strength"] = 3
    with pytest.raises(ValueError, match="no field strength"):
        CorruptionPlan.from_json(plain)
    with pytest.raises(ValueError, match="key"):
        CorruptionPlan.from_json({"n_frames": 3})


@pytest.mark.parametrize("severity", [0, 6, 2.0, "3", True])
def test_severities_are_whole_numbers_from_1_to_5(severity: Any) -> None:
    with pytest.raises(ValueError, match="whole number from 1 to 5"):
        parameters_at("blur", severity)


def test_every_kind_has_five_severities_and_stays_in_its_own_bounds() -> None:
    for kind, spec in KINDS.items():
        graded = [one for one in spec.parameters.values() if one.levels]
        assert graded, kind
        for one in spec.parameters.values():
            assert len(one.levels) in (0, 5), kind
            assert all(one.low <= value <= one.high for value in one.levels or one.drawn), kind


def test_the_published_values_lie_in_the_table() -> None:
    """recipes: patches of 20-45 px, noise of a variance up to 0.2, pixelation by 5."""
    levels = {
        name: KINDS[kind].parameters[name].levels
        for kind, name in (("patch", "size_px"), ("gaussian_noise", "variance"), ("pixelate", "block_px"))
    }
    assert (min(levels["size_px"]), max(levels["size_px"])) == (20, 45)
    assert max(levels["variance"]) == 0.2
    assert 5 in levels["block_px"]
