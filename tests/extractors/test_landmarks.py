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

from extractors.detectors import make_detector
from extractors.landmarks import BLENDSHAPE_NAMES, Face, FaceLandmarker, make_landmarker
from extractors.pose import euler_deg, rotation_of

Frame = NDArray[np.uint8]
FRAME_MS = 40


def frames(path: Path, count: int, first: int = 0) -> Iterator[Frame]:
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), first, first + count):
            yield np.ascontiguousarray(frame.to_ndarray(format="rgb24"))


def watch(landmarker: FaceLandmarker, video: list[Frame], cut: int = 0) -> list[list[Face]]:
    landmarker.reset()
    seen = []
    for number, frame in enumerate(video):
        if number == cut:
            landmarker.reset()  # time goes on
        seen.append(landmarker(frame, number * FRAME_MS))
    return seen


@pytest.fixture(scope="module")
def task_path(models: Path) -> str:
    return str(models / "face_landmarker.task")


@pytest.fixture(scope="module")
def direct(task_path: str) -> FaceLandmarker:
    return make_landmarker("direct", task_path=task_path)


@pytest.fixture(scope="module")
def yunet(task_path: str, models: Path) -> FaceLandmarker:
    detector = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"))
    return make_landmarker("direct", task_path=task_path, detector=detector)


@pytest.fixture(scope="module")
def as_graph(task_path: str) -> FaceLandmarker:
    return make_landmarker("direct", task_path=task_path, detect_every=1, keep_tracked=False)


@pytest.fixture(scope="module")
def reference(task_path: str) -> FaceLandmarker:
    return make_landmarker("mediapipe", task_path=task_path)


def assert_equal(ours: list[list[Face]], theirs: list[list[Face]], n_faces: int | None) -> None:
    pairs = []
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other)
        pairs += list(zip(one, other, strict=True))  # also in the same order
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


@pytest.mark.parametrize(
    "case",
    [
        ("grid_pwij3p.mpg", 12, 12),
        ("intel_profile_turn_female.mp4", 23, 23),
        ("intel_two_faces_tilted.mp4", 12, 24),
        ("intel_asl_eat_hand_over_mouth.mkv", 30, None),
    ],
)
def test_direct_equals_mediapipe(
    as_graph: FaceLandmarker, reference: FaceLandmarker, media: Path, case: tuple[str, int, int | None]
) -> None:
    clip, count, n_faces = case
    video = list(frames(media / "video" / clip, count))
    assert_equal(watch(as_graph, video), watch(reference, video), n_faces)


@pytest.mark.parametrize("cut", [115, 160])
def test_direct_equals_mediapipe_across_a_cut(
    as_graph: FaceLandmarker, reference: FaceLandmarker, media: Path, cut: int
) -> None:
    video = list(frames(media / "video" / "hardcuts.mp4", 10, first=cut - 4))
    assert_equal(watch(as_graph, video, cut=4), watch(reference, video, cut=4), 6 if cut == 115 else 10)


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


def test_small_faces_are_found_and_followed(yunet: FaceLandmarker, media: Path) -> None:
    seen = watch(yunet, list(frames(media / "video" / "hardcuts.mp4", 25, first=235)))
    assert len(seen[0]) >= 3
    centre_x = [[(face.box[0] + face.box[2]) / 2 for face in faces] for faces in seen]
    # four men; later the one on the right turns away and looks down
    for low, high, share in [(80, 125, 0.9), (165, 190, 0.9), (305, 330, 0.8), (400, 440, 0.8)]:
        assert sum(any(low < x < high for x in row) for row in centre_x) >= share * len(seen)
    assert max(map(len, seen)) == 4
    for face in (face for faces in seen for face in faces):
        assert 15 < face.box[3] - face.box[1] < 40
        eyes, nose, lips = face.landmarks[[33, 263], 1].mean(), face.landmarks[4, 1], face.landmarks[13, 1]
        assert eyes < nose < lips  # nobody stands on his head


def test_a_new_face_is_measured_like_a_followed_one(yunet: FaceLandmarker, media: Path) -> None:
    (image,) = frames(media / "video" / "intel_asl_book_hand_over_mouth.mkv", 1)
    first, *_, last = [faces[0].landmarks[:, :2] for faces in watch(yunet, [image] * 6)]
    assert np.abs(first - last).max() < 0.01 * np.ptp(last[:, 1])


@pytest.mark.parametrize("clip", ["grid_bbaf2n.mpg", "grid_pwij3p.mpg", "grid_lrwp9a.mpg"])
def test_a_head_upside_down_is_measured_the_right_way_up(
    yunet: FaceLandmarker, media: Path, clip: str
) -> None:
    """The detector draws upright points on it."""
    (image,) = frames(media / "video" / clip, 1)
    height, width = image.shape[:2]
    (upright,) = watch(yunet, [image])[0]
    (found,) = watch(yunet, [np.ascontiguousarray(image[::-1, ::-1])])[0]
    expected = [width, height] - upright.landmarks[:, :2]
    assert np.abs(found.landmarks[:, :2] - expected).max() < 0.05 * np.ptp(expected[:, 1])


@pytest.mark.parametrize(
    ("clip", "first"),
    [
        ("pyfeat_no_face_caminandes.mp4", 0),
        ("pyfeat_no_face_caminandes.mp4", 50),
        ("face_noface.mov", 150),  # a cartoon's title
        ("nasa_13013_multistream.mp4", 170),  # a man seen from behind
        ("hardcuts.mp4", 75),
    ],
)
def test_no_face_no_result(
    direct: FaceLandmarker, yunet: FaceLandmarker, media: Path, clip: str, first: int
) -> None:
    video = list(frames(media / "video" / clip, 4, first=first))
    assert not any(watch(yunet, video))
    if not first:
        assert not any(watch(direct, video))


def test_a_cut_is_forgotten_and_time_goes_on(yunet: FaceLandmarker, media: Path) -> None:
    video = list(frames(media / "video" / "hardcuts.mp4", 8, first=156))
    assert _bytes(watch(yunet, video, cut=4)[4:]) == _bytes(watch(yunet, video[4:]))


def _bytes(seen: list[list[Face]]) -> list[bytes]:
    return [
        b"".join(x.tobytes() for x in (face.landmarks, face.blendshapes, face.pose, np.float64(face.score)))
        for faces in seen
        for face in faces
    ]


def test_a_video_does_not_depend_on_the_one_before(
    yunet: FaceLandmarker, task_path: str, models: Path, media: Path
) -> None:
    video = list(frames(media / "video" / "dialogue_grid_2spk.mp4", 7))
    detector = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"))
    fresh = _bytes(watch(make_landmarker("direct", task_path=task_path, detector=detector), video))
    watch(yunet, list(frames(media / "video" / "intel_two_faces_tilted.mp4", 3)))
    assert _bytes(watch(yunet, video)) == fresh
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


def test_mediapipe_has_its_own_detector(task_path: str, models: Path) -> None:
    detector = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"))
    with pytest.raises(ValueError, match="of its own"):
        make_landmarker("mediapipe", task_path=task_path, detector=detector)
