"""DAC (Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", 2023): 16, 24 and 44.1 kHz.

The network is that of transformers: with equal weights its codes equal those of descript-audio-codec.
16 kHz: 50 Hz × 12 codebooks of 1024; 24 kHz: 75 Hz × 32; 44.1 kHz: 86.13 Hz × 9. None is on the 25 Hz grid;
`dac16x25` is: the first 8 codebooks at 16 kHz, two frames of 50 Hz stacked, 16 codes for each 40 ms (rows
0-7 the earlier frame, 8-15 the later). That reading of AV-Dialog's "16 codes per 40 ms" is inferred.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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

CHUNK_FRAMES = 1000
"""20 s at 50 Hz. Longer rows are done in pieces with the encoder's whole reach round them."""
_BIAS_STD = 1e-4  # of the untrained encoder: small beside what speech gives in its layers


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One published model and how its codes are laid out."""

    rate_hz: int
    ratios: tuple[int, ...]
    """Strides of the encoder; their product is the network's hop."""
    max_codebooks: int
    n_codebooks: int
    """By default."""
    stack: int = 1
    """Frames of the network in a frame of ours."""
    weights: str


_DAC16 = Variant(rate_hz=16_000, ratios=(2, 4, 5, 8), max_codebooks=12, n_codebooks=12, weights="dac_16khz")
VARIANTS: Mapping[str, Variant] = {
    "dac16": _DAC16,
    "dac16x25": replace(_DAC16, n_codebooks=8, stack=2),
    "dac24": Variant(
        rate_hz=24_000, ratios=(2, 4, 5, 8), max_codebooks=32, n_codebooks=32, weights="dac_24khz"
    ),
    "dac44": Variant(
        rate_hz=44_100, ratios=(2, 4, 8, 8), max_codebooks=9, n_codebooks=9, weights="dac_44khz"
    ),
}


