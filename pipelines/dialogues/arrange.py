"""arrange: when each utterance of a dialogue is heard, as a plan of plain numbers. One item a dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.assembled import Ended, Utterance, assembled, utterances
from pipelines.dialogues.corpus import ScriptCorpus, scripts_of
from pipelines.dialogues.sections import ArrangeConfig
from pipelines.dialogues.speech import read_speech
from pipelines.step import Item, Resources, Step, UnusableError, Workspace
from pipelines.steps.clips import extension_of
from synth.dialogue.offsets import OffsetDistribution, OffsetError, offsets, read_offsets
from synth.dialogue.plan import DialoguePlan, PlanError, Tone, Unplaced
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.sounds import SoundError
from synth.rewriting.scripts import Dialogue
from synth.turns.parameters import preset

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

FRAME_S = Fraction(2, 25)
"""Dialogues are whole frames of 80 ms long, as clips are: Mimi's, and two of the picture."""


class Arrange(Step[ArrangeConfig]):
    """A plan for each dialogue, or why there is none: a turn that was not spoken ends its dialogue."""

    name = "arrange"
    version = 2
    speed = 200.0
    upstream = ("speak",)
    libraries = ("numpy", "onnxruntime")
    resources = Resources(cpus=1.0, memory_gb=0.7)
    measurements = pa.schema(
        [pa.field("plan", pa.string()), pa.field("sounds", pa.string()), pa.field("duration_s", pa.float64())]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every dialogue of the scripts."""
        scripts = scripts_of(corpus)
        spoken = _Spoken(scripts)
        for key, dialogue in assembled(scripts).items():
            yield spoken.item(key, dialogue)

    def weights(self) -> tuple[str, ...]:
        """Silero VAD."""
        return ("silero_vad",)

    def identity(self) -> dict[str, Any]:
        """A file of offsets is known by what it says. Raises UnusableError."""
        told = self.config.model_dump(mode="json")
        try:
            preset(self.config.parameters)
            return told | {"offsets": asdict(offset_distribution(self.config.offsets))}
        except ValueError as error:
            raise UnusableError(f"arrange: {error}") from error

    def open(self) -> None:
        """Load the network that finds where speech is heard."""
        from extractors.speech import SpeechDetector
        from extractors.weights import locate

        self._detector = SpeechDetector(str(locate("silero_vad").path))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Draw the offsets and lay the utterances out."""
        inputs = item.inputs
        if inputs["ended"]:
            ended = Ended(**inputs["ended"])
            return [item.row(status=Status(ended.status), reason=Reason(ended.reason), detail=ended.detail)]
        sounds = {}
        try:
            for key, files in inputs["sounds"].items():
                sounds[key] = read_speech(
                    workspace.store, files, self.config.rate_hz, detector=self._detector
                )
            lines = [Line(**one) for one in inputs["lines"]]
            plan = plan_dialogue(inputs["key"], lines, sounds, tuple(inputs["speakers"]), self._settings())
        except (PlanError, OffsetError, SoundError) as error:
            raise ItemError(Reason.NOT_ARRANGED, str(error)) from error
        plan = _whole_frames(replace(plan, unplaced=(*plan.unplaced, *_left_out(inputs["left_out"]))))
        active = {key: [list(span) for span in speech.active] for key, speech in sounds.items()}
        measures = {
            "plan": json.dumps(plan.to_json(), ensure_ascii=False, sort_keys=True),
            "sounds": json.dumps(active, sort_keys=True),
            "duration_s": plan.n_samples / plan.rate_hz,
        }
        return [item.row(inputs["key"], measures=measures)]

    def _settings(self) -> PlannerSettings:
        config = self.config
        return PlannerSettings(
            offsets=offset_distribution(config.offsets),
            parameters=preset(config.parameters),
            seed=config.seed,
            level_dbfs=(config.level_dbfs, config.level_dbfs),
            tones=(Tone(config.tone_dbfs), Tone(config.tone_dbfs)),
            pause_share=config.pause_share,
            interruption_share=config.interruption_share,
        )


def offset_distribution(name: str) -> OffsetDistribution:
    """A published distribution, or one fitted on the file of that name. Raises OffsetError."""
    return read_offsets(name) if Path(name).is_file() else offsets(name)


def _whole_frames(plan: DialoguePlan) -> DialoguePlan:
    frame = int(FRAME_S * plan.rate_hz)
    return replace(plan, n_samples=-(-plan.n_samples // frame) * frame)


def _left_out(told: dict[str, str]) -> Iterable[Unplaced]:
    return (Unplaced(key, detail) for key, detail in told.items())


class _Spoken:
    """What of each dialogue was spoken, and why some of it was not."""

    def __init__(self, corpus: ScriptCorpus) -> None:
        items = corpus.items("speak")
        self._rows = {items[row["item"]].inputs["key"]: row for row in corpus.rows("speak")}

    def item(self, key: str, dialogue: Dialogue | Ended) -> Item:
        """What is to be laid out; `ended` where the dialogue has ended already.

        `left_out`: backchannels that were not spoken, and why; a dialogue does without them.
        """
        inputs: dict[str, Any] = {"key": key, "ended": None, "lines": [], "sounds": {}, "left_out": {}}
        if isinstance(dialogue, Ended):
            inputs["ended"] = dialogue.to_json()
            return Item(f"{key}-{digest(inputs, length=8)}", key, inputs)
        inputs["speakers"] = list(dialogue.speakers)
        for one in utterances(dialogue):
            row = self._rows[one.key]
            if row["status"] == Status.OK:
                inputs["lines"].append(_line(one))
                files = {extension_of(file["name"]): file for file in row["artifacts"]}
                inputs["sounds"][one.key] = files
            elif one.kind == "turn":
                inputs |= {"ended": Ended.at("speak", row).to_json(), "lines": [], "sounds": {}}
                break
            else:
                inputs["left_out"][one.key] = f"it was not spoken: {row['reason']}"
        digests = {name: [file["sha256"] for file in one.values()] for name, one in inputs["sounds"].items()}
        decided = digest(inputs | {"sounds": digests}, length=8)
        return Item(f"{key}-{decided}", key, inputs, 3.0 * len(dialogue.turns))


def _line(one: Utterance) -> dict[str, Any]:
    told = {"key": one.key, "side": one.side, "text": one.text, "sound": one.key, "kind": one.kind}
    return told if one.after_word is None else told | {"after_word": one.after_word}
