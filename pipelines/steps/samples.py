"""Samples: what a finished clip is made of, and the KEY.json that describes it."""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from extractors.weights import weights_sha256
from manifests.reasons import Reason, Status
from manifests.schemas import FORMAT_VERSION
from manifests.shards import Member, PlannedSample
from manifests.sidecar import LABELS
from pipelines.select_section import SelectConfig
from pipelines.steps.caption import captions
from pipelines.steps.clips import extension_of
from pipelines.steps.documents import is_document, read_piece
from pipelines.steps.emotions import clip_emotion, emotions_inside
from pipelines.steps.members import channels, groups, rates_hz
from pipelines.steps.people import people_of
from pipelines.steps.said import SourceWords, source_words
from pipelines.steps.told_voices import source_voices

LONGEST_WORD_S = 60.0
"""No word is longer: where to begin to look for those inside a clip."""

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


def planned_samples(corpus: Corpus) -> Iterator[PlannedSample]:
    """Every clip that all steps over clips finished, with its members and its KEY.json."""
    sources = {row["source_id"]: row for row in corpus.rows("ingest")}
    provenance = _provenance(corpus)
    wanted = corpus.steps["cut"].config.members
    people = people_of(corpus)
    beside, described = _Beside(corpus), captions(corpus)
    selected = {row["key"]: row for row in corpus.rows("select")}
    clips_of = Counter(row["source_id"] for row in selected.values())
    splits = {row["source_id"]: row["split"] for row in corpus.rows("split")}
    for clip, rows in _finished(corpus):
        row = rows["cut"]
        source = sources[row["source_id"]]
        split = splits.get(row["source_id"])
        if split is None:
            continue  # cut by an earlier version, and not placed yet
        members = [
            Member(
                extension_of(artifact["name"]), artifact["bytes"], artifact["sha256"], name=artifact["name"]
            )
            for one in rows.values()
            for artifact in one["artifacts"]
        ]
        extensions = [member.extension for member in members]
        tokens = {
            name: about
            for one in rows.values()
            if one.get("tokens")
            for name, about in json.loads(one["tokens"]).items()
        }
        text = json.dumps(
            _header(clip, row, source, split, extensions)
            | _columns(clip, extensions, wanted, tokens)
            | _labels(clip, source, beside.words(row["source_id"]), whole=clips_of[row["source_id"]] == 1)
            | ({"text": read_piece(corpus.store, row)} if is_document(source) else {})
            | _caption_span(source, corpus.steps["select"].config)
            | _emotion(clip, source, corpus.steps["select"].config)
            | {"person": people.get((row["source_id"], clip["measures"]["identity"]))}
            | {"speaker_embedding": beside.voice(row["source_id"], clip["measures"]["voice"])}
            | described.labels(clip["key"])
            | {"missing": _missing(rows.values(), selected[clip["key"]]) | described.missing(clip["key"])}
            | {"provenance": provenance},
            ensure_ascii=False,
            sort_keys=True,
            indent=1,
        )
        header = Member("json", len(text.encode()), hashlib.sha256(text.encode()).hexdigest(), inline=text)
        yield PlannedSample(
            clip["key"], split, (header, *sorted(members, key=lambda member: member.extension))
        )


class _Beside:
    """Words and voices of the source whose clips are being described; only one source's are held."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._rows = {
            name: {row["source_id"]: row for row in corpus.rows(name) if row["status"] == Status.OK}
            for name in ("words", "voices")
        }
        self._source: str | None = None

    def _turn_to(self, source: str) -> None:
        if source == self._source:
            return
        said, heard = (self._rows[name].get(source) for name in ("words", "voices"))
        self._words = source_words(self._corpus, said) if said else None
        self._voices = source_voices(self._corpus.store, heard) if heard else {}
        self._source = source

    def words(self, source: str) -> SourceWords | None:
        self._turn_to(source)
        return self._words

    def voice(self, source: str, voice: int | None) -> list[float] | None:
        self._turn_to(source)
        return None if voice is None else self._voices.get(voice)


def _finished(corpus: Corpus) -> Iterator[tuple[dict[str, Any], dict[str, dict[str, Any]]]]:
    """What `cut` was asked of each clip, and by step the rows about it, where every one ended ok."""
    rows: dict[str, dict[str, dict[str, Any]]] = {}
    failed: set[str] = set()
    for name in (name for name, step in corpus.steps.items() if step.per_clip):
        items = corpus.items(name)
        done = {items[row["item"]].inputs["key"]: row for row in corpus.rows(name)}
        failed |= {item.inputs["key"] for item in items.values()} - done.keys()
        failed |= {key for key, row in done.items() if row["status"] != Status.OK}
        for key, row in done.items():
            rows.setdefault(key, {})[name] = row
    clips = {item.inputs["key"]: item.inputs for item in corpus.items("cut").values()}
    yield from ((clips[key], rows[key]) for key in sorted(clips) if key not in failed)


def _header(
    clip: dict[str, Any],
    cut: dict[str, Any],
    source: dict[str, Any],
    split: str,
    extensions: list[str],
) -> dict[str, Any]:
    start, stop = Fraction(clip["start"]), Fraction(clip["stop"])
    return {
        "format": FORMAT_VERSION,
        "key": clip["key"],
        "split": split,
        "source": {
            "id": source["source_id"],
            "path": source["path"],
            "sha256": source["content_sha256"],
            **_place(clip),
            "audio_offset_s": source["audio_offset_s"],
            "is_vfr": source["is_vfr"],
        },
        "track": clip["track"],
        "duration_s": float(stop - start),
        "members": sorted(extensions),
        "measures": {name: clip["measures"][name] for name in sorted(clip["measures"])}
        | {name: cut[name] for name in ("clipped_samples", "audio_padded_s", "face61_valid_share")},
    }


def _place(clip: dict[str, Any]) -> dict[str, Any]:
    """Exact rationals "n/d", seconds on the source's timeline; of a document the characters."""
    edges = ("text_start", "text_stop") if "text_start" in clip else ("start", "stop")
    return {name: clip[name] for name in edges}


