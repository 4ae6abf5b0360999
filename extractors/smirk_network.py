"""SMIRK's encoder in PyTorch, and how a network is loaded and run over the crops of a clip.

Retsinas et al., "3D Facial Expressions through Analysis-by-Neural-Synthesis" (CVPR 2024); the layers and
their names are those of georgeretsi/smirk `src/smirk_encoder.py` (MIT). Importing this module imports torch.
"""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from extractors.weights import WeightsError

Device = Literal["auto", "cpu", "cuda"]

CHECKPOINT_PREFIX = "smirk_encoder."
"""The published file holds the generator too; its tensors have another prefix and are left."""
COLUMNS: Mapping[str, slice] = {
    "expression": slice(0, 50),
    "eyelid": slice(50, 52),
    "jaw": slice(52, 55),
    "pose": slice(55, 58),
    "camera": slice(58, 61),
    "shape": slice(61, 361),
}
"""Where the numbers of a face stand in a row of `SmirkEncoder`'s output."""
JAW_TURN_LIMIT_RAD = 0.2


class SmirkEncoder(nn.Module):
    """(N, 3, 224, 224) RGB in 0..1 to (N, 361): expression 50, eyelid 2, jaw 3, pose 3, camera 3, shape 300.

    Eyelids are clamped to 0..1, the jaw's opening is not negative and its two other turns are clamped to
    0.2 rad. Jaw and pose are rotation vectors in rad; the camera is scale, x and y.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pose_encoder = _Branch("tf_mobilenetv3_small_minimal_100", "pose_cam_layers", 6)
        self.shape_encoder = _Branch("tf_mobilenetv3_large_minimal_100", "shape_layers", 300)
        self.expression_encoder = _Branch("tf_mobilenetv3_large_minimal_100", "expression_layers", 55)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The clamped coefficients of each image, in the order of `COLUMNS`."""
        expression, eyelid, opening, turn = self.expression_encoder(images).split((50, 2, 1, 2), dim=1)
        turn = turn.clamp(-JAW_TURN_LIMIT_RAD, JAW_TURN_LIMIT_RAD)
        rest = (self.pose_encoder(images), self.shape_encoder(images))
        return torch.cat([expression, eyelid.clamp(0, 1), opening.relu(), turn, *rest], dim=1)


