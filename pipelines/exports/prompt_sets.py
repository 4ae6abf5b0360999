"""Lines of AVLM's prompt sets, made of exchanges: which each set takes, and what it shows of others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from manifests.exports.base import ExportOptions, ExportReason, SkipSample
from manifests.ids import digest
from pipelines.exports.exchanges import Exchange
from pipelines.exports.responses import Response
from synth.rewriting import avlm
from synth.rewriting.emotions import KEPT

Set = Literal["zero_shot", "in_context", "avsr", "forced_emotion"]
SETS: tuple[Set, ...] = ("zero_shot", "in_context", "avsr", "forced_emotion")
SHOWN_FROM = "train"
"""Demonstrations are never of what is tested."""

Pool = Mapping[str, Sequence[tuple[str | None, str]]]
"""By emotion what may be shown: whose it is, and the exchange as JSON."""


class AvlmOptions(ExportOptions):
    """What becomes a prompt."""

    responses: str | None = None
    """Folder of `dialogue synth` whose pairs name the clips; null: the corpus' own dialogues."""
    sets: tuple[Set, ...] = Field(default=SETS, min_length=1)
    target: Literal["text", "units"] = "text"
    """What is answered: the response's text, or its unit string."""
    agree: bool = True
    """Only responses in the emotion that is heard."""
    prompts: Path | None = None
    """Folder of prompt files that replace the packaged ones."""
    seed: int = 0
    """Of the choice of demonstrations."""


class PromptSets:
    """The sets under some options."""

    def __init__(self, options: AvlmOptions) -> None:
        self._options = options

    def lack(self, one: Exchange, name: Set) -> SkipSample | None:
        """Why an exchange has no line in a set, as far as it tells by itself."""
        for is_so, reason, detail in self._rules(one, name):
            if is_so:
                return SkipSample(reason, detail)
        return None

    def _rules(self, one: Exchange, name: Set) -> Iterator[tuple[bool, ExportReason, str]]:
        yield not one.units, ExportReason.TOO_SHORT, f"{one.key} is shorter than a frame of units"
        if name == "avsr":
            yield not one.text, ExportReason.NO_TEXT, "KEY.json has no text"
        if name in ("avsr", "forced_emotion"):
            return
        yield one.emotion is None, ExportReason.NO_EMOTION, f"none of {', '.join(KEPT)}"
        yield not one.responses, ExportReason.NO_RESPONSE, one.none
        response = one.response(agree=self._options.agree)
        others = ", ".join(str(other.emotion) for other in one.responses)
        told = f"heard {one.emotion}, answered {others}"
        yield response is None, ExportReason.EMOTIONS_DISAGREE, told
        yield self._answer(response) is None, ExportReason.MEMBER_MISSING, "the response has no units"
        if name == "in_context":
            told = "KEY.json has neither `speaker` nor `person`"
            yield one.person is None, ExportReason.NO_SPEAKER, told

    def pool(self, exchanges: Iterable[Exchange]) -> Pool:
        """What of the train split may be shown."""
        pool: dict[str, list[tuple[str | None, str]]] = {emotion: [] for emotion in KEPT}
        for one in exchanges:
            if one.emotion is not None and self.lack(one, "in_context") is None:
                pool[one.emotion].append((one.person, one.to_json()))
        return pool

    def lines(
        self, exchanges: Iterable[Exchange], name: Set, pool: Pool, left: list[dict[str, Any]]
    ) -> Iterator[dict[str, Any]]:
        """Lines of a set in the exchanges' order; what is left out goes into `left`."""
        for one in exchanges:
            shown: list[Exchange] = []
            lack = self.lack(one, name)
            if lack is None and name == "in_context":
                shown = self._shown(one, pool)
                absent = [emotion for emotion in KEPT if emotion not in {each.emotion for each in shown}]
                told = f"{SHOWN_FROM} has no {', '.join(absent)} of anybody but {one.person}"
                lack = SkipSample(ExportReason.NO_DEMONSTRATION, told) if absent else None
            if lack is None:
                yield from (self._line(one, each, shown) for each in self._examples(one, name, shown))
            else:
                left.append({"key": one.key, "set": name, "reason": str(lack.reason), "detail": lack.detail})

    def _shown(self, one: Exchange, pool: Pool) -> list[Exchange]:
        """One exchange of each emotion, drawn by digest, of another person; none where there is none."""
        shown = []
        for emotion, there in pool.items():
            drawn = int(digest("demonstration", self._options.seed, one.key, emotion), 16)
            turned = (there[(drawn + step) % len(there)] for step in range(len(there)))
            shown.append(next((text for person, text in turned if person != one.person), None))
        return [Exchange.from_json(text) for text in shown if text is not None]

    def _examples(self, one: Exchange, name: Set, shown: Sequence[Exchange]) -> list[avlm.Example]:
        folder, plain = self._options.prompts, self._plain(one)
        if name == "forced_emotion":
            known = {each.emotion: self._answer(each) for each in reversed(one.responses)}
            targets = {emotion: answer for emotion, answer in known.items() if emotion and answer}
            return avlm.forced_emotion(replace(plain, response=""), targets, folder=folder)
        if name == "in_context":
            return [avlm.in_context(plain, [self._plain(each) for each in shown], folder=folder)]
        return [(avlm.avsr if name == "avsr" else avlm.zero_shot)(plain, folder=folder)]

    def _plain(self, one: Exchange) -> avlm.Exchange:
        answer = self._answer(one.response(agree=self._options.agree)) or ""
        return avlm.Exchange(one.key, one.person or "", one.units, one.emotion or "", answer, one.text)

    def _answer(self, response: Response | None) -> str | None:
        if response is None:
            return None
        return response.text if self._options.target == "text" else response.units

    def _line(self, one: Exchange, example: avlm.Example, shown: Sequence[Exchange]) -> dict[str, Any]:
        answered = one.response(agree=self._options.agree)
        if example.set == "forced_emotion":
            answered = next((each for each in one.responses if each.emotion == example.emotion), None)
        return asdict(example) | {
            "sample": one.sample,
            "person": one.person,
            "heard": {"emotion": one.emotion, "text": one.text, "units": one.units},
            "input": one.input,
            "response": answered.to_json() if answered else None,
            "demonstrations": [each.key for each in shown],
        }
