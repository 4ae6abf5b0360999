"""Weights of SyncNet's true architecture, since the published ones may not lie here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

# joonson/syncnet_python@6efbb1c `SyncNetModel.py`: shape of each `weight`; those of one axis are
# normalisations
LAYERS: dict[str, tuple[int, ...]] = {
    "netcnnaud.0": (64, 1, 3, 3),
    "netcnnaud.1": (64,),
    "netcnnaud.4": (192, 64, 3, 3),
    "netcnnaud.5": (192,),
    "netcnnaud.8": (384, 192, 3, 3),
    "netcnnaud.9": (384,),
    "netcnnaud.11": (256, 384, 3, 3),
    "netcnnaud.12": (256,),
    "netcnnaud.14": (256, 256, 3, 3),
    "netcnnaud.15": (256,),
    "netcnnaud.18": (512, 256, 5, 4),
    "netcnnaud.19": (512,),
    "netfcaud.0": (512, 512),
    "netfcaud.1": (512,),
    "netfcaud.3": (1024, 512),
    "netfclip.0": (512, 512),
    "netfclip.1": (512,),
    "netfclip.3": (1024, 512),
    "netcnnlip.0": (96, 3, 5, 7, 7),
    "netcnnlip.1": (96,),
    "netcnnlip.4": (256, 96, 1, 5, 5),
    "netcnnlip.5": (256,),
    "netcnnlip.8": (256, 256, 1, 3, 3),
    "netcnnlip.9": (256,),
    "netcnnlip.11": (256, 256, 1, 3, 3),
    "netcnnlip.12": (256,),
    "netcnnlip.14": (256, 256, 1, 3, 3),
    "netcnnlip.15": (256,),
    "netcnnlip.18": (512, 256, 1, 6, 6),
    "netcnnlip.19": (512,),
}


def tensor_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in LAYERS.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
        if len(shape) == 1:
            shapes |= {f"{name}.running_mean": shape, f"{name}.running_var": shape}
            shapes[f"{name}.num_batches_tracked"] = ()
    return shapes


def seeded(seed: int) -> dict[str, torch.Tensor]:
    """Random tensors under which both embeddings are of the order of one."""
    rng = np.random.default_rng(seed)
    tensors = {}
    shapes = tensor_shapes()
    for name in sorted(shapes):
        shape = shapes[name]
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.zeros((), dtype=torch.int64)
            continue
        if len(shape) > 1:
            first = {"netcnnlip.0.weight": 1 / 128, "netcnnaud.0.weight": 1 / 10}
            values = rng.normal(size=shape) * (2 / np.prod(shape[1:])) ** 0.5 * first.get(name, 1.0)
        elif name.endswith("running_var"):
            values = rng.uniform(0.7, 1.3, size=shape)
        else:
            level = 0.0 if name.endswith(("bias", "running_mean")) else 1.0
            values = level + rng.uniform(-0.3, 0.3, size=shape)
        tensors[name] = torch.from_numpy(np.asarray(values).astype(np.float32))
    return tensors


def brightness_and_loudness() -> dict[str, torch.Tensor]:
    """Weights that see the mean brightness / 25.5 and hear the log energy less a constant."""
    tensors = {}
    for name, shape in tensor_shapes().items():
        if name.endswith(("running_var", "weight")) and len(shape) == 1:
            tensors[name] = torch.full(shape, 1 - 1e-5 if name.endswith("var") else 1.0)
        else:
            kind = torch.int64 if name.endswith("tracked") else torch.float32
            tensors[name] = torch.zeros(shape, dtype=kind)
        if name.endswith("weight") and len(shape) > 1:
            middle = tuple(side // 2 for side in shape[2:])
            tensors[name][(0, 0, *middle)] = 1.0
    tensors["netcnnlip.0.weight"][0] = 1 / (25.5 * 3 * 5 * 7 * 7)
    tensors["netcnnaud.18.weight"][0, 0] = torch.tensor([[1.0], [0], [0], [0], [0]]) / 4
    tensors["netcnnaud.18.bias"][0] = -12.3  # what the middle of the range has too much
    return tensors


def saved(tensors: Mapping[str, torch.Tensor], path: Path) -> str:
    torch.save(dict(tensors), path)
    return str(path)
