"""What is heard in a sample and what answers it: one exchange of a clip, several of a dialogue."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from extractors.encode import npy_bytes
from manifests.corpus_reader import Sample
from manifests.exports.media import wav
from manifests.store import Store
from pipelines.dialogues.pairs import pairs
from pipelines.dialogues.spoken import person_of, turn_name, turns_of
from pipelines.exports.pieces import Stream
from pipelines.exports.responses import RULE, Response, Responses, spoken_response

SOUNDS, PICTURE = ("flac", "native.flac"), "face.mp4"
ARRAYS = ("smirk55.npy", "smirk58.npy", "smirk_valid.npy", "embedding512.npy")
"""Coefficients of the face that are handed on, where there are any."""


@dataclass(frozen=True)
class Exchange:
    """`input`: paths of what the model takes; `units`: empty for a turn shorter than a frame of theirs."""

    key: str
    sample: str
    person: str | None
    emotion: str | None
    text: str
    units: str
    input: dict[str, Any]
    responses: tuple[Response, ...]
    none: str
    """Why there is no response, where there is none."""

    def response(self, *, agree: bool) -> Response | None:
        """The one in the emotion that was heard; else, unless they must agree, the first."""
        fitting = [one for one in self.responses if one.emotion == self.emotion and one.emotion is not None]
        return next(iter(fitting or ([] if agree else self.responses)), None)

    def to_json(self) -> str:
        """For an entry: as one text, of which ten thousand take a tenth of the memory of as many objects."""
        return json.dumps(asdict(self) | {"responses": [one.to_json() for one in self.responses]})

    @classmethod
    def from_json(cls, text: str) -> Exchange:
        """Of an entry."""
        told = json.loads(text)
        responses = [Response(**one | {"clips": tuple(one["clips"])}) for one in told["responses"]]
        return cls(**told | {"responses": tuple(responses)})


def of_clip(sample: Sample, responses: Responses | None, out: Store) -> Exchange:
    """A clip is one exchange. Its media are written as they are. Raises DamagedSample."""
    header = sample.header
    clip = (header.get("base") or header)["key"]  # a noisy clip is answered as the clean one is
    found = responses.to(clip, out) if responses else []
    emotion = header.get("emotion")
    return Exchange(
        key=sample.key,
        sample=sample.key,
        person=header.get("speaker") or header.get("person"),
        emotion=RULE.merged(emotion) if emotion else None,
        text=str(header.get("text") or ""),
        units=Stream(sample).all_units(),
        input={
            "audio": _handed(sample, next((name for name in SOUNDS if name in sample), None), out),
            "video": _handed(sample, PICTURE if PICTURE in sample else None, out),
            "arrays": {name: _handed(sample, name, out) for name in ARRAYS if name in sample},
        },
        responses=tuple(found),
        none=responses.why_none(clip) if responses else "the option `responses` names none",
    )


def _handed(sample: Sample, member: str | None, out: Store) -> str | None:
    if member is None:
        return None
    return out.write(f"input/{sample.key}.{member}", sample.read(member)).name


def of_dialogue(sample: Sample, responses: Responses | None, out: Store) -> Iterator[Exchange]:
    """Without `responses` each turn of the other that main answers; with them each turn of main's."""
    turns = turns_of(sample)
    if responses is None:
        for number, pair in enumerate(pairs(turns)):
            answer = spoken_response(sample, pair["response"], number, out)
            yield _heard(sample, "other", pair["input"], out, number=number, responses=(answer,))
        return
    base = (sample.header.get("base") or sample.header)["key"]
    for number, turn in enumerate(turns):
        if turn["kind"] == "turn" and turn["side"] == "main":
            name = turn_name(base, "main", number)
            answers = tuple(responses.to(name, out))
            none = responses.why_none(name)
            yield _heard(sample, "main", turn, out, number=number, responses=answers, none=none)


def _heard(
    sample: Sample,
    side: str,
    turn: dict[str, Any],
    out: Store,
    *,
    number: int,
    responses: tuple[Response, ...],
    none: str = "",
) -> Exchange:
    """One turn, cut out of its side."""
    stream = Stream(sample, f"{side}.")
    start, stop = Fraction(turn["start"]), Fraction(turn["stop"])
    key = f"{sample.key}-{number:04d}"
    arrays = {}
    for name in (one for one in ARRAYS if stream.has(one)):
        arrays[name] = out.write(f"input/{key}.{name}", npy_bytes(stream.array(name, start, stop))).name
    return Exchange(
        key=key,
        sample=sample.key,
        person=person_of(sample.header, side),
        emotion=RULE.merged(turn["emotion"]) if turn["emotion"] else None,
        text=turn["text"],
        units=stream.units(start, stop) or "",
        input={
            "audio": out.write(f"input/{key}.wav", wav(*stream.sound(start, stop))).name,
            "video": None,
            "arrays": arrays,
        },
        responses=responses,
        none=none,
    )
