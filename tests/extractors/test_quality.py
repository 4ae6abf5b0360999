from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.quality import OUT_OF_SIGHT, FaceLook, look_at

Image = np.ndarray
LOWLIGHT_FACE = np.array([178, 75, 262, 195], np.float32)  # drawn by hand: a face lit by a screen
BT601 = np.array([0.299, 0.587, 0.114])


def whole(image: Image) -> np.ndarray:
    return np.array([0, 0, image.shape[1], image.shape[0]], np.float32)


def looks_of_clip(path: Path, boxes: list[np.ndarray]) -> list[FaceLook]:
    video = probe(str(path)).video
    assert video is not None
    with VideoReader(str(path), stream_index=video.index) as reader:
        images = [frame.image for _, frame in zip(boxes, reader.frames(), strict=False)]
    return [look_at(image, box) for image, box in zip(images, boxes, strict=True)]


@pytest.fixture(scope="module")
def face(media: Path, models: Path) -> tuple[Image, np.ndarray]:
    """A well lit face and its box: frame 0 of the clip that was darkened to make the low-light one."""
    path = media / "video" / "grid_lbax4n.mpg"
    video = probe(str(path)).video
    assert video is not None
    with VideoReader(str(path), stream_index=video.index) as reader:
        image = next(reader.frames()).image
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    return image, landmarker(image, 0)[0].box


def test_the_mean_is_that_of_the_luma_in_the_box(face: tuple[Image, np.ndarray]) -> None:
    image, box = face
    x0, y0, x1, y1 = int(box[0]), int(box[1]), int(np.ceil(box[2])), int(np.ceil(box[3]))
    expected = (image[y0:y1, x0:x1] @ BT601).mean() / 255
    assert look_at(image, box).luma_mean == pytest.approx(expected, abs=0.003)


def test_exposure_follows_a_known_gain(face: tuple[Image, np.ndarray]) -> None:
    image, box = face
    bright = look_at(image, box)
    assert bright.dark_share < 0.02 and bright.bright_share < 0.02, "a face in studio light"
    for gain in (0.5, 0.25, 0.1):
        look = look_at(np.round(image * gain).astype(np.uint8), box)
        assert look.luma_mean == pytest.approx(gain * bright.luma_mean, abs=0.004)
    dark = [
        look_at(np.round(image * gain).astype(np.uint8), box).dark_share for gain in (1, 0.25, 0.15, 0.05)
    ]
    assert dark == sorted(dark) and dark[-1] == 1.0
    blown = [
        look_at(np.clip(image * gain, 0, 255).astype(np.uint8), box).bright_share
        for gain in (1.0, 2.0, 3.0, 9.0)
    ]
    assert blown == sorted(blown) and blown[-1] > 0.9


def test_shares_count_pixels() -> None:
    image = np.full((192, 192, 3), 128, np.uint8)
    image[:96], image[96:, :48] = 0, 255
    look = look_at(image, whole(image))
    assert (look.dark_share, look.bright_share) == (0.5, 0.125)
    assert look.luma_mean == pytest.approx((0.125 * 255 + 0.375 * 128) / 255, abs=1e-6)


@pytest.mark.parametrize(("level", "dark", "bright"), [(25, 1, 0), (26, 0, 0), (246, 0, 0), (247, 0, 1)])
def test_the_published_ranges(level: int, dark: float, bright: float) -> None:
    image = np.full((100, 80, 3), level, np.uint8)
    look = look_at(image, whole(image))
    assert (look.dark_share, look.bright_share, look.sharpness) == (dark, bright, 0.0)


def test_the_same_face_in_low_light(media: Path, face: tuple[Image, np.ndarray]) -> None:
    boxes = [face[1]] * 10
    bright = looks_of_clip(media / "video" / "grid_lbax4n.mpg", boxes)
    dark = looks_of_clip(media / "video" / "lowlight_grid_lbax4n.mp4", boxes)
    assert min(look.luma_mean for look in bright) > 0.4 and max(look.luma_mean for look in dark) < 0.1
    assert max(look.dark_share for look in bright) < 0.02 and min(look.dark_share for look in dark) > 0.9


def test_a_face_in_a_dim_room_lies_between(media: Path, face: tuple[Image, np.ndarray]) -> None:
    """One can make it out: neither lit nor crushed to black."""
    image = cv2.cvtColor(cv2.imread(str(media / "stills" / "hagrid_lowlight_face.jpg")), cv2.COLOR_BGR2RGB)
    look = look_at(image, LOWLIGHT_FACE)
    assert 0.1 < look.luma_mean < 0.6 * look_at(*face).luma_mean
    assert look.dark_share < 0.1 and look.bright_share < 0.01


def test_blur_lowers_sharpness_and_nothing_else(face: tuple[Image, np.ndarray]) -> None:
    image, box = face
    looks = [look_at(image, box)] + [
        look_at(cv2.GaussianBlur(image, (0, 0), sigma), box) for sigma in (0.5, 1, 2, 4)
    ]
    sharp = [look.sharpness for look in looks]
    assert sharp == sorted(sharp, reverse=True) and sharp[-1] < 0.1 * sharp[0]
    assert np.ptp([look.luma_mean for look in looks]) < 0.01


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    """Written out for a picture that needs no scaling; borders mirrored without the edge, as OpenCV does."""
    green = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    image = np.stack([green // 2, green, 255 - green], axis=2)
    padded = np.pad(green.astype(int), 1, mode="reflect")
    laplacian = (
        padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:] - 4 * green.astype(int)
    )
    assert look_at(image, whole(image)).sharpness == pytest.approx(laplacian.var(), rel=1e-9)


def test_a_box_is_clipped_and_may_be_out_of_sight(face: tuple[Image, np.ndarray]) -> None:
    image, _ = face
    height, width = image.shape[:2]
    corner = np.array([width - 60, height - 50, width + 200, height + 300], np.float32)
    inside = np.array([width - 60, height - 50, width, height], np.float32)
    assert look_at(image, corner) == look_at(image, inside)
    for gone in ([-50, -50, -10, -10], [width, 0, width + 9, 9], [5, 5, 6, 40]):
        assert look_at(image, np.array(gone, np.float32)) is OUT_OF_SIGHT
