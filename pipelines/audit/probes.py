"""Signal probes: does the face tell that a turn is about to end, and which part of the face does?

The method of "Making Spoken Dialogue Models See the Face" turned into an audit: a logistic probe on a second
of coefficients, tested on dialogues it was not fitted on; see docs/probes.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.groups import GROUPS, group_indices
from manifests.ids import digest, seed_for
from pipelines.audit.probe_auc import Estimate, Pairs, count_pairs, draw_dialogues, estimate
from pipelines.audit.probe_data import WINDOW_FRAMES, Dialogue, Frames, face_columns, make_frames

SCHEMA_VERSION = 1
MIN_DIALOGUES = 10
"""Fewer have no interval worth its name: four of them would be tested on."""


class ProbeReason(StrEnum):
    """Why there is no number."""

    TOO_FEW_DIALOGUES = "too_few_dialogues"
    NO_FRAMES = "no_frames"
    ONE_OUTCOME = "one_outcome"


@dataclass(frozen=True)
class ProbeConfig:
    """`stride`: frames of 80 ms from one window to the next; `c`: inverse strength of the L2 penalty,
    scikit-learn's default. Nothing here was chosen on data that is reported on."""

    stride: int = 4
    train_share: float = 0.6
    c: float = 1.0
    n_draws: int = 1000
    n_shuffles: int = 5
    zero_translation: bool = True
    seed: int = 0


@dataclass(frozen=True)
class GroupEffect:
    """A group of channels: how much AUC falls when the probe is refitted without it, and AUC of it alone."""

    group: str
    n_channels: int
    drop: Estimate
    alone: Estimate


@dataclass(frozen=True)
class ProbeResult:
    """One corpus. Without a number `reason` and `detail` say why, and all estimates are None.

    `face`: AUC on the test dialogues; `shuffled`: mean AUC with outcomes shuffled within each dialogue, low
    and high the least and greatest of the shuffles; `without_face` and `with_face`: the probe on what is
    known without the face, and on both, on the same frames; `gain`: their difference.
    """

    corpus: str
    n_dialogues: int
    n_frames: int
    yield_share: float | None
    face: Estimate | None = None
    shuffled: Estimate | None = None
    without_face: Estimate | None = None
    with_face: Estimate | None = None
    gain: Estimate | None = None
    groups: tuple[GroupEffect, ...] = ()
    reason: ProbeReason | None = None
    detail: str | None = None
    n_train_dialogues: int = 0
    n_test_frames: int = 0
    config: ProbeConfig = ProbeConfig()

    @property
    def carried_by(self) -> str | None:
        """The group whose loss costs most: only where the face tells at all, and the cost is above zero, with
        their whole intervals."""
        worst = max(self.groups, key=lambda one: one.drop.value, default=None)
        if worst is None or self.face is None or self.face.low <= 0.5 or worst.drop.low <= 0:
            return None
        return worst.group

    def record(self) -> dict[str, Any]:
        """As JSON: the fields above, `carried_by`, `schema` and the window."""
        facts = asdict(self) | {"reason": str(self.reason) if self.reason else None}
        return {
            "schema": SCHEMA_VERSION,
            "window_frames": WINDOW_FRAMES,
            "carried_by": self.carried_by,
            **facts,
        }


def probe(corpus: str, dialogues: Sequence[Dialogue], config: ProbeConfig = ProbeConfig()) -> ProbeResult:
    """Probe one corpus. The order of the dialogues does not matter."""
    ordered = sorted(dialogues, key=lambda one: one.name)
    frames = make_frames(ordered, stride=config.stride, zero_translation=config.zero_translation)
    n_frames, n_dialogues = len(frames.yields), len(frames.names)
    head = ProbeResult(
        corpus, n_dialogues, n_frames, float(frames.yields.mean()) if n_frames else None, config=config
    )
    problem = _problem(frames, config)
    if problem is not None:
        return replace(head, reason=problem[0], detail=problem[1])
    train, test = split(frames, config)
    draws = draw_dialogues(len(test.names), config.n_draws, seed_for(config.seed, "probe", "draws"))

    def measured(columns: NDArray[np.int64]) -> Pairs:
        return _tested(train.face[:, columns], train.yields, test.face[:, columns], test, config)

    whole = measured(face_columns())
    found = replace(
        head,
        face=estimate(whole, draws),
        shuffled=_shuffled(frames, config),
        groups=tuple(
            GroupEffect(
                group,
                len(group_indices("face61")[group]),
                estimate(whole, draws, minus=measured(face_columns(without_group=group))),
                estimate(measured(face_columns(only_group=group)), draws),
            )
            for group in GROUPS
        ),
        n_train_dialogues=len(train.names),
        n_test_frames=len(test.yields),
    )
    if not frames.without.shape[1]:
        return found
    without = _tested(train.without, train.yields, test.without, test, config)
    both = [np.concatenate([one.without, one.face], axis=1) for one in (train, test)]
    with_face = _tested(both[0], train.yields, both[1], test, config)
    return replace(
        found,
        without_face=estimate(without, draws),
        with_face=estimate(with_face, draws),
        gain=estimate(with_face, draws, minus=without),
    )


