"""Real clips corrupted before the crop and seen again, beside what `cut` wrote of them."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_build import run_build

from extractors.detectors import make_detector
from extractors.landmarks import make_landmarker
from extractors.weights import locate
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.sections import BuildConfig
from pipelines.steps.clips import extension_of
from pipelines.steps.pictures import frames_at
from pipelines.steps.series import Clip
from pipelines.testsets.corrupted_crops import corrupt_crops, crop_landmarks, decoded
from pipelines.testsets.seen_again import SecondLook
from synth.corruption.apply import apply
from synth.corruption.draw import plan_corruption
from synth.corruption.plan import CorruptError, Corruption, CorruptionPlan

MEMBERS = ("lips", "face", "arkit52", "face61", "livelink61", "groups", "trust", "exclusion")


@dataclass(frozen=True)
class Finished:
    """A finished corpus of one clip: what `cut` wrote of its picture, by extension."""

    config: BuildConfig
    clip: Clip
    path: str
    store: Store
    members: dict[str, bytes]

    @property
    def n_frames(self) -> int:
        return self.clip.n_ticks

    def plan(self, kind: Any, severity: int, spans: Any = "whole") -> CorruptionPlan:
        return plan_corruption(self.clip.key, kind, severity, n_frames=self.n_frames, spans=spans)

    def explicit(self, kind: Any, spans: Any, **values: float) -> CorruptionPlan:
        return CorruptionPlan(self.clip.key, self.n_frames, (Corruption(kind, spans, tuple(values.items())),))


@pytest.fixture(scope="module")
def finished(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    clips, out = (tmp_path_factory.mktemp(name) for name in ("clips", "corpus"))
    name = "grid_brbk7n.mpg"
    (clips / name).symlink_to(media / "video" / name)
    overrides = [
        *(f"cut.members=[{', '.join((*MEMBERS, 'flac'))}]", "who.model=none", "who.offset=none"),
        *("listen.dnsmos=false", "listen.events=false"),
    ]
    config = load_config(preset="talking-face", overrides=overrides)
    run_build(clips, out, config)
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    ((item,), (row,)) = corpus.items("cut").values(), corpus.rows("cut")
    members = {extension_of(one["name"]): corpus.store.read(one["name"]) for one in row["artifacts"]}
    members.pop("flac")
    return Finished(config, Clip.of(item), str(clips / name), corpus.store, members)


@pytest.fixture(scope="module")
def look(finished: Finished) -> SecondLook:
    return SecondLook(finished.config.watch, finished.config.cut)


def seen(finished: Finished, look: SecondLook, plan: CorruptionPlan, **options: Any) -> Any:
    return look(finished.clip, finished.path, finished.store, plan, **options)


def array(payload: bytes) -> np.ndarray:
    return np.load(io.BytesIO(payload))


def digests(members: dict[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}


def test_a_clean_plan_gives_the_bytes_of_cut(finished: Finished, look: SecondLook) -> None:
    made = seen(finished, look, CorruptionPlan("a", finished.n_frames))
    assert digests(made.payloads) == digests(finished.members)


def test_so_does_the_whole_way_round_when_nothing_is_changed(finished: Finished, look: SecondLook) -> None:
    """Decoded, found, measured and cut again, by a plan that shifts by nothing."""
    idle = finished.explicit("av_shift", ((0, finished.n_frames),), frames=0, direction=1)
    assert not idle.is_clean
    made = look.look(finished.clip, finished.path, finished.store, idle)
    assert digests(made.payloads) == digests(finished.members)
    assert made.measures["spans"] == [] and made.measures["n_lost"] == 0
    assert made.measures["face_miss_rate"] == 0 and made.measures["face_miss_rate_corrupted"] is None


def test_the_face_is_looked_for_on_the_corrupted_frames(finished: Finished, look: SecondLook) -> None:
    """Which frames have it: another landmarker on other frames, corrupted by the kernel itself."""
    spans = ((10, 20), (30, 36))
    plan = finished.explicit("cutout", spans, size_px=300, level=0)
    made = seen(finished, look, plan)
    clip, first = finished.clip, finished.clip.start
    times = [first + Fraction(tick, 25) for tick in range(clip.n_ticks)]
    images = [frame.image for frame in frames_at(times, clip, finished.path)]
    find = make_landmarker(
        "direct", task_path=str(locate("face_landmarker").path), detector=make_detector("yunet")
    )
    meshes = np.array([find(image, 40 * t)[0].landmarks[:, :2] for t, image in enumerate(images)])
    find.reset()
    found = [
        bool(find(image, 40 * t)) for t, image in enumerate(apply(plan, images, meshes.astype(float)).frames)
    ]
    trust = array(made.payloads["trust.npy"])
    assert trust[:, 0].astype(bool).tolist() == found
    lost = found.count(False)
    assert lost >= 16  # behind a square larger than the face
    assert made.measures["n_lost"] == lost and made.measures["spans"] == [list(span) for span in spans]
    assert made.measures["face_miss_rate"] == pytest.approx(lost / clip.n_ticks, abs=1e-4)
    assert made.measures["face_miss_rate_corrupted"] == pytest.approx(lost / 16, abs=1e-4)
    assert array(made.payloads["lips_interpolated.npy"]).tolist() == [not one for one in found]
    assert not array(made.payloads["group_valid.npy"])[12:18].any()
    assert set(made.payloads) == set(finished.members)


def test_without_any_face_every_member_of_it_is_missing(finished: Finished, look: SecondLook) -> None:
    made = seen(
        finished, look, finished.explicit("low_light", ((0, finished.n_frames),), gain=0, gamma=1, photons=9)
    )
    assert made.payloads == {}
    assert made.missing == dict.fromkeys(MEMBERS, "no_face")
    assert made.measures["face_miss_rate"] == 1.0 and made.measures["landmark_error"] is None


def test_what_covers_the_mouth_moves_its_landmarks_and_is_in_the_crops(
    finished: Finished, look: SecondLook
) -> None:
    made = seen(finished, look, finished.plan("mask", 5, ((20, 40),)), masks=True)
    assert made.measures["n_corrupted"] == 20
    assert made.measures["mouth_error"] > made.measures["landmark_error"] > 0.01
    packed = array(made.payloads["lips_corrupted.npy"])
    assert packed.shape == (finished.n_frames, 96, 12) and packed.dtype == np.uint8
    covered = np.unpackbits(packed, axis=2).mean(axis=(1, 2))
    assert (covered[20:40] > 0.5).all() and not covered[:20].any() and not covered[40:].any()
    before, after = (list(decoded(one["lips.mp4"], grey=True)) for one in (finished.members, made.payloads))
    changed = [np.abs(a.astype(int) - b).mean() for a, b in zip(before, after, strict=True)]
    assert min(changed[22:38]) > 20 and max(changed[45:]) < 5
    hidden = array(made.payloads["trust.npy"])[:, 6]
    assert np.nanmean(hidden[22:40]) > np.nanmean(array(finished.members["trust.npy"])[22:40, 6]) + 0.2


def test_a_frozen_face_is_the_face_that_is_shown(finished: Finished, look: SecondLook) -> None:
    """Its landmarks are compared with those of the frame that is seen, so nothing is wrong with them."""
    made = seen(finished, look, finished.plan("freeze", 5, ((10, 30),)))
    assert made.measures["n_lost"] == 0 and made.measures["landmark_error"] < 0.005
    jaw = array(made.payloads["arkit52.npy"])[11:29]
    assert jaw.std(axis=0).max() < 0.02 < array(finished.members["arkit52.npy"])[11:29].std(axis=0).max()


def test_the_same_bytes_again_whatever_was_looked_at_before(finished: Finished, look: SecondLook) -> None:
    plan = finished.plan("hand", 3, ((5, 15),))
    one = seen(finished, look, plan)
    other = seen(finished, SecondLook(finished.config.watch, finished.config.cut), plan)
    assert digests(one.payloads) == digests(other.payloads) and one.measures == other.measures


def test_faults_of_a_plan(finished: Finished, look: SecondLook) -> None:
    with pytest.raises(ValueError, match=r"has \d+ at 25"):
        seen(finished, look, CorruptionPlan("a", finished.n_frames + 1))
    with pytest.raises(ValueError, match=r"has \d+ at 25"):
        seen(finished, look, CorruptionPlan("a", finished.n_frames, rate_hz=Fraction(30)))
    plan = plan_corruption("a", "hand", 1, n_frames=finished.n_frames, occluders=("gone",))
    with pytest.raises(CorruptError, match="'gone'"):
        seen(finished, look, plan)


def test_crops_without_a_source(finished: Finished) -> None:
    landmarks = crop_landmarks(finished.clip, finished.store, finished.config.cut)
    assert corrupt_crops(finished.members, CorruptionPlan("a", finished.n_frames)).payloads == {
        name: finished.members[name] for name in ("lips.mp4", "face.mp4")
    }
    mouths = landmarks["lips.mp4"][:, 48:68].mean(axis=1)
    assert np.abs(mouths - 48).max() < 2.5  # recipes: the crop lies round the mean of points 48 to 67
    plan = finished.explicit("cutout", ((5, 12),), size_px=30, level=255)
    made = corrupt_crops(finished.members, plan, landmarks, masks=True)
    assert made.measures["spans"] == [[5, 12]] and set(made.payloads) == {
        "lips.mp4",
        "face.mp4",
        "lips_corrupted.npy",
    }
    frames = np.stack(list(decoded(made.payloads["lips.mp4"], grey=True)))
    before = np.stack(list(decoded(finished.members["lips.mp4"], grey=True)))
    masks = np.unpackbits(array(made.payloads["lips_corrupted.npy"]), axis=2).astype(bool)
    assert frames[masks].mean() > 245 and masks[5:12].mean() == pytest.approx(
        31**2 / 96**2, rel=0.1
    )  # edges included
    assert np.abs(frames.astype(int) - before)[~masks].mean() < 1.5  # encoded once more
    faces = np.stack(list(decoded(made.payloads["face.mp4"], grey=False)))
    x, y = landmarks["face.mp4"][8, [62, 66]].mean(axis=0).round().astype(int)
    assert faces[8, y - 2 : y + 3, x - 2 : x + 3].mean() > 240 > faces[14, y, x].mean()


def test_crops_without_landmarks(finished: Finished) -> None:
    with pytest.raises(CorruptError, match="none are given"):
        corrupt_crops(finished.members, finished.plan("hand", 3))
    noisy = corrupt_crops(finished.members, finished.plan("gaussian_noise", 3))
    assert noisy.measures["n_corrupted"] == finished.n_frames
    short = replace(finished.plan("blur", 3, ((0, 3),)), n_frames=finished.n_frames + 2)
    with pytest.raises(CorruptError, match="planned are"):
        corrupt_crops(finished.members, short)
