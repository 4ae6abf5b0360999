"""Who speaks when in a mono recording: windows of speech, their voices, and as many people as there are.

Windows as long as the embedder was trained on are clustered, which finds the voices; then short windows every
0.1 s say which voice is heard, with a cost for each change. `docs/speakers.md` tells how the constants were
chosen and what comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from extractors.voice_embedding import RATE_HZ, VoiceEmbedder, Windows, unit

Segments = Sequence[tuple[float, float]]
"""(start_s, stop_s), sorted and disjoint, as `extractors.speech.speech_segments` gives them."""
Rows = NDArray[np.float32]

CELL_S = 0.1
"""The voice is decided once a cell."""
_SHORT_S = 0.8
_HOP_S = 0.4
_WHOLE_S = 0.8  # shorter windows join no cluster: they tell too little
_ROUNDS = 10
_MOST_WINDOWS = 6000  # of a linkage, which takes 8 bytes for each pair of them


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Chosen on rendered dialogues of LibriSpeech voices with resemblyzer; another embedder needs its own."""

    apart_from: float = 0.42
    """Mean cosine distance from which two groups of windows are two people; 0.36 fits telephone sound."""
    min_voice_s: float = 1.0
    """Voices heard for less are counted to the most similar other one."""
    change_cost: float = 0.2
    """What a change of speaker must gain, in cosines summed over cells."""
    overlap_from: float = 0.5
    """Share of the weaker of two voices, to the stronger, from which both are said to speak."""
    min_overlap_s: float = 0.2


@dataclass(frozen=True)
class Activity:
    """One voice speaks during [start_s, stop_s)."""

    speaker: int
    start_s: float
    stop_s: float
    margin: float | None
    """Mean cosine to its voice minus that to the next best one; None where there is one voice only."""


@dataclass(frozen=True)
class PossibleOverlap:
    """A span that sounds like two voices at once: a mark, not a measurement.

    About a third of such time is overlap, and it holds two fifths of all overlap: a window over a change of
    speaker looks the same (`docs/speakers.md`).
    """

    speakers: tuple[int, int]
    start_s: float
    stop_s: float


@dataclass(frozen=True)
class Diarization:
    """Speakers are numbered from 0 in the order of their first speech."""

    activities: tuple[Activity, ...]
    """Sorted; those of `diarize` are disjoint and cover the segments of speech, pyannote's may overlap."""
    overlaps: tuple[PossibleOverlap, ...]
    voices: Rows
    """(S, dims): embedding of each speaker."""


def diarize(
    pcm: NDArray[np.float32],
    segments: Segments,
    embedder: VoiceEmbedder,
    *,
    n_speakers: int | None = None,
    settings: Settings | None = None,
) -> Diarization:
    """Who speaks in each of the `segments` of `pcm` (n,), 16 kHz mono, full scale ±1.

    `n_speakers`, where it is known, replaces `settings.apart_from`, and should be given: counting is the weak
    point (`docs/speakers.md`). Fewer come out when not as many voices last `min_voice_s`. The result is that
    of the whole recording: memory is 4 bytes a sample, 13 KB a second of speech, and at most 150 MB for the
    clustering, which takes evenly spread windows of long recordings. Raises ValueError for sound that is not
    mono and for segments that are empty or out of order.
    """
    chosen = settings or Settings()
    _check(segments)
    voices = _voices(pcm, segments, embedder, n_speakers, chosen)
    cells = [_cells(start_s, stop_s) for start_s, stop_s in segments]
    windows = [_windows(middles, span, _SHORT_S) for (middles, _), span in zip(cells, segments, strict=True)]
    heard = embedder(pcm, np.concatenate(windows)) @ voices.T if windows else np.zeros((0, len(voices)))
    activities: list[Activity] = []
    overlaps: list[PossibleOverlap] = []
    first = 0
    for middles, edges in cells:
        scores = heard[first : first + len(middles)].astype(np.float64)
        first += len(middles)
        activities += _activities(edges, scores, chosen.change_cost)
        overlaps += _overlaps(edges, scores, voices, chosen)
    return _numbered(activities, overlaps, voices)


