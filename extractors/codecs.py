"""Which codecs there are, what they need, and one by its name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from extractors.codec import Codec, Precision
from extractors.torch_codec import Device

CODECS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "mimi": ("mimi",),
        "dac16": ("dac_16khz",),
        "dac16x25": ("dac_16khz",),
        "dac24": ("dac_24khz",),
        "dac44": ("dac_44khz",),
        "lyra": ("lyra_encoder", "lyra_quantizer", "lyra_decoder"),
    }
)
"""Codecs by name, and the weights of each by their names in the model store."""

MOST_CODEBOOKS: Mapping[str, int] = MappingProxyType(
    {"mimi": 32, "dac16": 12, "dac16x25": 12, "dac24": 32, "dac44": 9, "lyra": 46}
)
CODEC_LIBRARIES = ("ai-edge-litert", "numpy", "safetensors", "soxr", "torch", "transformers")
UNTRAINED_SEED = 0
MIMI_CODEBOOKS = 8
"""Of 32: as Moshi (arXiv 2410.00037) reads them."""


def make_codec(
    name: str,
    *,
    n_codebooks: int | None = None,
    device: Device = "cpu",
    precision: Precision = "fp32",
    untrained: bool = False,
) -> Codec:
    """The codec called `name` of `CODECS`, with its first `n_codebooks` (None: as many as is usual).

    `untrained`: seeded random weights of the true architecture; its spec says so. Raises `WeightsError` when
    the weights are nowhere, KeyError for an unknown name, and ValueError for a number of codebooks or a
    device it does not have, or for an untrained Lyra: its weights are there for everyone.
    """
    if name not in CODECS:
        raise KeyError(name)
    if name == "lyra":
        from extractors.lyra import N_CODEBOOKS, Lyra

        if untrained:
            raise ValueError("lyra's weights are published: duologue models --fetch lyra_encoder")
        return Lyra(n_codebooks=n_codebooks or N_CODEBOOKS)
    if name == "mimi":
        from extractors.mimi import Mimi

        count = n_codebooks or MIMI_CODEBOOKS
        if untrained:
            return Mimi.untrained(UNTRAINED_SEED, n_codebooks=count, device=device, precision=precision)
        return Mimi(n_codebooks=count, device=device, precision=precision)
    from extractors.dac import Dac

    options: dict[str, Any] = {"n_codebooks": n_codebooks, "device": device, "precision": precision}
    return Dac.untrained(UNTRAINED_SEED, name, **options) if untrained else Dac(name, **options)
