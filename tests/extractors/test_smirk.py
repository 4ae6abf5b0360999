from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from skimage import transform as sk
from torch.nn.functional import conv2d, pad

from extractors import smirk_network
from extractors.extractor import FaceFrame
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.smirk import Smirk, Smirk58, face_square, yaw_deg
from extractors.smirk_network import COLUMNS, SmirkEncoder, load_encoder
from extractors.weights import WeightsError

# From georgeretsi/smirk `src/smirk_encoder.py`: member, columns, lowest and highest value
LAYOUT = (
    ("expression", 50, -np.inf, np.inf),
    ("eyelid", 2, 0.0, 1.0),
    ("jaw", 3, (0.0, -0.2, -0.2), (np.inf, 0.2, 0.2)),
    ("pose", 3, -np.inf, np.inf),
    ("camera", 3, -np.inf, np.inf),
    ("shape", 300, -np.inf, np.inf),
)

# MobileNetV3 "minimalistic" (Howard et al. 2019, tensorflow/models `mobilenet_v3.py`): one stage a tuple of
# (expanded channels, channels out, stride); 3x3, ReLU, no squeeze-and-excitation, TensorFlow's SAME padding.
# The first stage is a separable convolution, the last a 1x1 convolution.
SMALL = (
    ((16, 16, 2),),
    ((72, 24, 2), (88, 24, 1)),
    ((96, 40, 2), (240, 40, 1), (240, 40, 1)),
    ((120, 48, 1), (144, 48, 1)),
    ((288, 96, 2), (576, 96, 1), (576, 96, 1)),
    ((0, 576, 1),),
)
LARGE = (
    ((16, 16, 1),),
    ((64, 24, 2), (72, 24, 1)),
    ((72, 40, 2), (120, 40, 1), (120, 40, 1)),
    ((240, 80, 2), (200, 80, 1), (184, 80, 1), (184, 80, 1)),
    ((480, 112, 1), (672, 112, 1)),
    ((672, 160, 2), (960, 160, 1), (960, 160, 1)),
    ((0, 960, 1),),
)

# The first and last numbers of each kind for the three pictures of `blocks`, from georgeretsi/smirk's own
# `src/smirk_encoder.py` (its newest commit) with its timm 0.9.16 and the tensors of `seeded(…, 7)`
GOLDEN_COLUMNS = [0, 1, 2, 49, *range(50, 61), 61, 62, 360]
# fmt: off
GOLDEN = [
    [-0.060308, -0.268372, 0.333249, -0.013988, 0, 0.330908, 0.107981, -0.005271, 0.2,
     -0.077462, 0.029481, 0.232878, 0.09449, 0.165364, -0.21073, 0.061976, 0.052335, 0.228991],
    [-0.050476, -0.260959, 0.32281, -0.020737, 0, 0.333551, 0.102568, -0.008612, 0.2,
     -0.077509, 0.029555, 0.233126, 0.094454, 0.165349, -0.210245, 0.061597, 0.052376, 0.22881],
    [-0.050576, -0.251906, 0.326349, -0.014069, 0, 0.332087, 0.087513, -0.00759, 0.2,
     -0.078071, 0.029155, 0.233229, 0.094035, 0.165054, -0.210989, 0.061179, 0.05056, 0.23927],
]
# fmt: on


