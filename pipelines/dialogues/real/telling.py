"""Who the two sides of a dialogue are (channels, recordings or voices), when each speaks, and their faces."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from manifests.reasons import ItemError, Reason
from manifests.store import Store
from pipelines.dialogues.real.activity import exact_spans, lip_spans, mixed_activity, own_activity
from pipelines.dialogues.real.faces import (
    Face,
    Motion,
    Scores,
    faces_of,
    lips_follow,
    matched_face,
    mouth_motion,
    only_face,
    tracks_of,
)
from pipelines.dialogues.real.sections import DyadsConfig
from pipelines.dialogues.real.sound import mono16k, refuse_silence
from pipelines.dialogues.real.timeline import Shared, shared_time
from pipelines.dialogues.real.words import read_said
from pipelines.step import Workspace
from pipelines.steps.told_voices import read_activity
from pipelines.steps.voices import read_faces
from synth.turns.times import Spans, united

if TYPE_CHECKING:
    from extractors.channels import Channels
    from extractors.speech import SpeechDetector

SWAPPED_FROM = 0.25
"""By how much more the lips must follow the other recording's voice to call the recordings exchanged."""


@dataclass(frozen=True)
class Told:
    """`channels`: of each side in its recording, None: the mean. `separated`: each has a sound of its own."""

    shared: Shared
    channels: tuple[int | None, int | None]
    activity: tuple[Spans, Spans]
    faces: tuple[Face | None, Face | None]
    separated: bool
    sides_from: str
    measures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Heard:
    """Two voices of one recording, before their borders are read off the energy."""

    spans: tuple[Spans, Spans]
    faces: tuple[Face | None, Face | None]
    channels: tuple[int | None, int | None]
    sides_from: str  # channels, voices, labels


def tell_one(facts: dict[str, Any], workspace: Workspace, config: DyadsConfig) -> Told:
    """Two sides of one recording, by what `listen`, `voices`, `words`, `watch` and `who` found.

    A mixture whose transcript names two speakers and when they speak is told apart by that. Raises ItemError.
    """
    shared = shared_time([facts], max_difference_s=config.max_difference_s)
    zero, duration = shared.zeros[0], shared.duration
    shift = Fraction(facts["listen"]["start"]) - zero
    scores: Scores = read_faces(workspace.store, facts) if "who" in facts else {}
    heard = None
    if facts["voices"]["voices_from"] != "channels":
        heard = _by_transcript(facts, workspace.store, shared, scores)
    if heard is None:
        _refuse_crowd(facts, config)
        heard = _by_voices(facts, workspace.store, shared)
    separated = heard.sides_from == "channels"
    measures = {"leak_db": json.loads(facts["voices"]["leak_db"] or "null") if separated else None}
    span = (zero, zero + duration)
    sounds = mono16k(workspace, facts["recording"], heard.channels if separated else (None,), span)
    if separated:
        first, second = (own_activity(*one, duration) for one in zip(sounds, heard.spans, strict=True))
        activity = first, second
    else:
        lips = [lip_spans(scores[face.identity], shift, duration) if face else () for face in heard.faces]
        activity = mixed_activity(sounds[0], heard.spans, (lips[0], lips[1]), duration)
    return Told(shared, heard.channels, activity, heard.faces, separated, heard.sides_from, measures)


def _by_voices(facts: dict[str, Any], store: Store, shared: Shared) -> _Heard:
    """The two voices that `voices` found, by channel or by their sound."""
    tables = {"artifacts": [{"name": name} for name in facts["voices"]["tables"]]}
    found = read_activity(store, tables)
    first, second = sorted(found["voices"])
    shift = Fraction(facts["listen"]["start"]) - shared.zeros[0]

    def spans(voice: int) -> Spans:
        mine = found["voice"] == voice
        times = zip(found["start_s"][mine].tolist(), found["stop_s"][mine].tolist(), strict=True)
        return exact_spans(list(times), shift, shared.duration)

    tracks = tracks_of(store, facts["watch"]["tables"][2]) if "who" in facts else {}
    faces = [matched_face(found["voices"][voice], tracks) for voice in (first, second)]
    by_channel = facts["voices"]["voices_from"] == "channels"
    return _Heard(
        (spans(first), spans(second)),
        (faces[0], faces[1]),
        (first, second) if by_channel else (None, None),
        "channels" if by_channel else "voices",
    )


def _by_transcript(facts: dict[str, Any], store: Store, shared: Shared, scores: Scores) -> _Heard | None:
    """The words of two named speakers, the first to speak first; None where no transcript tells that."""
    said = read_said(store, facts, shared.zeros[0], shared.duration) or []
    names = list(dict.fromkeys(one.speaker for one in said if one.speaker is not None))
    if len(names) != 2 or any(one.speaker is None for one in said):
        return None
    first, second = (
        united((one.start, one.stop) for one in said if one.speaker == name and one.start < one.stop)
        for name in names
    )
    tracks = tracks_of(store, facts["watch"]["tables"][2]) if "who" in facts else {}
    faces = faces_of((first, second), scores, tracks, Fraction(facts["listen"]["start"]) - shared.zeros[0])
    return _Heard((first, second), faces, (None, None), "labels") if first and second else None


