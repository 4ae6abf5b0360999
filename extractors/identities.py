"""Identities: which tracks, and which people of many sources, are one person.

Average linkage, cut at the distance under which two pictures show one person. The distance of two groups of
embeddings is the root mean square over all their pairs, since published thresholds are for pairs of pictures;
means alone lie nearer to each other. It follows from each group's mean and spread, so a group is two things
of fixed size, however long it was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.tracks import Track

_APART = 1e15
"""Distance of what must not be joined. A mean over any number of pairs stays above every threshold."""
_ROWS_AT_ONCE = 1024
_SLACK = 1e-3  # of squared distances, for float32's rounding where candidates are gathered

Indices = NDArray[np.intp]
Apart = Callable[[Indices, Indices], NDArray[np.bool_]]
"""(N, M): which of the first must not be joined with which of the second."""


@dataclass(frozen=True)
class Person:
    """An identity of one source: `mean` (D,) of its embeddings and their mean squared distance from it."""

    source: str
    mean: NDArray[np.float32]
    spread: float


def summarise(source: str, embeddings: NDArray[np.float32]) -> Person:
    """The person of embeddings (K, D), K >= 1."""
    mean = embeddings.mean(axis=0)
    return Person(source, mean, float(((embeddings - mean) ** 2).sum(axis=1).mean()))


def cluster_tracks(tracks: Sequence[Track], *, same_below: float) -> list[int]:
    """An identity for each track of one source, numbered from 0 in the order of the tracks.

    Tracks that are there at the same time are different people. A track without embeddings is an identity
    of its own. `same_below` is that of the embedder.
    """
    known = [index for index, track in enumerate(tracks) if len(track.embeddings)]
    first, last = (
        np.array([getattr(tracks[i], name) for i in known]) for name in ("first_frame", "last_frame")
    )

    def apart(some: Indices, others: Indices) -> NDArray[np.bool_]:
        together = (first[some][:, None] <= last[others]) & (first[others] <= last[some][:, None])
        return np.asarray(together, np.bool_)

    groups = _clusters([summarise("", tracks[index].embeddings) for index in known], same_below, apart)
    labels = np.arange(len(tracks)) + len(tracks)
    labels[known] = groups
    return _renumbered(labels)


def cluster_people(people: Sequence[Person], *, same_below: float) -> list[int]:
    """A number for each person of a corpus, from 0 in their order; people of one source stay apart.

    Candidates are gathered by matrix products over blocks of rows; only what hangs together by distances
    below the threshold is clustered at a time (average linkage never joins across: a mean below the
    threshold has a pair below it). Where everything hangs together, memory is 16 bytes a pair of people.

    A threshold for pairs of pictures errs too often among thousands of people: choose a lower one for a
    large corpus, unless joining too many is the safe side, as it is for keeping people out of two splits.
    """
    _, sources = np.unique([person.source for person in people], return_inverse=True)

    def apart(some: Indices, others: Indices) -> NDArray[np.bool_]:
        return np.asarray(sources[some][:, None] == sources[others], np.bool_)

    return _renumbered(_clusters(people, same_below, apart))


def _clusters(people: Sequence[Person], same_below: float, apart: Apart) -> NDArray[np.intp]:
    """(N,) labels, in no order."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if not people:
        return np.zeros(0, np.intp)
    means = np.array([person.mean for person in people], np.float32)
    spreads = np.array([person.spread for person in people], np.float32)
    labels, n_labels = np.zeros(len(people), np.intp), 0
    for members in _components(means, spreads, same_below, apart):
        groups = np.ones(1, np.intp)
        if len(members) > 1:
            tree = linkage(_distances(means, spreads, members, apart), "average")
            groups = fcluster(tree, np.nextafter(same_below, 0), "distance")
        labels[members] = groups + n_labels
        n_labels += int(groups.max())
    return labels


def _distances(
    means: NDArray[np.float32], spreads: NDArray[np.float32], members: Indices, apart: Apart
) -> NDArray[np.float64]:
    """Distances of all pairs of `members`, row after row of the upper triangle."""
    from scipy.spatial.distance import pdist

    distances: NDArray[np.float64] = pdist(means[members].astype(np.float64), "sqeuclidean")
    stop = 0
    for row in range(len(members) - 1):
        one, others = members[row : row + 1], members[row + 1 :]
        start, stop = stop, stop + len(others)
        distances[start:stop] += spreads[one] + spreads[others]
        distances[start:stop][apart(one, others)[0]] = _APART**2
    return np.sqrt(distances, out=distances)


def _components(
    means: NDArray[np.float32], spreads: NDArray[np.float32], same_below: float, apart: Apart
) -> list[Indices]:
    """Groups (indices, ascending) outside of which nothing is nearer than the threshold."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    everyone = np.arange(len(means))
    pairs = []
    for start in range(0, len(means), _ROWS_AT_ONCE):
        rows = everyone[start : start + _ROWS_AT_ONCE]
        near = _squared(means, spreads, slice(start, start + _ROWS_AT_ONCE)) < same_below**2 + _SLACK
        near &= ~apart(rows, everyone)
        pairs.append(np.argwhere(near) + np.array([start, 0]))
    row, column = np.concatenate(pairs).T
    graph = coo_array((np.ones(len(row), np.int8), (row, column)), shape=(len(means),) * 2)
    _, labels = connected_components(graph, directed=False)
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _squared(means: NDArray[np.floating], spreads: NDArray[np.float32], rows: slice) -> NDArray[np.floating]:
    """(N, M) mean squared distance between the embeddings of `rows` and those of all, by one product."""
    lengths = (means**2).sum(axis=1) + spreads
    squared = lengths[rows, None] + lengths - 2 * means[rows] @ means.T
    return np.asarray(np.maximum(squared, 0))


def _renumbered(labels: NDArray[np.intp]) -> list[int]:
    """The same groups, numbered from 0 in order of appearance."""
    numbers: dict[int, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels.tolist()]