def _check(segments: Segments) -> None:
    if any(stop_s <= start_s for start_s, stop_s in segments):
        raise ValueError("a segment of speech is empty")
    if any(one[1] > following[0] for one, following in pairwise(segments)):
        raise ValueError("segments of speech must be sorted and disjoint")


def _cells(start_s: float, stop_s: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles (n,) and edges (n + 1,) of the equal cells, of about `CELL_S`, that a segment is cut into."""
    edges = np.linspace(start_s, stop_s, max(1, round((stop_s - start_s) / CELL_S)) + 1)
    return (edges[:-1] + edges[1:]) / 2, edges


def _windows(middles_s: NDArray[np.float64], span: tuple[float, float], length_s: float) -> Windows:
    """(K, 2) samples: windows round each middle, moved and, if they must be, cut to lie in the span."""
    first, last = round(span[0] * RATE_HZ), round(span[1] * RATE_HZ)
    length = max(1, min(round(length_s * RATE_HZ), last - first))
    starts = np.rint(middles_s * RATE_HZ).astype(np.int64) - length // 2
    starts = np.clip(starts, first, max(first, last - length))
    return np.stack([starts, starts + length], axis=1)


def cover(segments: Segments, window_s: float) -> Windows:
    """(K, 2) samples: windows of `window_s`, one for every 0.4 s of speech, which is what each stands for.

    In a segment shorter than a window they are all the same one: its length still counts.
    """
    found = [np.zeros((0, 2), np.int64)]
    for start_s, stop_s in segments:
        n = max(1, round((stop_s - start_s) / _HOP_S))
        middles = start_s + (np.arange(n) + 0.5) * (stop_s - start_s) / n
        found.append(_windows(middles, (start_s, stop_s), window_s))
    return np.concatenate(found)


def voice_of(pcm: NDArray[np.float32], segments: Segments, embedder: VoiceEmbedder) -> Rows:
    """(dims,) embedding of the one voice that speaks in all `segments`; zeros when there is none.

    The mean over windows, of length 1: what an enrolment or an identity is compared by.
    """
    if not segments:
        return np.zeros(embedder.dims, np.float32)
    found: Rows = unit(embedder(pcm, cover(segments, embedder.window_s)).mean(axis=0, keepdims=True))[0]
    return found


def _voices(
    pcm: NDArray[np.float32],
    segments: Segments,
    embedder: VoiceEmbedder,
    n_speakers: int | None,
    settings: Settings,
) -> Rows:
    """(S, dims), at least one voice unless nobody speaks."""
    windows = cover(segments, embedder.window_s)
    whole = windows[:, 1] - windows[:, 0] >= _WHOLE_S * RATE_HZ
    windows = windows[whole] if whole.any() else windows
    if len(windows) > _MOST_WINDOWS:
        windows = windows[np.linspace(0, len(windows) - 1, _MOST_WINDOWS).round().astype(int)]
    rows = embedder(pcm, windows)
    rows = rows[rows.any(axis=1)]
    if not len(rows):
        return np.zeros((min(1, len(segments)), embedder.dims), np.float32)
    return _refined(rows, _groups(rows, n_speakers, settings))


def _refined(rows: Rows, labels: NDArray[np.int64]) -> Rows:
    """(S, dims): means of the groups after every row has gone to the nearest a few times (k-means)."""
    for _ in range(_ROUNDS):
        kept = np.unique(labels[labels >= 0])
        means: Rows = unit(np.stack([rows[labels == label].mean(axis=0) for label in kept]))
        labels = (rows @ means.T).argmax(axis=1)
    return means


def _groups(rows: Rows, n_speakers: int | None, settings: Settings) -> NDArray[np.int64]:
    """(N,) labels, -1 for rows of voices that are heard too shortly.

    Average linkage has a distance that means something, so it counts. Where the number is given, Ward's
    linkage divides: with two alike voices the other one splits off a few odd windows, not one voice.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(rows) == 1 or n_speakers == 1:
        return np.zeros(len(rows), np.int64)
    if n_speakers is None:
        tree = linkage(rows.astype(np.float64), "average", "cosine")
        return _long_enough(fcluster(tree, settings.apart_from, "distance"), settings.min_voice_s)
    tree = linkage(rows.astype(np.float64), "ward")  # of rows of length 1: their distance follows the cosine
    best = np.zeros(len(rows), np.int64)
    for n_groups in range(n_speakers, min(len(rows), 4 * n_speakers) + 1):  # some groups are mere outliers
        labels = _long_enough(fcluster(tree, n_groups, "maxclust"), settings.min_voice_s)
        found = len(np.unique(labels[labels >= 0]))
        best = labels if found > len(np.unique(best[best >= 0])) else best
        if found >= n_speakers:
            break
    return best


def _long_enough(labels: NDArray[np.int32], min_voice_s: float) -> NDArray[np.int64]:
    sizes = np.bincount(labels)
    kept = sizes * _HOP_S >= min_voice_s
    if not kept.any():
        kept[sizes.argmax()] = True
    return np.where(kept[labels], labels, -1).astype(np.int64)


def _activities(
    edges: NDArray[np.float64], scores: NDArray[np.float64], change_cost: float
) -> list[Activity]:
    """Runs of the best path through the cells."""
    from extractors.speaking import best_path

    path = best_path(scores.T, change_cost=change_cost)
    found = []
    for low, high in pairwise([0, *(np.flatnonzero(np.diff(path)) + 1).tolist(), len(path)]):
        speaker, part = int(path[low]), scores[low:high]
        others = np.delete(part, speaker, axis=1)
        margin = float((part[:, speaker] - others.max(axis=1)).mean()) if others.size else None
        found.append(Activity(speaker, float(edges[low]), float(edges[high]), margin))
    return found


def _overlaps(
    edges: NDArray[np.float64], scores: NDArray[np.float64], voices: Rows, settings: Settings
) -> list[PossibleOverlap]:
    """Runs of cells between two voices: the least-squares mixture of the two best gives much to both."""
    if len(voices) < 2:
        return []
    best = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    one, other = np.take_along_axis(scores, best, axis=1).T
    alike = np.einsum("nd,nd->n", voices[best[:, 0]].astype(np.float64), voices[best[:, 1]])
    stronger, weaker = one - alike * other, other - alike * one
    both = weaker >= settings.overlap_from * stronger
    pairs = np.sort(best, axis=1)
    changed = np.flatnonzero((np.diff(both) != 0) | (np.diff(pairs, axis=0) != 0).any(axis=1)) + 1
    found = []
    for low, high in pairwise([0, *changed.tolist(), len(both)]):
        span = float(edges[low]), float(edges[high])
        if both[low] and span[1] - span[0] >= settings.min_overlap_s - 1e-9:
            found.append(PossibleOverlap((int(pairs[low, 0]), int(pairs[low, 1])), *span))
    return found


def _numbered(
    activities: Sequence[Activity], overlaps: Sequence[PossibleOverlap], voices: Rows
) -> Diarization:
    """The same, numbered by first speech; a voice that won no cell is not there."""
    numbers: dict[int, int] = {}
    for activity in activities:
        numbers.setdefault(activity.speaker, len(numbers))
    return Diarization(
        tuple(Activity(numbers[one.speaker], one.start_s, one.stop_s, one.margin) for one in activities),
        tuple(
            PossibleOverlap((min(pair), max(pair)), one.start_s, one.stop_s)
            for one in overlaps
            if len(pair := [numbers[speaker] for speaker in one.speakers if speaker in numbers]) == 2
        ),
        voices[list(numbers)],
    )
