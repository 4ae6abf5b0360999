"""Spoken responses by the clip that they answer: the pairs of a corpus that `dialogue synth` made of scripts.

`dialogue scripts` names the clips in the scripts, and `pairs.json` keeps the names; they are the join.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any

from manifests.corpus_reader import CorpusReader, IndexRow, Sample
from manifests.exports.base import ExportError
from manifests.exports.media import wav
from manifests.store import Store
from pipelines.dialogues.pairs import PAIRS
from pipelines.exports.pieces import STRING, UNITS, Stream, sample_at
from synth.rewriting.emotions import EmotionRule

RULE = EmotionRule()


@dataclass(frozen=True)
class Response:
    """An answer: text, emotion of the four, path of its sound (16-bit WAV) and, where known, its units."""

    key: str
    sample: str
    text: str
    emotion: str | None
    audio: str
    units: str | None
    rewritten_from: str | None
    clips: tuple[str, ...]
    """Where the answer was given that this one stands in for."""

    def to_json(self) -> dict[str, Any]:
        """For a line, and for an entry."""
        return asdict(self) | {"clips": list(self.clips)}


def spoken_response(sample: Sample, told: dict[str, Any], number: int, out: Store) -> Response:
    """The response of the `number`-th pair of a sample; its sound is written. Raises DamagedSample."""
    stream = Stream(sample, "main.")
    start, stop = Fraction(told["start"]), Fraction(told["stop"])
    key = f"{sample.key}-{number:04d}"
    out.write(f"response/{key}.wav", wav(*stream.sound(start, stop)))
    return Response(
        key=key,
        sample=sample.key,
        text=told["text"],
        emotion=RULE.merged(told["emotion"]) if told["emotion"] else None,
        audio=f"response/{key}.wav",
        units=stream.units(start, stop) if stream.has(UNITS, STRING) else None,
        rewritten_from=told["rewritten_from"],
        clips=tuple(told.get("clips") or ()),
    )


@dataclass(frozen=True)
class _Place:
    """Where a pair lies: its sample, where that begins in its shard, and which pair of it this is."""

    row: IndexRow
    offset: int
    number: int
    told: dict[str, Any]


class Responses:
    """What a corpus of responses holds. Opening it reads every `pairs.json`; sound is read when asked for.

    Raises CorpusError for a folder that is no finished corpus, ExportError when no pair names a clip.
    """

    def __init__(self, url: str) -> None:
        self.corpus = CorpusReader(url)
        self._places: dict[str, list[_Place]] = {}
        self._goes_on: dict[str, str] = {}
        for shard in self.corpus.shards:
            for sample in self.corpus.samples(shard):
                self._take(sample)
        if not self._places:
            raise ExportError(
                f"option responses: no pair of {self.corpus.url} names the clip that it answers; make the "
                "scripts with `duologue dialogue scripts`, then the responses with `duologue dialogue synth`"
            )

    def _take(self, sample: Sample) -> None:
        if PAIRS not in sample:
            return
        for number, pair in enumerate(json.loads(sample.read(PAIRS))):
            *before, last = pair["input"].get("clips") or [None]
            if last is not None:
                place = _Place(sample.row, sample.offset, number, pair["response"])
                self._places.setdefault(last, []).append(place)
                self._goes_on |= dict.fromkeys(before, last)

    def why_none(self, clip: str) -> str:
        """Why nobody answers a clip."""
        if clip in self._goes_on:
            return f"the turn goes on in {self._goes_on[clip]}, which is answered"
        return f"no pair of the responses names {clip}"

    def to(self, clip: str, out: Store) -> list[Response]:
        """The responses to a clip, by key; their sound is written. Raises DamagedSample."""
        found = []
        for place in self._places.get(clip, ()):
            with sample_at(self.corpus, place.row, place.offset) as sample:
                found.append(spoken_response(sample, place.told, place.number, out))
        return sorted(found, key=lambda one: one.key)
