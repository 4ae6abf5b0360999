"""transformers beside a CPU build of torch: its audio models import torchaudio and torchvision, whose native
libraries want CUDA's and do not load. Nothing here calls those libraries; their Python parts are enough."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_EXTENSION = "torchaudio._extension"


def import_torchaudio() -> ModuleType:
    """The module `torchaudio`, also where its native library does not load.

    Resampling, filter banks and spectrograms are Python and work; forced alignment raises RuntimeError.
    A torchaudio that works, is absent or fails in another way is left alone.
    """
    try:
        return importlib.import_module("torchaudio")
    except OSError as error:
        if "torchaudio" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
        del sys.modules[name]  # a half-imported package would be found instead of imported
    sys.modules[_EXTENSION] = _without_library()
    return importlib.import_module("torchaudio")


def import_transformers() -> ModuleType:
    """The module `transformers`, whose audio models can then be imported. Takes 5 s and more."""
    import torch

    try:
        import_torchaudio()
    except ModuleNotFoundError as error:
        if error.name != "torchaudio":
            raise
    try:
        importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        if error.name != "torchvision":
            raise
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for operator in ("nms", "qnms"):  # see extractors/smirk_network.py: naming them is enough
            schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            torch.library.define(f"torchvision::{operator}", schema)
    return importlib.import_module("transformers")


def _without_library() -> ModuleType:
    """What torchaudio's other modules import from `torchaudio._extension`, for a library not there."""
    module: Any = ModuleType(_EXTENSION)
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False
    module._IS_ALIGN_AVAILABLE = False
    module.fail_if_no_align = _fail
    found: ModuleType = module
    return found


def _fail(function: Callable[..., Any]) -> Callable[..., Any]:
    def failing(*args: object, **options: object) -> Any:
        raise RuntimeError(f"{function.__name__} needs torchaudio's native library, which does not load here")

    return failing
