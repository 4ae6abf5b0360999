"""Full-Duplex-Bench: what a user says, one folder a case, for the benchmark's v1 tasks.

    pause_handling/ID/      input.wav  pause.json        the user pauses within a turn
    smooth_turn_taking/ID/  input.wav  turn_taking.json  the user's turn ends and the model should begin
    user_interruption/ID/   input.wav  interrupt.json    the user begins while the model speaks

`input.wav` is the user's channel (`other`) from shortly before the turn on; times count from its start.
Layout, fields and lengths are the benchmark's (DanielLin94144/Full-Duplex-Bench d7336bd:
v1_v1.5/dataset/README.md and v1_v1.5/evaluation/, eval_*.py and example_data/):

- Whatever the model says counts as taking the turn in the pause, whenever it comes: the sound of a pause ends
  with the user's turn, and a turn is one case however many pauses it has.
- A takeover is 1 s of speech or more than 3 words: after a turn or an interruption the sound goes on for
  `tail_s`, and digital silence stands for what the user says next, as in the benchmark's own cases.
- What the model says after the end of an interruption is its answer, and the turn before it the context. An
  interruption is no case where nobody knows the words, where its speaker has had no turn before, and where
  the other voice is heard in it, too (`separated: false`).

Its backchannel task needs listeners' judgements and is not made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from manifests.corpus_reader import Sample
from manifests.exports.base import Entry, ExportOptions, ExportReason, SampleExport, SkipSample, write_lines
from manifests.exports.dialogue import AUDIO, TURNS, Dialogue, SideName, Span, Turn, dialogue, seconds
from manifests.exports.media import SPEECH_HZ, mono_16k, wav
from manifests.store import Store

LEAD_S = Fraction(1, 2)
Task = Literal["pause_handling", "smooth_turn_taking", "user_interruption"]
TASKS: tuple[Task, ...] = ("pause_handling", "smooth_turn_taking", "user_interruption")


@dataclass(frozen=True)
class _Case:
    """The user is heard from shortly before `first` to the end of `turn`; what is asked about are `spans`."""

    task: Task
    first: Turn
    turn: Turn
    spans: tuple[Span, ...]


class FullDuplexBenchOptions(ExportOptions):
    """What becomes a case."""

    tasks: tuple[Task, ...] = TASKS
    tail_s: float = Field(default=8.0, ge=0)
    """Sound after the user's turn, in which the model may answer; the benchmark's cases have 8 to 15 s."""


class FullDuplexBench(SampleExport):
    """Cases for Full-Duplex-Bench v1."""

    name = "full-duplex-bench"
    needs: ClassVar[tuple[str, ...]] = ("json", *AUDIO, TURNS)
    options_model: ClassVar[type[ExportOptions]] = FullDuplexBenchOptions
    options: FullDuplexBenchOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """Every case in one dialogue. Ids are `KEY-NUMBER`."""
        told = dialogue(sample)
        sound = mono_16k(sample, "other.flac")
        found = _cases(told, alone=bool(sample.header.get("separated", True)))
        cases = [one for one in found if one.task in self.options.tasks]
        if not cases:
            raise SkipSample(ExportReason.NO_EVENTS, f"no {', '.join(self.options.tasks)}")
        folders = []
        for number, case in enumerate(cases):
            heard, origin = self._sound(sound, case, told)
            folder = f"{case.task}/{sample.key}-{number:03d}"
            file, about = _about(told, case, origin)
            out.write(f"{folder}/input.wav", wav(heard, SPEECH_HZ))
            out.write(f"{folder}/{file}", json.dumps(about, ensure_ascii=False).encode("utf-8"))
            folders.append(folder)
        return {"cases": folders}

    def _sound(
        self, sound: NDArray[np.int16], case: _Case, told: Dialogue
    ) -> tuple[NDArray[np.int16], Fraction]:
        """Samples of a case, and where in the dialogue they begin."""
        tail = Fraction(0) if case.task == "pause_handling" else Fraction(str(self.options.tail_s))
        again = [start for start, _ in told.other.activity if start >= case.turn.stop]
        end = case.turn.stop + tail
        first, last, wanted = (
            round(edge * SPEECH_HZ)
            for edge in (max(Fraction(0), case.first.start - LEAD_S), min([end, *again]), end)
        )
        heard = sound[first:last]
        return np.pad(heard, (0, wanted - first - len(heard))), Fraction(first, SPEECH_HZ)

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`cases.jsonl`: the dialogue and split of each case; the benchmark itself needs no list."""
        lines = (
            json.dumps({"case": case, "key": one.key, "split": one.split})
            for mine in entries.values()
            for one in mine
            for case in one.about["cases"]
        )
        write_lines(out, "cases.jsonl", sorted(lines))

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """Cases by task."""
        cases = [case for mine in entries.values() for one in mine for case in one.about["cases"]]
        return [
            f"{task}: {sum(case.startswith(task) for case in cases)} cases" for task in self.options.tasks
        ]


def _cases(told: Dialogue, *, alone: bool) -> Iterator[_Case]:
    """The user's turns with pauses, those that the model takes up, and those that interrupt, if nobody else
    is heard in them.
    """
    mine = [turn for turn in told.turns if turn.side == "other" and turn.kind == "turn"]
    for number, turn in enumerate(mine):
        pauses = _spans(told, "pause", side="other", within=turn)
        if pauses:
            yield _Case("pause_handling", turn, turn, pauses)
        gaps = [span for span in _spans(told, "gap", side="other") if span[0] == turn.stop]
        if gaps:
            yield _Case("smooth_turn_taking", turn, turn, tuple(gaps))
        cuts_in = any(start == turn.start for start, _ in _spans(told, "interruption", side="main"))
        if cuts_in and alone and number and told.other.words:
            yield _Case("user_interruption", mine[number - 1], turn, ((turn.start, turn.stop),))


def _spans(told: Dialogue, kind: str, *, side: SideName, within: Turn | None = None) -> tuple[Span, ...]:
    """Events of a kind by who had the floor."""
    found = ((one.start, one.stop) for one in told.events if one.kind == kind and one.side == side)
    return tuple(span for span in found if within is None or within.start < span[0] < within.stop)


def _about(told: Dialogue, case: _Case, origin: Fraction) -> tuple[str, list[dict[str, Any]]]:
    """Name and content of a case's JSON; times count from `origin`."""
    times = [[seconds(start - origin), seconds(stop - origin)] for start, stop in case.spans]
    if case.task == "pause_handling":
        return "pause.json", [{"text": "[PAUSE]", "timestamp": one} for one in times]
    if case.task == "smooth_turn_taking":
        return "turn_taking.json", [{"text": "[TURN-TAKING]", "timestamp": one} for one in times]
    said = {"context": _said(told, case.first), "interrupt": _said(told, case.turn)}
    return "interrupt.json", [{**said, "timestamp": times[0]}]


def _said(told: Dialogue, turn: Turn) -> str:
    """The user's words that lie in a turn, or nearer to it than to any other: their times are loose."""
    own = [one for one in told.turns if one.side == turn.side]

    def nearest(start: Fraction, stop: Fraction) -> Turn:
        return min(own, key=lambda one: max(start, one.start) - min(stop, one.stop))

    return " ".join(word for word, *span in told.other.words or () if nearest(*span) == turn)
