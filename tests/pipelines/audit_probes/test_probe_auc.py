"""AUC over dialogues against scikit-learn's, and what its interval covers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from pipelines.audit.probe_auc import count_pairs, draw_dialogues, estimate


@settings(max_examples=20, deadline=None)  # scikit-learn checks its input for long
@given(st.integers(0, 10_000), st.integers(2, 6))
def test_auc_is_scikit_learns_with_ties_and_for_every_draw(seed: int, n_dialogues: int) -> None:
    rng = np.random.default_rng(seed)
    dialogue = np.concatenate([np.arange(n_dialogues), rng.integers(0, n_dialogues, 60)])
    scores = rng.integers(0, 6, len(dialogue)).astype(float)
    labels = rng.random(len(dialogue)) < 0.4
    labels[:2] = [True, False]
    pairs = count_pairs(scores, labels, dialogue)
    draws = np.vstack([np.ones(n_dialogues), draw_dialogues(n_dialogues, 5, seed)])
    for times, found in zip(draws, pairs.auc(draws), strict=True):
        rows = np.repeat(np.arange(len(dialogue)), times[dialogue].astype(int))
        if labels[rows].all() or not labels[rows].any():
            assert np.isnan(found)
        else:
            assert found == pytest.approx(roc_auc_score(labels[rows], scores[rows]))


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Scores unlike each other between dialogues, and no relation to the outcome: the truth is 0.5."""
    covered, wide = [], []
    for seed in range(400):
        rng = np.random.default_rng(seed)
        dialogue = np.repeat(np.arange(8), 100)
        scores = rng.normal(size=800) + rng.normal(size=8)[dialogue]
        labels = rng.random(800) < rng.uniform(0.1, 0.5, 8)[dialogue]
        found = estimate(count_pairs(scores, labels, dialogue), draw_dialogues(8, 300, seed))
        covered.append(found.low <= 0.5 <= found.high)
        wide.append(found.high - found.low)
    assert 0.90 <= np.mean(covered) <= 0.995  # of 400; 0.95 asked for
    assert np.median(wide) < 0.5  # and says something


def test_a_difference_on_the_same_draws_is_exact_for_equal_scores() -> None:
    rng = np.random.default_rng(1)
    scores, labels, dialogue = rng.normal(size=200), rng.random(200) < 0.5, rng.integers(0, 5, 200)
    pairs = count_pairs(scores, labels, dialogue)
    found = estimate(pairs, draw_dialogues(5, 100, 1), minus=count_pairs(2 * scores + 1, labels, dialogue))
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)