def _refuse_crowd(facts: dict[str, Any], config: DyadsConfig) -> None:
    """Raises ItemError unless two voices were heard."""
    heard, path = facts["voices"], facts["recording"]["path"]
    if heard["n_voices"] == 2:
        return
    loudest = facts["listen"]["loudest_hop_dbfs"]
    if loudest < config.silence_dbfs:
        raise ItemError(Reason.SILENT_AUDIO, f"{path} is never louder than {loudest:.0f} dBFS")
    for what, channel in json.loads(heard["findings"] or "[]"):
        if what == "silent_channel":
            raise ItemError(
                Reason.SILENT_AUDIO, f"channel {channel} of {path} (counted from 0) holds no sound"
            )
        if what == "no_speech" and heard["n_voices"]:
            detail = f"nobody speaks of their own in channel {channel} of {path} (counted from 0)"
            raise ItemError(Reason.NO_SPEECH, detail)
    if not heard["n_voices"]:
        raise ItemError(Reason.NO_SPEECH, f"nobody is heard in {path}")
    if facts["lone_half"]:
        raise ItemError(
            Reason.CORPUS_PART_MISSING, f"{path} is of one person, and no recording of the other is there"
        )
    told = "one voice is" if heard["n_voices"] == 1 else f"{heard['n_voices']} voices are"
    detail = f"{told} heard in {path}; if you know that there are two, set voices.n_speakers=2"
    raise ItemError(Reason.NOT_A_DYAD, detail)


def tell_two(
    recordings: list[dict[str, Any]], workspace: Workspace, config: DyadsConfig, detector: SpeechDetector
) -> Told:
    """A side a recording, as if they were the channels of one. Raises ItemError."""
    shared = shared_time(recordings, max_difference_s=config.max_difference_s)
    duration = shared.duration
    sounds = []
    for facts, zero in zip(recordings, shared.zeros, strict=True):
        (pcm,) = mono16k(workspace, facts["recording"], (None,), (zero, zero + duration))
        refuse_silence(pcm, facts["recording"]["path"], silence_dbfs=config.silence_dbfs)
        sounds.append(pcm)
    found = _by_channel(np.stack(sounds), detector)
    _refuse_channels(found, recordings, config)
    own = [
        own_activity(pcm, exact_spans(spans, Fraction(0), duration), duration)
        for pcm, spans in zip(sounds, found.segments, strict=True)
    ]
    activity = own[0], own[1]
    faces = _own_faces(recordings, workspace, shared, activity)
    return Told(shared, (None, None), activity, faces, True, "recordings", {"leak_db": list(found.leak_db)})


def _by_channel(pcm: Any, detector: SpeechDetector) -> Channels:
    from extractors.channels import channel_activity
    from extractors.speech import HOP

    probabilities = []
    for row in np.pad(pcm, ((0, 0), (0, -pcm.shape[1] % HOP))):
        detector.reset()
        probabilities.append(detector.feed(row))
    return channel_activity(pcm, np.stack(probabilities))


def _refuse_channels(found: Channels, recordings: list[dict[str, Any]], config: DyadsConfig) -> None:
    from extractors.channels import Finding

    paths = [one["recording"]["path"] for one in recordings]
    for what, side in found.findings:
        if what is Finding.DUAL_MONO:
            raise ItemError(Reason.CROSS_TALK, f"{paths[0]} and {paths[1]} hold one and the same sound")
        if what in (Finding.NO_SPEECH, Finding.SILENT_CHANNEL) and side is not None:
            raise ItemError(Reason.NO_SPEECH, f"nobody speaks of their own in {paths[side]}")
    for path, leak in zip(paths, found.leak_db, strict=True):
        if leak is not None and leak >= config.max_leak_db:
            detail = f"in {path} the other voice is {leak:+.1f} dB against where it belongs"
            raise ItemError(Reason.CROSS_TALK, detail)


def _own_faces(
    recordings: list[dict[str, Any]], workspace: Workspace, shared: Shared, activity: tuple[Spans, Spans]
) -> tuple[Face | None, Face | None]:
    """The face of each side in its own recording. Raises ItemError(CHANNELS_SWAPPED)."""
    faces: list[Face | None] = [None, None]
    motion: list[Motion] = []
    for side, (facts, zero) in enumerate(zip(recordings, shared.zeros, strict=True)):
        if "who" not in facts:
            continue
        shift = Fraction(facts["listen"]["start"]) - zero
        own = tuple((start - shift, stop - shift) for start, stop in activity[side])
        tables = facts["watch"]["tables"]
        face = only_face(own, read_faces(workspace.store, facts), tracks_of(workspace.store, tables[2]))
        if face is not None:
            faces[side] = face
            motion.append(mouth_motion(workspace.store, tables[1], face, -zero))
    if len(motion) == 2:
        _refuse_swapped(recordings, activity, (motion[0], motion[1]))
    return faces[0], faces[1]


def _refuse_swapped(
    recordings: list[dict[str, Any]], activity: tuple[Spans, Spans], faces: tuple[Motion, Motion]
) -> None:
    from extractors.channels import swapped

    follow = lips_follow(activity, faces)
    if follow is not None and swapped(follow, margin=SWAPPED_FROM):
        paths = [one["recording"]["path"] for one in recordings]
        told = f"the lips in {paths[0]} follow the voice in {paths[1]}, and the other way round"
        raise ItemError(Reason.CHANNELS_SWAPPED, told)
