"""Two-stream samples: each dyad twice, each side once as main, both sides' members under a prefix.

What dialogues that are made and dialogues that were recorded have in common.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from manifests.reasons import Status
from manifests.shards import Member, PlannedSample
from pipelines.dialogues.labels import RATES_HZ
from pipelines.dialogues.render import SIDES
from pipelines.steps.clips import extension_of

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

Row = dict[str, Any]


@dataclass(frozen=True)
class View:
    """`main`: the speaker's number; `sides`: rows of main and other by step; `labels`: what `label` told."""

    key: str
    dialogue: str
    main: int
    sides: dict[str, dict[str, Row]]
    labels: Row
    artifacts: dict[str, Row]  # by member, without KEY.json

    @property
    def members(self) -> list[str]:
        """Their names, sorted."""
        return sorted(self.artifacts)

    def sample(self, header: Row, told: Row | None = None) -> PlannedSample:
        """The planned sample: `header` is its KEY.json, `told` further members of JSON."""
        members = [
            *(
                Member(name, one["bytes"], one["sha256"], name=one["name"])
                for name, one in self.artifacts.items()
            ),
            *(_inline(name, value) for name, value in (told or {}).items()),
        ]
        members.sort(key=lambda member: member.extension)
        whole = header | {"members": [member.extension for member in members]}
        return PlannedSample(self.key, header["split"], (_inline("json", whole), *members))

    def tokens(self) -> Row:
        """What made the tokens of each side, by member."""
        return {
            f"{side}.{name}": about
            for side, rows in self.sides.items()
            for row in rows.values()
            if row.get("tokens")
            for name, about in json.loads(row["tokens"]).items()
        }

    def missing(self) -> dict[str, str]:
        """Members that a side lacks, and why."""
        return {
            f"{side}.{name}": why
            for side, rows in self.sides.items()
            for row in rows.values()
            for name, why in json.loads(row.get("missing") or "{}").items()
        }

    def rates_hz(self, native_hz: int) -> dict[str, float]:
        """Frames or samples a second of sound, tokens and labels."""
        rates = {name: rate for name, rate in RATES_HZ.items() if name in self.artifacts}
        for side in self.sides:
            rates |= {f"{side}.flac": 16_000.0, f"{side}.native.flac": float(native_hz)}
        rates |= {name: about["rate_hz"] for name, about in self.tokens().items()}
        return rates | {
            name: about["rate_hz"] for name, about in self.labels.items() if name.endswith(".text.npy")
        }


class Made:
    """Rows of all steps over sides and views."""

    def __init__(self, corpus: Corpus) -> None:
        over_sides = [name for name, step in corpus.steps.items() if step.per_clip]
        self._of_side = _by_key(corpus, over_sides)
        self._of_view = _by_key(corpus, ["label"])
        self._steps = [
            *((name, self._of_side) for name in over_sides if corpus.items(name)),
            ("label", self._of_view),
        ]

    def ended(self, dialogue: str) -> tuple[str, Row | None] | None:
        """Step and row that ended a dialogue; no row: still open. None: it is whole."""
        for name, told in self._steps:
            for side in SIDES:
                row = told.get(f"{dialogue}-{side}", {}).get(name)
                if row is None or row["status"] != Status.OK:
                    return name, row
        return None

    def views(self, dialogue: str) -> Iterator[View]:
        """Both views of a dialogue that is whole."""
        for main, name in enumerate(SIDES):
            key = f"{dialogue}-{name}"
            sides = {"main": self._of_side[key], "other": self._of_side[f"{dialogue}-{SIDES[1 - main]}"]}
            labels = self._of_view[key]["label"]
            artifacts = {
                f"{side}.{extension_of(one['name'])}": one
                for side, rows in sides.items()
                for row in rows.values()
                for one in row["artifacts"]
            }
            artifacts |= {extension_of(one["name"]): one for one in labels["artifacts"]}
            yield View(key, dialogue, main, sides, json.loads(labels["about"]), artifacts)


def _inline(extension: str, told: Any) -> Member:
    text = json.dumps(told, ensure_ascii=False, sort_keys=True, indent=1)
    data = text.encode()
    return Member(extension, len(data), hashlib.sha256(data).hexdigest(), inline=text)


def _by_key(corpus: Corpus, steps: list[str]) -> dict[str, dict[str, Row]]:
    """By `DIALOGUE-SIDE`, then by step, the row about it."""
    found: dict[str, dict[str, Row]] = {}
    for name in steps:
        items = corpus.items(name)
        for row in corpus.rows(name):
            found.setdefault(items[row["item"]].inputs["key"], {})[name] = row
    return found
