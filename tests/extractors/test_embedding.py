from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import cv2
import dlib
import numpy as np
import onnx
import onnxruntime
import pytest
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.utils import face_align

from extractors.dlib_network import DlibNetwork
from extractors.embedding import FaceEmbedder, aligned, is_recognisable, make_embedder
from extractors.landmarks import Face, make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe

CLIPS = ("grid_lbbc2a.mpg", "grid_pwij3p.mpg", "grid_lbax4n.mpg", "pyfeat_single_face.mp4")
# davisking/dlib `get_face_chip_details`
POINTS = np.array(
    [
        [0.8595674595992, 0.2134981538014],
        [0.6460604764104, 0.2289674387677],
        [0.1205750620789, 0.2137274526848],
        [0.3340850613712, 0.2290642403242],
        [0.4901123135679, 0.6277975316475],
    ]
)
EYES_AND_NOSE = [263, 362, 33, 133, 2]

Frame = tuple[np.ndarray, Face]


def carried(name: str) -> str:
    """A file of the package `face-recognition-models`, which is dlib's author's."""
    inside = f"face_recognition_models/models/{name}"
    return str(metadata.distribution("face-recognition-models").locate_file(inside))


WEIGHTS = carried("dlib_face_recognition_resnet_model_v1.dat")


@pytest.fixture(scope="module")
def faces(media: Path, models: Path) -> list[Frame]:
    """Two frames of each clip, and the face in them."""

    def read() -> Iterator[Frame]:
        landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
        for clip in CLIPS:
            path = str(media / "video" / clip)
            video = probe(path).video
            assert video is not None
            landmarker.reset()
            with VideoReader(path, stream_index=video.index) as reader:
                for number, frame in enumerate(reader.frames()):
                    if number in {0, 30}:
                        yield frame.image, landmarker(frame.image, 40 * number)[0]
                    if number == 30:
                        break

    return list(read())


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    return make_embedder("dlib", WEIGHTS)


@pytest.fixture(scope="module")
def dlib_network() -> dlib.face_recognition_model_v1:
    return dlib.face_recognition_model_v1(WEIGHTS)


def dlib_chip(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """dlib's own chip for given points, which `get_face_chip` cuts after rounding them to whole pixels."""
    template, points = (
        dlib.dpoints([dlib.dpoint(float(x), float(y)) for x, y in rows])
        for rows in ((POINTS + 0.25) / 1.5 * 150, landmarks[EYES_AND_NOSE, :2])
    )
    return dlib.extract_image_chip(image, dlib.chip_details(template, points, dlib.chip_dims(150, 150)))


def test_the_network_gives_the_numbers_of_dlib(
    faces: list[Frame], dlib_network: dlib.face_recognition_model_v1
) -> None:
    ours = DlibNetwork(WEIGHTS)
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), np.uint8)
    for chip in [noise, *(dlib_chip(image, face.landmarks) for image, face in faces[::2])]:
        theirs = np.array(dlib_network.compute_face_descriptor(chip))
        assert 0.5 < np.linalg.norm(theirs) < 2
        assert np.abs(ours(chip) - theirs).max() < 1e-5


@pytest.mark.parametrize("scale", [0.5, 1, 2.5])
def test_chips_are_cut_as_dlib_cuts_them(faces: list[Frame], embedder: FaceEmbedder, scale: float) -> None:
    """A tenth of the threshold at most is what cutting may cost. Half a pixel of shift costs more."""
    for image, face in faces:
        picture = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        landmarks = face.landmarks.copy()
        landmarks[:, :2] = (landmarks[:, :2] + 0.5) * scale - 0.5
        ours, theirs = embedder.chip(picture, landmarks), dlib_chip(picture, landmarks)
        assert ours.shape == theirs.shape == (150, 150, 3)
        assert np.linalg.norm(embedder.embed(ours) - embedder.embed(theirs)) < 0.1 * embedder.same_below


