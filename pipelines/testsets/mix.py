"""mix: a clip's sound with interferers, at an exact SNR that is measured on what is written.

One item a clip and audio condition. Its receipt keeps the plan, from which `synth.mixing.apply` gives the
same samples again anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from manifests.store import Artifact, Store
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.testsets.choosing import Chooser, facts
from pipelines.testsets.clips import STREAMS, clip_rows
from pipelines.testsets.conditions import AudioCell, audio_cells, wanted_cells
from pipelines.testsets.corpus import grid_of
from pipelines.testsets.grid import GridConfig, MixConfig
from synth.noise_plan import Fault, MixError

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

NOTHING_TO_MIX = {"refused": str(Fault.TARGET_SILENT), "detail": "the clip has no sound"}


class Mix(Step[MixConfig]):
    """Sound of a clip in one condition."""

    name = "mix"
    version = 1
    speed = 30.0
    per_clip = True
    upstream = ("clips",)
    libraries = ("av", "numpy", "pyroomacoustics", "scipy", "soundfile", "soxr")
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema(
        [
            pa.field("plans", pa.string()),  # JSON: member -> MixPlan
            pa.field("proofs", pa.string()),  # JSON: member -> what was measured on the int16 samples
            pa.field("missing", pa.string()),  # JSON: member -> reason
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip in every audio condition that the grid draws it for."""
        grid = grid_of(corpus)
        rows = {row["key"]: row for row in clip_rows(corpus)}
        chooser = Chooser(list(rows.values()), grid)
        wanted = wanted_cells(grid, sorted(rows))
        for cell in audio_cells(grid):
            for key in wanted[cell.name]:
                yield _item(rows[key], cell, chooser, grid)

    def open(self) -> None:
        """Nothing is known before the first clip."""
        from pipelines.testsets.sounds import Sounds

        self._sounds = Sounds()

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Mix each of the clip's recordings that is wanted."""
        from pipelines.testsets.sounds import mix_member

        inputs = item.inputs
        if inputs["refused"]:
            raise ItemError(Reason(inputs["refused"]), inputs["detail"])
        artifacts: list[Artifact] = []
        plans, proofs, missing = {}, {}, {}
        clean = Store(workspace.source_root)
        for member in (one for one in self.config.members if one != "fbank104"):
            if inputs["stream"] + member not in inputs["target"]["members"]:
                missing[member] = str(Reason.NO_AUDIO)
                continue
            try:
                mixed = mix_member(item, member, self.config, self._sounds, clean)
            except MixError as error:
                raise ItemError(Reason(str(error.reason)), error.detail) from error
            plans[member], proofs[member] = mixed.plan.to_json(), mixed.proof
            artifacts += [workspace.put(f"{item.id}.{name}", data) for name, data in mixed.payloads.items()]
        measures = {"plans": plans, "proofs": proofs, "missing": missing}
        measured = {name: json.dumps(value, sort_keys=True) for name, value in measures.items()}
        return [item.row(artifacts=tuple(artifacts), measures=measured)]


def _item(row: dict[str, Any], cell: AudioCell, chooser: Chooser, grid: GridConfig) -> Item:
    members, sounds = json.loads(row["members"]), json.loads(row["sounds"])
    stream = next((one for one in reversed(STREAMS) if f"{one}flac" in sounds), "")
    target = {name: members[name] for name in sounds if name.startswith(stream)}
    plain = cell.family.model_dump(
        mode="json", exclude={"snr_db": True, "folder": True, "also": {"__all__": {"folder"}}}
    )
    inputs: dict[str, Any] = {
        "key": f"{row['key']}-{cell.name}",
        "clip": row["key"],
        "shard": row["shard"],
        "stream": stream,
        "target": {"members": target, "active_s": json.loads(row["active_s"])},
        "snr_db": cell.snr_db,
        "family": plain,
        "seed": grid.seed,
        "start": "0",
        "stop": _duration(row, sounds, f"{stream}flac"),
        "refused": None,
        "detail": None,
    }
    told: list[Any] = []
    if not sounds:
        inputs |= NOTHING_TO_MIX
    else:
        try:
            inputs["interferers"] = chooser.interferers(row, cell.family)
            inputs["rooms"] = chooser.rooms(row, cell.family)
            told = [
                [one["kind"], [facts(source) for source in one["sources"]]] for one in inputs["interferers"]
            ]
            told += [facts(room) for room in inputs["rooms"]]
        except MixError as error:
            inputs |= {"refused": str(error.reason), "detail": error.detail}
    digests = {name: part[2] for name, part in target.items()}
    decided = [digests, inputs["target"]["active_s"], plain, grid.seed, told, inputs["refused"]]
    item_id = f"{inputs['key']}-{digest(decided, length=8)}"
    return Item(item_id, row["source"], inputs, row["duration_s"])


def _duration(row: dict[str, Any], sounds: dict[str, Any], name: str) -> str:
    """Exact seconds, of the sound where there is one."""
    if name in sounds:
        n_samples, rate_hz, _ = sounds[name]
        return str(Fraction(n_samples, rate_hz))
    return str(Fraction(row["duration_s"]).limit_denominator(100_000))
