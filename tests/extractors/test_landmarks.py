"""Faces of real clips: the direct backend against MediaPipe's own graph, and what the clips are known for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from extractors.landmarks import BLENDSHAPE_NAMES, Face, FaceLandmarker, make_landmarker
from extractors.pose import euler_deg, rotation_of

Frame = NDArray[np.uint8]
FRAME_MS = 40


def frames(path: Path, count: int) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), count):
            yield np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def watch(landmarker: FaceLandmarker, video: list[Frame]) -> list[list[Face]]:
    landmarker.reset()
    return [landmarker(frame, number * FRAME_MS) for number, frame in enumerate(video)]


@pytest.fixture(scope="module")
def task_path(models: Path) -> str:
    return str(models / "face_landmarker.task")


@pytest.fixture(scope="module")
def direct(task_path: str) -> FaceLandmarker:
    return make_landmarker("direct", task_path=task_path)


@pytest.fixture(scope="module")
def as_graph(task_path: str) -> FaceLandmarker:
    return make_landmarker("direct", task_path=task_path, detect_every=1, keep_tracked=False)


@pytest.fixture(scope="module")
def reference(task_path: str) -> FaceLandmarker:
    return make_landmarker("mediapipe", task_path=task_path)


@pytest.mark.parametrize(
    "case",
    [
        ("grid_pwij3p.mpg", 30, 30),
        ("intel_profile_turn_female.mp4", 23, 23),
        ("intel_two_faces_tilted.mp4", 25, 50),
        ("intel_asl_eat_hand_over_mouth.mkv", 30, None),
    ],
)
def test_direct_equals_mediapipe(
    as_graph: FaceLandmarker, reference: FaceLandmarker, media: Path, case: tuple[str, int, int | None]
) -> None:
    clip, count, n_faces = case
    video = list(frames(media / "video" / clip, count))
    pairs = []
    for ours, theirs in zip(watch(as_graph, video), watch(reference, video), strict=True):
        assert len(ours) == len(theirs)
        pairs += list(zip(ours, theirs, strict=True))  # also in the same order
    assert len(pairs) == n_faces if n_faces else pairs
    distance_px = [np.hypot(*(a.landmarks - b.landmarks)[:, :2].T).max() for a, b in pairs]
    assert max(distance_px) < 0.5
    assert np.median(distance_px) < 0.02  # OpenCV 5's own warp would be at 0.05 to 0.3
    assert max(np.abs(a.landmarks - b.landmarks)[:, 2].max() for a, b in pairs) < 0.5
    assert max(np.abs(a.blendshapes - b.blendshapes).max() for a, b in pairs) < 0.02
    for a, b in pairs:
        turn = Rotation.from_matrix(rotation_of(a.pose)) * Rotation.from_matrix(rotation_of(b.pose)).inv()
        assert np.degrees(turn.magnitude()) < 0.5
        np.testing.assert_allclose(a.pose[:3, 3], b.pose[:3, 3], atol=0.1)  # cm


def test_a_face_is_complete_and_consistent(direct: FaceLandmarker, media: Path) -> None:
    (face,) = watch(direct, list(frames(media / "video" / "grid_bbaf2n.mpg", 1)))[0]
    assert [x.shape for x in (face.box, face.landmarks, face.blendshapes, face.pose)] == [
        (4,), (478, 3), (52,), (4, 4),
    ]  # fmt: skip
    assert {x.dtype for x in (face.box, face.landmarks, face.blendshapes, face.pose)} == {
        np.dtype(np.float32)
    }
    assert 0.5 < face.score <= 1
    assert 0 <= face.blendshapes.min() <= face.blendshapes.max() <= 1
    low, high = face.landmarks[:, :2].min(axis=0), face.landmarks[:, :2].max(axis=0)
    np.testing.assert_array_equal(face.box, [*low, *high])


def test_blendshape_names_name_what_is_seen(direct: FaceLandmarker, media: Path) -> None:
    def most(clip: str, name: str, count: int) -> float:
        faces = watch(direct, list(frames(media / "video" / clip, count)))
        return max(float(face[0].blendshapes[BLENDSHAPE_NAMES.index(name)]) for face in faces)

    assert len(set(BLENDSHAPE_NAMES)) == 52
    assert most("pyfeat_single_face.mp4", "mouthSmileLeft", 72) > 0.5
    assert most("grid_pwij3p.mpg", "mouthSmileLeft", 10) < 0.2


def test_yaw_of_the_head_turn(direct: FaceLandmarker, media: Path) -> None:
    faces = [
        face[0] for face in watch(direct, list(frames(media / "video" / "intel_profile_turn_female.mp4", 23)))
    ]
    yaw = np.array([euler_deg(rotation_of(face.pose))[0] for face in faces])
    assert -50 < yaw.min() < -40  # the clip is known to turn from -46 to +29 degrees
    assert 25 < yaw.max() < 35
    nose_px = np.array([face.landmarks[4, 0] - face.landmarks[[33, 263], 0].mean() for face in faces])
    assert np.corrcoef(yaw, nose_px)[0, 1] > 0.98  # positive: the nose is to the right in the image


def test_a_hand_over_the_mouth_does_not_lose_the_face(
    direct: FaceLandmarker, as_graph: FaceLandmarker, media: Path
) -> None:
    video = list(frames(media / "video" / "intel_asl_eat_hand_over_mouth.mkv", 40))
    kept, as_mediapipe = watch(direct, video), watch(as_graph, video)
    assert all(len(faces) == 1 for faces in kept)
    assert sum(map(len, as_mediapipe)) < len(video)


def test_no_face_no_result(direct: FaceLandmarker, media: Path) -> None:
    assert not any(watch(direct, list(frames(media / "video" / "pyfeat_no_face_caminandes.mp4", 5))))


def _bytes(seen: list[list[Face]]) -> list[bytes]:
    return [
        b"".join(x.tobytes() for x in (face.landmarks, face.blendshapes, face.pose, np.float64(face.score)))
        for faces in seen
        for face in faces
    ]


def test_a_video_does_not_depend_on_the_one_before(
    direct: FaceLandmarker, task_path: str, media: Path
) -> None:
    video = list(frames(media / "video" / "dialogue_grid_2spk.mp4", 7))
    fresh = _bytes(watch(make_landmarker("direct", task_path=task_path), video))
    watch(direct, list(frames(media / "video" / "intel_two_faces_tilted.mp4", 3)))
    assert _bytes(watch(direct, video)) == fresh
    assert len(fresh) == 14


def test_reference_forgets_on_reset(reference: FaceLandmarker, media: Path) -> None:
    video = list(frames(media / "video" / "grid_bbaf2n.mpg", 3))
    first, second = watch(reference, video), watch(reference, video)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one[0].landmarks, other[0].landmarks)
        assert np.isnan(one[0].score)


@pytest.mark.parametrize("backend", ["direct", "reference"])
def test_refuses_wrong_frames(backend: str, request: pytest.FixtureRequest) -> None:
    landmarker: FaceLandmarker = request.getfixturevalue(backend)
    landmarker.reset()
    black = np.zeros((96, 128, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="contiguous"):
        landmarker(black[:, ::2], 0)
    with pytest.raises(ValueError, match="uint8"):
        landmarker(black[..., 0], 0)
    assert landmarker(black, 40) == []
    with pytest.raises(ValueError, match="40 ms"):
        landmarker(black, 40)
    landmarker.reset()
    assert landmarker(black, 0) == []


@pytest.mark.parametrize("options", [{"max_faces": 0}, {"detect_every": 0}])
def test_refuses_wrong_options(task_path: str, options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        make_landmarker("direct", task_path=task_path, **options)  # type: ignore[arg-type]
