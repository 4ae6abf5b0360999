"""pause: a clip with silence put into its turn, and all of it moved along. One item a clip and family."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.ids import digest
from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from manifests.store import Store
from pipelines.section import Section
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.testsets.clean import read_part
from pipelines.testsets.clips import clip_rows
from pipelines.testsets.conditions import PauseCell, wanted_cells
from pipelines.testsets.corpus import grid_of
from pipelines.testsets.grid import PauseConfig
from pipelines.testsets.sounds import decoded, samples_of
from synth.pauses import PauseError, TimeMap, paused_frames, paused_sound, plan_pauses
from synth.room_tone import RoomToneError

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

LABELS = ("_valid.npy", "lips_interpolated.npy", "exclusion.npy")
"""Endings of arrays of truth values: what stands before a pause goes on through it."""


class PauseStepConfig(Section):
    """Nothing to choose: what holds for a family travels with its items."""


class Pause(Step[PauseStepConfig]):
    """Sound, pictures and arrays of a clip on a time line with pauses."""

    name = "pause"
    version = 2
    speed = 10.0
    per_clip = True
    upstream = ("clips",)
    libraries = ("av", "numpy", "soundfile")
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = pa.schema(
        [
            pa.field("pauses", pa.string()),  # JSON: [[at, length], ...], rational seconds of the clean clip
            pa.field("tone", pa.string()),  # own or made
            pa.field("duration", pa.string()),  # rational seconds, with the pauses
            pa.field("missing", pa.string()),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip in every family of pauses that the grid draws it for."""
        grid = grid_of(corpus)
        rows = {row["key"]: row for row in clip_rows(corpus)}
        wanted = wanted_cells(grid, sorted(rows))
        for cell in (PauseCell(family) for family in grid.pauses):
            for key in wanted[cell.name]:
                yield _item(rows[key], cell, grid.seed)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Move everything that has a time. Raises ItemError for a clip without words or room tone."""
        inputs = item.inputs
        family = PauseConfig(**inputs["family"])
        clean = Store(workspace.source_root)
        members = {
            name: read_part(clean, inputs["shard"], *part[:2]) for name, part in inputs["members"].items()
        }
        try:
            time_map = self._time_map(inputs, members, family)
            payloads, tone = _moved(members, inputs, time_map, family)
        except PauseError as error:
            raise ItemError(Reason.NO_WORD_BOUNDARY, str(error)) from error
        except RoomToneError as error:
            raise ItemError(Reason.NO_ROOM_TONE, str(error)) from error
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        pauses = [[str(one.at), str(one.length)] for one in time_map.pauses]
        measures = {"pauses": json.dumps(pauses), "tone": tone, "missing": "{}"}
        measures["duration"] = str(time_map.new_duration)
        return [item.row(artifacts=tuple(artifacts), measures=measures)]

    def _time_map(self, inputs: dict[str, Any], members: dict[str, bytes], family: PauseConfig) -> TimeMap:
        if "flac" not in members:
            raise PauseError("the clip has no sound")
        pcm, rate_hz = decoded(members["flac"])
        words = [(Fraction(str(start)), Fraction(str(stop))) for _, start, stop in inputs["words"] or ()]
        return plan_pauses(
            words,
            Fraction(pcm.shape[-1], rate_hz),
            inputs["seed"],
            inputs["clip"],
            count=family.count,
            min_s=Fraction(str(family.min_s)),
            max_s=Fraction(str(family.max_s)),
        )


def _item(row: dict[str, Any], cell: PauseCell, seed: int) -> Item:
    header, members = json.loads(row["header"]), json.loads(row["members"])
    rates = header.get("rates_hz", {})
    tokens = header.get("tokens", {})
    moved = {
        name: part
        for name, part in members.items()
        if name in rates and name not in tokens and name != "fbank104.npy"
    }
    family = cell.family.model_dump(mode="json")
    facts = [{name: part[2] for name, part in moved.items()}, header.get("words"), family, seed]
    inputs = {
        "key": f"{row['key']}-{cell.name}",
        "clip": row["key"],
        "shard": row["shard"],
        "members": moved,
        "rates_hz": {name: rates[name] for name in moved},
        "words": header.get("words"),
        "active_s": json.loads(row["active_s"]),
        "family": family,
        "seed": seed,
        "start": "0",
        "stop": str(Fraction(row["duration_s"]).limit_denominator(100_000)),
    }
    return Item(f"{inputs['key']}-{digest(facts, length=8)}", row["source"], inputs, row["duration_s"])


def _moved(
    members: dict[str, bytes], inputs: dict[str, Any], time_map: TimeMap, family: PauseConfig
) -> tuple[dict[str, bytes], str]:
    """The members with the pauses in them, and where their room tone comes from."""
    from extractors.encode import npy_bytes

    payloads: dict[str, bytes] = {}
    tones: set[str] = set()
    for name, data in members.items():
        rate = Fraction(inputs["rates_hz"][name])
        if name.endswith("flac"):
            payloads[name], tone = _sound(data, inputs, time_map, family)
            tones.add(tone)
        elif name.endswith(".mp4"):
            payloads[name] = _video(data, name, time_map, family)
        else:
            array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
            fill = "hold" if name.endswith(LABELS) or array.dtype == bool else family.fill
            payloads[name] = npy_bytes(paused_frames(array, rate, time_map, fill=fill))
    return payloads, "made" if "made" in tones else "own"


def _sound(data: bytes, inputs: dict[str, Any], time_map: TimeMap, family: PauseConfig) -> tuple[bytes, str]:
    from extractors.encode import flac_bytes

    pcm, rate_hz = decoded(data)
    speech = samples_of(inputs["active_s"], pcm.shape[-1], rate_hz)
    parts = (inputs["seed"], inputs["clip"])
    done = [
        paused_sound(channel, rate_hz, time_map, speech, *parts, made_dbfs=family.made_dbfs)
        for channel in pcm
    ]
    found, _ = flac_bytes(np.stack([one.pcm for one in done]), rate_hz)
    return found, "made" if any(one.tone == "made" for one in done) else "own"


def _video(data: bytes, name: str, time_map: TimeMap, family: PauseConfig) -> bytes:
    from extractors.encode import FACE_OPTIONS, LIP_OPTIONS, RATE_HZ, Mp4Writer
    from pipelines.testsets.corrupted_crops import decoded as frames_of

    is_grey = name.startswith("lips")
    frames: NDArray[Any] = np.stack(list(frames_of(data, grey=is_grey)))
    writer = Mp4Writer(grey=is_grey, options=LIP_OPTIONS if is_grey else FACE_OPTIONS)
    for frame in paused_frames(frames, RATE_HZ, time_map, fill=family.fill):
        writer.add(frame)
    return writer.finish()


def moved_header(header: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """What of a clean KEY.json has a time, on the new time line; and the pauses, which end no turn."""
    from synth.pauses import Pause as Silence

    silences = tuple(Silence(Fraction(at), Fraction(length)) for at, length in json.loads(row["pauses"]))
    duration = Fraction(header["duration_s"]).limit_denominator(100_000)
    time_map = TimeMap(duration, silences)
    words = [
        [
            text,
            round(float(time_map.start(Fraction(str(start)))), 6),
            round(float(time_map.stop(Fraction(str(stop)))), 6),
        ]
        for text, start, stop in header.get("words", ())
    ]
    pauses = [
        {"start_s": float(start), "stop_s": float(stop), "turn_end": False}
        for start, stop in time_map.silences()
    ]
    return {
        "duration_s": float(time_map.new_duration),
        "words": words,
        "pauses": {"spans": pauses, "tone": row["tone"]},
    }
