"""Samples of recorded dialogues: KEY.json of each view."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from extractors.weights import weights_sha256
from manifests.schemas import FORMAT_VERSION
from manifests.shards import PlannedSample
from manifests.sidecar import LABELS
from pipelines.dialogues.real.sides import told_windows
from pipelines.dialogues.views import Made, View
from pipelines.steps.members import channels, groups, rates_hz
from pipelines.steps.pack import Pack
from pipelines.steps.people import people_of

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

Row = dict[str, Any]
OF_A_PERSON = ("gender", "emotion", "consent", "licence")
"""Labels of a recording of one person; those of a recording of both say nothing of either."""
MEASURES = ("clipped_samples", "audio_padded_s", "face61_valid_share", "tone_from")


class PackRecorded(Pack):
    """Shards of two-stream samples."""

    def samples(self, corpus: Corpus) -> Iterable[PlannedSample]:
        """Both views of every window that is whole."""
        return planned_windows(corpus)


def planned_windows(corpus: Corpus) -> Iterator[PlannedSample]:
    """Every window of which both sides and both views are there."""
    made, about = Made(corpus), _About(corpus)
    for _, window in told_windows(corpus):
        if made.ended(window["key"]) is None:
            for view in made.views(window["key"]):
                yield view.sample(about.header(view, window))


class _About:
    """KEY.json of each view."""

    def __init__(self, corpus: Corpus) -> None:
        self._sources = {row["source_id"]: row for row in corpus.rows("ingest")}
        self._splits = {row["source_id"]: row["split"] for row in corpus.rows("split")}
        self._people = people_of(corpus)
        self._wanted = corpus.steps["sides"].config.members
        names = [name for name in corpus.steps if name not in ("split", "pack") and corpus.items(name)]
        used = sorted({weight for name in names for weight in corpus.steps[name].weights()})
        self._provenance = {
            "steps": {name: corpus.key(name) for name in names},
            "weights_sha256": {name: weights_sha256(name) for name in used},
        }

    def header(self, view: View, window: Row) -> Row:
        """Everything about a view."""
        order = {"main": view.main, "other": 1 - view.main}
        sides = {name: window["sides"][number] for name, number in order.items()}
        sources = {name: self._sources[side["source"]] for name, side in sides.items()}
        rates = [source["audio_rate_hz"] for source in sources.values()]
        words = {name: window["words"][number] for name, number in order.items()} if window["words"] else {}
        return {
            "format": FORMAT_VERSION,
            "key": view.key,
            "split": self._splits[sides["main"]["source"]],
            "dialogue": window["name"],
            "origin": "recorded",
            "window": {name: window[name] for name in ("start", "stop", "cut")},
            "source": {
                "id": sides["main"]["source"],
                "path": sources["main"]["path"],
                "sha256": sources["main"]["content_sha256"],
            },
            "duration_s": _duration_s(window),
            "separated": window["separated"],
            "sides_from": window["sides_from"],
            "language": next((one["language"] for one in sources.values() if one["language"]), None),
            "speaker": sides["main"]["speaker"],
            "speakers": {name: self._speaker(side, sources[name], window) for name, side in sides.items()},
            "text": " ".join(word for word, _, _ in words["main"]) if words else None,
            "words_from": window["words_from"],
            "words_ambiguous": window["words_ambiguous"],
            "words_unplaced": window["words_unplaced"],
            "members": view.members,
            "rates_hz": view.rates_hz(max(rates)) | self._prefixed(view, rates_hz(self._wanted)),
            "channels": self._prefixed(view, channels(self._wanted)),
            "groups": self._prefixed(view, groups(sorted({name.partition(".")[2] for name in view.members}))),
            "tokens": view.tokens(),
            "labels": view.labels,
            "missing": view.missing(),
            "measures": {name: _measured(view.sides[name], window, number) for name, number in order.items()},
            "provenance": self._provenance,
        }

    def _speaker(self, side: Row, source: Row, window: Row) -> Row:
        """One person: the name, whose face it is in the corpus, and where they were recorded."""
        labels = OF_A_PERSON if window["sides_from"] == "recordings" else ("licence", "consent")
        return {
            "name": side["speaker"],
            "named_by": side["named_by"],
            "person": self._people.get((side["source"], side["identity"])),
            "face_confidence": side["face_confidence"],
            "tracks": side["tracks"],
            "channel": side["channel"],
            "recording": {
                "id": side["source"],
                "path": source["path"],
                "sha256": source["content_sha256"],
                "zero": side["zero"],  # where the dialogue begins on its own time line, exact seconds
                "audio_rate_hz": source["audio_rate_hz"],
            },
            **{name: source[name] for name in labels if name in LABELS and source[name] is not None},
        }

    def _prefixed(self, view: View, of_members: dict[str, Any]) -> dict[str, Any]:
        return {
            f"{side}.{name}": told
            for side in view.sides
            for name, told in of_members.items()
            if f"{side}.{name}" in view.artifacts
        }


def _measured(rows: dict[str, Row], window: Row, side: int) -> Row:
    told = {name: value for name in MEASURES if (value := rows["sides"][name]) is not None}
    leaks = window["measures"]["leak_db"]
    return told | ({"leak_db": leaks[side]} if leaks else {})


def _duration_s(window: Row) -> float:
    return float(Fraction(window["stop"]) - Fraction(window["start"]))


def window_ends(corpus: Corpus) -> Iterator[tuple[Row, str, Row | None]]:
    """Of every row of `dyads`: the row, the step that ended it (`pack`: whole), and the row that did."""
    made = Made(corpus)
    for row in corpus.rows("dyads"):
        if row["status"] != "ok":
            yield row, "dyads", row
            continue
        ended = made.ended(json.loads(row["window"])["key"])
        yield (row, *ended) if ended else (row, "pack", row)
