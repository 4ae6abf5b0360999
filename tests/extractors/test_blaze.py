"""The detector: its anchors and its merging of boxes, by hand, and a real face."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from extractors.blaze import BlazeFace, anchors, weighted_nms


def test_anchors_are_two_grids() -> None:
    centres = anchors()
    assert centres.shape == (896, 2)
    np.testing.assert_array_equal(centres[:2], [[1 / 32, 1 / 32]] * 2)  # two anchors a cell of 16x16
    np.testing.assert_array_equal(centres[2], [3 / 32, 1 / 32])  # x runs first
    np.testing.assert_array_equal(centres[512:518], [[1 / 16, 1 / 16]] * 6)  # then six a cell of 8x8
    np.testing.assert_array_equal(centres[-1], [15 / 16, 15 / 16])


def test_overlapping_boxes_become_their_weighted_mean() -> None:
    values = np.zeros((4, 16), dtype=np.float32)
    values[:, :4] = [[0, 0, 1, 1], [4, 4, 5, 5], [0, 0, 1, 0.9], [2, 2, 2, 2]]
    values[:, 4] = [10, 20, 40, 0]
    scores = np.array([0.6, 0.9, 0.3, 0.7], dtype=np.float32)
    merged = weighted_nms(values, scores)
    assert len(merged) == 3
    np.testing.assert_allclose(merged[0][0][:5], [4, 4, 5, 5, 20])
    np.testing.assert_allclose(merged[1][0][:4], [2, 2, 2, 2])  # a box without area stays alone
    y1, point = (1 * 0.6 + 0.9 * 0.3) / 0.9, (10 * 0.6 + 40 * 0.3) / 0.9
    np.testing.assert_allclose(merged[2][0][:5], [0, 0, 1, y1, point], rtol=1e-6)
    assert [score for _, score in merged] == pytest.approx([0.9, 0.7, 0.6])
    assert weighted_nms(values[:0], scores[:0]) == []


def test_finds_both_faces_of_a_real_frame_and_none_in_noise(media: Path, models: Path) -> None:
    detector = BlazeFace(str(models / "face_landmarker.task"))
    with av.open(str(media / "video" / "dialogue_grid_2spk.mp4")) as container:
        frame = next(container.decode(video=0)).to_ndarray(format="rgb24")
    image = np.ascontiguousarray(frame)
    found = detector(image, max_faces=4)
    rois = [one.region for one in found]
    assert sorted(int(roi.x // 360) for roi in rois) == [0, 1]  # one speaker in each half of the frame
    assert all(roi.height == pytest.approx(roi.width, rel=0.2) and 100 < roi.width < 320 for roi in rois)
    for one in found:
        x0, y0, x1, y1 = one.box
        (right, left, nose), corners = one.points[:3], one.points[3:]
        assert x0 < right[0] < nose[0] < left[0] < x1  # the subject's right is on the left
        assert y0 < right[1] < nose[1] < y1
        assert np.isnan(corners).all()
        assert 0.5 <= one.score <= 1
    assert len(detector(image, max_faces=1)) == 1
    noise = np.random.default_rng(0).integers(0, 256, image.shape, dtype=np.uint8)
    assert detector(noise, max_faces=4) == []
