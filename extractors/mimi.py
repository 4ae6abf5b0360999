"""Mimi (Défossez et al., "Moshi", 2024; kyutai/mimi): 24 kHz to 12.5 Hz, n of 32 codebooks of 2048.

The network is that of transformers. It is causal: a frame's codes depend on no later sample, and on
earlier ones through 8 layers of attention over 250 steps of 40 ms, so on up to 80 s of the past.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from extractors.codec import Codec, CodecSpec, Codes, Pcm, Precision, check_batch
from extractors.torch_codec import (
    Device,
    keep_freed_memory,
    load_model,
    pick_device,
    running,
    seeded,
    to_int16,
)
from extractors.weights import locate

MAX_CODEBOOKS = 32
CHUNK_FRAMES = 250
"""20 s. Longer rows go through the network in pieces of this length that hand on their state: memory is then
bounded, and attention costs no square of the length."""
# Random weights whose codes vary with the sound and with the past: transformers draws biases that drown it,
# attention that next to nothing is heard of, and empty codebooks
_BIAS_SCALE = 0.02
_LAYER_SCALE = 0.5
_CODEBOOK_STD = 0.3


class Mimi:
    """`Codec` of published weights; `Mimi.untrained` has random ones.

    On the CPU float32; on a GPU `precision="bf16"` runs the encoder's convolutions and products in bfloat16,
    the quantizer stays in float32. Same device, shape and samples: same codes.
    """

    weights = ("mimi",)
    libraries = ("numpy", "safetensors", "torch", "transformers")
    version = 1

    def __init__(
        self,
        *,
        n_codebooks: int = 8,
        device: Device = "auto",
        precision: Precision = "fp32",
        weights_path: str | None = None,
    ) -> None:
        """The first `n_codebooks` of 32; `weights_path` is for tests, by default the model store's.

        Raises `WeightsError`, and ValueError for another number of codebooks or no such device.
        """
        kind, config = _architecture()
        _check(n_codebooks)
        model = load_model(kind, config, weights_path or str(locate("mimi").path))
        self._begin(model, n_codebooks, device, precision, trained=True)

    @classmethod
    def untrained(
        cls, seed: int = 0, *, n_codebooks: int = 8, device: Device = "auto", precision: Precision = "fp32"
    ) -> Mimi:
        """The true architecture with random weights: `spec.name` is `mimi-untrained`. For tests."""
        import torch

        kind, config = _architecture()
        _check(n_codebooks)
        with seeded(seed):
            model = kind(config)
            for name, tensor in model.encoder.named_parameters():
                if name.endswith("conv.bias"):
                    tensor.data.mul_(_BIAS_SCALE)
                elif name.endswith("layer_scale.scale"):
                    tensor.data.fill_(_LAYER_SCALE)
            for name, codebook in model.quantizer.named_buffers():
                if name.endswith("embed_sum"):
                    torch.nn.init.normal_(codebook, std=_CODEBOOK_STD)
        made = cls.__new__(cls)
        made._begin(model, n_codebooks, device, precision, trained=False)
        return made

    def _begin(
        self, model: Any, n_codebooks: int, device: Device, precision: Precision, *, trained: bool
    ) -> None:
        self._device, self._precision = pick_device(device, precision), precision
        self._model = model.to(self._device).eval()
        if self._device.type == "cpu":
            keep_freed_memory()
        self._chunk_frames = CHUNK_FRAMES
        self._spec = CodecSpec(
            family="mimi",
            rate_hz=24_000,
            hop=1920,
            n_codebooks=n_codebooks,
            codebook_size=2048,
            trained=trained,
        )

    @property
    def spec(self) -> CodecSpec:
        """What its codes are."""
        return self._spec

    def encode(self, batch: Pcm, n_samples: Sequence[int]) -> list[Codes]:
        """See `Codec.encode`."""
        import torch

        check_batch(self._spec, batch, n_samples)
        with running(self._device, self._precision):
            latents = self._latents(torch.from_numpy(batch).to(self._device)[:, None])
            with torch.autocast(self._device.type, enabled=False):
                codes = self._model.quantizer.encode(latents.float(), self._spec.n_codebooks)
        found = to_int16(codes.transpose(0, 1))
        return [
            np.ascontiguousarray(row[:, : self._spec.n_frames(n)])
            for row, n in zip(found, n_samples, strict=True)
        ]

    def decode(self, codes: Codes) -> Pcm:
        """(n, frames), n up to 32, to (frames * 1920,) samples at 24 kHz."""
        import torch

        with running(self._device, "fp32"):
            tokens = torch.from_numpy(codes.astype(np.int64)).to(self._device)[None]
            samples = self._model.decode(tokens).audio_values
        found: Pcm = samples[0, 0].cpu().numpy()
        return found

    def _latents(self, samples: Any) -> Any:
        """(B, 1, width) to (B, 512, frames)."""
        import torch

        size = self._chunk_frames * self._spec.hop
        if samples.shape[2] <= size:
            return self._model.encoder(samples).latents
        parts, past, padding = [], None, None
        for chunk in samples.split(size, dim=2):
            done = self._model.encoder(chunk, past_key_values=past, padding_cache=padding, use_streaming=True)
            past, padding = done.past_key_values, done.padding_cache
            parts.append(done.latents)
        return torch.cat(parts, dim=2)


def _architecture() -> tuple[Any, Any]:
    """The class and the published configuration (kyutai/mimi `config.json`: transformers' defaults)."""
    from extractors.torchaudio_import import import_transformers

    transformers = import_transformers()
    return transformers.MimiModel, transformers.MimiConfig()


def _check(n_codebooks: int) -> None:
    if not 1 <= n_codebooks <= MAX_CODEBOOKS:
        raise ValueError(f"n_codebooks={n_codebooks}: Mimi has 1 to {MAX_CODEBOOKS}")


def _is_a_codec(mimi: Mimi) -> Codec:
    return mimi  # for mypy: the protocol is kept
