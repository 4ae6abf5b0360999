"""Summaries: what they say is what numpy says, and the order of merging changes nothing."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audit.code_use import CodeUse
from pipelines.audit.groups import Group, Groups
from pipelines.audit.quantiles import LogBins
from pipelines.audit.sketches import (
    N_WORST,
    Bins,
    ColumnSummary,
    Example,
    Faults,
    Limits,
    Worst,
)

VALUES = st.lists(
    st.floats(-1e6, 1e6) | st.just(float("nan")) | st.sampled_from([0.0, 0.5, 0.5, 1.0]), max_size=60
)


def summary_of(values: list[float], first: int = 0) -> ColumnSummary:
    found = ColumnSummary(Bins(-10, 10, 20), Limits(-1, 1))
    array = np.array(values, np.float64)
    found.add(array, n_missing=first % 3)
    for at, value in enumerate(values):
        found.worst.add(
            Example(-np.inf if np.isnan(value) else -abs(value), f"k{first + at:04d}", value=value)
        )
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.randoms())
def test_a_column_is_the_same_in_whatever_order_it_is_merged(parts: list[list[float]], draw: random.Random):
    starts = np.cumsum([0, *map(len, parts)])
    whole = None
    for order in (range(len(parts)), draw.sample(range(len(parts)), len(parts))):
        merged = ColumnSummary(Bins(-10, 10, 20), Limits(-1, 1))
        for at in order:
            merged.merge(summary_of(parts[at], int(starts[at])))
        told = json.dumps(merged.facts(), sort_keys=True)
        whole = whole or told
        assert told == whole


@settings(max_examples=60, deadline=None)
@given(VALUES)
def test_a_column_counts_as_numpy_does(values: list[float]):
    facts = summary_of(values).facts()
    array = np.array(values, np.float64)
    finite = array[np.isfinite(array)]
    assert facts["n"] == len(array)
    assert facts["n_nan"] == len(array) - len(finite)
    assert facts["n_bad"] == sum(not -1 <= one <= 1 for one in values)
    if len(finite):
        assert facts["min"] == finite.min()
        assert facts["max"] == finite.max()
        assert facts["mean"] == pytest.approx(finite.mean(), abs=1e-6)
    inside = facts["histogram"]["below"] + sum(facts["histogram"]["counts"]) + facts["histogram"]["above"]
    assert inside == len(finite)
    assert facts["histogram"]["below"] == (finite < -10).sum()
    assert facts["histogram"]["above"] == (finite >= 10).sum()


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300))
def test_quantiles_are_right_to_one_percent(values: list[float]):
    bins = LogBins()
    bins.add(np.array(values))
    ordered = sorted(values)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        true = ordered[int(share * (len(values) - 1))]
        (found,) = bins.quantiles([share])
        assert found == pytest.approx(true, rel=0.0101, abs=1e-8)


def test_the_worst_are_kept_with_their_names_in_order():
    draw = random.Random(0)
    examples = [Example(-float(draw.randrange(5)), f"k{at:03d}") for at in range(500)]
    worst = Worst()
    for example in draw.sample(examples, len(examples)):
        worst.add(example)
    assert worst.examples == sorted(examples)[:N_WORST]


def test_codes_are_counted_by_codebook():
    one, other = CodeUse(np.array([3, 0, 1])), CodeUse(np.array([0, 0, 0, 4]))
    one.merge(other)
    facts = one.facts()
    assert facts["n"] == 8
    assert facts["n_used"] == 3
    assert facts["codebook_size"] == 4
    assert facts["most"] == [[3, 4], [0, 3], [2, 1]]
    shares = np.array([3, 1, 4]) / 8
    assert facts["perplexity"] == pytest.approx(2 ** -(shares * np.log2(shares)).sum(), abs=1e-5)


def test_a_group_in_two_splits_is_a_leak_and_in_one_is_none():
    both = Group(3, 900, Counter(train=2, test=1), {"train": "b", "test": "a"})
    alone = Group(5, 100, Counter(train=5), {"train": "c"})
    found = Groups()
    found.add("leak_speaker", "Ann", both)
    other = Groups()
    other.add("leak_speaker", "Bob", alone)
    found.merge(other)
    facts = found.facts()
    assert (facts["n"], facts["n_bad"], facts["n_rows"], facts["seconds"]) == (2, 1, 8, 1.0)
    assert "Ann" in facts["worst"][0]["detail"]
    assert facts["worst"][0]["key"] == "a"
    assert [one["name"] for one in facts["largest"]] == ["Ann", "Bob"]


def test_faults_count_beyond_the_examples_they_keep():
    faults = Faults(n=100)
    for at in range(60):
        faults.add(Example(0.0, f"{at:02d}"))
    assert faults.facts()["n_bad"] == 60
    assert len(faults.facts()["worst"]) == N_WORST


def test_numbers_that_are_none_are_bad_and_the_worst():
    limits = Limits(0, 1)
    values = np.array([0.5, np.nan, 7.0])
    assert limits.bad(values).tolist() == [False, True, True]
    assert np.argsort(-limits.badness(values)).tolist() == [1, 2, 0]
