"""opinion: what listeners would say of a mixed clip, by DNSMOS P.835. One item a mixed clip."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.section import Section
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.clips import clip_items, read_sound
from pipelines.testsets.corpus import grid_of

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

SOUND = "flac"
OPINIONS = ("dnsmos_ovrl", "dnsmos_sig", "dnsmos_bak")


class OpinionConfig(Section):
    """Nothing to choose."""


class Opinion(Step[OpinionConfig]):
    """Overall, speech and background, from 1 to 5; null for silence."""

    name = "opinion"
    version = 1
    speed = 20.0
    libraries = ("numpy", "onnxruntime", "soundfile")
    resources = Resources(cpus=1.0, memory_gb=0.7)
    measurements = pa.schema([pa.field(name, pa.float64()) for name in OPINIONS])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip that was mixed."""
        grid = grid_of(corpus)
        if grid.dnsmos and SOUND in grid.mix.members and not grid.mix.plans_only:
            yield from clip_items(corpus, (SOUND,))

    def weights(self) -> tuple[str, ...]:
        """DNSMOS P.835."""
        return ("dnsmos",)

    def open(self) -> None:
        """Load the network."""
        from extractors.dnsmos import Dnsmos
        from extractors.weights import locate

        self._dnsmos = Dnsmos(str(locate("dnsmos").path))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """The mean over the clip's windows."""
        from extractors.dnsmos import opinion_over

        sound = read_sound(workspace.store, item, SOUND)
        if sound is None:
            detail = "the clip has no 16 kHz sound"
            return [item.row(status=Status.SKIPPED, reason=Reason.NO_AUDIO, detail=detail)]
        pcm, rate_hz = sound
        self._dnsmos.reset()
        rows = np.concatenate([self._dnsmos.feed(pcm.mean(axis=0)), self._dnsmos.flush()])
        found = opinion_over(rows, 0.0, pcm.shape[-1] / rate_hz)
        return [item.row(measures={name: found and found[name.removeprefix("dnsmos_")] for name in OPINIONS})]