def test_mesh_points_align_a_face_as_the_points_of_dlib_do(
    faces: list[Frame], embedder: FaceEmbedder, dlib_network: dlib.face_recognition_model_v1
) -> None:
    """Against dlib from end to end: its detector, its five points, its chip, its network."""
    detect = dlib.get_frontal_face_detector()
    locate = dlib.shape_predictor(carried("shape_predictor_5_face_landmarks.dat"))
    for image, face in faces[::2]:
        found = locate(image, max(detect(image, 1), key=lambda box: box.area()))
        theirs = np.array(dlib_network.compute_face_descriptor(image, found))
        ours = embedder.embed(embedder.chip(image, face.landmarks))
        assert np.linalg.norm(ours - theirs) < embedder.same_below / 4


def test_another_file_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.dat"
    whole = Path(WEIGHTS).read_bytes()
    for data in (b"", b"no weights", whole[:400], whole[:-70_000]):
        broken.write_bytes(data)
        with pytest.raises(ValueError, match="dlib_face_recognition_resnet_model_v1"):
            make_embedder("dlib", str(broken))


def arcface_file(path: Path, *, dims: int = 512) -> Path:
    """A network with ArcFace's input and output and seeded random weights."""
    rng = np.random.default_rng(5)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(rng.normal(scale=0.1, size=shape).astype(np.float32), name)

    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["input.1", "kernel"], ["x"], kernel_shape=[7, 7], strides=[7, 7]),
            onnx.helper.make_node("Tanh", ["x"], ["y"]),
            onnx.helper.make_node("Flatten", ["y"], ["flat"]),
            onnx.helper.make_node("Gemm", ["flat", "table"], ["683"]),
        ],
        "arcface",
        [onnx.helper.make_tensor_value_info("input.1", floats, [None, 3, 112, 112])],
        [onnx.helper.make_tensor_value_info("683", floats, [1, dims])],
        [weights("kernel", 8, 3, 7, 7), weights("table", 8 * 16 * 16, dims)],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(path))
    return path


def test_arcface_is_run_as_insightface_runs_it(faces: list[Frame], tmp_path: Path) -> None:
    path = str(arcface_file(tmp_path / "arcface.onnx"))
    ours = make_embedder("arcface", path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    theirs = ArcFaceONNX(path, session=session)
    numbers = []
    for image, face in faces:
        chip = ours.chip(image, face.landmarks)
        (expected,) = theirs.get_feat(np.ascontiguousarray(chip[..., ::-1]))  # it takes BGR
        numbers.append(ours.embed(chip))
        assert np.abs(numbers[-1] - expected / np.linalg.norm(expected)).max() < 1e-5
    assert ours.dims == 512 and np.linalg.norm(numbers, axis=1) == pytest.approx(1)
    assert np.linalg.norm(numbers[0] - numbers[2]) > 0.1, "the numbers depend on the face"
    cosine = 1 - ours.same_below**2 / 2
    assert cosine == pytest.approx(0.28)


def test_arcface_chips_are_those_of_insightface(faces: list[Frame], tmp_path: Path) -> None:
    ours = make_embedder("arcface", str(arcface_file(tmp_path / "arcface.onnx")))
    for image, face in faces[:6]:  # those that are not larger than the chip
        mesh = face.landmarks[:, :2]
        five = np.array([mesh[[33, 133]].mean(0), mesh[[362, 263]].mean(0), *mesh[[4, 61, 291]]])
        theirs = face_align.norm_crop(image, five)
        assert np.abs(ours.chip(image, face.landmarks).astype(int) - theirs).mean() < 1


def test_a_network_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="512"):
        make_embedder("arcface", str(arcface_file(tmp_path / "small.onnx", dims=128)))


def test_a_large_face_is_averaged_down() -> None:
    """A fine chequerboard, shrunk four times, is grey: sampled, it would be black or white."""
    board = (np.indices((600, 600)).sum(axis=0) % 2 * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    corners = np.array([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    chip = aligned(board, corners * 4 + 1.5, corners, 100)
    assert np.abs(chip.astype(int) - 127).max() <= 2


def test_what_can_be_recognised(faces: list[Frame]) -> None:
    face = faces[0][1]
    cos, sin = np.cos(np.radians(50)), np.sin(np.radians(50))
    turned = np.eye(4, dtype=np.float32)
    turned[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    assert is_recognisable(face)
    assert not is_recognisable(replace(face, box=np.array([0, 0, 30, 39], np.float32)))
    assert not is_recognisable(replace(face, pose=turned))