def _columns(
    clip: dict[str, Any], extensions: list[str], wanted: tuple[str, ...], tokens: dict[str, Any]
) -> dict[str, Any]:
    """Rates, channel names and channel groups of the members that are there, and what made the tokens."""
    rates = {name: rate for name, rate in rates_hz(wanted).items() if name in extensions}
    rates |= {name: about["rate_hz"] for name, about in tokens.items()}
    if "native.flac" in extensions:
        rates["native.flac"] = float(clip["recording"]["audio_rate_hz"])
    named = {name: names for name, names in channels(wanted).items() if name in extensions}
    return {"rates_hz": rates, "channels": named, "groups": groups(extensions), "tokens": tokens}


def _labels(
    clip: dict[str, Any], source: dict[str, Any], told: SourceWords | None, *, whole: bool
) -> dict[str, Any]:
    """The sidecar's labels. Words are those inside the clip, and the text is theirs; without words, the
    source's text is the clip's only when it is the source's only clip."""
    labels = {name: source[name] for name in LABELS if source.get(name) is not None}
    for name in ("split", "words", "transcript", "emotion", "emotions"):
        labels.pop(name, None)
    labels |= {"speakers": json.loads(labels["speakers"])} if "speakers" in labels else {}
    if "channels" in labels:  # `channels` of KEY.json are the names of an array's columns
        labels["channel_speakers"] = json.loads(labels.pop("channels"))
    labels |= {"caption_from": "corpus"} if "caption" in labels else {}
    if told is not None:
        start, stop = (float(Fraction(clip[edge]) - told.origin) for edge in ("start", "stop"))
        if told.missing and any(low < stop and high > start for low, high in told.missing_s or [(0, stop)]):
            labels["words_missing"] = told.missing
    if told is not None and told.words:
        labels["words"] = words_inside(told.words, start, stop)
        labels["text"] = " ".join(word for word, _, _ in labels["words"])
        labels["words_from"] = told.found_by
        if told.language and "language" not in labels:
            labels["language"] = told.language
    elif "text" in labels and not whole:
        labels["source_text"] = labels.pop("text")
    return labels


def _caption_span(source: dict[str, Any], config: SelectConfig) -> dict[str, Any]:
    """What the corpus' caption is of: all of the recording, of which the clip may be a piece."""
    if config.whole == "never" or not source["caption"] or is_document(source):
        return {}
    kind = "audio" if source["audio_start"] else "video"
    return {"caption_span": [source[f"{kind}_start"], source[f"{kind}_stop"]]}


def _emotion(clip: dict[str, Any], source: dict[str, Any], config: SelectConfig) -> dict[str, Any]:
    """The clip's emotion as `select.emotions` calls it, and as it was labelled where that differs."""
    start, stop = Fraction(clip["start"]), Fraction(clip["stop"])
    told: dict[str, Any] = {}
    if source.get("emotions"):
        told["emotions"] = emotions_inside(source, start, stop)
    given = clip_emotion(source, start, stop)
    kept = config.kept_emotion(given)
    if kept is not None:
        told["emotion"] = kept
    return told | ({"emotion_given": given} if given != kept else {})


def _missing(rows: Iterable[dict[str, Any]], selected: dict[str, Any]) -> dict[str, str]:
    """Members the clip lacks and why: for its video, the first limit that the face failed."""
    reasons = [limit["reason"] for limit in selected["failed_limits"] or []]
    missing = {name: why for row in rows for name, why in json.loads(row["missing"]).items()}
    faceless = str(Reason.NO_FACE)
    return {name: (reasons[0] if reasons and why == faceless else why) for name, why in missing.items()}


def words_inside(words: list[list[Any]], start_s: float, stop_s: float) -> list[list[Any]]:
    """The words whose middle lies in [start_s, stop_s), their times counted from `start_s`.

    Those of a source count from its first audio sample. A word across a cut is in one clip, not in two.
    """
    first = bisect_left(words, start_s - LONGEST_WORD_S, key=lambda word: word[1])
    last = bisect_left(words, stop_s, key=lambda word: word[1])
    return [
        [word, round(max(low, start_s) - start_s, 6), round(min(high, stop_s) - start_s, 6)]
        for word, low, high in words[first:last]
        if start_s <= (low + high) / 2 < stop_s
    ]


def _provenance(corpus: Corpus) -> dict[str, Any]:
    names = [name for name in corpus.steps if name not in ("split", "select", "pack") and corpus.items(name)]
    used = sorted({weight for name in names for weight in corpus.steps[name].weights()})
    return {
        "steps": {name: corpus.key(name) for name in names},
        "weights_sha256": {name: weights_sha256(name) for name in used},
    }
