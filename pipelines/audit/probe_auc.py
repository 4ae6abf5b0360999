"""Area under the ROC curve of scores that come in dialogues, with an interval over dialogues.

Frames of one dialogue are no independent trials, so the bootstrap draws whole dialogues (the cluster
bootstrap). AUC is a mean over pairs of a positive and a negative frame; counted once for every pair of
dialogues, each replicate is a quadratic form in how often each dialogue was drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A number and its interval [low, high] over dialogues."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Pairs:
    """Of scores in D dialogues: `won` (D, D), pairs of a positive in d and a negative in e that are in order
    (ties count half); `positives` and `negatives` (D,), frames of each dialogue."""

    won: NDArray[np.float64]
    positives: NDArray[np.float64]
    negatives: NDArray[np.float64]

    def auc(self, draws: NDArray[np.float64]) -> NDArray[np.float64]:
        """(B,) AUC where dialogue d is there `draws[b, d]` times; NaN without a positive or a negative."""
        won = np.einsum("bd,de,be->b", draws, self.won, draws, optimize=True)
        pairs = (draws @ self.positives) * (draws @ self.negatives)
        found: NDArray[np.float64] = np.divide(won, pairs, out=np.full(len(draws), np.nan), where=pairs > 0)
        return found


def count_pairs(scores: NDArray[np.float64], labels: NDArray[np.bool_], dialogue: NDArray[np.int64]) -> Pairs:
    """Count the pairs of all dialogues 0..D-1; all arrays (n,)."""
    n_dialogues = int(dialogue.max()) + 1
    below = [np.sort(scores[~labels & (dialogue == one)]) for one in range(n_dialogues)]
    won = np.zeros((n_dialogues, n_dialogues))
    for one in range(n_dialogues):
        own = scores[labels & (dialogue == one)]
        for other, negatives in enumerate(below):
            under = np.searchsorted(negatives, own, side="left") + np.searchsorted(negatives, own, "right")
            won[one, other] = under.sum() / 2
    positives = np.bincount(dialogue[labels], minlength=n_dialogues).astype(float)
    negatives = np.bincount(dialogue[~labels], minlength=n_dialogues).astype(float)
    return Pairs(won, positives, negatives)


def draw_dialogues(n_dialogues: int, n_draws: int, seed: int) -> NDArray[np.float64]:
    """(n_draws, n_dialogues) how often each dialogue is drawn, with replacement."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(n_dialogues, np.full(n_dialogues, 1 / n_dialogues), n_draws).astype(float)


def estimate(pairs: Pairs, draws: NDArray[np.float64], *, minus: Pairs | None = None) -> Estimate:
    """AUC, or how much it is above that of `minus` on the same frames and the same draws.

    The interval is the bootstrap's standard deviation times Student's t with D - 1 degrees of freedom: with
    few dialogues percentiles are too narrow (docs/probes.md has the coverage of both, measured).
    """
    from scipy.stats import t

    n_dialogues = draws.shape[1]
    whole = np.ones((1, n_dialogues))
    value, drawn = pairs.auc(whole)[0], pairs.auc(draws)
    if minus is not None:
        value, drawn = value - minus.auc(whole)[0], drawn - minus.auc(draws)
    drawn = drawn[~np.isnan(drawn)]
    spread = drawn.std(ddof=1) * np.sqrt(n_dialogues / (n_dialogues - 1)) if len(drawn) > 1 else np.nan
    half = float(t.ppf((1 + LEVEL) / 2, n_dialogues - 1) * spread)
    return Estimate(float(value), float(value) - half, float(value) + half)
