"""What the codecs in PyTorch share: device, precision, weights from a file or from a seed."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from extractors.codec import BatchTooLargeError, Precision
from extractors.weights import WeightsError

if TYPE_CHECKING:
    import torch

Device = Literal["auto", "cpu", "cuda"]
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h


def pick_device(device: Device, precision: Precision) -> torch.device:
    """ "auto" is the GPU where there is one.

    Raises ValueError for "cuda" without a GPU, and for bf16 without one: it gains nothing on CPUs, and on
    some that claim to have it (virtual machines without leave for AMX) torch dies of an illegal instruction.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise ValueError("device='cuda', but torch finds no GPU; use 'cpu' or 'auto'")
    chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
    if precision == "bf16" and chosen == "cpu":
        raise ValueError("precision='bf16' is for GPUs; a CPU takes 'fp32'")
    return torch.device(chosen)


def keep_freed_memory(keep: bool = True) -> None:
    """Let the C library keep what this process frees, instead of handing it back after every layer.

    A codec's tensors are tens of MB; glibc maps and unmaps each one, and the kernel's clearing of pages took
    a quarter and more of Mimi's time on a CPU. `keep=False` sets the limits that glibc moves up to by
    itself. Results do not change; without glibc nothing happens.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, 2**30 if keep else 32 * 2**20)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1 if keep else 64 * 2**20)


@contextmanager
def running(device: torch.device, precision: Precision) -> Iterator[None]:
    """Inference with fixed algorithms; TF32 is off. `bf16` holds for what can bear it (autocast).

    Raises `BatchTooLargeError` where the device's memory runs out, with its cache given back.
    """
    import torch

    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    matmul = torch.backends.cuda.matmul.allow_tf32
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode())
            stack.enter_context(cudnn)
            stack.callback(setattr, torch.backends.cuda.matmul, "allow_tf32", matmul)
            torch.backends.cuda.matmul.allow_tf32 = False
            stack.enter_context(
                torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
            )
            yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise BatchTooLargeError(str(error)) from error


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's random numbers begin at `seed` inside; outside they go on as if nothing had been drawn."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def load_model(kind: Any, config: Any, path: str) -> Any:
    """A transformers model of `kind` with the tensors of a `.safetensors` file: all of them and no others.

    transformers gives tensors the names that its class has by now. Raises `WeightsError`.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: no readable safetensors file: {error}") from error
    model, report = kind.from_pretrained(
        None, config=config, state_dict=tensors, output_loading_info=True, ignore_mismatched_sizes=True
    )
    wrong = [f"{name} is missing" for name in sorted(report["missing_keys"])]
    wrong += [f"{name} is unknown" for name in sorted(report["unexpected_keys"])]
    wrong += [f"{one[0]} is {tuple(one[1])}, not {tuple(one[2])}" for one in report["mismatched_keys"]]
    if wrong:
        raise WeightsError(f"{path}: {len(wrong)} tensors do not fit; the first: {wrong[0]}")
    return model


def to_int16(codes: torch.Tensor) -> Any:
    """Codes of a batch on the host."""
    return codes.cpu().numpy().astype(np.int16)