def probe_side_by_side(
    corpora: Mapping[str, Sequence[Dialogue]], config: ProbeConfig = ProbeConfig()
) -> list[ProbeResult]:
    """Each corpus alone, by name: what one corpus' camera or cutting does shows in one row only."""
    return [probe(name, corpora[name], config) for name in sorted(corpora)]


def split(frames: Frames, config: ProbeConfig) -> tuple[Frames, Frames]:
    """Train and test windows; every dialogue is on one side, by a digest of its name."""
    order = sorted(range(len(frames.names)), key=lambda one: digest("probe", config.seed, frames.names[one]))
    in_train = np.zeros(len(order), bool)
    in_train[order[: round(config.train_share * len(order))]] = True
    keep = in_train[frames.dialogue]
    return frames.only(keep), frames.only(~keep)


def _problem(frames: Frames, config: ProbeConfig) -> tuple[ProbeReason, str] | None:
    if not len(frames.yields):
        return ProbeReason.NO_FRAMES, "no frame has an outcome and a whole second of valid face behind it"
    if len(frames.names) < MIN_DIALOGUES:
        return (
            ProbeReason.TOO_FEW_DIALOGUES,
            f"{len(frames.names)} dialogues have frames to ask about; it takes {MIN_DIALOGUES}, since "
            "dialogues, not frames, are what is drawn",
        )
    for side, part in zip(("fitted on", "tested on"), split(frames, config), strict=True):
        if part.yields.all() or not part.yields.any():
            return ProbeReason.ONE_OUTCOME, f"all frames of the dialogues {side} have the same outcome"
    return None


def _scores(
    train: NDArray[np.float64], yields: NDArray[np.bool_], test: NDArray[np.float64], config: ProbeConfig
) -> NDArray[np.float64]:
    """(m,) of the test windows, normalised by mean and deviation of the training windows; still columns count
    for nothing."""
    from sklearn.linear_model import LogisticRegression

    moves = train.max(axis=0) > train.min(axis=0)
    if not moves.any():
        return np.zeros(len(test))
    train, test = train[:, moves], test[:, moves]
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    model = LogisticRegression(C=config.c, max_iter=2000)
    model.fit((train - mean) / deviation, yields)
    scores: NDArray[np.float64] = model.decision_function((test - mean) / deviation)
    return scores


def _tested(
    train: NDArray[np.float64],
    yields: NDArray[np.bool_],
    columns: NDArray[np.float64],
    test: Frames,
    config: ProbeConfig,
) -> Pairs:
    return count_pairs(_scores(train, yields, columns, config), test.yields, test.dialogue)


def _shuffled(frames: Frames, config: ProbeConfig) -> Estimate:
    """Outcomes change places within their dialogue, so that what remains is what tells dialogues apart."""
    found = []
    for number in range(config.n_shuffles):
        yields = frames.yields.copy()
        for one, name in enumerate(frames.names):
            own = np.flatnonzero(frames.dialogue == one)
            generator = np.random.default_rng(seed_for(config.seed, f"shuffle-{number}", name))
            yields[own] = generator.permutation(yields[own])
        mixed = Frames(frames.face, frames.without, yields, frames.dialogue, frames.names)
        train, test = split(mixed, config)
        pairs = _tested(train.face, train.yields, test.face, test, config)
        found.append(float(pairs.auc(np.ones((1, len(test.names))))[0]))
    return Estimate(float(np.mean(found)), min(found), max(found))
