from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.track_crop import (
    CROP_PX,
    OUTSIDE_GREY,
    StoredCrops,
    TrackCropper,
    cut_square,
    decode_crop,
    encode_crop,
)

Image = NDArray[np.uint8]
Box = NDArray[np.float32]


@pytest.fixture(scope="module")
def frames(media: Path, models: Path) -> list[tuple[Image, Box]]:
    path = str(media / "video" / "grid_lrwp9a.mpg")
    video = probe(path).video
    assert video is not None
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"), max_faces=1)
    with VideoReader(path, stream_index=video.index) as reader:
        images = [frame.image for frame in reader.frames()][:30]
    return [(image, landmarker(image, 40 * t)[0].box) for t, image in enumerate(images)]


def scene(side: int = 400) -> Image:
    """A smooth picture in which every place has its own grey level."""
    rows, columns = np.mgrid[:side, :side]
    grey = 100 + 60 * np.sin(rows / 23) * np.cos(columns / 31)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


def published_crop(image: Image, box: Box) -> Image:
    """The recipe of LR-ASD's demo for a box of its own detector: 1.4 S, 224 px, then the central 112."""
    half = max(box[2] - box[0], box[3] - box[1]) / 2
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    pad = 300
    wide = cv2.copyMakeBorder(image, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=(110, 110, 110))
    top, bottom = int(y + pad - half), int(y + pad + 1.8 * half)
    left, right = int(x + pad - 1.4 * half), int(x + pad + 1.4 * half)
    square = cv2.cvtColor(cv2.resize(wide[top:bottom, left:right], (224, 224)), cv2.COLOR_RGB2GRAY)
    return np.asarray(square[56:168, 56:168])


def test_the_square_is_where_the_arithmetic_says() -> None:
    # a box of 100 x 200 px: side 160, middle (150, 200 + 30), so x 70 … 230 and y 150 … 310
    image = np.zeros((400, 400, 3), np.uint8)
    image[150:310, 70:230] = 200
    crop = TrackCropper()(image, np.array([100, 100, 200, 300], np.float32))
    assert crop.shape == (CROP_PX, CROP_PX) and crop.dtype == np.uint8 and (crop == 200).all()


def test_the_crop_is_that_of_the_published_recipe(models: Path, frames: list[tuple[Image, Box]]) -> None:
    """YuNet, trained on the same labels (WIDER FACE), stands for the detector of the recipe.

    9 grey levels apart; a square of 0.75 or 0.85 for 0.8, or 0.2 down for 0.15, is 12 to 16 apart.
    """
    detector = cv2.FaceDetectorYN.create(str(models / "yunet_n_dynamic.onnx"), "", (360, 288), 0.6)
    differences = []
    for image, box in frames[1::7]:
        x, y, width, height = detector.detect(np.ascontiguousarray(image[..., ::-1]))[1][0, :4]
        theirs = published_crop(image, np.array([x, y, x + width, y + height]))
        differences.append(np.abs(TrackCropper()(image, box).astype(float) - theirs).mean())
    assert np.mean(differences) < 10


def test_outside_the_image_is_grey() -> None:
    image = np.full((100, 100, 3), 255, np.uint8)
    half_out = cut_square(image, x=0, y=50, side=60)
    assert (half_out[:, :55] == OUTSIDE_GREY).all() and (half_out[:, 57:] == 255).all()
    for x, y in ((-500, 50), (50, 900)):
        assert (cut_square(image, x=x, y=y, side=60) == OUTSIDE_GREY).all()


def test_no_crop_depends_on_a_later_frame(frames: list[tuple[Image, Box]]) -> None:
    def crops(boxes: list[Box]) -> list[bytes]:
        cropper = TrackCropper()
        return [cropper(image, box).tobytes() for (image, _), box in zip(frames, boxes, strict=True)]

    boxes = [box for _, box in frames]
    jumped = [*boxes[:15], *(box + 40 for box in boxes[15:])]
    same = [one == other for one, other in zip(crops(boxes), crops(jumped), strict=True)]
    assert all(same[:16]) and not any(same[17:])  # the median of three follows one frame late


def test_a_single_wrong_box_moves_nothing() -> None:
    image, box = scene(), np.array([120, 100, 220, 240], np.float32)
    steady, shaken = TrackCropper(), TrackCropper()
    for frame in range(20):
        wrong = np.array([30, -25, 80, 60], np.float32) * (frame == 12)
        assert (steady(image, box) == shaken(image, box + wrong)).all()


def test_a_moving_face_stays_in_the_crop() -> None:
    """4 px a frame, and the crop lags by one frame."""
    image, cropper = scene(), TrackCropper()
    for frame in range(20):
        box = np.array([40, 100, 140, 240], np.float32) + np.array([4, 0, 4, 0], np.float32) * frame
        crop = cropper(image, box)
    expected = cut_square(image, x=90 + 4 * 18, y=170 + 0.15 * 140, side=0.8 * 140)
    assert (crop == expected).all()


def test_jpeg_keeps_the_crop(frames: list[tuple[Image, Box]]) -> None:
    cropper = TrackCropper()
    crops = np.array([cropper(image, box) for image, box in frames])
    stored = StoredCrops([encode_crop(crop) for crop in crops])
    assert len(stored) == 30 and stored[4:9].shape == (5, CROP_PX, CROP_PX) and stored[30:].shape[0] == 0
    errors = stored[:].astype(int) - crops
    assert np.abs(errors).mean() < 1.5
    assert 1500 < np.mean([len(data) for data in stored.encoded]) < 4000


def test_what_is_no_crop_is_refused() -> None:
    good = encode_crop(np.zeros((CROP_PX, CROP_PX), np.uint8))
    small = bytes(cv2.imencode(".jpg", np.zeros((9, 9), np.uint8))[1])
    for data in (b"no picture", good[:20], small):
        with pytest.raises(ValueError, match="no JPEG"):
            decode_crop(data)
    assert (decode_crop(good) == 0).all()
