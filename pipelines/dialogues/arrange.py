"""arrange: when each utterance of a dialogue is heard, as a plan of plain numbers. One item a dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.corpus import ScriptCorpus, scripts_of
from pipelines.dialogues.rewrite import rewritten
from pipelines.dialogues.sections import ArrangeConfig
from pipelines.dialogues.speak import Utterance, casting_of, utterances, whole_dialogues
from pipelines.dialogues.speech import read_speech
from pipelines.step import Item, Resources, Step, Workspace
from synth.dialogue.offsets import OffsetDistribution, OffsetError, offsets, read_offsets
from synth.dialogue.plan import PlanError, Tone
from synth.dialogue.planner import Line, PlannerSettings, plan_dialogue
from synth.dialogue.sounds import SoundError
from synth.rewriting.scripts import Dialogue
from synth.turns.parameters import preset

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


class Arrange(Step[ArrangeConfig]):
    """A plan for each dialogue, or why there is none: an utterance that was not spoken ends its dialogue."""

    name = "arrange"
    version = 1
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
        whole = whole_dialogues(scripts)
        for dialogue in scripts.scripts:
            yield spoken.item(dialogue, whole.get(dialogue.id))

    def weights(self) -> tuple[str, ...]:
        """Silero VAD."""
        return ("silero_vad",)

    def identity(self) -> dict[str, Any]:
        """A file of offsets is known by what it says."""
        told = self.config.model_dump(mode="json")
        return told | {"offsets": offset_distribution(self.config.offsets).__dict__}

    def open(self) -> None:
        """Load the network that finds where speech is heard."""
        from extractors.speech import SpeechDetector
        from extractors.weights import locate

        self._detector = SpeechDetector(str(locate("silero_vad").path))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Draw the offsets and lay the utterances out."""
        inputs = item.inputs
        if inputs["refused"]:
            raise ItemError(Reason(inputs["refused"]), inputs["detail"])
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


class _Spoken:
    """What of each dialogue was spoken, and why some of it was not."""

    def __init__(self, corpus: ScriptCorpus) -> None:
        items = corpus.items("speak")
        self._rows = {items[row["item"]].inputs["key"]: row for row in corpus.rows("speak")}
        self._rewritten = rewritten(corpus)
        self._cast = casting_of(corpus)

    def item(self, dialogue: Dialogue, whole: Dialogue | None) -> Item:
        """What is to be laid out; `refused` where the dialogue has ended already."""
        inputs: dict[str, Any] = {"key": dialogue.id, "speakers": list(dialogue.speakers)}
        inputs |= {"refused": None, "detail": None, "lines": [], "sounds": {}}
        said = utterances(whole) if whole is not None else []
        inputs |= self._refusal(dialogue, whole, said)
        if not inputs["refused"]:
            # a rewrite or script may have two turns of one speaker in a row
            inputs["lines"] = [_line(one) for one in said]
            inputs["sounds"] = {
                one.key: {kind["name"].partition(".")[2]: kind for kind in self._rows[one.key]["artifacts"]}
                for one in said
            }
        digests = {
            key: [kind["sha256"] for kind in files.values()] for key, files in inputs["sounds"].items()
        }
        decided = [inputs["lines"], digests, inputs["speakers"], inputs["refused"], inputs["detail"]]
        length_s = 3.0 * len(dialogue.turns)
        return Item(f"{dialogue.id}-{digest(decided, length=8)}", dialogue.id, inputs, length_s)

    def _refusal(
        self, dialogue: Dialogue, whole: Dialogue | None, said: list[Utterance]
    ) -> dict[str, str | None]:
        if whole is None:
            bad = next(
                one for one in self._rewritten[dialogue.id] if one.status is not Status.OK and one.fault
            )
            bad = next((one for one in self._rewritten[dialogue.id] if one.status is Status.FAILED), bad)
            return {"refused": str(bad.fault), "detail": f"{bad.key}: {bad.detail}"}
        for person in (dialogue.person(name) for name in dialogue.speakers):
            if person not in self._cast.voices:
                fault = self._cast.faults[person]
                return {"refused": str(fault.fault), "detail": fault.detail}
        for one in said:
            row = self._rows.get(one.key)
            if row is None or row["status"] != Status.OK:
                told = row or {"reason": str(Reason.RAISED), "detail": "it was not spoken"}
                return {"refused": told["reason"], "detail": f"{one.key}: {told['detail']}"}
        return {}


def _line(one: Utterance) -> dict[str, Any]:
    return {"key": one.key, "side": one.side, "text": one.text, "sound": one.key, "kind": one.kind}
