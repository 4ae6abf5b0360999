"""Full-Duplex-Bench: what a user says, one folder a case, for the benchmark's v1 tasks.

    pause_handling/ID/      input.wav  pause.json        the user pauses within a turn
    smooth_turn_taking/ID/  input.wav  turn_taking.json  the user's turn ends and the model should begin
    user_interruption/ID/   input.wav  interrupt.json    the user begins while the model speaks

`input.wav` is the user's channel (`other`), from shortly before the turn to the next time the user speaks or
`tail_s` later; times count from its start. Fields are those of the benchmark's evaluation scripts
(DanielLin94144/Full-Duplex-Bench:v1_v1.5/evaluation/). Its backchannel task needs listeners' judgements and
is not made.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Literal

from pydantic import Field

from manifests.corpus_reader import Sample
from manifests.exports.base import Entry, ExportOptions, ExportReason, SampleExport, SkipSample, write_lines
from manifests.exports.dialogue import AUDIO, TURNS, Dialogue, Event, Turn, dialogue, seconds
from manifests.exports.media import SPEECH_HZ, mono_16k, wav
from manifests.store import Store

LEAD_S = Fraction(1, 2)
Task = Literal["pause_handling", "smooth_turn_taking", "user_interruption"]
TASKS: tuple[Task, ...] = ("pause_handling", "smooth_turn_taking", "user_interruption")


@dataclass(frozen=True)
class _Case:
    """One case: sound of the user's in [start, stop), and what the benchmark is told about it."""

    task: Task
    start: Fraction
    turn: Turn
    event: Event


class FullDuplexBenchOptions(ExportOptions):
    """What becomes a case."""

    tasks: tuple[Task, ...] = TASKS
    tail_s: float = Field(default=4.0, ge=0)
    """Sound after the user's turn, in which the model may answer."""


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
        cases = [one for one in _cases(told) if one.task in self.options.tasks]
        if not cases:
            raise SkipSample(ExportReason.NO_EVENTS, f"no {', '.join(self.options.tasks)}")
        folders = []
        for number, case in enumerate(cases):
            heard = case.turn.stop + Fraction(str(self.options.tail_s))
            again = [start for start, _ in told.other.activity if start >= case.turn.stop]
            first, last = (round(edge * SPEECH_HZ) for edge in (case.start, min([heard, *again])))
            folder = f"{case.task}/{sample.key}-{number:03d}"
            file, about = _about(told, case, Fraction(first, SPEECH_HZ))
            out.write(f"{folder}/input.wav", wav(sound[first:last], SPEECH_HZ))
            out.write(f"{folder}/{file}", json.dumps([about], ensure_ascii=False).encode("utf-8"))
            folders.append(folder)
        return {"cases": folders}

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


def _cases(told: Dialogue) -> Iterator[_Case]:
    """The user's pauses within their turns, their turns that the model takes up, and their interruptions."""
    mine = [turn for turn in told.turns if turn.side == "other" and turn.kind == "turn"]
    for event in told.events:
        if event.kind == "pause" and event.side == "other":
            for turn in (one for one in mine if one.start < event.start < one.stop):
                yield _Case("pause_handling", _lead(turn), turn, event)
        if event.kind == "gap" and event.side == "other" and event.by == "main":
            for turn in (one for one in mine if one.stop == event.start):
                yield _Case("smooth_turn_taking", _lead(turn), turn, event)
        if event.kind == "interruption" and event.by == "other" and told.other.words:
            for number, turn in ((n, one) for n, one in enumerate(mine) if one.start == event.start):
                before = mine[max(0, number - 1)]  # the turn that tells what is being interrupted
                yield _Case("user_interruption", _lead(before), turn, event)


def _lead(turn: Turn) -> Fraction:
    return max(Fraction(0), turn.start - LEAD_S)


def _about(told: Dialogue, case: _Case, origin: Fraction) -> tuple[str, dict[str, Any]]:
    """Name and content of a case's JSON; times count from `origin`."""
    span = case.turn if case.task == "user_interruption" else case.event
    timestamp = [seconds(span.start - origin), seconds(span.stop - origin)]
    if case.task == "pause_handling":
        return "pause.json", {"text": "[PAUSE]", "timestamp": timestamp}
    if case.task == "smooth_turn_taking":
        return "turn_taking.json", {"text": "[TURN-TAKING]", "timestamp": timestamp}
    words = told.other.words or ()
    context = " ".join(word for word, low, _ in words if origin <= low < case.turn.start)
    said = " ".join(word for word, low, _ in words if case.turn.start <= low < case.turn.stop)
    return "interrupt.json", {"context": context, "interrupt": said, "timestamp": timestamp}
