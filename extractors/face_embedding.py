"""Face embedding a frame: Inception-ResNet v1 trained on VGGFace2, 512 numbers of length 1.

AVLM's ablation takes such embeddings for its visual stream. The layers, their names and the crop are those
of timesler/facenet-pytorch `models/inception_resnet_v1.py` and `models/mtcnn.py` (MIT), whose published
`20180402-114759-vggface2.pt` is loaded; Szegedy et al., "Inception-v4" (AAAI 2017).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.extractor import FaceFrame, Output
from extractors.weights import locate

if TYPE_CHECKING:
    from torch import Tensor, nn

    from extractors.smirk_network import Device

CROP_PX = 160
N_DIMENSIONS = 512
RESIDUAL_SCALES: Mapping[str, float] = {"repeat_1": 0.17, "repeat_2": 0.10, "repeat_3": 0.20}
MTCNN_RISE = 0.1
"""MTCNN's box, on which the network was trained, is that of the mesh with its top higher by this share of
the height. Chosen on 16 frames of 8 GRID speakers by MTCNN's own code and weights (intersection over union
0.94, without the rise 0.89); on 10 frames of three other clips, with tilted heads and a profile, 0.88."""


class FaceEmbedding512:
    """`FaceExtractor` of `embedding512` (N, 512) float32, each row of length 1."""

    weights: ClassVar[tuple[str, ...]] = ("vggface2",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "torch")
    version: ClassVar[int] = 1
    outputs: ClassVar[Mapping[str, Output]] = {
        "embedding512": Output("face embedding (Inception-ResNet v1, VGGFace2), rows of length 1"),
    }

    def __init__(
        self,
        *,
        margin_px: int = 14,
        device: Device = "auto",
        batch: int = 16,
        weights_path: str | None = None,
    ) -> None:
        """Load the network.

        `margin_px` of the crop's 160 lie outside the box, half on either side: 14 in facenet-pytorch's
        evaluation on LFW, 0 in its first example. `device` and `batch` as in
        `extractors.smirk_network.ClipNetwork`. `weights_path` is for tests; by default the file is the model
        store's. Raises `WeightsError` and `ValueError`.
        """
        from extractors.smirk_network import ClipNetwork

        if not 0 <= margin_px < CROP_PX:
            raise ValueError(f"margin_px={margin_px} must be in 0..{CROP_PX - 1}")
        self._margin_px = margin_px
        layers = load_layers(weights_path or str(locate("vggface2").path))
        self._frames = ClipNetwork(
            layers,
            partial(embed, layers),
            side_px=CROP_PX,
            offset=127.5,
            divisor=128,
            device=device,
            batch=batch,
        )

    def begin(self, n_frames: int) -> None:
        """A clip begins."""
        self._frames.begin()

    def add(self, frame: FaceFrame) -> None:
        """Its next frame."""
        self._frames.add(face_crop(frame.image, frame.box, margin_px=self._margin_px))

    def finish(self) -> dict[str, NDArray[Any]]:
        """The array of the clip."""
        return {"embedding512": self._frames.finish()}


def face_crop(image: NDArray[np.uint8], box: NDArray[np.float64], *, margin_px: int) -> NDArray[np.uint8]:
    """(160, 160, 3) face of `image` (H, W, 3), cut as facenet-pytorch cuts MTCNN's boxes.

    `box` (4,) x0 y0 x1 y1 px of the mesh. The cut has whole pixels, ends where the image ends, and is
    stretched to a square: the network was trained on stretched faces.
    """
    x0, y0, x1, y1 = (float(edge) for edge in box)
    y0 -= MTCNN_RISE * (y1 - y0)
    wider, higher = (margin_px * side / (CROP_PX - margin_px) / 2 for side in (x1 - x0, y1 - y0))
    height, width = image.shape[:2]
    left, top = min(max(int(x0 - wider), 0), width - 1), min(max(int(y0 - higher), 0), height - 1)
    right, bottom = max(int(min(x1 + wider, width)), left + 1), max(int(min(y1 + higher, height)), top + 1)
    face = np.ascontiguousarray(image[top:bottom, left:right])
    return np.asarray(cv2.resize(face, (CROP_PX, CROP_PX), interpolation=cv2.INTER_AREA), np.uint8)


def load_layers(weights_path: str) -> nn.ModuleDict:
    """The layers with the published weights; their classifier (`logits`) is left. Raises `WeightsError`."""
    from extractors.smirk_network import fill_network, read_tensors

    tensors = read_tensors(weights_path)
    layers = make_layers()
    own = {name: tensor for name, tensor in tensors.items() if not name.startswith("logits.")}
    fill_network(layers, own, weights_path)
    return layers


def make_layers() -> nn.ModuleDict:
    """Inception-ResNet v1 in the order in which `embed` runs it, named as the published tensors are."""
    from torch import nn

    return nn.ModuleDict(
        {
            "conv2d_1a": _unit(3, 32, 3, stride=2),
            "conv2d_2a": _unit(32, 32, 3),
            "conv2d_2b": _unit(32, 64, 3, padding=1),
            "maxpool_3a": nn.MaxPool2d(3, stride=2),
            "conv2d_3b": _unit(64, 80, 1),
            "conv2d_4a": _unit(80, 192, 3),
            "conv2d_4b": _unit(192, 256, 3, stride=2),
            "repeat_1": nn.ModuleList(_block35() for _ in range(5)),
            "mixed_6a": _mixed(_unit(256, 384, 3, stride=2), _column(256, 192, 192, 256)),
            "repeat_2": nn.ModuleList(_block_cross(896, 128, 7) for _ in range(10)),
            "mixed_7a": _mixed(_column(896, 256, 384), _column(896, 256, 256), _column(896, 256, 256, 256)),
            "repeat_3": nn.ModuleList(_block_cross(1792, 192, 3) for _ in range(5)),
            "block8": _block_cross(1792, 192, 3),
            "last_linear": nn.Linear(1792, N_DIMENSIONS, bias=False),
            "last_bn": nn.BatchNorm1d(N_DIMENSIONS, eps=1e-3),
        }
    )


def embed(layers: nn.ModuleDict, images: Tensor) -> Tensor:
    """(N, 3, 160, 160) of (RGB - 127.5) / 128 to (N, 512), rows of length 1."""
    from torch.nn.functional import normalize, relu

    x = images
    layer: Any
    for name, layer in layers.items():
        if name in RESIDUAL_SCALES:
            for block in layer.children():
                x = relu(x + RESIDUAL_SCALES[name] * block["conv2d"](_joined(block, x)))
        elif name.startswith("mixed"):
            x = _joined(layer, x)
        elif name == "block8":
            x = x + layer["conv2d"](_joined(layer, x))
        elif name == "last_linear":
            x = layer(x.mean(dim=(2, 3)))
        else:
            x = layer(x)
    return normalize(x)


def _joined(block: Any, x: Tensor) -> Tensor:
    """The channels of all branches of a block, one after the other."""
    import torch

    return torch.cat([layer(x) for name, layer in block.items() if name.startswith("branch")], dim=1)


def _unit(
    inputs: int, outputs: int, kernel: int | tuple[int, int], *, stride: int = 1, padding: int | str = 0
) -> nn.Module:
    """A convolution, its normalisation and ReLU."""
    from torch import nn

    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, bias=False)
    layers = {"conv": convolution, "bn": nn.BatchNorm2d(outputs, eps=1e-3), "relu": nn.ReLU()}
    return nn.Sequential(OrderedDict(layers))


def _column(*channels: int) -> nn.Module:
    """A branch that halves the picture: a 1x1 unit, 3x3 units, the last of them with stride 2."""
    from torch import nn

    middle = [_unit(*pair, 3, padding=1) for pair in pairwise(channels[1:-1])]
    last = _unit(channels[-2], channels[-1], 3, stride=2)
    return nn.Sequential(_unit(channels[0], channels[1], 1), *middle, last)


def _mixed(*branches: nn.Module) -> nn.ModuleDict:
    """Branches that halve the picture, a maximum last."""
    from torch import nn

    every = (*branches, nn.MaxPool2d(3, stride=2))
    return nn.ModuleDict({f"branch{index}": branch for index, branch in enumerate(every)})


def _block35() -> nn.ModuleDict:
    """The residual block of the 256 channels: one, two and three convolutions beside each other."""
    from torch import nn

    first = [_unit(256, 32, 1) for _ in range(3)]
    more = [_unit(32, 32, 3, padding=1) for _ in range(3)]
    return nn.ModuleDict(
        {
            "branch0": first[0],
            "branch1": nn.Sequential(first[1], more[0]),
            "branch2": nn.Sequential(first[2], *more[1:]),
            "conv2d": nn.Conv2d(96, 256, 1),
        }
    )


def _block_cross(channels: int, width: int, length: int) -> nn.ModuleDict:
    """The residual block of the later stages: a 1x1 unit beside a row and a column of `length`."""
    from torch import nn

    cross = (_unit(width, width, size, padding="same") for size in ((1, length), (length, 1)))
    return nn.ModuleDict(
        {
            "branch0": _unit(channels, width, 1),
            "branch1": nn.Sequential(_unit(channels, width, 1), *cross),
            "conv2d": nn.Conv2d(2 * width, channels, 1),
        }
    )
