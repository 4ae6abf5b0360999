"""corrupt: a clip's picture, corrupted before the crop where the source is at hand, and seen again.

One item a clip and visual condition. Plans are drawn here, for the clip and not for the severity.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from extractors.weights import file_digest
from manifests.ids import TICK_HZ, digest
from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from manifests.store import Store
from pipelines.build import recall
from pipelines.clip_sections import CutConfig
from pipelines.config import ConfigError
from pipelines.remembered import NoCorpusError
from pipelines.sections import WatchConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import guard_unchanged
from pipelines.steps.members import Made
from pipelines.steps.series import Clip
from pipelines.testsets.clean import read_part
from pipelines.testsets.clips import clip_rows
from pipelines.testsets.conditions import VideoCell, video_cells, wanted_cells
from pipelines.testsets.corpus import grid_of
from pipelines.testsets.grid import CorruptConfig, SpansConfig
from synth.corruption.draw import SpanRule, plan_corruption
from synth.corruption.kinds import KINDS
from synth.corruption.occluders import Occluder, load_occluders, names_of
from synth.corruption.plan import DRAWN, CorruptError, CorruptionPlan
from synth.levels import Spans
from synth.noise_plan import draw_spans

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from pipelines.testsets.seen_again import SecondLook


class Corrupt(Step[CorruptConfig]):
    """Picture of a clip in one condition."""

    name = "corrupt"
    version = 1
    speed = 0.5
    per_clip = True
    upstream = ("clips",)
    libraries = ("av", "numpy", "opencv-python-headless", "scipy")
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema(
        [
            pa.field("plan", pa.string()),  # JSON: CorruptionPlan
            pa.field("seen", pa.string()),  # JSON: corrupted spans, frames that lose the face
            pa.field("missing", pa.string()),  # JSON: member -> reason
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip in every visual condition that the grid draws it for."""
        grid = grid_of(corpus)
        cells = video_cells(grid)
        if not cells:
            return
        rows = {row["key"]: row for row in clip_rows(corpus)}
        wanted = wanted_cells(grid, sorted(rows))
        drawer = _Drawer(corpus, set(rows), at=self.config.at)
        for cell in cells:
            for key in wanted[cell.name]:
                yield drawer.item(rows[key], cell)

    def open(self) -> None:
        """Networks are loaded with the first clip: its corpus' config says which."""
        self._looks: dict[str, SecondLook] = {}

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Corrupt, look again, write what a build would have written of it."""
        inputs = item.inputs
        if inputs["refused"]:
            raise ItemError(Reason(inputs["refused"]), inputs["detail"])
        try:
            made = (
                self._at_source(inputs, workspace)
                if inputs["at"] == "source"
                else self._crops(inputs, workspace)
            )
        except CorruptError as error:
            raise ItemError(Reason(str(error.reason)), error.detail) from error
        except FileNotFoundError as error:  # tables of `watch` that somebody deleted
            detail = f"{error.filename} is gone: build the corpus again, it makes what is lost anew"
            raise ItemError(Reason.LANDMARKS_MISSING, detail) from error
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(made.payloads.items())]
        seen = made.measures | {"at": inputs["at"]}
        measures = {"plan": inputs["plan"], "seen": seen, "missing": made.missing}
        told = {name: json.dumps(value, sort_keys=True) for name, value in measures.items()}
        return [item.row(artifacts=tuple(artifacts), measures=told)]

    def _at_source(self, inputs: dict[str, Any], workspace: Workspace) -> Made:
        from extractors.extractor import EXTRACTORS, extractor_class
        from pipelines.testsets.seen_again import SecondLook

        clip = Clip.of(Item(inputs["key"], None, inputs["cut"]))
        path = str(Path(inputs["source_root"], clip.source["path"]))
        guard_unchanged(path, clip.source["fingerprint"])
        name = json.dumps([inputs["sections"], inputs["occluders"]], sort_keys=True)
        if name not in self._looks:
            watch, cut = (model(**inputs["sections"][one]) for one, model in SECTIONS.items())
            extractors = {
                one: extractor_class(one)(**cut.options.get(one, {}))
                for one in cut.members
                if one in EXTRACTORS
            }
            self._looks[name] = SecondLook(
                watch, cut, extractors=extractors, occluders=_occluders(inputs["occluders"])
            )
        plan = CorruptionPlan.from_json(inputs["plan"])
        return self._looks[name](clip, path, Store(workspace.source_root), plan, masks=self.config.masks)

    def _crops(self, inputs: dict[str, Any], workspace: Workspace) -> Made:
        from pipelines.testsets.corrupted_crops import CROPS, corrupt_crops, crop_landmarks

        clean = Store(workspace.source_root)
        members = {
            name: read_part(clean, inputs["shard"], *inputs["members"][name][:2])
            for name in CROPS
            if name in inputs["members"]
        }
        landmarks = None
        if inputs["cut"] is not None:
            clip = Clip.of(Item(inputs["key"], None, inputs["cut"]))
            landmarks = crop_landmarks(clip, clean, CutConfig(**inputs["sections"]["cut"]))
        plan = CorruptionPlan.from_json(inputs["plan"])
        return corrupt_crops(
            members, plan, landmarks, _occluders(inputs["occluders"]), masks=self.config.masks
        )


SECTIONS: dict[str, Any] = {"watch": WatchConfig, "cut": CutConfig}


def _occluders(folder: str | None) -> dict[str, Occluder]:
    return load_occluders(Path(folder)) if folder else {}


class _Drawer:
    """Draws the plan of each clip and cell, and finds what it is to be carried out on."""

    def __init__(self, corpus: Corpus, keys: set[str], *, at: str) -> None:
        self._at = at
        self._grid = grid_of(corpus)
        self._occluders: dict[str, dict[str, Occluder]] = {}
        self._cuts: dict[str, dict[str, Any]] = {}
        self._sections: dict[str, Any] = {}
        self._keys: list[str] = []
        self._root = ""
        try:
            clean, config = recall(corpus.source_root)
        except NoCorpusError:
            return  # a corpus of which only the shards were passed on
        self._cuts = {item.inputs["key"]: item.inputs for item in clean.items("cut").values()}
        unknown = keys - self._cuts.keys()
        if unknown and at != "crop":  # never another kind of corruption than was asked for, unnoticed
            raise ConfigError(
                f"{corpus.source_root} was built by another version of Duologue, or with other weights: "
                f"{len(unknown)} of its clips, such as {min(unknown)}, are not those it would build now. "
                "Build it again, or set `corrupt.at: crop`"
            )
        self._sections = {name: getattr(config, name).model_dump(mode="json") for name in SECTIONS}
        self._keys = [clean.key(name) for name in SECTIONS]
        self._root = clean.source_root

    def item(self, row: dict[str, Any], cell: VideoCell) -> Item:
        """One clip in one condition; `refused` where it cannot be made."""
        cut = self._cuts.get(row["key"])
        members = json.loads(row["members"])
        folder = cell.family.folder or self._grid.folders.occluders
        occludes = KINDS[cell.family.kind].occluder is not None
        inputs: dict[str, Any] = {
            "key": f"{row['key']}-{cell.name}",
            "clip": row["key"],
            "title": cell.family.title,
            "severity": cell.severity,
            "shard": row["shard"],
            "members": {name: members[name] for name in ("lips.mp4", "face.mp4") if name in members},
            "cut": cut,
            "sections": self._sections,
            "source_root": self._root,
            "occluders": str(Path(folder).resolve()) if folder and occludes else None,
            "start": "0",
            "stop": str(Fraction(row["duration_s"]).limit_denominator(100_000)),
            "at": self._place(cut),
            "plan": None,
            "refused": None,
            "detail": None,
        }
        occluder: str | None = None
        try:
            inputs["plan"] = self._plan(row, cell, inputs).to_json()
            occluder = _occluder_digest(inputs["plan"], inputs["occluders"])
        except (CorruptError, ItemError) as error:
            inputs |= {"refused": str(error.reason), "detail": error.detail}
        content = json.loads(row["header"])["source"]["sha256"] if inputs["at"] == "source" else None
        picture = {name: part[2] for name, part in inputs["members"].items()}
        decided = [inputs["plan"], occluder, inputs["at"], content, picture, self._keys, inputs["refused"]]
        return Item(f"{inputs['key']}-{digest(decided, length=8)}", row["source"], inputs, row["duration_s"])

    def _place(self, cut: dict[str, Any] | None) -> str:
        """Where the picture is corrupted."""
        here = cut is not None and Path(self._root, cut["recording"]["path"]).is_file()
        return "source" if self._at == "source" or (self._at == "auto" and here) else "crop"

    def _plan(self, row: dict[str, Any], cell: VideoCell, inputs: dict[str, Any]) -> CorruptionPlan:
        if not inputs["members"] or (inputs["cut"] and inputs["cut"]["track"] is None):
            raise ItemError(Reason.NO_FACE, "the clip has no picture of a face")
        if inputs["at"] == "source" and inputs["cut"] is None:
            raise ItemError(Reason.UNREADABLE_PATH, "the corpus has no tables of its sources any more")
        n_frames = round(row["duration_s"] * TICK_HZ)
        spec, folder = KINDS[cell.family.kind], inputs["occluders"]
        names: tuple[str, ...] = (DRAWN,)
        if spec.occluder is not None and folder is not None:
            if folder not in self._occluders:
                self._occluders[folder] = load_occluders(Path(folder))
            names = names_of(self._occluders[folder], spec.occluder)
        return plan_corruption(
            row["key"],
            cell.family.kind,
            cell.severity,
            n_frames=n_frames,
            spans=_spans(cell.family.spans, n_frames, self._grid.seed, row["key"]),
            occluders=names,
            seed=self._grid.seed,
        )


def _spans(asked: SpanRule | SpansConfig, n_frames: int, *parts: Any) -> SpanRule | Spans:
    if isinstance(asked, str):
        return asked
    try:
        return draw_spans(
            n_frames,
            "visual",
            *parts,
            count=asked.count,
            min_share=asked.min_share,
            max_share=asked.max_share,
        )
    except ValueError as error:
        raise ItemError(Reason.LENGTH_DIFFERS, str(error)) from error


def _occluder_digest(plan: dict[str, Any], folder: str | None) -> str | None:
    """SHA-256 of the picture that the plan draws upon, where it is a file."""
    names = [one["occluder"] for one in plan["corruptions"] if one.get("occluder") not in (None, DRAWN)]
    if not names or folder is None:
        return None
    (path,) = [one for one in Path(folder).rglob("*") if one.with_suffix("") == Path(folder, names[0])]
    return file_digest(path)