def seeded(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    """Tensors under which the encoder's outputs are small and its clamps are met now and then."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.zeros((), dtype=torch.int64)
            continue
        if len(shape) > 1:
            variance = (1.5 if len(shape) == 4 else 1e-4) / np.prod(shape[1:])
            values = rng.normal(size=shape) * variance**0.5
        else:
            level = 0.0 if name.endswith(("bias", "running_mean")) else 1.0
            values = level + rng.uniform(-0.3, 0.3, size=shape)
        tensors[name] = torch.from_numpy(values.astype(np.float32))
    return tensors


def blocks(n: int) -> np.ndarray:
    """(n, 224, 224, 3) pictures of 32 px colour blocks."""
    small = np.random.default_rng(6).integers(0, 256, (n, 7, 7, 3), dtype=np.uint8)
    return small.repeat(32, axis=1).repeat(32, axis=2)


def written_out(tensors: Mapping[str, torch.Tensor], pictures: np.ndarray) -> torch.Tensor:
    """The encoder as plain functions over the tables above."""
    images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255

    def unit(x: torch.Tensor, convolution: str, norm: str, stride: int = 1, relu: bool = True) -> Any:
        kernel = tensors[f"{convolution}.weight"]
        if (size := kernel.shape[-1]) > 1:  # SAME: the odd pixel goes to the right and bottom
            total = [max((-(-side // stride) - 1) * stride + size - side, 0) for side in x.shape[-2:]]
            top, left = total[0] // 2, total[1] // 2
            x = pad(x, (left, total[1] - left, top, total[0] - top))
        x = conv2d(x, kernel, stride=stride, groups=x.shape[1] // kernel.shape[1])
        mean, var = (tensors[f"{norm}.running_{kind}"][:, None, None] for kind in ("mean", "var"))
        gain, bias = (tensors[f"{norm}.{kind}"][:, None, None] for kind in ("weight", "bias"))
        x = (x - mean) / torch.sqrt(var + 1e-3) * gain + bias
        return x.clamp(min=0) if relu else x

    def head(branch: str, layers: str, stages: Any) -> torch.Tensor:
        root = f"{branch}.encoder"
        x = unit(images, f"{root}.conv_stem", f"{root}.bn1", 2)
        for i, stage in enumerate(stages):
            for j, (_, width, stride) in enumerate(stage):
                at, before = f"{root}.blocks.{i}.{j}", x
                if i == len(stages) - 1:
                    x = unit(x, f"{at}.conv", f"{at}.bn1")
                    continue
                if i == 0:
                    x = unit(x, f"{at}.conv_dw", f"{at}.bn1", stride)
                    x = unit(x, f"{at}.conv_pw", f"{at}.bn2", relu=False)
                else:
                    x = unit(x, f"{at}.conv_pw", f"{at}.bn1")
                    x = unit(x, f"{at}.conv_dw", f"{at}.bn2", stride)
                    x = unit(x, f"{at}.conv_pwl", f"{at}.bn3", relu=False)
                if stride == 1 and before.shape[1] == width:
                    x = x + before
        weight, bias = (tensors[f"{branch}.{layers}.0.{kind}"] for kind in ("weight", "bias"))
        return x.flatten(2).mean(2) @ weight.T + bias

    expression = head("expression_encoder", "expression_layers", LARGE)
    expression[:, 50:52] = expression[:, 50:52].clamp(0, 1)
    expression[:, 52] = expression[:, 52].clamp(min=0)
    expression[:, 53:] = expression[:, 53:].clamp(-0.2, 0.2)
    pose = head("pose_encoder", "pose_cam_layers", SMALL)
    return torch.cat([expression, pose, head("shape_encoder", "shape_layers", LARGE)], dim=1)


def table_shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of each convolution and linear layer, from the tables alone."""
    heads = {
        "pose_encoder": ("pose_cam_layers", SMALL, 6),
        "shape_encoder": ("shape_layers", LARGE, 300),
        "expression_encoder": ("expression_layers", LARGE, 55),
    }
    shapes: dict[str, tuple[int, ...]] = {}
    for branch, (layers, stages, n_outputs) in heads.items():
        root, width = f"{branch}.encoder", 16
        shapes[f"{root}.conv_stem.weight"] = (16, 3, 3, 3)
        for i, stage in enumerate(stages):
            for j, (middle, out, _) in enumerate(stage):
                at = f"{root}.blocks.{i}.{j}"
                if middle == 0:
                    shapes[f"{at}.conv.weight"] = (out, width, 1, 1)
                elif i == 0:
                    shapes[f"{at}.conv_dw.weight"] = (width, 1, 3, 3)
                    shapes[f"{at}.conv_pw.weight"] = (out, width, 1, 1)
                else:
                    shapes[f"{at}.conv_pw.weight"] = (middle, width, 1, 1)
                    shapes[f"{at}.conv_dw.weight"] = (middle, 1, 3, 3)
                    shapes[f"{at}.conv_pwl.weight"] = (out, middle, 1, 1)
                width = out
        shapes[f"{branch}.{layers}.0.weight"] = (n_outputs, width)
        shapes[f"{branch}.{layers}.0.bias"] = (n_outputs,)
    return shapes


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    return seeded({name: tuple(one.shape) for name, one in SmirkEncoder().state_dict().items()}, 7)


@pytest.fixture(scope="module")
def checkpoint(tensors: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file as the published one is: the encoder's tensors under a prefix, beside the generator's."""
    path = tmp_path_factory.mktemp("smirk") / "SMIRK_em1.pt"
    named = {f"smirk_encoder.{name}": one for name, one in tensors.items()}
    torch.save(named | {"smirk_generator.encoder1.weight": torch.zeros(4)}, path)
    return str(path)


@pytest.fixture(scope="module")
def smirk(checkpoint: str) -> Smirk:
    return Smirk(weights_path=checkpoint, device="cpu", batch=4)


@pytest.fixture(scope="module")
def frames(media: Path, models: Path) -> list[FaceFrame]:
    """Ten frames of a real clip, three frames apart."""
    path = str(media / "video" / "grid_pwij3p.mpg")
    video = probe(path).video
    assert video is not None
    with VideoReader(path, stream_index=video.index) as reader:
        images = [frame.image for frame in reader.frames()][:30:3]
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"))
    faces = [landmarker(image, 120 * t)[0] for t, image in enumerate(images)]
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


def measure(extractor: Smirk, frames: list[FaceFrame]) -> dict[str, Any]:
    extractor.begin(len(frames))
    for frame in frames:
        extractor.add(frame)
    return extractor.finish()


def test_the_network_equals_the_published_code(checkpoint: str) -> None:
    images = torch.from_numpy(blocks(3)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        rows = load_encoder(checkpoint).eval()(images).numpy()
    assert np.abs(rows[:, GOLDEN_COLUMNS] - GOLDEN).max() < 2e-6


@pytest.mark.parametrize("seed", [7, 8])
def test_the_network_equals_plain_functions(seed: int) -> None:
    encoder = SmirkEncoder().eval()
    tensors = seeded({name: tuple(one.shape) for name, one in encoder.state_dict().items()}, seed)
    encoder.load_state_dict(tensors)
    images = torch.from_numpy(blocks(2)).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert (encoder(images) - written_out(tensors, blocks(2))).abs().max() < 1e-5


def test_names_and_shapes_are_the_published_ones() -> None:
    own = {name: tuple(one.shape) for name, one in SmirkEncoder().state_dict().items()}
    plain = {name: shape for name, shape in own.items() if len(shape) > 1 or name.endswith("_layers.0.bias")}
    assert plain == table_shapes()
    # all else is batch normalisation, five tensors for each convolution
    convolutions = sum(len(shape) == 4 for shape in plain.values())
    assert len(own) - len(plain) == 5 * convolutions


def test_the_table_of_heads_and_clamps() -> None:
    encoder = SmirkEncoder().eval()
    heads = [
        encoder.get_submodule(f"{name}_encoder.{layers}.0")
        for name, layers in (
            ("expression", "expression_layers"),
            ("pose", "pose_cam_layers"),
            ("shape", "shape_layers"),
        )
    ]
    assert [(name, at.stop - at.start) for name, at in COLUMNS.items()] == [row[:2] for row in LAYOUT]
    for sign in (-1, 1):
        for head in heads:
            torch.nn.init.zeros_(head.weight)
            torch.nn.init.constant_(head.bias, sign * 5.0)
        with torch.inference_mode():
            row = encoder(torch.zeros(1, 3, 224, 224))[0].numpy()
        for name, width, low, high in LAYOUT:
            expected = np.clip(np.full(width, sign * 5.0), low, high)
            assert np.allclose(row[COLUMNS[name]], expected), (name, sign)


def test_the_crop_equals_the_reference_s(frames: list[FaceFrame]) -> None:
    """`crop_face` and `warp` of the reference's demo, with scikit-image."""
    image = frames[0].image
    height, width = image.shape[:2]
    middle = frames[0].box
    corner = middle + np.array([width - middle[2] + 30, height - middle[3] + 20] * 2)  # half outside
    for box, scale in ((middle, 1.4), (middle, 1.6), (corner, 1.6), (middle / 3 + 0.3, 1.4)):
        size = int((box[2] - box[0] + box[3] - box[1]) / 2 * scale)
        x, y = (box[:2] + box[2:]) / 2
        half = size / 2
        source = np.array([[x - half, y - half], [x - half, y + half], [x + half, y - half]])
        target = np.array([[0, 0], [0, 223], [223, 0]])
        found = sk.SimilarityTransform.from_estimate(source, target)
        warped = sk.warp(image, found.inverse, output_shape=(224, 224), preserve_range=True).astype(np.uint8)
        difference = np.abs(face_square(image, box, scale=scale).astype(int) - warped)
        assert difference.max() <= 1 and difference.mean() < 0.01, difference.mean()


def test_a_face_outside_the_image_is_black() -> None:
    image = np.full((90, 120, 3), 255, np.uint8)
    for x, y in ((-300, 10), (300, 10), (10, -300), (10, 300)):
        assert not face_square(image, np.array([x, y, x + 60.0, y + 80.0]), scale=1.4).any()


def test_a_real_clip(smirk: Smirk, checkpoint: str, frames: list[FaceFrame]) -> None:
    found = measure(smirk, frames)
    assert {name: (one.shape, one.dtype.name) for name, one in found.items()} == {
        "smirk55": ((10, 55), "float32"),
        "smirk_pose": ((10, 3), "float32"),
        "smirk_camera": ((10, 3), "float32"),
        "smirk_shape": ((300,), "float32"),
    }
    for name, output in smirk.outputs.items():
        assert output.per_clip or not output.channels or len(output.channels) == found[name].shape[1]
    crops = np.array([face_square(frame.image, frame.box, scale=1.4) for frame in frames])
    with torch.inference_mode():
        images = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 255
        rows = load_encoder(checkpoint).eval()(images).numpy()
    assert np.abs(found["smirk55"] - rows[:, :55]).max() < 1e-5
    assert np.abs(found["smirk_shape"] - rows[:, 61:].mean(axis=0)).max() < 1e-5
    assert np.ptp(found["smirk55"], axis=0).max() > 1e-3, "the frames differ, so must the numbers"


def test_smirk58_has_the_jaw_twice(smirk: Smirk, checkpoint: str, frames: list[FaceFrame]) -> None:
    few = measure(smirk, frames[:2])["smirk55"]
    found = measure(Smirk58(weights_path=checkpoint, device="cpu", batch=4), frames[:2])
    assert set(found) == set(Smirk58.outputs) and "smirk55" not in found
    assert (found["smirk58"] == np.concatenate([few, few[:, 52:55]], axis=1)).all()
    assert len(set(Smirk58.outputs["smirk58"].channels)) == 58


def test_padding_and_the_last_clip_change_no_byte(smirk: Smirk, frames: list[FaceFrame]) -> None:
    """Six frames in batches of four: the last batch has two rows of padding."""
    first = measure(smirk, frames[:6])
    measure(smirk, frames[7:])  # leaves other crops in the buffer
    smirk.begin(5)
    smirk.add(frames[8])  # and a clip that is given up
    again = measure(smirk, frames[:6])
    longer = measure(smirk, frames[:8])  # the last two beside others instead
    for name in ("smirk55", "smirk_pose", "smirk_camera"):
        assert again[name].tobytes() == first[name].tobytes()
        assert longer[name][:6].tobytes() == first[name].tobytes()


def test_the_batch_size_changes_next_to_nothing(
    smirk: Smirk, checkpoint: str, frames: list[FaceFrame]
) -> None:
    one = measure(Smirk(weights_path=checkpoint, device="cpu", batch=1), frames[:5])
    assert np.abs(one["smirk55"] - measure(smirk, frames[:5])["smirk55"]).max() < 1e-5


def test_wrong_weights_say_what_is_wrong(tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
    named = {f"smirk_encoder.{name}": one for name, one in tensors.items()}
    bias = "pose_encoder.pose_cam_layers.0.bias"
    lacking = {name: one for name, one in named.items() if not name.endswith(bias)}
    path = tmp_path / "SMIRK_em1.pt"
    cases: list[tuple[Any, str]] = [
        (lacking, f"{bias} is missing"),
        (named | {"smirk_encoder.extra": torch.zeros(1)}, "extra is unknown"),
        (named | {f"smirk_encoder.{bias}": torch.zeros(7)}, r"bias is \(7,\), not \(6,\)"),
        ({"generator.x": torch.zeros(1)}, "no tensor is called smirk_encoder"),
        ([1, 2], "not a checkpoint of named tensors"),
        (os.system, "no readable PyTorch checkpoint"),  # code is not run
    ]
    for content, text in cases:
        torch.save(content, path)
        with pytest.raises(WeightsError, match=text) as caught:
            load_encoder(str(path))
        assert str(path) in str(caught.value)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(WeightsError, match="no readable PyTorch checkpoint"):
        load_encoder(str(path))
    with pytest.raises(WeightsError, match="no readable PyTorch checkpoint"):
        load_encoder(str(tmp_path / "absent.pt"))


def test_wrong_options(checkpoint: str) -> None:
    with pytest.raises(ValueError, match="scale=0"):
        Smirk(weights_path=checkpoint, scale=0)
    with pytest.raises(ValueError, match="batch=0"):
        Smirk(weights_path=checkpoint, device="cpu", batch=0)
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU"):
            Smirk(weights_path=checkpoint, device="cuda")


def test_naming_the_class_loads_no_torch() -> None:
    code = "import sys, extractors.smirk; assert not {'torch', 'timm', 'scipy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_a_torchvision_without_its_library_is_helped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A working torchvision cannot be had beside every torch: an empty module stands for it."""
    timm = smirk_network._timm()
    defined: list[str] = []
    monkeypatch.setattr(torch.library, "define", lambda name, schema: defined.append(name))
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    assert smirk_network._timm() is timm and not defined

    def fail(name: str) -> ModuleType:
        raise RuntimeError("torchvision and PyTorch were compiled with different CUDA versions")

    monkeypatch.setattr(smirk_network.importlib, "import_module", fail)
    with pytest.raises(RuntimeError, match="different CUDA versions"):
        smirk_network._timm()
    assert not defined


@pytest.mark.parametrize("degrees", [-45.0, -30.0, 0.0, 30.0, 45.0])
def test_yaw_of_a_rotation_vector(degrees: float) -> None:
    """Vectors by OpenCV of matrices written by hand: yaw is what it was under any pitch and roll."""
    assert np.allclose(yaw_deg(np.radians([0, degrees, 0])), degrees)
    (sy, sx, sz), (cy, cx, cz) = (fn(np.radians([degrees, 12, -20])) for fn in (np.sin, np.cos))
    yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    pitch = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    roll = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    turned = roll @ pitch @ yaw
    assert np.isclose(np.degrees(np.arctan2(-turned[2, 0], turned[2, 2])), degrees)
    assert np.allclose(yaw_deg(cv2.Rodrigues(turned)[0].ravel()), degrees)


def test_a_head_that_turns_both_ways_has_no_signed_mean() -> None:
    poses = np.radians([[0, 45, 0], [0, -45, 0]] * 10).astype(np.float32)
    yaw = yaw_deg(poses)
    assert yaw.shape == (20,) and abs(yaw.mean()) < 1e-5 and np.isclose(np.abs(yaw).mean(), 45)


@pytest.mark.gpu
def test_a_gpu_gives_the_numbers_of_the_cpu(
    cuda: str, smirk: Smirk, checkpoint: str, frames: list[FaceFrame]
) -> None:
    on_gpu = Smirk(weights_path=checkpoint, device="auto", batch=4)
    first, again, cpu = measure(on_gpu, frames), measure(on_gpu, frames), measure(smirk, frames)
    for name in ("smirk55", "smirk_pose", "smirk_camera", "smirk_shape"):
        assert np.abs(first[name] - cpu[name]).max() < 1e-4
        assert first[name].tobytes() == again[name].tobytes()