class _Branch(nn.Module):
    """A MobileNetV3 without its classifier, the mean over the picture, and one linear layer."""

    def __init__(self, backbone: str, head: str, n_outputs: int) -> None:
        super().__init__()
        self.encoder = _timm().create_model(backbone, pretrained=False, features_only=True)
        width = self.encoder.feature_info.channels()[-1]
        self._head = head
        self.add_module(head, nn.Sequential(nn.Linear(width, n_outputs)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = self.encoder(images)[-1].mean(dim=(2, 3))
        outputs: torch.Tensor = self.get_submodule(self._head)(features)
        return outputs


def _timm() -> ModuleType:
    """The module `timm`, also where torchvision's native library does not load (beside a CPU torch).

    timm imports torchvision, whose Python part then describes two operators that the missing library
    should have brought, and raises. Nothing here calls them: naming them is enough. A torchvision that
    works, or fails in another way, is left alone.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for operator in ("nms", "qnms"):
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
    return importlib.import_module("timm")


def load_encoder(weights_path: str) -> SmirkEncoder:
    """The encoder with the weights of the published `SMIRK_em1.pt`. Raises `WeightsError`."""
    tensors = read_tensors(weights_path)
    own = {
        name.removeprefix(CHECKPOINT_PREFIX): tensor
        for name, tensor in tensors.items()
        if name.startswith(CHECKPOINT_PREFIX)
    }
    if not own:
        raise WeightsError(f"{weights_path}: no tensor is called {CHECKPOINT_PREFIX}…; is it SMIRK_em1.pt?")
    encoder = SmirkEncoder()
    fill_network(encoder, own, weights_path)
    return encoder


def read_tensors(weights_path: str) -> dict[str, torch.Tensor]:
    """The tensors of a PyTorch checkpoint, by name; nothing else in the file is run.

    Raises `WeightsError` when the file is missing, damaged or holds anything but named tensors.
    """
    try:
        found: Any = torch.load(weights_path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError) as error:
        raise WeightsError(f"{weights_path}: no readable PyTorch checkpoint: {error}") from error
    if not isinstance(found, dict) or not all(isinstance(one, torch.Tensor) for one in found.values()):
        raise WeightsError(f"{weights_path}: not a checkpoint of named tensors")
    return found


def fill_network(network: nn.Module, tensors: Mapping[str, torch.Tensor], weights_path: str) -> None:
    """Put `tensors` into `network`: all of its names, no others, equal shapes. Raises `WeightsError`.

    Counts of training batches may be absent: only training reads them, and files before PyTorch 0.4.1
    have none.
    """
    wanted = network.state_dict()
    counts = {name: own for name, own in wanted.items() if name.endswith("num_batches_tracked")}
    tensors = counts | dict(tensors)
    wrong = [f"{name} is missing" for name in wanted if name not in tensors]
    wrong += [f"{name} is unknown" for name in tensors if name not in wanted]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, not {tuple(own.shape)}"
        for name, own in wanted.items()
        if name in tensors and tensors[name].shape != own.shape
    ]
    if wrong:
        raise WeightsError(f"{weights_path}: {len(wrong)} tensors do not fit; the first: {wrong[0]}")
    network.load_state_dict(tensors)


class ClipNetwork:
    """Runs a network over the crops of one clip, in batches of one fixed shape.

    A batch holds crops of one clip only and its unused rows are black, so a clip's numbers depend on
    nothing but the clip. Same device, same bytes; a GPU's differ from a CPU's in the last digits.
    """

    def __init__(
        self,
        network: nn.Module,
        run: Callable[[torch.Tensor], torch.Tensor],
        *,
        side_px: int,
        offset: float,
        divisor: float,
        device: Device,
        batch: int,
    ) -> None:
        """`run` takes (N, 3, side, side) of `(RGB - offset) / divisor` through `network` to (N, columns).

        `device` "auto" is the GPU where there is one. Raises `ValueError` for a batch below 1 and for
        "cuda" without a GPU.
        """
        if batch < 1:
            raise ValueError(f"batch={batch} must be at least 1")
        if device == "cuda" and not torch.cuda.is_available():
            raise ValueError("device='cuda', but torch finds no GPU; use 'cpu' or 'auto'")
        chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        self._device = torch.device(chosen)
        network.to(self._device).eval()
        self._run = run
        self._offset, self._divisor = offset, divisor
        self._crops = np.zeros((batch, side_px, side_px, 3), np.uint8)
        self.begin()

    def begin(self) -> None:
        """Forget everything: a clip begins."""
        self._rows: list[NDArray[np.float32]] = []
        self._waiting = 0

    def add(self, crop: NDArray[np.uint8]) -> None:
        """The crop (side, side, 3) RGB of the next frame."""
        self._crops[self._waiting] = crop
        self._waiting += 1
        if self._waiting == len(self._crops):
            self._flush()

    def finish(self) -> NDArray[np.float32]:
        """The rows (N, columns) of the clip's frames, of which there must be one."""
        if self._waiting:
            self._flush()
        return np.concatenate(self._rows)

    def _flush(self) -> None:
        self._crops[self._waiting :] = 0
        # The flags hold inside the block only: TF32 would cost three digits
        flags = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), flags:
            pixels = torch.from_numpy(self._crops).to(self._device).permute(0, 3, 1, 2).float()
            rows = self._run((pixels - self._offset) / self._divisor)
        self._rows.append(rows[: self._waiting].cpu().numpy().copy())
        self._waiting = 0
