"""Self-supervised speech features: the hidden states of one layer of HuBERT, wav2vec 2.0 or XLS-R."""

from __future__ import annotations

import hashlib
import importlib
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from extractors.weights import WeightsError, file_digest

RATE_HZ = 16_000
SEAMLESS_LAYER = 35
"""Of the 48 of XLS-R 1B, counted from 1: seamless_communication quantises it with 10 000 centres."""

_MODELS = {"hubert": "HubertModel", "wav2vec2": "Wav2Vec2Model"}
_FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "pytorch_model*.bin", "*.index.json")
_UNUSED = {"masked_spec_embed"}  # only training masks


class SslFeatures:
    """Frames (T, D) of `layer` (1 is the first transformer layer, before any final norm) for 16 kHz mono.

    `folder` holds a transformers checkpoint (see `download` for one on a hub). Frame i sees the samples
    [hop i, hop i + field) directly: 320 and 400 for the published networks, so 50 Hz. Samples are brought to
    mean 0 and variance 1 over the recording where the checkpoint's `preprocessor_config.json` says so, or
    where it has none.

    Recordings longer than `window_s` run in windows at fixed places, each with `context_s` of sound on
    either side: their features differ from those of one pass, since attention sees less, and for the networks
    with `feat_extract_norm: group` (HuBERT base) also because their first norm goes over the window. Shorter
    ones run in one piece and equal transformers' own numbers.

    Only pieces of one length share a batch, so nothing is padded and `batch` changes features by rounding
    alone (less than 1e-4 of their spread in float32); with `batch` 1 company changes nothing at all. Layers
    above `layer` are not run. Raises WeightsError for another or an incomplete checkpoint and ValueError for
    a layer it does not have.
    """

    def __init__(
        self,
        folder: str,
        *,
        layer: int,
        device: str = "cpu",
        dtype: Literal["float32", "bfloat16"] = "float32",
        window_s: float = 30.0,
        context_s: float = 4.0,
        batch: int = 1,
    ) -> None:
        import torch

        self._model, config = _load(folder, layer)
        self._model.to(device, getattr(torch, dtype)).eval()
        self._kept: list[Any] = []
        self._model.encoder.layers[layer - 1].register_forward_hook(self._keep)
        self._device, self._dtype, self._batch = device, getattr(torch, dtype), batch
        self._normalise = _wants_normal(Path(folder))
        self.dims = int(config.hidden_size)
        self.hop = int(np.prod(config.conv_stride))
        self.field = _field(config.conv_kernel, config.conv_stride)
        self.rate_hz = RATE_HZ / self.hop
        self._window = max(1, round(window_s * RATE_HZ / self.hop))
        self._context = round(context_s * RATE_HZ / self.hop)
        self.digest = folder_digest(folder)

    def n_frames(self, n_samples: int) -> int:
        """Frames of a recording of that length; 0 below the field of one."""
        return max(0, (n_samples - self.field) // self.hop + 1)

    def __call__(self, recordings: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """(T, D) float32 for each of the (n,) recordings, full scale ±1."""
        found = [np.zeros((self.n_frames(len(pcm)), self.dims), np.float32) for pcm in recordings]
        by_length: dict[int, list[_Piece]] = defaultdict(list)
        for number, pcm in enumerate(recordings):
            for piece in self._pieces(number, pcm):
                by_length[len(piece.samples)].append(piece)
        for pieces in by_length.values():
            for start in range(0, len(pieces), self._batch):
                together = pieces[start : start + self._batch]
                rows = self._run(np.stack([piece.samples for piece in together]))
                for piece, frames in zip(together, rows, strict=True):
                    part = frames[piece.skip : piece.skip + piece.stop - piece.start]
                    found[piece.recording][piece.start : piece.stop] = part
        return found

    def _pieces(self, recording: int, pcm: NDArray[np.float32]) -> Iterator[_Piece]:
        total = self.n_frames(len(pcm))
        heard = _normalised(pcm) if self._normalise and total else pcm
        for start in range(0, total, self._window):
            stop = min(start + self._window, total)
            first, last = max(0, start - self._context), min(total, stop + self._context)
            # the samples after the last whole frame count too: the norms see them
            end = len(pcm) if last == total else (last - 1) * self.hop + self.field
            yield _Piece(recording, start, stop, start - first, heard[first * self.hop : end])

    def _run(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        import torch

        self._kept.clear()
        with torch.inference_mode():
            self._model(torch.from_numpy(samples).to(self._device, self._dtype))
        rows: NDArray[np.float32] = self._kept.pop().float().cpu().numpy()
        return rows

    def _keep(self, layer: Any, inputs: Any, output: Any) -> None:
        self._kept.append(output[0] if isinstance(output, tuple) else output)


class _Piece:
    """A stretch of one recording and which of its frames are wanted."""

    def __init__(
        self, recording: int, start: int, stop: int, skip: int, samples: NDArray[np.float32]
    ) -> None:
        self.recording, self.start, self.stop, self.skip, self.samples = recording, start, stop, skip, samples


def download(name: str, *, revision: str) -> str:
    """Folder of a checkpoint of the Hugging Face hub, at a commit (40 hex digits: a branch moves)."""
    from huggingface_hub import snapshot_download

    if len(revision) != 40:
        raise ValueError(f"revision={revision!r} must be a commit of 40 hex digits")
    return str(snapshot_download(name, revision=revision, allow_patterns=list(_FILES)))


def folder_digest(folder: str) -> str:
    """SHA-256 (hex) over names and contents of the files of a checkpoint, for step keys."""
    paths = sorted({path for pattern in _FILES for path in Path(folder).glob(pattern)})
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def _load(folder: str, layer: int) -> tuple[Any, Any]:
    if not (Path(folder) / "config.json").is_file():
        raise WeightsError(f"{folder} is no transformers checkpoint: it has no config.json")
    with _without_broken_companions():
        import transformers

        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.model_type not in _MODELS:
            raise WeightsError(f"{folder} is a {config.model_type}; known: {', '.join(sorted(_MODELS))}")
        if not 1 <= layer <= config.num_hidden_layers:
            raise ValueError(f"layer={layer} must be in 1..{config.num_hidden_layers}")
        kind = getattr(transformers, _MODELS[config.model_type])
        try:
            model, told = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        except (OSError, RuntimeError) as error:
            raise WeightsError(f"{folder} holds no weights of {config.model_type}: {error}") from error
    missing = set(told["missing_keys"]) - _UNUSED
    if missing:
        raise WeightsError(f"{folder} lacks {len(missing)} tensors, first {min(missing)}")
    model.encoder.layers = model.encoder.layers[:layer]
    return model, config


@contextmanager
def _without_broken_companions() -> Iterator[None]:
    """transformers imports torchaudio and torchvision whenever they are installed, also where their native
    libraries do not load (beside a CPU torch), and then fails. Those that fail are hidden from it meanwhile;
    none of them is called here.
    """
    hidden = [name for name in ("torchaudio", "torchvision") if not _works(name)]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        from transformers.utils import import_utils

        for function in list(vars(import_utils).values()):  # it remembers what it found before
            if hidden and hasattr(function, "cache_clear"):
                function.cache_clear()
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def _works(name: str) -> bool:
    try:
        importlib.import_module(name)
    except (ImportError, OSError, RuntimeError):
        return False
    return True


def _wants_normal(folder: Path) -> bool:
    import json

    path = folder / "preprocessor_config.json"
    return bool(json.loads(path.read_text()).get("do_normalize", True)) if path.is_file() else True


def _normalised(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """As transformers' Wav2Vec2FeatureExtractor does it."""
    values = pcm.astype(np.float64)
    return np.asarray((values - values.mean()) / np.sqrt(values.var() + 1e-7), np.float32)


def _field(kernels: Sequence[int], strides: Sequence[int]) -> int:
    """Samples that one frame of a stack of convolutions sees."""
    field, hop = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field, hop = field + (kernel - 1) * hop, hop * stride
    return field
