"""units: what the speech of each clip says and how, as small integers: SSL features, k-means, streams.

The network and the centres are the user's: folders and files that the config names. `duologue fit-units`
makes centres.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from extractors.brought import brought, every
from manifests.reasons import Reason
from manifests.receipts import Row
from manifests.store import Artifact
from pipelines.clip_sections import UnitsConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.clips import clip_items, read_sound

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

SOUND = "flac"
GET_NETWORK = (
    "It is a transformers folder of HuBERT, wav2vec 2.0 or XLS-R, as `hf download facebook/hubert-base-ls960 "
    "--local-dir …` or facebook/wav2vec2-xls-r-1b makes one; docs/presets says which"
)


class Units(Step[UnitsConfig]):
    """One item a clip that was cut."""

    name = "units"
    version = 1
    speed = 2.0
    per_clip = True
    resources = Resources(cpus=1.0, memory_gb=3.0)
    libraries = ("numpy", "onnxruntime", "safetensors", "soundfile", "swift-f0", "torch", "transformers")
    measurements = pa.schema([pa.field("tokens", pa.string()), pa.field("missing", pa.string())])

    @property
    def wanted(self) -> bool:
        """Whether a network is named."""
        return self.config.model is not None

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip that was cut, if units are wanted."""
        if self.wanted:
            yield from clip_items(corpus, (SOUND,))

    def made_of(self) -> dict[str, Any]:
        """Network and centres are no files of the model store."""
        if self.config.model is None:
            return super().made_of()
        from extractors.ssl_features import folder_digest
        from extractors.weights import file_digest

        looks: dict[str, Callable[[], dict[str, str]]] = {
            "model": lambda: {"model": folder_digest(str(self._network()))},
            "centres": lambda: {name: file_digest(path) for name, path in self._centres().items()},
        }
        found = every(looks)
        return super().made_of() | found["model"] | found["centres"]

    def _network(self) -> Path:
        return brought(str(self.config.model), setting="units.model", holds="config.json", get_it=GET_NETWORK)

    def _centres(self) -> dict[str, Path]:
        names = ("centres", "pitch_centres", "style_centres")
        given = {name: path for name in names if (path := getattr(self.config, name)) is not None}
        get_it = "duologue fit-units makes one"
        return every(
            {
                name: partial(brought, path, setting=f"units.{name}", get_it=get_it)
                for name, path in given.items()
            }
        )

    def open(self) -> None:
        """Load the network and the centres."""
        from extractors.kmeans_units import KMeansUnits
        from extractors.ssl_features import SslFeatures
        from extractors.unit_streams import PitchTracker

        config = self.config
        self._features = SslFeatures(
            str(self._network()), layer=config.layer, device=config.device, dtype=config.dtype
        )
        self._units = {name: KMeansUnits.load(str(path)) for name, path in self._centres().items()}
        self._check_centres()
        self._pitch = PitchTracker() if "pitch_centres" in self._units else None

    def _check_centres(self) -> None:
        """Centres of another layer or network would give units all the same. Raises WeightsError."""
        from extractors.weights import WeightsError

        centres, network = self._units["centres"], self._features
        mine = {"kind": "semantic", "layer": self.config.layer, "model_sha256": network.digest}
        for name, value in mine.items():
            if centres.about.get(name, value) != value:
                raise WeightsError(f"units.centres: fitted with {name} {centres.about[name]}, not {value}")
        if centres.centres.shape[1] != network.dims:
            raise WeightsError(
                f"units.centres have {centres.centres.shape[1]} dimensions, the network {network.dims}"
            )

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Semantic units and, where their centres are named, the line that interleaves pitch and style."""
        from extractors.encode import npy_bytes

        sound = read_sound(workspace.store, item, SOUND)
        if sound is None:
            missing = json.dumps({"units": str(Reason.NO_AUDIO)})
            return [item.row(measures={"tokens": "{}", "missing": missing})]
        pcm = sound[0][0]
        (features,) = self._features([pcm])
        semantic = self._units["centres"].assign(features)
        artifacts: list[Artifact] = [workspace.put(f"{item.id}.units.npy", npy_bytes(semantic))]
        about: dict[str, Any] = {
            "units.npy": {
                "codec": "units",
                "trained": True,
                "rate_hz": self._features.rate_hz,
                "codebook_size": len(self._units["centres"].centres),
                "fitted_on": self._units["centres"].about,
            }
        }
        if self._pitch is not None and "style_centres" in self._units:
            text = self._interleaved(pcm, features, semantic)
            artifacts.append(workspace.put(f"{item.id}.units.txt", text.encode()))
        return [item.row(artifacts=tuple(artifacts), measures={"tokens": json.dumps(about), "missing": "{}"})]

    def _interleaved(
        self, pcm: NDArray[np.float32], features: NDArray[np.float32], semantic: NDArray[np.int32]
    ) -> str:
        from extractors.unit_streams import interleave, pitch_features, style_features, to_text

        assert self._pitch is not None
        rate_hz = self._features.rate_hz
        pitch = self._units["pitch_centres"].assign(pitch_features(*self._pitch(pcm)))
        style = self._units["style_centres"].assign(style_features(features, rate_hz=rate_hz))
        return to_text(interleave(semantic.tolist(), pitch.tolist(), style.tolist(), semantic_hz=rate_hz))
