"""Prompts that the AVLM model is trained and tested with: zero-shot, in-context, AVSR, forced emotion.

The paper names the four sets; their wording (prompts/avlm_*.yaml) is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from synth.llm.prompt_files import Prompt, load_prompt
from synth.rewriting.emotions import KEPT
from synth.rewriting.unit_strings import check_units


class DemonstrationError(ValueError):
    """The demonstrations do not make an in-context prompt; the message says which is wrong."""


@dataclass(frozen=True)
class Exchange:
    """What was heard, as units, and what is answered. `key` names the sample, `person` who is heard.

    An empty `response`: nobody answered in that emotion.
    """

    key: str
    person: str
    units: str
    emotion: str
    response: str  # text, or units of the spoken response
    transcript: str = ""  # of what was heard


@dataclass(frozen=True)
class Example:
    """One line of a prompt set: the model reads `prompt` and should write `target`.

    A forced emotion has no target unless it is the sample's own: nobody answered in the others.
    """

    key: str
    set: str
    emotion: str | None
    prompt: str
    target: str | None
    prompt_name: str
    prompt_version: int
    prompt_sha: str


def zero_shot(one: Exchange, *, folder: Path | None = None) -> Example:
    """Say the emotion heard, and answer."""
    prompt = _prompt("avlm_zero_shot", folder)
    answer = _answer(one.emotion, one.response)
    return _example(one, prompt, _heard(one), target=answer, emotion=one.emotion)


def in_context(one: Exchange, shown: Sequence[Exchange], *, folder: Path | None = None) -> Example:
    """As zero-shot, after one demonstration of each emotion, in the order of `KEPT`.

    Raises DemonstrationError unless there is exactly one of each, none of them of the same person.
    """
    by_emotion: dict[str, Exchange] = {}
    for demonstration in shown:
        if demonstration.emotion in by_emotion or demonstration.emotion not in KEPT:
            raise DemonstrationError(f"{one.key}: {demonstration.emotion!r} is shown twice or is not kept")
        if demonstration.person == one.person or demonstration.key == one.key:
            raise DemonstrationError(f"{one.key}: {demonstration.key} is of the same person, {one.person}")
        by_emotion[demonstration.emotion] = demonstration
    absent = [emotion for emotion in KEPT if emotion not in by_emotion]
    if absent:
        raise DemonstrationError(f"{one.key}: no demonstration for {', '.join(absent)}")
    prompt = _prompt("avlm_in_context", folder)
    lines = [_demonstration(by_emotion[emotion]) for emotion in KEPT]
    places = _heard(one) | {"demonstrations": "\n\n".join(lines)}
    answer = _answer(one.emotion, one.response)
    return _example(one, prompt, places, target=answer, emotion=one.emotion)


def avsr(one: Exchange, *, folder: Path | None = None) -> Example:
    """Write down what was heard. Raises ValueError for an exchange without a transcript."""
    if not one.transcript:
        raise ValueError(f"{one.key}: speech recognition needs a transcript")
    prompt = _prompt("avlm_avsr", folder)
    return _example(one, prompt, _heard(one), target=one.transcript, emotion=None)


def forced_emotion(
    one: Exchange, responses: Mapping[str, str] | None = None, *, folder: Path | None = None
) -> list[Example]:
    """Answer with a given emotion: an example for each of `KEPT`; `responses` by emotion, where known."""
    prompt = _prompt("avlm_forced_emotion", folder)
    known = ({one.emotion: one.response} if one.response else {}) | dict(responses or {})
    return [
        _example(one, prompt, _heard(one) | {"emotion": emotion}, target=known.get(emotion), emotion=emotion)
        for emotion in KEPT
    ]


@lru_cache(maxsize=32)
def _prompt(name: str, folder: Path | None) -> Prompt:
    """Read once: a prompt set has as many examples as a corpus has turns."""
    return load_prompt(name, folder)


def _heard(one: Exchange) -> dict[str, str]:
    return {"units": check_units(one.units), "emotions": ", ".join(KEPT)}


def _answer(emotion: str, response: str) -> str:
    return f"Emotion: {emotion}\nResponse: {response}"


def _demonstration(one: Exchange) -> str:
    return f"Heard: {check_units(one.units)}\n{_answer(one.emotion, one.response)}"


def _example(
    one: Exchange, prompt: Prompt, places: dict[str, str], *, target: str | None, emotion: str | None
) -> Example:
    text = "\n".join(content for _, content in prompt.messages(places))
    name = prompt.name.removeprefix("avlm_")
    key = f"{one.key}-{name}" + (f"-{emotion}" if name == "forced_emotion" else "")
    return Example(key, name, emotion, text, target, prompt.name, prompt.version, prompt.sha)
