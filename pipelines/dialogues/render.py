"""render: one side of a dialogue as sound, exactly as planned. One item a dialogue and side."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.dialogues.speech import read_speech
from pipelines.section import Section
from pipelines.step import Item, Resources, Step, Workspace
from synth.dialogue.plan import DialoguePlan
from synth.dialogue.render import render
from synth.levels import to_db

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

SIDES = ("a", "b")
"""Of a dialogue: its first and its second speaker."""
SPEECH_HZ = 16_000


class RenderConfig(Section):
    """Nothing to choose: all of it is in the plan."""


class Render(Step[RenderConfig]):
    """`native.flac` at the voices' rate, and `flac`, 16 kHz mono, made of it."""

    name = "render"
    version = 1
    speed = 100.0
    per_clip = True
    upstream = ("arrange",)
    libraries = ("numpy", "soundfile", "soxr")
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema(
        [
            pa.field("missing", pa.string()),
            pa.field("peak_dbfs", pa.float64()),
            pa.field("gain_db", pa.float64()),  # of both channels alike, so that neither clips
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Both sides of each dialogue that was arranged."""
        items = corpus.items("arrange")
        for row in corpus.rows("arrange"):
            if row["status"] != Status.OK:
                continue
            arranged = items[row["item"]].inputs
            plan = json.loads(row["plan"])
            active = json.loads(row["sounds"])
            digests = {
                key: [kind["sha256"] for kind in files.values()] for key, files in arranged["sounds"].items()
            }
            for side, name in enumerate(SIDES):
                inputs = {
                    "key": f"{row['key']}-{name}",
                    "dialogue": row["key"],
                    "side": side,
                    "plan": plan,
                    "sounds": arranged["sounds"],
                    "active": active,
                    "start": "0",
                    "stop": str(Fraction(plan["n_samples"], plan["rate_hz"])),
                }
                item = f"{inputs['key']}-{digest(plan, digests, length=8)}"
                yield Item(item, row["source_id"], inputs, row["duration_s"])

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Both sides are rendered and one is written: it costs less than keeping the other."""
        from extractors.audio import to_mono16k
        from extractors.encode import flac_bytes

        inputs = item.inputs
        plan = DialoguePlan.from_json(inputs["plan"])
        sounds = {
            key: read_speech(
                workspace.store,
                files,
                plan.rate_hz,
                active=tuple((low, high) for low, high in inputs["active"][key]),
            )
            for key, files in inputs["sounds"].items()
        }
        rendered = render(plan, sounds)
        pcm = rendered.pcm[inputs["side"]]
        native, _ = flac_bytes(pcm[None], plan.rate_hz)
        speech, _ = flac_bytes(to_mono16k(pcm[None], plan.rate_hz)[None], SPEECH_HZ)
        artifacts = (
            workspace.put(f"{item.id}.flac", speech),
            workspace.put(f"{item.id}.native.flac", native),
        )
        peak = float(np.abs(pcm).max())
        measures = {"missing": "{}", "peak_dbfs": to_db(peak), "gain_db": to_db(rendered.gain)}
        return [item.row(artifacts=artifacts, measures=measures)]


def arranged_plans(corpus: Corpus) -> dict[str, dict[str, Any]]:
    """The plan of each dialogue that was arranged."""
    return {
        row["key"]: json.loads(row["plan"]) for row in corpus.rows("arrange") if row["status"] == Status.OK
    }
