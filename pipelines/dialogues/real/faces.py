"""Which face is whose, and the tracks of one face read as if they were one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.steps.seen import matrix
from pipelines.steps.series import Clip, Series, read_scores, read_series
from synth.turns.times import Spans

if TYPE_CHECKING:
    from extractors.speaking import TrackScores

Scores = Mapping[int, Sequence["TrackScores"]]
LEAST_ALONE_S = 1.0
MOTION_S = 0.4
"""A syllable or two."""
Motion = tuple[NDArray[np.float64], NDArray[np.float64]]
"""(frames,) seconds, ascending, and how much the mouth moves there."""


@dataclass(frozen=True)
class Face:
    """An identity as `watch` numbers them, its tracks (the longest first), and how sure the match is."""

    identity: int
    tracks: tuple[int, ...]
    confidence: float | None
    """As `extractors.face_voice` has it; None: the only face of the recording, nothing to be sure of."""


def tracks_of(store: Store, table: str) -> dict[int, tuple[int, ...]]:
    """Of each identity its tracks, the longest first."""
    with store.open(table) as handle:
        rows = pq.read_table(handle, columns=["track", "identity", "n_frames"]).to_pylist()
    found: dict[int, list[int]] = {}
    for row in sorted(rows, key=lambda row: (-row["n_frames"], row["track"])):
        found.setdefault(row["identity"], []).append(row["track"])
    return {identity: tuple(tracks) for identity, tracks in found.items()}


def matched_face(voice: Mapping[str, Any], tracks: Mapping[int, tuple[int, ...]]) -> Face | None:
    """The face that `voices` found for a voice (a row of its table)."""
    identity = voice["identity"]
    return None if identity is None else Face(identity, tracks[identity], float(voice["confidence"]))


def faces_of(
    activity: tuple[Spans, Spans], scores: Scores, tracks: Mapping[int, tuple[int, ...]], shift: Fraction
) -> tuple[Face | None, Face | None]:
    """The faces of two voices, by their lips. `scores` count from `shift` on the clock of `activity`."""
    from extractors.face_voice import match_voices

    spans = {
        side: [(float(start - shift), float(stop - shift)) for start, stop in own]
        for side, own in enumerate(activity)
    }
    first, second = (
        None if pair.face is None else Face(pair.face, tracks[pair.face], pair.confidence)
        for pair in match_voices(spans, scores)
    )
    return first, second


def only_face(activity: Spans, scores: Scores, tracks: Mapping[int, tuple[int, ...]]) -> Face | None:
    """Of a recording of one person: the only face, or the one whose lips move when that side is heard.

    `scores` count from where `activity` does.
    """
    from extractors.face_voice import match_voices

    if len(tracks) == 1:
        (one,) = tracks
        return Face(one, tracks[one], None)
    spans = [(float(start), float(stop)) for start, stop in activity]
    (pair,) = match_voices({0: spans}, scores)
    return None if pair.face is None else Face(pair.face, tracks[pair.face], pair.confidence)


def mouth_motion(store: Store, table: str, face: Face, shift: Fraction) -> Motion:
    """How much the jaw of a face moves round each frame, and when, `shift` added: seen alone, no sound in it.

    The standard deviation of `jawOpen` over 0.4 s. `who` cannot stand in: it scores lips by their own sound.
    """
    from extractors.coefficients import ARKIT52_NAMES

    with store.open(table) as handle:
        rows = pq.read_table(
            handle, filters=[("track", "in", face.tracks)], columns=["time_s", "blendshapes"]
        ).sort_by("time_s")
    times_s = rows.column("time_s").to_numpy()
    jaw = matrix(rows, "blendshapes", 52)[:, ARKIT52_NAMES.index("jawOpen")]
    low, high = (np.searchsorted(times_s, times_s + reach) for reach in (-MOTION_S / 2, MOTION_S / 2))
    first, second = (np.concatenate([[0.0], np.cumsum(jaw**power)]) for power in (1, 2))
    count = np.maximum(high - low, 1)
    mean = (first[high] - first[low]) / count
    moved = np.sqrt(np.maximum((second[high] - second[low]) / count - mean**2, 0))
    return times_s + float(shift), moved


def lips_follow(activity: tuple[Spans, Spans], faces: tuple[Motion, Motion]) -> NDArray[np.float64] | None:
    """(2, 2): how the motion of face j is shared between the time of side i alone and that of the other.

    Columns sum to 1. None where a face is seen for less than `LEAST_ALONE_S` of either, or never moves.
    """
    means = np.zeros((2, 2))
    for column, (times_s, moved) in enumerate(faces):
        spoken = [_inside(times_s, own) for own in activity]
        for side in (0, 1):
            alone = spoken[side] & ~spoken[1 - side]
            if not alone.any() or alone.sum() * np.median(np.diff(times_s)) < LEAST_ALONE_S:
                return None
            means[side, column] = moved[alone].mean()
    totals = means.sum(axis=0)
    return means / totals if totals.all() else None


def _inside(times_s: NDArray[np.float64], spans: Spans) -> NDArray[np.bool_]:
    edges = np.array([[float(edge) for edge in span] for span in spans]).reshape(-1, 2)
    return np.asarray(((times_s[:, None] >= edges[:, 0]) & (times_s[:, None] < edges[:, 1])).any(axis=1))


def joined_series(store: Store, clip: Clip, tracks: Sequence[int]) -> Series | None:
    """What was measured of all tracks of one face; where two are in one frame, the longer. None: unseen."""
    parts = [read_series(store, replace(clip, track=track)) for track in tracks]
    kept: dict[int, tuple[int, int]] = {}
    for number, part in enumerate(parts):
        for row, frame in enumerate(part.seen.tolist()):
            kept.setdefault(frame, (number, row))
    if not kept:
        return None
    order = [kept[frame] for frame in sorted(kept)]

    def gathered(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
        return np.stack([arrays[number][row] for number, row in order])

    return Series(
        frame_pts=parts[0].frame_pts,
        seen=np.array(sorted(kept), np.int64),
        boxes=gathered([part.boxes for part in parts]),
        poses=gathered([part.poses for part in parts]),
        blendshapes=gathered([part.blendshapes for part in parts]),
        landmarks=gathered([part.landmarks for part in parts]),
        trust={name: gathered([part.trust[name] for part in parts]) for name in parts[0].trust},
    )


def joined_scores(store: Store, clip: Clip, tracks: Sequence[int]) -> NDArray[np.float64]:
    """(T,) score of the first track that has one at that instant; NaN where none has."""
    scores = np.full(clip.n_ticks, np.nan)
    for track in tracks:
        own = read_scores(store, replace(clip, track=track))
        scores = np.where(np.isnan(scores), own, scores)
    return scores
