"""dyads: which two people, when each speaks, what they say, and where a long dialogue is cut. One item a
dialogue, a row a window."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import TICK_HZ, digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.real.activity import clipped
from pipelines.dialogues.real.conversations import Conversation, conversations
from pipelines.dialogues.real.sections import DyadsConfig
from pipelines.dialogues.real.telling import Told, tell_one, tell_two
from pipelines.dialogues.real.windows import Window, cut_windows
from pipelines.dialogues.real.words import (
    Attached,
    by_activity,
    by_side,
    by_speaker,
    read_said,
)
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import rational, recording
from synth.turns.annotate import annotate
from synth.turns.parameters import preset
from synth.turns.times import Spans, exact

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

MEASURING = ("ingest", "watch", "listen", "who", "words", "voices", "split")


class Dyads(Step[DyadsConfig]):
    """A dialogue of one recording, or of two with a side each."""

    name = "dyads"
    version = 2
    speed = 60.0
    upstream = ("watch", "listen", "who", "words", "voices")
    libraries = ("av", "numpy", "onnxruntime", "scipy", "soxr")
    resources = Resources(cpus=1.0, memory_gb=3.0)
    measurements = pa.schema(
        [
            pa.field("dialogue", pa.string()),
            pa.field("window", pa.string()),
            pa.field("duration_s", pa.float64()),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every dialogue of the listing."""
        measured = _Measured(corpus)
        for one in conversations(corpus.listing):
            yield measured.item(one)

    def weights(self) -> tuple[str, ...]:
        """Silero VAD."""
        return ("silero_vad",)

    def open(self) -> None:
        """Load the network that hears speech."""
        from extractors.speech import SpeechDetector
        from extractors.weights import locate

        self._detector = SpeechDetector(str(locate("silero_vad").path))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """A row for each window. Raises ItemError for what is no dyad, or none that can be told apart."""
        inputs = item.inputs
        if inputs["refused"]:
            raise ItemError(Reason(inputs["refused"]), inputs["detail"])
        sources = inputs["sources"]
        if len(sources) == 1:
            told = tell_one(sources[0], workspace, self.config)
        else:
            told = tell_two(sources, workspace, self.config, self._detector)
        if not all(told.activity):
            silent = " and ".join(str(side) for side, own in enumerate(told.activity) if not own)
            raise ItemError(Reason.NO_SPEECH, f"side {silent} is not heard in {inputs['name']}")
        attached = _attached(sources, told, workspace)
        return [self._row(item, told, attached, window) for window in self._windows(told)]

    def _windows(self, told: Told) -> list[Window]:
        duration = told.shared.duration
        whole = annotate(dict(zip("ab", told.activity, strict=True)), duration, parameters=self._parameters)
        return cut_windows(
            duration,
            [*told.activity[0], *told.activity[1]],
            [(turn.start, turn.stop) for turn in whole.turns],
            max_s=exact(self.config.max_s),
        )

    @property
    def _parameters(self) -> Any:
        return preset(self.config.parameters)

    def _row(self, item: Item, told: Told, attached: Attached | None, window: Window) -> Row:
        inputs, start, stop = item.inputs, window.start, window.stop
        sources = inputs["sources"] * (2 if len(inputs["sources"]) == 1 else 1)
        zeros = told.shared.zeros * (2 if len(told.shared.zeros) == 1 else 1)
        key = f"{inputs['id']}-{round(start * TICK_HZ):07d}"
        activity = [_shifted(clipped(own, start, stop), start) for own in told.activity]
        status: dict[str, Any] = {}
        if not any(activity):
            status = {
                "status": Status.SKIPPED,
                "reason": Reason.NO_SPEECH,
                "detail": "nobody speaks in this window",
            }
        about = {
            "key": key,
            "id": inputs["id"],
            "name": inputs["name"],
            "start": rational(start),
            "stop": rational(stop),
            "cut": window.cut,
            "separated": told.separated,
            "sides_from": told.sides_from,
            "parameters": self.config.parameters,
            "sides": [
                _side(source, zero, channel, face) | _name(side, source, told, attached)
                for side, (source, zero, channel, face) in enumerate(
                    zip(sources, zeros, told.channels, told.faces, strict=True)
                )
            ],
            "activity": activity,
            "words": _words_in(attached, start, stop),
            "words_from": next((one["words_from"] for one in sources if one["words_from"]), None),
            "words_ambiguous": attached.ambiguous if attached else 0,
            "words_unplaced": list(attached.unplaced) if attached else [],
            "measures": told.measures,
        }
        measures = {
            "dialogue": inputs["id"],
            "window": json.dumps(about, ensure_ascii=False, sort_keys=True),
            "duration_s": float(stop - start),
        }
        return item.row(key, measures=measures, **status)


def _attached(sources: list[dict[str, Any]], told: Told, workspace: Workspace) -> Attached | None:
    """Words of both sides; None where nobody knows any."""
    said = [
        read_said(workspace.store, one, zero, told.shared.duration)
        for one, zero in zip(sources, told.shared.zeros, strict=True)
    ]
    if all(one is None for one in said):
        return None
    if len(sources) == 2:
        first, second = (one or [] for one in said)
        of_first, of_second = (one["words_from"] == "asr" for one in sources)
        return by_side(first, second, told.activity, recognised=(of_first, of_second))
    (words,) = said
    assert words is not None
    if any(one.channel is not None for one in words):
        first, second = ([one for one in words if one.channel == channel] for channel in told.channels)
        return by_side(first, second, told.activity, recognised=(True, True))
    if any(one.speaker is not None for one in words):
        return by_speaker(words, told.activity, _on_channels(sources[0], told))
    return by_activity(words, told.activity)


