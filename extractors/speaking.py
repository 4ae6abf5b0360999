"""Whose speech it is: scores of face tracks joined with the segments of speech that were heard.

Pure functions of numbers. Times are seconds on one time line; spans are half-open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from extractors.active_speaker import FPS, SPEAKS_FROM

_TIME_DIGITS = 9  # edges closer than this are one edge: a nanosecond


@dataclass(frozen=True)
class TrackScores:
    """Scores of one track: frame i stands for [start_s + i / 25, start_s + (i + 1) / 25).

    `scores` (T,) as `ActiveSpeaker` gives them, best smoothed; NaN where the face was not seen.
    """

    track: int
    start_s: float
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class Overlap:
    """A span in which another track speaks, too."""

    track: int
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class Turn:
    """A segment of speech, or the part of one, and the track that speaks it."""

    segment: int
    """Number of the segment of speech that it is part of."""
    start_s: float
    stop_s: float
    track: int | None
    """None: no visible face speaks."""
    share: float
    """Of the turn's time, how much the track's score is above the threshold; 0 without a track."""
    margin: float | None
    """Mean of the track's score minus the best other one, over the time that both are there; None when there
    is no such time."""
    overlaps: tuple[Overlap, ...]


def active(
    scores: NDArray[np.float32],
    *,
    enter: float = SPEAKS_FROM,
    leave: float = SPEAKS_FROM,
    median_frames: int = 5,
) -> NDArray[np.bool_]:
    """(T,) bool: the face speaks in this frame. NaN scores are frames without speech.

    Speech begins with a score above `enter` and ends with one of `leave` or less; then a median over
    `median_frames` (odd) drops runs and fills gaps of less than half as many.
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    decided = (known > enter) | (known <= leave)
    latest = np.maximum.accumulate(np.where(decided, np.arange(len(known)), -1))
    on = (latest >= 0) & (known[latest] > enter) if len(known) else np.zeros(0, bool)
    return np.asarray(median_filter(on.astype(np.uint8), size=median_frames, mode="nearest"), np.bool_)


def assign(
    segments: Sequence[tuple[float, float]],
    tracks: Sequence[TrackScores],
    *,
    threshold: float = SPEAKS_FROM,
    sure: float = 2.0,
    min_turn_s: float = 0.3,
    min_overlap_s: float = 0.2,
) -> list[Turn]:
    """Give each segment (start_s, stop_s) of speech its track, splitting it where the speaker changes.

    Of all ways to divide a segment among the tracks and nobody, the one with the largest sum is taken: over
    time, the speaking track's score above `threshold`, cut off at ±`sure` (nobody counts 0, a track that is
    not there -`sure`), less a cost for each change. The cost is such that another speaker in between is
    followed from `min_turn_s` on when both scores are sure, and later when they are not. Turns cover the
    segments exactly and are cut at edges of frames. Overlaps are spans of at least `min_overlap_s` in which
    another track's score is above the threshold.
    """
    turns = []
    for segment, (start_s, stop_s) in enumerate(segments):
        if stop_s <= start_s:
            raise ValueError(f"segment {segment} is empty: {start_s} … {stop_s}")
        edges = _edges(start_s, stop_s, tracks)
        rows = [_at(track, edges) - threshold for track in tracks]
        scores = np.array(rows).reshape(len(tracks), len(edges) - 1)
        rewards = np.clip(np.nan_to_num(scores, nan=-sure), -sure, sure)
        rewards = np.concatenate([rewards, np.zeros((1, len(edges) - 1))]) * np.diff(edges)
        path = best_path(rewards, change_cost=sure * min_turn_s)
        bounds = [0, *(np.flatnonzero(np.diff(path)) + 1), len(path)]
        for low, high in pairwise(bounds):
            speaker = int(path[low]) if path[low] < len(tracks) else None
            part, part_scores = edges[low : high + 1], scores[:, low:high]
            share, margin = _trust(part, part_scores, speaker)
            turn = Turn(
                segment=segment,
                start_s=float(part[0]),
                stop_s=float(part[-1]),
                track=None if speaker is None else tracks[speaker].track,
                share=share,
                margin=margin,
                overlaps=_overlaps(part, part_scores, tracks, speaker, min_overlap_s),
            )
            turns.append(turn)
    return turns


def _edges(start_s: float, stop_s: float, tracks: Sequence[TrackScores]) -> NDArray[np.float64]:
    """Ends of the segment and all edges of frames between them: no score changes between two edges."""
    inner = [np.zeros(0)]
    for track in tracks:
        low, high = ((time_s - track.start_s) * FPS for time_s in (start_s, stop_s))
        frames = np.arange(max(0, np.floor(low)), min(len(track.scores), np.ceil(high)) + 1)
        inner.append(track.start_s + frames / FPS)
    edges = np.unique(np.round(np.concatenate(inner), _TIME_DIGITS))
    inside = edges[(edges > start_s) & (edges < stop_s)]
    return np.concatenate([[start_s], inside, [stop_s]])


def _at(track: TrackScores, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The track's score between each two edges, NaN where it is not there."""
    frames = np.floor(((edges[:-1] + edges[1:]) / 2 - track.start_s) * FPS).astype(int)
    padded = np.append(track.scores.astype(np.float64), np.nan)
    there = (frames >= 0) & (frames < len(track.scores))
    return padded[np.where(there, frames, -1)]


def best_path(rewards: NDArray[np.float64], *, change_cost: float) -> NDArray[np.int64]:
    """Row of `rewards` (n, cells) for each cell, of the largest sum less `change_cost` a change (Viterbi).

    Of equals the lower row wins, and no change over a change.
    """
    n_rows, n_cells = rewards.shape
    came_from = np.empty((n_cells, n_rows), np.int64)
    total = np.zeros(n_rows)
    for cell in range(n_cells):
        best = int(total.argmax())
        changes = total < total[best] - change_cost
        came_from[cell] = np.where(changes, best, np.arange(n_rows))
        total = np.maximum(total, total[best] - change_cost) + rewards[:, cell]
    path = np.empty(n_cells, np.int64)
    row = int(total.argmax())
    for cell in range(n_cells - 1, -1, -1):
        path[cell] = row
        row = int(came_from[cell, row])
    return path


def _trust(
    edges: NDArray[np.float64], scores: NDArray[np.float64], speaker: int | None
) -> tuple[float, float | None]:
    """`Turn.share` and `Turn.margin`."""
    if speaker is None:
        return 0.0, None
    lengths, own = np.diff(edges), scores[speaker]
    share = float(lengths[own > 0].sum() / lengths.sum())
    leads = own - np.fmax.reduce(np.delete(scores, speaker, axis=0), axis=0, initial=np.nan)
    known = ~np.isnan(leads)
    return share, float(np.average(leads[known], weights=lengths[known])) if known.any() else None


def _overlaps(
    edges: NDArray[np.float64],
    scores: NDArray[np.float64],
    tracks: Sequence[TrackScores],
    speaker: int | None,
    min_overlap_s: float,
) -> tuple[Overlap, ...]:
    found = []
    for number, track in enumerate(tracks):
        if number != speaker:
            speaks = np.concatenate([[False], scores[number] > 0, [False]])
            flips = np.flatnonzero(np.diff(speaks)).reshape(-1, 2)
            spans = [(float(edges[low]), float(edges[high])) for low, high in flips]
            found += [Overlap(track.track, *span) for span in spans if span[1] - span[0] >= min_overlap_s]
    return tuple(sorted(found, key=lambda overlap: (overlap.start_s, overlap.track)))
