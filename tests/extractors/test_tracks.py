from __future__ import annotations

import numpy as np
import pytest

from extractors.tracks import Track, Tracker, iou, overlaps


def box(*edges: float) -> np.ndarray:
    return np.array(edges, np.float32)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (box(0, 0, 2, 2), box(0, 0, 2, 2), 1.0),
        (box(0, 0, 2, 2), box(1, 0, 3, 2), 2 / 6),
        (box(0, 0, 4, 4), box(1, 1, 3, 3), 4 / 16),
        (box(0, 0, 2, 2), box(2, 0, 4, 2), 0.0),  # they touch
        (box(0, 0, 2, 2), box(5, 5, 6, 6), 0.0),
        (box(1, 1, 1, 1), box(0, 0, 2, 2), 0.0),  # no area
        (box(-2, -2, 0, 0), box(-1, -1, 1, 1), 1 / 7),
    ],
)
def test_overlap_by_hand(one: np.ndarray, other: np.ndarray, expected: float) -> None:
    assert iou(one, other) == pytest.approx(expected)
    assert iou(other, one) == pytest.approx(expected)


def test_all_pairs_at_once() -> None:
    some, others = [box(0, 0, 2, 2), box(1, 0, 3, 2)], [box(0, 0, 2, 2), box(9, 9, 10, 10), box(1, 0, 3, 2)]
    assert overlaps(some, others) == pytest.approx(np.array([[1, 0, 1 / 3], [1 / 3, 0, 1]]))
    assert overlaps([], others).shape == (0, 3) and overlaps(some, []).shape == (2, 0)


def test_a_track_counts_frames_and_keeps_the_best_one() -> None:
    track = Track(shot=0)
    for frame, quality in [(4, 0.0), (5, 2.0), (9, 3.0), (10, 3.0)]:
        track.add(frame, quality)
    assert (track.first_frame, track.last_frame, track.n_frames) == (4, 10, 4)
    assert (track.reference_frame, track.reference_quality) == (9, 3.0)


def test_a_track_that_never_shows_well_has_no_reference() -> None:
    track = Track(shot=0)
    track.add(0, 0.0)
    assert track.reference_frame is None


def test_embeddings_are_bounded_and_stay_with_their_frames() -> None:
    track = Track(shot=0)
    for frame in range(1000):
        track.embed(frame, np.full(3, frame, np.float32), keep=16)
    assert len(track.embeddings) <= 16
    assert track.embedded_frames[0] == 0 and track.embedded_frames[-1] > 900
    assert track.embeddings[:, 0].tolist() == track.embedded_frames


def test_boxes_alone_follow_a_face_over_a_gap() -> None:
    tracker = Tracker(gap_frames=10)
    face = box(0, 0, 10, 10)
    assert [tracker.update(frame, [face]) for frame in (0, 11, 23)] == [[0], [0], [1]]
