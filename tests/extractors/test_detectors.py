"""Detectors against the programs whose networks they run, and what they find on real frames."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.detectors import Detection, make_detector, scale_to_budget
from extractors.weights import WeightsError

STRIDES = (8, 16, 32)


def frame(path: Path, number: int = 0) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        for index, one in enumerate(container.decode(video=0)):
            if index == number:
                return np.ascontiguousarray(one.to_ndarray(format="rgb24"))
    raise AssertionError(f"{path} has no frame {number}")


def as_rows(found: list[Detection]) -> NDArray[np.float32]:
    """(n, 15) corners, points, score."""
    return np.array([[*one.box, *one.points.ravel(), one.score] for one in found]).reshape(-1, 15)


@pytest.mark.parametrize(
    "case",
    [
        ("intel_classroom_4faces.mp4", 20, 4),
        ("grid_bbaf2n.mpg", 10, 1),
        ("dialogue_grid_2spk.mp4", 0, 2),
        ("pyfeat_no_face_caminandes.mp4", 50, 0),
    ],
)
@pytest.mark.parametrize("min_score", [0.6, 0.02])
def test_yunet_is_opencvs(media: Path, models: Path, case: tuple[str, int, int], min_score: float) -> None:
    clip, number, n_faces = case
    image = frame(media / "video" / clip, number)[:, :636]  # a width that needs padding
    path = str(models / "yunet_n_dynamic.onnx")
    theirs = cv2.FaceDetectorYN.create(path, "", (image.shape[1], image.shape[0]), min_score, 0.3, 5000)
    rows = theirs.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    rows = np.zeros((0, 15)) if rows is None else rows
    rows[:, 2:4] += rows[:, :2]  # theirs has width and height
    ours = as_rows(
        make_detector("yunet", weights=path, min_score=min_score, budget_px=4000)(image, max_faces=99)
    )
    assert len(ours) == len(rows)
    if min_score == 0.6:
        assert len(ours) == n_faces
    np.testing.assert_allclose(ours[:, 14], rows[:, 14], atol=1e-4)
    np.testing.assert_allclose(ours, rows, atol=0.02)


def scrfd_file(path: Path, *, batch_axis: bool) -> str:
    """A network with the nine outputs of a published SCRFD, one strided convolution each, seeded weights."""
    from onnx import TensorProto, helper, numpy_helper, save_model

    rng = np.random.default_rng(7)
    nodes, tensors, outputs = [], [], []
    for head, (name, width, scale, bias) in enumerate(
        [("score", 1, 0.5, -4.0), ("bbox", 4, 0.05, 2.0), ("kps", 10, 0.2, 0.0)]
    ):
        for stride in STRIDES:
            out = f"{name}_{stride}"
            kernel = rng.standard_normal((2 * width, 3, stride, stride)) * scale / np.sqrt(stride)
            shape = [1, -1, width] if batch_axis else [-1, width]
            tensors += [
                numpy_helper.from_array(kernel.astype(np.float32), f"w_{out}"),
                numpy_helper.from_array(np.full(2 * width, bias, np.float32), f"b_{out}"),
                numpy_helper.from_array(np.array(shape), f"s_{out}"),
            ]
            steps = [f"c_{out}", f"t_{out}", f"r_{out}" if head == 0 else out]
            nodes += [
                helper.make_node(
                    "Conv", ["input.1", f"w_{out}", f"b_{out}"], [steps[0]], strides=[stride, stride],
                    kernel_shape=[stride, stride],
                ),
                helper.make_node("Transpose", [steps[0]], [steps[1]], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [steps[1], f"s_{out}"], [steps[2]]),
            ]  # fmt: skip
            if head == 0:
                nodes.append(helper.make_node("Sigmoid", [steps[2]], [out]))
            dims: list[int | str] = [1, f"n{stride}", width] if batch_axis else [f"n{stride}", width]
            outputs.append(helper.make_tensor_value_info(out, TensorProto.FLOAT, dims))
    image = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = helper.make_graph(nodes, "scrfd", [image], outputs, tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    save_model(model, str(path))
    return str(path)


@pytest.mark.parametrize("batch_axis", [False, True])
def test_scrfd_is_insightfaces(tmp_path: Path, batch_axis: bool) -> None:
    scrfd = pytest.importorskip("insightface.model_zoo.scrfd")
    path = scrfd_file(tmp_path / "det.onnx", batch_axis=batch_axis)
    image = np.random.default_rng(1).integers(0, 256, (140, 200, 3), dtype=np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 3)
    theirs = scrfd.SCRFD(path)
    theirs.prepare(-1, input_size=(224, 160), det_thresh=0.02)
    padded = cv2.copyMakeBorder(image, 0, 20, 0, 24, cv2.BORDER_CONSTANT)
    boxes, points = theirs.detect(cv2.cvtColor(padded, cv2.COLOR_RGB2BGR))
    ours = as_rows(make_detector("scrfd", weights=path, min_score=0.02)(image, max_faces=999))
    assert 5 < len(boxes) == len(ours)
    np.testing.assert_allclose(ours[:, 14], boxes[:, 4], atol=1e-5)
    np.testing.assert_allclose(ours[:, :4], boxes[:, :4], atol=1e-3)
    np.testing.assert_allclose(ours[:, 4:14], points.reshape(-1, 10), atol=1e-3)


def test_small_faces_are_found_where_blazeface_sees_none(media: Path, models: Path) -> None:
    image = frame(media / "video" / "intel_classroom_4faces.mp4", 30)
    found = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"))(image, max_faces=9)
    assert sorted(round(one.box[0] / 80) for one in found) == [1, 2, 3, 4]
    assert all(10 < one.box[2] - one.box[0] < 25 for one in found)
    task = str(models / "face_landmarker.task")
    assert make_detector("mediapipe", weights=task)(image, max_faces=9) == []


def test_a_large_frame_is_searched_at_the_budget(media: Path, models: Path) -> None:
    image = frame(media / "video" / "grid_bbaf2n.mpg")
    large = cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    detector = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"), budget_px=360)
    ((one,), (other,)) = detector(image, max_faces=2), detector(large, max_faces=2)
    np.testing.assert_allclose(other.box, one.box * 3, atol=6)
    np.testing.assert_allclose(other.points, one.points * 3, atol=6)
    assert other.region.width == pytest.approx(3 * one.region.width, rel=0.03)


def test_scaling_keeps_the_shape_and_fills_whole_cells() -> None:
    image = np.full((1080, 1920, 3), 200, dtype=np.uint8)
    scaled = scale_to_budget(image, 640)
    assert scaled.image.shape == (384, 640, 3)  # 360 rows and 24 of padding
    assert (scaled.image[:360] == 200).all() and not scaled.image[360:].any()
    np.testing.assert_array_equal(scaled.to_frame, [3, 3])
    small = scale_to_budget(image[:64, :96], 640)
    assert small.image.shape == (64, 96, 3)  # never enlarged


def test_the_same_frame_gives_the_same_bytes(media: Path, models: Path) -> None:
    path = str(models / "yunet_n_dynamic.onnx")
    image = frame(media / "video" / "intel_classroom_4faces.mp4")
    other = frame(media / "video" / "grid_bbaf2n.mpg")
    detector = make_detector("yunet", weights=path)
    first = as_rows(detector(image, max_faces=9)).tobytes()
    detector(other, max_faces=9)  # another size in between
    assert as_rows(detector(image, max_faces=9)).tobytes() == first
    assert as_rows(make_detector("yunet", weights=path)(image, max_faces=9)).tobytes() == first


def test_says_what_is_missing(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"yunet_n_dynamic\.onnx"):
        make_detector("yunet")
    with pytest.raises(WeightsError, match=r"det_10g\.onnx"):
        make_detector("scrfd")
    with pytest.raises(WeightsError, match="nowhere"):
        make_detector("scrfd", weights="/nowhere/det.onnx")
    with pytest.raises(ValueError, match="no SCRFD"):
        make_detector("scrfd", weights=str(models / "yunet_n_dynamic.onnx"))
    with pytest.raises(ValueError, match="no YuNet"):
        make_detector("yunet", weights=scrfd_file(tmp_path / "det.onnx", batch_axis=False))
    with pytest.raises(ValueError, match="no network"):
        make_detector("yunet", weights=__file__)
    with pytest.raises(ValueError, match="budget"):
        make_detector("yunet", budget_px=16)
