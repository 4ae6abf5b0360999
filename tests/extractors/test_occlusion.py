from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from extractors.detectors import make_detector
from extractors.landmarks import FaceLandmarker, make_landmarker
from extractors.media import VideoReader
from extractors.occlusion import BORDER, Logistic, MouthOcclusion, read_points

Clip = tuple[list[np.ndarray], list[np.ndarray]]
LABELS = json.loads((Path(__file__).parents[1] / "labels" / "mouth_occlusion.json").read_text())
CLIPS = {clip["file"].split("_")[2]: clip for clip in LABELS["clips"]}


@pytest.fixture(scope="module")
def landmarker(models: Path) -> FaceLandmarker:
    detector = make_detector("yunet", weights=str(models / "yunet_n_dynamic.onnx"))
    task = str(models / "face_landmarker.task")
    return make_landmarker("direct", task_path=task, detector=detector, max_faces=1)


def follow(path: Path, landmarker: FaceLandmarker, count: int = 200) -> Clip:
    with VideoReader(str(path), stream_index=0) as reader:
        images = [frame.image for _, frame in zip(range(count), reader.frames(), strict=False)]
    landmarker.reset()
    return images, [landmarker(image, 40 * t)[0].landmarks for t, image in enumerate(images)]


@pytest.fixture(scope="module")
def hand_clips(media: Path, landmarker: FaceLandmarker) -> dict[str, Clip]:
    return {name: follow(media / "video" / clip["file"], landmarker) for name, clip in CLIPS.items()}


@pytest.fixture(scope="module")
def speaker(media: Path, landmarker: FaceLandmarker) -> Clip:
    """Somebody speaking, whom the models were not fitted on."""
    return follow(media / "video" / "grid_sbwe5n.mpg", landmarker)


def signal(clip: Clip) -> np.ndarray:
    extractor = MouthOcclusion()
    return np.array([extractor(image, points) for image, points in zip(*clip, strict=True)])


def labels(clip: dict[str, Any]) -> np.ndarray:
    return np.concatenate([[span["label"]] * (span["stop"] - span["first"]) for span in clip["spans"]])


@pytest.mark.parametrize("name", CLIPS)
def test_labels_cover_the_clips_they_were_made_on(
    name: str, media: Path, hand_clips: dict[str, Clip]
) -> None:
    clip = CLIPS[name]
    digest = hashlib.sha256((media / "video" / clip["file"]).read_bytes()).hexdigest()
    assert digest == clip["sha256"]
    assert len(hand_clips[name][0]) == clip["n_frames"] == len(labels(clip))
    starts = [span["first"] for span in clip["spans"]]
    assert starts == [0, *(span["stop"] for span in clip["spans"])][:-1]
    assert set(labels(clip)) <= set(LABELS["labels"])


def test_hands_over_mouths_are_told_from_bare_mouths(hand_clips: dict[str, Clip]) -> None:
    scores = np.concatenate([signal(hand_clips[name]) for name in CLIPS])
    truth = np.concatenate([labels(clip) for clip in CLIPS.values()])
    hidden, bare = scores[truth == "occluded"], scores[truth == "clear"]
    assert len(hidden) == 37 and len(bare) == 170
    area = mannwhitneyu(hidden, bare).statistic / (len(hidden) * len(bare))
    assert area >= 0.85, area


@pytest.mark.parametrize(("name", "first"), [("bird", 15), ("eat", 22)])
def test_a_track_that_begins_hidden(name: str, first: int, hand_clips: dict[str, Clip]) -> None:
    images, points = hand_clips[name]
    scores = signal((images[first:], points[first:]))
    truth = labels(CLIPS[name])[first:]
    hidden, bare = scores[truth == "occluded"], scores[truth == "clear"]
    area = mannwhitneyu(hidden, bare).statistic / (len(hidden) * len(bare))
    assert area >= 0.85, (hidden, bare)


def test_speech_is_no_occlusion(speaker: Clip) -> None:
    scores = signal(speaker)
    assert len(scores) == 75 and (scores > 0.5).mean() <= 0.02, scores.round(2)


def test_a_mask_put_on_is_seen_at_once(media: Path, speaker: Clip, landmarker: FaceLandmarker) -> None:
    images, points = speaker
    mask = cv2.imread(str(media / "occluders" / "surgical_blue.png"), cv2.IMREAD_UNCHANGED)
    masked = list(images)
    for t in range(30, 60):
        jaw, chin, nose = points[t][[234, 454], :2], points[t][152, :2], points[t][6, :2]
        top = jaw * 0.85 + jaw[::-1] * 0.15
        top += chin + 0.68 * (nose - chin) - top.mean(axis=0)
        corners = np.float32([[5, 45], [615, 45], [310, 515]])
        laid = cv2.warpAffine(mask, cv2.getAffineTransform(corners, np.float32([*top, chin])), (360, 288))
        alpha = laid[..., 3:] / 255
        masked[t] = np.ascontiguousarray(
            (images[t] * (1 - alpha) + laid[..., 2::-1] * alpha).astype(np.uint8)
        )
    landmarker.reset()
    found = [landmarker(image, 40 * t)[0].landmarks for t, image in enumerate(masked)]
    scores = signal((masked, found))
    assert scores[30:60].min() > 0.5 > max(scores[:30].max(), scores[62:].max()), scores.round(2)


def test_a_hand_that_stays_is_not_learned_as_the_mouth(hand_clips: dict[str, Clip]) -> None:
    """The hand of `bird` forth and back, five seconds of it."""
    images, points = hand_clips["bird"]
    order = [*range(15), *[*range(15, 40), *range(38, 15, -1)] * 3]
    scores = signal(([images[t] for t in order], [points[t] for t in order]))[15:]
    assert len(scores) == 144 and (scores > 0.5).mean() >= 0.9, scores.round(2)


def test_no_later_frame_is_seen_and_a_reset_forgets(hand_clips: dict[str, Clip]) -> None:
    images, points = hand_clips["bird"]
    whole = signal((images, points))
    extractor = MouthOcclusion()
    assert [extractor(*frame) for frame in zip(images[:25], points[:25], strict=True)] == list(whole[:25])
    extractor.reset()
    assert extractor(images[0], points[0]) == whole[0]


def test_the_size_of_a_face_hardly_matters(speaker: Clip) -> None:
    images, points = speaker
    large = [cv2.resize(image, None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR) for image in images]
    # the middle of pixel x comes to lie at 3 x + 1
    scores = signal((large, [p * [3, 3, 3] + [1, 1, 0] for p in points]))
    assert np.abs(scores - signal(speaker)).max() < 0.15


def test_a_mouth_outside_the_picture_is_hidden(speaker: Clip) -> None:
    image, points = speaker[0][0], speaker[1][0]
    lips = points[list(BORDER), :2]
    cut = np.ascontiguousarray(image[: int(np.median(lips[:, 1]))])
    assert read_points(cut, points) is None
    assert MouthOcclusion()(cut, points) == 1.0
    assert read_points(np.ascontiguousarray(image[: int(lips[:, 1].max()) + 2]), points) is not None


def test_logistic_by_hand() -> None:
    model = Logistic({"a": (1.0, 2.0, 3.0), "b": (0.0, 1.0, -1.0)}, bias=0.5)
    assert model([3.0, 2.0]) == pytest.approx(1 / (1 + np.exp(-1.5)))
