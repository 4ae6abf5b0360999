"""The samples that the report shows: pictures, a clip, curves, a timeline, and what was found of each."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from manifests.store import Store
from pipelines.audit.report.curves import Curve, curves_of, header_of
from pipelines.audit.report.examples import Row
from pipelines.audit.report.media import MAX_CLIP_S, clip, face_picture, lip_strip, pictures_of, sound_of
from pipelines.audit.report.samples import DIALOGUE, Found, read_samples
from pipelines.audit.report.timeline import Timeline, timeline
from pipelines.sample_series import UNREADABLE

T = TypeVar("T")

MEDIA = "media"
_FACTS = ("speaker", "person", "language", "emotion", "licence", "consent")


@dataclass(frozen=True)
class MediaLimits:
    """How much of a corpus a report carries: samples with pictures, of these with a timeline, and bytes."""

    n_samples: int = 100
    n_dialogues: int = 12
    n_bytes: int = 40_000_000


DEFAULT_LIMITS = MediaLimits()


@dataclass
class Card:
    """One sample. `face`, `strips` and `clip` are names of files below the report's folder.

    `curves` and `timeline` share the clip's time; `notes` say what could not be read.
    """

    key: str
    split: str
    shard: str
    duration_s: float
    text: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    face: str | None = None
    strips: list[str] = field(default_factory=list)
    clip: str | None = None
    clip_has_picture: bool = False
    curves: list[Curve] = field(default_factory=list)
    timeline: Timeline | None = None
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    anchor: str = ""

    @property
    def findings(self) -> list[list[Row]]:
        """What was found of it, a list a check; extremes within the limits are none."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            if row.mark != "extreme":
                found.setdefault(row.check, []).append(row)
        return list(found.values())

    @property
    def is_cut(self) -> bool:
        """The clip ends before the sample does."""
        return self.clip is not None and self.duration_s > MAX_CLIP_S


@dataclass
class Media:
    """Files beside the page, named by their bytes, up to a size in all."""

    n_most_bytes: int
    files: dict[str, bytes] = field(default_factory=dict)
    n_left_out: int = 0

    @property
    def n_bytes(self) -> int:
        """Of all files."""
        return sum(map(len, self.files.values()))

    def add(self, data: bytes, ending: str) -> str | None:
        """The file's name; None where there is no room left."""
        name = f"{MEDIA}/{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
        if name not in self.files and self.n_bytes + len(data) > self.n_most_bytes:
            self.n_left_out += 1
            return None
        self.files[name] = data
        return name


def choose(keys: Sequence[str], index: Mapping[str, Mapping[str, Any]], limits: MediaLimits) -> list[str]:
    """Of keys in the order of their worth, those that are shown; dialogues are also shown where none is bad.

    Of a conversation with several samples (both views of a dyad) each other's comes first.
    """
    worth = dict.fromkeys((*keys, *sorted(index)))
    nth: Counter[str] = Counter()
    dialogues: list[tuple[int, str]] = []
    for key in worth:
        if is_dialogue(index[key]):
            nth[index[key]["source_id"]] += 1
            dialogues.append((nth[index[key]["source_id"]], key))
    allowed = [key for _, key in sorted(dialogues, key=lambda one: one[0])[: limits.n_dialogues]]
    others = [key for key in keys if not is_dialogue(index[key])]
    return [*allowed, *others[: max(0, limits.n_samples - len(allowed))]]


def is_dialogue(row: Mapping[str, Any]) -> bool:
    """A sample of two streams whose turns are known."""
    return DIALOGUE in row["members"]


def make_cards(
    store: Store, keys: Sequence[str], index: Mapping[str, dict[str, Any]], limits: MediaLimits
) -> tuple[dict[str, Card], Media]:
    """Cards by key, in the order of the keys, which is also the order in which files get room."""
    made = {found.row["key"]: _card(found) for found in read_samples(store, [index[key] for key in keys])}
    media = Media(limits.n_bytes)
    for pick in (_pictures, _clips):  # the pictures of all before the clip of any
        for key in keys:
            pick(*made[key], media)
    cards = {key: made[key][0] for key in keys}
    for number, card in enumerate(cards.values(), start=1):
        card.anchor = f"s{number}"
        card.notes = sorted(set(card.notes))
    return cards, media


@dataclass
class _Payload:
    face: bytes | None = None
    strips: list[bytes] = field(default_factory=list)
    clip: bytes | None = None


def _card(found: Found) -> tuple[Card, _Payload]:
    """Everything of a sample that can be had, each part by itself."""
    members = found.members
    header = header_of(members)
    row = found.row
    card = Card(row["key"], row["split"], row["shard"], row["duration_s"], notes=list(found.notes))
    card.text = str(header.get("text") or "")
    card.facts = [(name, str(header[name])) for name in _FACTS if header.get(name)]
    if members and not header:
        card.notes.append("its json cannot be read")
    payload = _Payload()
    faces, lips = pictures_of(members, "face.mp4"), pictures_of(members, "lips.mp4")
    pictures = faces or lips
    if pictures:
        payload.face = _tried(card, "the picture", lambda: face_picture(pictures))
    strips = (_tried(card, "lips.mp4", lambda video=video: lip_strip(video)) for video in lips)  # type: ignore[misc]
    payload.strips = [strip for strip in strips if strip is not None]
    sound = _tried(card, "the sound", lambda: sound_of(members))
    if pictures or sound:
        payload.clip = _tried(card, "the clip", lambda: clip(pictures, sound))
        card.clip_has_picture = bool(pictures)
    card.curves, notes = curves_of(header, members)
    card.notes += notes
    if DIALOGUE in members:
        card.timeline = _tried(card, DIALOGUE, lambda: timeline(members[DIALOGUE]))
    return card, payload


def _tried(card: Card, what: str, make: Callable[[], T]) -> T | None:
    """What `make` gives; None, and a note, where the sample is damaged. An audit's samples often are."""
    try:
        return make()
    except UNREADABLE as error:
        card.notes.append(f"{what} cannot be read: {_first_line(error)}")
        return None


def _first_line(error: BaseException) -> str:
    told = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}{f': {told[:120]}' if told else ''}"


def _pictures(card: Card, payload: _Payload, media: Media) -> None:
    card.face = media.add(payload.face, "jpg") if payload.face else None
    card.strips = list(_added(payload.strips, media))


def _added(strips: Sequence[bytes], media: Media) -> Iterator[str]:
    for strip in strips:
        name = media.add(strip, "jpg")
        if name is not None:
            yield name


def _clips(card: Card, payload: _Payload, media: Media) -> None:
    card.clip = media.add(payload.clip, "mp4") if payload.clip else None
