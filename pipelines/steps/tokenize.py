"""tokenize: codec tokens of each clip, made of the audio that `cut` wrote at its native rate and channels.

A unit is a bundle of clips, batched for the device; which clips share a batch changes no code
(`extractors.token_batches`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa

from extractors.codecs import CODEC_LIBRARIES, CODECS
from manifests.reasons import Reason
from manifests.receipts import Row
from manifests.store import Artifact
from pipelines.clip_sections import TokenizeConfig
from pipelines.step import Item, Resources, Step, Unit, Workspace
from pipelines.steps.clips import clip_items, read_sound

if TYPE_CHECKING:
    from extractors.codec import Codec, CodecSpec, Pcm
    from pipelines.corpus import Corpus

SOUND = "native.flac"
BATCHES_A_UNIT = 20


class Tokenize(Step[TokenizeConfig]):
    """One item a clip that was cut."""

    name = "tokenize"
    version = 1
    speed = 3.0
    per_clip = True
    resources = Resources(cpus=1.0, memory_gb=2.5)
    libraries = (*CODEC_LIBRARIES, "soundfile")
    measurements = pa.schema(
        [
            pa.field("tokens", pa.string()),  # JSON: member -> codec, rate, codebooks, whether trained
            pa.field("missing", pa.string()),  # JSON: codec -> reason
        ]
    )
    maker: ClassVar[str | None] = None  # the step whose clips are read; by default the first over clips

    @property
    def wanted(self) -> bool:
        """Whether any codec is named."""
        return bool(self.config.codecs)

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip that was cut, if tokens are wanted."""
        if self.wanted:
            yield from clip_items(corpus, (SOUND,), self.maker)

    def weights(self) -> tuple[str, ...]:
        """Those of the codecs, but for codecs that run untrained."""
        trained = [name for name in self.config.codecs if not self._untrained(name)]
        return tuple(sorted({one for name in trained for one in CODECS[name]}))

    def _untrained(self, name: str) -> bool:
        """Whether the codec's weights are missing and may be."""
        from extractors.weights import MissingWeightsError, locate
        from extractors.weights_registry import REGISTRY

        published = all(REGISTRY[one].url is not None for one in CODECS[name])
        if published or not self.config.allow_untrained:
            return False  # what is published is fetched when the build begins
        try:
            for one in CODECS[name]:
                locate(one)
        except MissingWeightsError:
            return True
        return False

    def bundle(self, items: Sequence[Item], *, unit_s: float) -> list[Unit]:
        """Units of many batches each, or the last batch of a width would be mostly empty."""
        return super().bundle(items, unit_s=max(unit_s, BATCHES_A_UNIT * self.config.batch_s[0] / self.speed))

    def open(self) -> None:
        """Load the codecs."""
        from extractors.codecs import make_codec

        self._codecs: dict[str, Codec] = {
            name: make_codec(
                name,
                n_codebooks=self.config.n_codebooks.get(name),
                device=self.config.device,
                precision=self.config.precision,
                untrained=self._untrained(name),
            )
            for name in self.config.codecs
        }

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """One clip alone; `run` does many."""
        return self.run(Unit.of([item]), workspace)

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """The bundle's sound through one codec after the other, batched."""
        from extractors.encode import npy_bytes
        from extractors.token_batches import encode_bundle

        read = {item.id: read_sound(workspace.store, item, SOUND) for item in unit.items}
        sounds = {name: sound for name, sound in read.items() if sound is not None}
        artifacts: dict[str, list[Artifact]] = {item.id: [] for item in unit.items}
        about: dict[str, dict[str, Any]] = {item.id: {} for item in unit.items}
        for codec in self._codecs.values():
            spec = codec.spec
            pcm = {
                item.id: _at_rate(*sounds[item.id], spec, Fraction(item.inputs["duration"]))
                for item in unit.items
                if item.id in sounds
            }
            done = encode_bundle(codec, pcm, planned_s=self.config.batch_s)
            for item_id, codes in done.codes.items():
                member = f"{spec.name}.npy"
                artifacts[item_id].append(workspace.put(f"{item_id}.{member}", npy_bytes(codes)))
                rate_hz = sounds[item_id][1]
                about[item_id][member] = _about(spec, rate_hz) | {"batch_s": done.planned_s}
        silent = json.dumps(dict.fromkeys(self.config.codecs, str(Reason.NO_AUDIO)))
        return [
            item.row(
                artifacts=tuple(artifacts[item.id]),
                measures={
                    "tokens": json.dumps(about[item.id]),
                    "missing": "{}" if item.id in sounds else silent,
                },
            )
            for item in unit.items
        ]


def _at_rate(pcm: Pcm, rate_hz: int, spec: CodecSpec, duration: Fraction) -> Pcm:
    """The sound as the codec wants it, filled up with zeros to whole frames of the clip."""
    from extractors.codec import to_codec_rate

    mono = to_codec_rate(pcm, rate_hz, spec)
    wanted = spec.n_samples_of(duration)
    return np.pad(mono[:wanted], (0, max(0, wanted - len(mono))))


def _about(spec: CodecSpec, source_rate_hz: int) -> dict[str, Any]:
    return {
        "codec": spec.name,
        "trained": spec.trained,
        "rate_hz": float(spec.frame_rate),
        "n_codebooks": spec.n_codebooks,
        "codebook_size": spec.codebook_size,
        "upsampled": source_rate_hz < spec.rate_hz,  # the codec has bandwidth that the source lacks
    }