def _side(source: dict[str, Any], zero: Fraction, channel: int | None, face: Any) -> dict[str, Any]:
    return {
        "source": source["source_id"],
        "zero": rational(zero),
        "channel": channel,
        "identity": face.identity if face else None,
        "tracks": list(face.tracks) if face else [],
        "face_confidence": face.confidence if face else None,
    }


def _on_channels(source: dict[str, Any], told: Told) -> tuple[str, str] | None:
    """Who is on which channel, where the labels say so and the channels are the sides."""
    named = json.loads(source["labels"].get("channels") or "null")
    return (str(named[0]), str(named[1])) if told.channels == (0, 1) and named and len(named) == 2 else None


def _name(side: int, source: dict[str, Any], told: Told, attached: Attached | None) -> dict[str, str]:
    """As the labels call this person, else the transcript, else a or b; and which of them it was."""
    on_channels = _on_channels(source, told)
    labelled = source["labels"].get("speaker") if told.sides_from == "recordings" else None
    given = on_channels[side] if on_channels else labelled
    if given:
        return {"speaker": str(given), "named_by": "labels"}
    written = attached.names[side] if attached else None
    return {"speaker": str(written or "ab"[side]), "named_by": "transcript" if written else "nobody"}


def _shifted(spans: Spans, zero: Fraction) -> list[list[str | None]]:
    return [[rational(start - zero), rational(stop - zero)] for start, stop in spans]


def _words_in(attached: Attached | None, start: Fraction, stop: Fraction) -> list[list[list[Any]]] | None:
    """Those of which the middle lies in the window: a word across a cut is in one window, not in two."""
    if attached is None:
        return None
    return [
        [
            [one.text, rational(max(one.start, start) - start), rational(min(one.stop, stop) - start)]
            for one in own
            if start <= (one.start + one.stop) / 2 < stop
        ]
        for own in attached.words
    ]


class _Measured:
    """What the steps before measured of each source."""

    def __init__(self, corpus: Corpus) -> None:
        self._rows = {name: {row["source_id"]: row for row in corpus.rows(name)} for name in MEASURING}
        self._halves = {
            one.where for one in corpus.listing.complaints if one.reason is Reason.CORPUS_PART_MISSING
        }

    def item(self, one: Conversation) -> Item:
        """What is to be told of a dialogue; `refused` where it has ended already."""
        ends = [end for source in one.sources if (end := self._end(source.id, source.path))]
        fault = one.fault or next(iter(ends), None)
        sources = [] if fault else [self._facts(source, one) for source in one.sources]
        refused = {"refused": str(fault[0]) if fault else None, "detail": fault[1] if fault else None}
        inputs = {"id": one.id, "name": one.name, "sources": sources, **refused}
        contents = [facts["recording"]["content_sha256"] for facts in sources]
        told = [{name: value for name, value in facts.items() if name != "recording"} for facts in sources]
        decided = [[source.id for source in one.sources], contents, told, refused]
        length_s = max((facts["listen"]["duration_s"] for facts in sources), default=0.0)
        return Item(f"{one.id}-{digest(decided, length=8)}", one.sources[0].id, inputs, length_s)

    def _end(self, source: str, path: str) -> tuple[Reason, str] | None:
        """Why a recording was given up."""
        for name in MEASURING:
            row = self._rows[name].get(source)
            if row is not None and row["status"] != Status.OK:
                return Reason(row["reason"]), f"{path}: {row['detail']}"
        if self._rows["ingest"][source]["audio_stream"] is None:
            return Reason.NO_AUDIO, f"{path} has no sound"
        return None

    def _facts(self, source: Any, one: Conversation) -> dict[str, Any]:
        rows = {name: self._rows[name].get(source.id) for name in MEASURING}
        ingest, listen, voices, words = (rows[name] for name in ("ingest", "listen", "voices", "words"))
        assert ingest is not None and listen is not None and voices is not None
        facts: dict[str, Any] = {
            "source_id": source.id,
            "recording": recording(ingest),
            "labels": {
                name: source.labels[name] for name in ("channels", "speaker") if name in source.labels
            },
            "lone_half": one.lone_half or (len(one.sources) == 1 and source.path in self._halves),
            "listen": {name: listen[name] for name in ("start", "duration_s", "loudest_hop_dbfs")},
            "voices": {name: voices[name] for name in ("n_voices", "voices_from", "leak_db", "findings")},
            "words": words["artifacts"][0]["name"] if words else None,
            "words_from": words["words_from"] if words else None,
        }
        facts["voices"]["tables"] = _names(voices)
        if rows["watch"] and rows["watch"]["first_frame"] and rows["who"]:
            facts |= {"watch": {"tables": _names(rows["watch"])}, "who": {"tables": _names(rows["who"])}}
            facts["first_frame"] = rows["watch"]["first_frame"]
        return facts


def _names(row: dict[str, Any]) -> list[str]:
    return [artifact["name"] for artifact in row["artifacts"]]
