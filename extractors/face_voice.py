"""Which voice belongs to which face: when a voice is heard, whose lips are seen to speak.

Pure functions of numbers. The evidence is time: the face of a voice speaks while the voice is heard, and is
silent while only others are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from extractors.active_speaker import FPS, SPEAKS_FROM
from extractors.speaking import TrackScores

Spans = Sequence[tuple[float, float]]
"""(start_s, stop_s), sorted and disjoint."""


@dataclass(frozen=True)
class Pair:
    """A voice, and the face that speaks it."""

    voice: int
    face: int | None
    """None: no face seen speaks this voice (off screen, or not seen enough)."""
    confidence: float
    """0 … 1: see `match_voices`. 0 without a face."""
    agreement: float | None
    """Of the time that the face was seen and somebody spoke, the share in which its lips and this voice tell
    the same; the mean of the share while the voice is heard and the share while only others are. None where
    one of them is shorter than `min_seen_s`."""
    seen_s: float
    """Time that the voice is heard alone and the face is seen."""


@dataclass(frozen=True)
class _Evidence:
    agreement: NDArray[np.float64]  # (voices, faces), 0.5 is chance; NaN unknown
    seen_s: NDArray[np.float64]


def match_voices(
    voices: Mapping[int, Spans],
    faces: Mapping[int, Sequence[TrackScores]],
    *,
    min_agreement: float = 0.6,
    min_seen_s: float = 0.5,
    half_sure_s: float = 1.0,
) -> list[Pair]:
    """Match each voice with at most one face and each face with at most one voice, best sum of agreements.

    `voices` maps a voice to when it is heard; `faces` maps a face identity to its tracks, scored by
    `ActiveSpeaker`. Only time in which one voice alone is heard counts. The confidence is twice the lead of
    the agreement over chance (0.5), the best other face of this voice and the best other voice of this
    face, times seen time / (seen time + `half_sure_s`), which keeps a single word from being sure. A pair
    that could as well be exchanged has confidence 0. Where no other voice is heard, the voice's own share
    counts alone.
    """
    from scipy.optimize import linear_sum_assignment

    names, people = sorted(voices), sorted(faces)
    found = _evidence([voices[name] for name in names], [faces[person] for person in people], min_seen_s)
    known = np.nan_to_num(found.agreement, nan=0.0)
    worth = np.where(known >= min_agreement, known, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    chosen = {int(r): int(c) for r, c in zip(rows, columns, strict=True) if worth[r, c] > 0}
    pairs = []
    for row, voice in enumerate(names):
        if row not in chosen:
            pairs.append(Pair(voice, None, 0.0, None, 0.0))
            continue
        column = chosen[row]
        own, seen_s = float(found.agreement[row, column]), float(found.seen_s[row, column])
        others = np.concatenate([np.delete(known[row], column), np.delete(known[:, column], row)])
        lead = own - float(others.max(initial=0.5))
        confidence = max(0.0, 2 * lead) * seen_s / (seen_s + half_sure_s)
        pairs.append(Pair(voice, people[column], confidence, own, seen_s))
    return pairs


def _evidence(
    voices: Sequence[Spans], faces: Sequence[Sequence[TrackScores]], min_seen_s: float
) -> _Evidence:
    shape = len(voices), len(faces)
    agreement, seen_s = np.full(shape, np.nan), np.zeros(shape)
    for column, tracks in enumerate(faces):
        scores = np.concatenate([np.zeros(0), *(track.scores for track in tracks)])
        times = [track.start_s + (np.arange(len(track.scores)) + 0.5) / FPS for track in tracks]
        heard = np.array([_inside(np.concatenate([np.zeros(0), *times]), spans) for spans in voices])
        heard = heard.reshape(len(voices), len(scores))
        usable = ~np.isnan(scores) & (heard.sum(axis=0) == 1)
        speaks = scores > SPEAKS_FROM
        for row in range(len(voices)):
            mine, others = usable & heard[row], usable & ~heard[row]
            seen_s[row, column] = mine.sum() / FPS
            if mine.sum() >= min_seen_s * FPS:
                parts = [speaks[mine].mean()]
                if others.sum() >= min_seen_s * FPS:
                    parts.append(1 - speaks[others].mean())
                agreement[row, column] = float(np.mean(parts))
    return _Evidence(agreement, seen_s)


def _inside(times_s: NDArray[np.float64], spans: Spans) -> NDArray[np.bool_]:
    """(T,) whether each time lies in one of the spans."""
    if not spans:
        return np.zeros(len(times_s), bool)
    starts, stops = np.array(spans, np.float64).T
    latest = np.searchsorted(starts, times_s, side="right") - 1
    return np.asarray((latest >= 0) & (times_s < stops[np.maximum(latest, 0)]), np.bool_)