class Dac:
    """`Codec` of published weights; `Dac.untrained` has random ones.

    Zeros that pad a row never change its codes: in every layer of the encoder what lies beyond the row's
    end is zero, as it is for the row alone. Precision as in `Mimi`.
    """

    libraries = ("numpy", "safetensors", "torch", "transformers")
    version = 1

    def __init__(
        self,
        variant: str = "dac16x25",
        *,
        n_codebooks: int | None = None,
        device: Device = "auto",
        precision: Precision = "fp32",
        weights_path: str | None = None,
    ) -> None:
        """`variant` of `VARIANTS`; the first `n_codebooks` of its network's (before stacking).

        `weights_path` is for tests, by default the model store's. Raises `WeightsError`, KeyError for an
        unknown variant, and ValueError for another number of codebooks or no such device.
        """
        kind, config = _architecture(VARIANTS[variant])
        path = weights_path or str(locate(VARIANTS[variant].weights).path)
        self._begin(load_model(kind, config, path), variant, n_codebooks, device, precision, trained=True)

    @classmethod
    def untrained(
        cls,
        seed: int = 0,
        variant: str = "dac16x25",
        *,
        n_codebooks: int | None = None,
        device: Device = "auto",
        precision: Precision = "fp32",
    ) -> Dac:
        """The true architecture with random weights: named `dac16x25-untrained`. For tests and trials."""
        import torch

        kind, config = _architecture(VARIANTS[variant])
        with seeded(seed):
            model = kind(config)
            for name, bias in model.encoder.named_parameters():
                if name.endswith("bias"):  # transformers leaves them zero, which no trained network has
                    torch.nn.init.normal_(bias, std=_BIAS_STD)
        made = cls.__new__(cls)
        made._begin(model, variant, n_codebooks, device, precision, trained=False)
        return made

    def _begin(
        self,
        model: Any,
        name: str,
        n_codebooks: int | None,
        device: Device,
        precision: Precision,
        *,
        trained: bool,
    ) -> None:
        variant = VARIANTS[name]
        self._n_codebooks = n_codebooks or variant.n_codebooks
        if not 1 <= self._n_codebooks <= variant.max_codebooks:
            raise ValueError(f"n_codebooks={n_codebooks}: {name} has 1 to {variant.max_codebooks}")
        self._device, self._precision, self._stack = pick_device(device, precision), precision, variant.stack
        self._model = model.to(self._device).eval()
        if self._device.type == "cpu":
            keep_freed_memory()
        self._convolutions = _Convolutions(self._model.encoder)
        self._chunk_frames = CHUNK_FRAMES
        self._hop = int(np.prod(variant.ratios))
        self._spec = CodecSpec(
            family=name,
            rate_hz=variant.rate_hz,
            hop=self._hop * self._stack,
            n_codebooks=self._n_codebooks * self._stack,
            codebook_size=1024,
            trained=trained,
        )

    @property
    def spec(self) -> CodecSpec:
        """What its codes are."""
        return self._spec

    @property
    def reach(self) -> tuple[int, int]:
        """Samples [first, last] that the network's frame at sample 0 depends on, counted from it."""
        return self._convolutions.reach

    def encode(self, batch: Pcm, n_samples: Sequence[int]) -> list[Codes]:
        """See `Codec.encode`."""
        import torch

        check_batch(self._spec, batch, n_samples)
        frames = [self._spec.n_frames(n) for n in n_samples]
        with running(self._device, self._precision):
            rows = torch.from_numpy(batch).to(self._device)[:, None]
            latents = self._latents(rows, [n * self._spec.hop for n in frames])
            with torch.autocast(self._device.type, enabled=False):
                codes = self._model.quantizer(latents.float(), self._n_codebooks)[1]
        found = to_int16(codes)
        return [
            stack_frames(row[:, : n * self._stack], self._stack) for row, n in zip(found, frames, strict=True)
        ]

    def decode(self, codes: Codes) -> Pcm:
        """Codes to (frames * hop,) samples; zeros stand for the few at the end that DAC does not give."""
        import torch

        plain = unstack_frames(codes, self._stack).astype(np.int64)
        with running(self._device, "fp32"):
            samples = self._model.decode(audio_codes=torch.from_numpy(plain).to(self._device)[None])
        found: Pcm = samples.audio_values[0].cpu().numpy()
        return np.pad(found, (0, plain.shape[1] * self._hop - len(found)))

    def _latents(self, rows: Any, lengths: list[int]) -> Any:
        """(B, 1, width) of which row i holds `lengths[i]` samples, to (B, channels, frames)."""
        import torch

        n_frames = rows.shape[2] // self._hop
        first, last = self._convolutions.reach
        before, after = -(first // self._hop), last // self._hop
        parts = []
        for start in range(0, n_frames, self._chunk_frames):
            stop = min(start + self._chunk_frames, n_frames)
            low, high = max(0, start - before), min(n_frames, stop + after)
            at = low * self._hop
            window = rows[:, :, at : high * self._hop]
            held = [min(max(n - at, 0), window.shape[2]) for n in lengths]
            parts.append(self._convolutions(window, held)[:, :, start - low : stop - low])
        return torch.cat(parts, dim=2)


class _Convolutions:
    """An encoder whose every convolution sees zeros beyond each row's own end."""

    def __init__(self, encoder: Any) -> None:
        import torch

        self._encoder = encoder
        self._lengths: Any = None  # of each row, at the layer that runs
        # In the order of definition, which is that of running
        self._layers = [layer for layer in encoder.modules() if isinstance(layer, torch.nn.Conv1d)]
        for layer in self._layers:
            layer.register_forward_pre_hook(self._mask)

    @property
    def reach(self) -> tuple[int, int]:
        """Samples [first, last] that output frame 0 depends on."""
        first = last = 0
        for layer in reversed(self._layers):
            stride, padding = int(layer.stride[0]), int(layer.padding[0])
            first = first * stride - padding
            last = last * stride - padding + layer.dilation[0] * (layer.kernel_size[0] - 1)
        return first, last

    def __call__(self, rows: Any, lengths: list[int]) -> Any:
        import torch

        whole = all(n == rows.shape[2] for n in lengths)
        self._lengths = None if whole else torch.tensor(lengths, device=rows.device)
        return self._encoder(rows)

    def _mask(self, layer: Any, inputs: tuple[Any]) -> tuple[Any] | None:
        import torch

        if self._lengths is None:
            return None
        (values,) = inputs
        beyond = torch.arange(values.shape[2], device=values.device) >= self._lengths[:, None]
        kernel = layer.dilation[0] * (layer.kernel_size[0] - 1) + 1
        outputs = (self._lengths + 2 * layer.padding[0] - kernel) // layer.stride[0] + 1
        self._lengths = torch.where(self._lengths > 0, outputs, 0)
        return (values.masked_fill(beyond[:, None], 0),)


def stack_frames(codes: Codes, stack: int) -> Codes:
    """(n, stack * frames) to (stack * n, frames): rows 0 .. n-1 are the earliest of the stacked frames."""
    n, frames = codes.shape
    return np.ascontiguousarray(
        codes.reshape(n, frames // stack, stack).transpose(2, 0, 1).reshape(n * stack, -1)
    )


def unstack_frames(codes: Codes, stack: int) -> Codes:
    """Inverse of `stack_frames`."""
    rows, frames = codes.shape
    return np.ascontiguousarray(
        codes.reshape(stack, rows // stack, frames).transpose(1, 2, 0).reshape(rows // stack, -1)
    )


def _architecture(variant: Variant) -> tuple[Any, Any]:
    from extractors.torchaudio_import import import_transformers

    transformers = import_transformers()
    config = transformers.DacConfig(
        sampling_rate=variant.rate_hz,
        downsampling_ratios=list(variant.ratios),
        n_codebooks=variant.max_codebooks,
    )
    return transformers.DacModel, config


def _is_a_codec(dac: Dac) -> Codec:
    return dac  # for mypy: the protocol is kept
