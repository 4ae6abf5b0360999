"""Loaders of others, told to hand over what they read as it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def energon_samples(folder: Path) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Split (train or valid), key and members, as bytes, of each sample that Energon gives of them."""
    energon = pytest.importorskip("megatron.energon", reason="megatron-energon is not installed")

    @energon.stateless
    def whole(sample: dict[str, Any]) -> dict[str, Any]:
        return sample

    class Whole(energon.TaskEncoder):  # type: ignore[misc,name-defined]
        cookers = (energon.Cooker(whole),)
        decoder = None

        @energon.stateless
        def encode_sample(self, sample: dict[str, Any]) -> dict[str, Any]:
            return sample

        def batch(self, samples: list[Any]) -> list[Any]:
            return samples

    once = {"shuffle_buffer_size": None, "max_samples_per_sequence": None, "repeat": False}
    makes = (("train", energon.get_train_dataset, once), ("valid", energon.get_val_dataset, {}))
    for split, make, more in makes:
        config = energon.WorkerConfig(rank=0, world_size=1, num_workers=0)
        dataset = make(str(folder), worker_config=config, batch_size=1, task_encoder=Whole(), **more)
        for (sample,) in energon.get_loader(dataset):
            yield split, sample["__key__"].split("/")[-1], sample


def undecoded(loaded: Any) -> Any:
    """A data set of HF `datasets` with bytes instead of decoders, which would need torchcodec."""
    import datasets

    for name, feature in loaded.features.items():
        if isinstance(feature, datasets.Audio | datasets.Video):
            loaded = loaded.cast_column(name, type(feature)(decode=False))
    return loaded
