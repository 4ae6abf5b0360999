from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from extractors.extractor import FaceFrame
from extractors.face_embedding import (
    CROP_PX,
    MTCNN_RISE,
    FaceEmbedding512,
    embed,
    face_crop,
    load_layers,
    make_layers,
)
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.weights import WeightsError

# What timesler/facenet-pytorch's own `models/inception_resnet_v1.py` (its newest commit) gives for the three
# pictures of `blocks`, with the tensors of `seeded(…, 3)`
GOLDEN_COLUMNS = [0, 1, 2, 3, 100, 200, 300, 400, 508, 509, 510, 511]
# fmt: off
GOLDEN = [
    [-0.080818, -0.045743, 0.051677, 0.021609, 0.069341, 0.025958,
     0.01458, 0.033339, -0.014279, 0.016282, -0.00183, -0.00111],
    [-0.086693, -0.048472, 0.046264, 0.025482, 0.068984, 0.026637,
     0.01396, 0.035329, -0.015771, 0.014982, -0.012313, 0.001373],
    [-0.082723, -0.051284, 0.04781, 0.023096, 0.069577, 0.028506,
     0.015197, 0.037687, -0.013007, 0.010393, -0.012571, 0.000428],
]
# fmt: on


def seeded(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(seed)
    tensors = {}
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.zeros((), dtype=torch.int64)
            continue
        if len(shape) > 1:
            values = rng.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5
        else:
            level = 0.0 if name.endswith(("bias", "running_mean")) else 1.0
            values = level + rng.uniform(-0.3, 0.3, size=shape)
        tensors[name] = torch.from_numpy(values.astype(np.float32))
    return tensors


def blocks(n: int) -> np.ndarray:
    """(n, 160, 160, 3) pictures of 32 px colour blocks."""
    small = np.random.default_rng(6).integers(0, 256, (n, 5, 5, 3), dtype=np.uint8)
    return small.repeat(32, axis=1).repeat(32, axis=2)


def run(weights_path: str, crops: np.ndarray) -> np.ndarray:
    layers = load_layers(weights_path).eval()
    with torch.inference_mode():
        images = (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128
        return embed(layers, images).numpy()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return seeded({name: tuple(one.shape) for name, one in make_layers().state_dict().items()}, 3)


@pytest.fixture(scope="module")
def checkpoint(tensors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file as the published one is: with the classifier of VGGFace2's 8631 people (few of them here)."""
    path = tmp_path_factory.mktemp("vggface2") / "20180402-114759-vggface2.pt"
    classifier = {"logits.weight": torch.zeros(5, 512), "logits.bias": torch.zeros(5)}
    torch.save(tensors | classifier, path)
    return str(path)


@pytest.fixture(scope="module")
def frames(media: Path, models: Path) -> list[FaceFrame]:
    """Six frames of a real clip, four frames apart."""
    path = str(media / "video" / "grid_pwij3p.mpg")
    video = probe(path).video
    assert video is not None
    with VideoReader(path, stream_index=video.index) as reader:
        images = [frame.image for frame in reader.frames()][:24:4]
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    faces = [landmarker(image, 160 * t)[0] for t, image in enumerate(images)]
    return [
        FaceFrame(
            image,
            face.landmarks.astype(np.float64),
            face.box.astype(np.float64),
            face.blendshapes.astype(np.float64),
            face.pose.astype(np.float64),
        )
        for image, face in zip(images, faces, strict=True)
    ]


def measure(extractor: FaceEmbedding512, frames: list[FaceFrame]) -> dict[str, Any]:
    extractor.begin(len(frames))
    for frame in frames:
        extractor.add(frame)
    return extractor.finish()


def test_the_network_equals_the_published_code(checkpoint: str) -> None:
    rows = run(checkpoint, blocks(3))
    assert rows.shape == (3, 512)
    assert np.abs(rows[:, GOLDEN_COLUMNS] - GOLDEN).max() < 2e-6


def test_the_number_of_parameters_is_the_published_one() -> None:
    """23 482 624 without the classifier, as facenet-pytorch's class counts with `num_classes=None`."""
    assert sum(one.numel() for one in make_layers().parameters()) == 23_482_624


def test_the_crop_has_the_geometry_of_the_reference() -> None:
    """On a ramp (R = x, G = y) the crop of a face whose cut has 160x160 px is that part of the ramp."""
    y, x = np.mgrid[:256, :256].astype(np.uint8)
    ramp = np.stack([x, y, x], axis=-1)
    # Without margin the cut is the box with its top raised: 160 = height + 0.1 height
    height = CROP_PX / (1 + MTCNN_RISE)
    box = np.array([40.5, 60.25 + CROP_PX - height, 200.5, 60.25 + CROP_PX])
    assert (face_crop(ramp, box, margin_px=0) == ramp[60:220, 40:200]).all()
    # A margin of 80 of 160 px doubles what is cut: a box of 80 px has 40 px more on each side
    box = np.array([80.5, 100.25 + 80 - height / 2, 160.5, 100.25 + 80])
    assert (face_crop(ramp, box, margin_px=80) == ramp[60:220, 40:200]).all()


def test_the_crop_ends_where_the_image_ends() -> None:
    y, x = np.mgrid[:200, :240].astype(np.uint8)
    ramp = np.stack([x, y, x], axis=-1)
    height = 250 / (1 + MTCNN_RISE)
    crop = face_crop(ramp, np.array([-30, 150 - height, 160.5, 150]), margin_px=0)
    assert crop.shape == (160, 160, 3)
    assert (crop[:, :, 0] == np.arange(160)).all(), "160 px of x from 0, none invented"
    assert crop[0, 0, 1] <= 1 and abs(int(crop[-1, 0, 1]) - 149) <= 1, "150 px of y from 0, stretched"
    for corner in ((-500, 10), (500, 10), (10, -500), (10, 500)):
        assert face_crop(ramp, np.array([*corner, corner[0] + 50, corner[1] + 60]), margin_px=14).any()


def test_a_real_clip(checkpoint: str, frames: list[FaceFrame]) -> None:
    found = measure(FaceEmbedding512(weights_path=checkpoint, device="cpu", batch=4), frames)
    assert set(found) == set(FaceEmbedding512.outputs)
    embedding = found["embedding512"]
    assert embedding.shape == (6, 512) and embedding.dtype == np.float32
    assert np.allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-6)
    crops = np.array([face_crop(frame.image, frame.box, margin_px=14) for frame in frames])
    assert np.abs(embedding - run(checkpoint, crops)).max() < 1e-6


def test_padding_and_the_last_clip_change_no_byte(checkpoint: str, frames: list[FaceFrame]) -> None:
    """Three frames in batches of four have one row of padding."""
    extractor = FaceEmbedding512(weights_path=checkpoint, device="cpu", batch=4)
    first, longer = measure(extractor, frames[:3]), measure(extractor, frames[:4])
    extractor.begin(5)
    extractor.add(frames[5])  # a clip that is given up
    again = measure(extractor, frames[:3])
    assert again["embedding512"].tobytes() == first["embedding512"].tobytes()
    assert longer["embedding512"][:3].tobytes() == first["embedding512"].tobytes()


def test_files_of_old_pytorch_load(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    """No zip around it, and no counts of training batches."""
    path = tmp_path / "old.pt"
    old = {name: one for name, one in tensors.items() if not name.endswith("num_batches_tracked")}
    torch.save(old, path, _use_new_zipfile_serialization=False)
    assert np.abs(run(str(path), blocks(3))[:, GOLDEN_COLUMNS] - GOLDEN).max() < 2e-6


def test_wrong_weights_say_what_is_wrong(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    path = tmp_path / "casia.pt"
    torch.save({name: one for name, one in tensors.items() if name != "last_linear.weight"}, path)
    with pytest.raises(WeightsError, match=r"last_linear\.weight is missing") as caught:
        load_layers(str(path))
    assert str(path) in str(caught.value)


def test_wrong_options(checkpoint: str) -> None:
    for margin_px in (-1, CROP_PX):
        with pytest.raises(ValueError, match="margin_px"):
            FaceEmbedding512(weights_path=checkpoint, margin_px=margin_px)


def test_naming_the_class_loads_no_torch() -> None:
    code = "import sys, extractors.face_embedding; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
def test_a_gpu_gives_the_numbers_of_the_cpu(cuda: str, checkpoint: str, frames: list[FaceFrame]) -> None:
    on_gpu = FaceEmbedding512(weights_path=checkpoint, device="auto", batch=4)
    on_cpu = FaceEmbedding512(weights_path=checkpoint, device="cpu", batch=4)
    first, again = measure(on_gpu, frames)["embedding512"], measure(on_gpu, frames)["embedding512"]
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - measure(on_cpu, frames)["embedding512"]).max() < 1e-5
