"""Drawing: a clip meets the same spans and places at every severity; presets keep to what is published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.corruption.draw import draw_spans_by, plan_corruption, plan_preset
from synth.corruption.kinds import KINDS
from synth.levels import check_spans, n_in

KEYS = [f"clip{number}" for number in range(200)]


@settings(max_examples=50)
@given(
    st.sampled_from(sorted(KINDS)), st.text(min_size=1, max_size=5), st.integers(1, 200), st.integers(0, 9)
)
def test_severity_changes_nothing_that_is_drawn(kind: Any, key: str, n_frames: int, seed: int) -> None:
    names = ("b", "a", "c")
    one, other = (
        plan_corruption(
            key, kind, severity, n_frames=n_frames, spans="cav2vec", occluders=names, seed=seed
        ).corruptions[0]
        for severity in (1, 5)
    )
    placed = [name for name, parameter in KINDS[kind].parameters.items() if not parameter.levels]
    assert one.spans == other.spans and one.occluder == other.occluder and one.seed == other.seed
    assert [one.values[name] for name in placed] == [other.values[name] for name in placed]
    assert one.values != other.values or (
        kind == "cutout" and one.values["size_px"] != other.values["size_px"]
    )


def test_kinds_meet_the_same_spans() -> None:
    spans = {
        plan_corruption("a", kind, 3, n_frames=100, spans="cav2vec").corruptions[0].spans for kind in KINDS
    }
    assert len(spans) == 1


def test_other_clips_and_seeds_draw_others() -> None:
    def drawn(key: str, seed: int) -> Any:
        return plan_corruption(key, "patch", 3, n_frames=100, spans="cav2vec", seed=seed).corruptions[0]

    found = [drawn("a", 0), drawn("b", 0), drawn("a", 1)]
    assert len({one.spans for one in found}) == 3
    assert len({one.values["offset_px"] for one in found}) == 3
    assert drawn("a", 0) == found[0]


def test_the_order_of_occluders_does_not_matter_and_all_are_drawn() -> None:
    names = ["a", "b", "c"]
    picks = [
        plan_corruption(key, "hand", 1, n_frames=9, occluders=names).corruptions[0].occluder for key in KEYS
    ]
    again = [
        plan_corruption(key, "hand", 5, n_frames=9, occluders=names[::-1]).corruptions[0].occluder
        for key in KEYS
    ]
    assert picks == again
    assert min(picks.count(name) for name in names) > 40


def test_cav2vec_covers_10_to_50_percent_with_one_span_and_30_to_50_with_more() -> None:
    found = [draw_spans_by("cav2vec", 1000, key) for key in KEYS]
    counts = [len(spans) for spans in found]
    assert set(counts) == {1, 2, 3} and min(counts.count(n) for n in (1, 2, 3)) > 45
    for spans in found:
        share = n_in(spans) / 1000
        assert (0.1 if len(spans) == 1 else 0.3) <= share <= 0.5
    single = [n_in(spans) / 1000 for spans in found if len(spans) == 1]
    assert min(single) < 0.15 and max(single) > 0.45


def test_dualhyp_draws_one_span_whose_share_has_the_mean_and_spread_of_beta_2_2() -> None:
    found = [draw_spans_by("dualhyp", 1000, key) for key in KEYS]
    assert {len(spans) for spans in found} == {1}
    shares = np.array([n_in(spans) / 1000 for spans in found])
    assert abs(shares.mean() - 0.5) < 0.05 and abs(shares.std() - 0.05**0.5) < 0.03


@given(st.sampled_from(["whole", "cav2vec", "dualhyp"]), st.integers(1, 60), st.integers())
def test_spans_fit_into_any_clip(rule: Any, n_frames: int, key: int) -> None:
    spans = draw_spans_by(rule, n_frames, key)
    check_spans(spans, n_frames)
    assert spans


def test_cav2vec_preset() -> None:
    plans = [plan_preset(key, "cav2vec", "patch", n_frames=200) for key in KEYS]
    first = [plan.corruptions[0] for plan in plans]
    for one in first:
        assert one.kind == "patch" and one.severity is None
        assert 20 <= one.values["size_px"] <= 45 and 10 <= one.values["offset_px"] <= 29
        assert one.values["point"] in range(48, 67)
    second = [plan.corruptions[1] for plan in plans if len(plan.corruptions) > 1]
    kinds = [one.kind for one in second]
    shares = [kinds.count(kind) / len(plans) for kind in ("gaussian_noise", "blur")]
    assert set(kinds) == {"gaussian_noise", "blur"} and all(abs(share - 0.3) < 0.08 for share in shares)
    assert all(one.values["variance"] <= 0.2 for one in second if one.kind == "gaussian_noise")
    blurs = [one.values for one in second if one.kind == "blur"]
    assert all(values["kernel_px"] == 7 and 0.1 <= values["sigma_px"] <= 2 for values in blurs)
    assert any(plan.corruptions[0].spans != plan.corruptions[-1].spans for plan in plans)


def test_dualhyp_preset_blurs_the_lower_lip_with_a_kernel_of_9_and_sigma_6() -> None:
    (one,) = plan_preset("a", "dualhyp", "blur", n_frames=100).corruptions
    assert one.region == "lower_lip" and one.values == {"sigma_px": 6, "kernel_px": 9}
    (patch,) = plan_preset("a", "dualhyp", "patch", n_frames=100).corruptions
    assert 30 <= patch.values["size_px"] <= 59 and 55 <= patch.values["point"] <= 67


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plan_corruption("a", "fog", 1, n_frames=9), "no corruption 'fog'"),  # type: ignore[arg-type]
        (lambda: plan_corruption("a", "hand", 1, n_frames=9, occluders=()), "needs an occluder"),
        (lambda: plan_corruption("a", "blur", 1, n_frames=9, spans="half"), "no rule 'half'"),  # type: ignore[arg-type]
        (lambda: plan_corruption("a", "blur", 1, n_frames=9, spans=((3, 12),)), "outside 9"),
        (lambda: plan_preset("a", "moco", "blur", n_frames=9), "no preset 'moco'"),  # type: ignore[arg-type]
        (lambda: plan_preset("a", "dualhyp", "freeze", n_frames=9), "has no 'freeze'"),
        (lambda: plan_preset("a", "cav2vec", "gaussian_noise", n_frames=9), "has no 'gaussian_noise'"),
    ],
)
def test_clear_errors(call: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()
