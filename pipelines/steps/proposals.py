"""Proposals: which stretches of a source might become clips, and of whom. Judged later, in `limits`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from pipelines.select_section import SelectConfig
from pipelines.steps.chunks import face_runs
from pipelines.steps.listen import HOP_S
from pipelines.steps.seen import Seen

TELL_S = 0.5
"""Speech that belongs to no visible face is told when it is at least so long; less is an edge of a turn."""


@dataclass(frozen=True)
class Proposal:
    """A stretch on the source's timeline, seconds. `asked` says whether `who` was asked whose speech it is.

    `track` None and `asked`: nobody in the picture. `track` None and not `asked`: whoever is seen most.
    `speaking_share` is the share of the speech during which the face is seen to speak, `margin` by how much
    its score leads that of the next face. `whole`: a piece of a recording that is taken as it is, not a
    stretch in which somebody speaks.
    """

    start_s: float
    stop_s: float
    track: int | None = None
    asked: bool = False
    speaking_share: float | None = None
    margin: float | None = None
    whole: bool = False


@dataclass(frozen=True)
class Speech:
    """Voice activity of a source: `segments` on its timeline, and `probability` a hop from `zero_s` on.

    `words`: their spans on the timeline, sorted, each within a segment; none where they are not told.
    """

    segments: list[tuple[float, float]]
    probability: NDArray[np.float32]
    zero_s: float
    words: tuple[tuple[float, float], ...] = ()


def speech_of(
    probability: NDArray[np.float32],
    zero_s: float,
    config: SelectConfig,
    words: Sequence[tuple[float, float]] = (),
) -> Speech:
    """Segments of speech by the limits of the config, and where a word (seconds from `zero_s`) is told."""
    from extractors.speech import speech_segments

    segments = speech_segments(
        probability,
        threshold=config.speech_threshold,
        min_speech_s=config.min_speech_s,
        min_silence_s=config.min_silence_s,
        pad_s=config.pad_s,
        hop_s=HOP_S,
    )
    heard = [(zero_s + start, zero_s + stop) for start, stop in segments]
    end_s = len(probability) * HOP_S
    told = []
    for start, stop in words:
        if start < end_s and stop >= 0:  # a word lasts a hop at least, and lies where there is sound
            begin = max(0.0, min(start, end_s - HOP_S))
            told.append((zero_s + begin, zero_s + min(max(stop, begin + HOP_S), end_s)))
    return Speech(_union([*heard, *told]), probability, zero_s, tuple(told))


def _union(spans: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Sorted and disjoint; a word that voice activity missed is speech as well."""
    merged: list[tuple[float, float]] = []
    for start, stop in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged


def propose(speech: Speech | None, seen: Seen | None, config: SelectConfig) -> list[Proposal]:
    """Speech, of the face that speaks it; or, where a preset needs none, stretches with a face."""
    found: list[Proposal] = []
    if speech is not None and seen is not None and seen.scores is not None:
        found = _of_speakers(speech, seen, config)
    elif speech is not None:
        cuts = seen.shot_starts_s[1:] if seen is not None else np.zeros(0)
        for chunk in _chunks(speech.segments, speech, config):
            found.extend(Proposal(*piece) for piece in _split_at(chunk, cuts))
    if not found and not config.need_audio and seen is not None:
        for start, stop in seen.shots_s:
            here = np.unique(seen.face_s[(seen.face_s >= start) & (seen.face_s < stop)])
            runs = face_runs(here, max_gap_s=config.max_face_gap_s, max_chunk_s=config.max_chunk_s)
            found.extend(Proposal(*run) for run in runs)
    return found


def _chunks(
    segments: Sequence[tuple[float, float]], speech: Speech, config: SelectConfig
) -> list[tuple[float, float]]:
    """Words, and segments in which none is told, gathered into chunks (`extractors.segmentation`)."""
    from extractors.segmentation import atoms_of, chunk_units, split_long

    units: list[tuple[float, float]] = []
    for start, stop in segments:
        inside = [word for word in speech.words if start <= (word[0] + word[1]) / 2 < stop]
        units += inside or [(start, stop)]
    zero_s = speech.zero_s
    units = sorted((start - zero_s, stop - zero_s) for start, stop in units)
    fitting = []
    for atom in atoms_of(units):
        span = atom.start_s, atom.stop_s
        if atom.stop_s - atom.start_s <= config.max_chunk_s:
            fitting += units[atom.first : atom.stop]
        else:  # longer than a clip may be, also people who never stop talking into each other: cut anyway
            fitting += split_long(span, speech.probability, hop_s=HOP_S, max_chunk_s=config.max_chunk_s)
    found = chunk_units(
        fitting,
        max_chunk_s=config.max_chunk_s,
        min_silence_s=config.min_silence_s,
        max_pause_s=config.max_pause_s,
        pad_s=config.pad_s if speech.words else 0.0,  # segments of speech are padded already
    )
    assert not found.too_long
    return [(zero_s + one.start_s, zero_s + one.stop_s) for one in found.chunks]


def _split_at(chunk: tuple[float, float], cuts: NDArray[np.float64]) -> list[tuple[float, float]]:
    start, stop = chunk
    edges = [start, *cuts[(cuts > start) & (cuts < stop)].tolist(), stop]
    return list(pairwise(edges))


def _of_speakers(speech: Speech, seen: Seen, config: SelectConfig) -> list[Proposal]:
    """Turns of each track, joined and cut like speech; and the speech of nobody that is seen."""
    from extractors.speaking import TrackScores, Turn, assign

    assert seen.scores is not None
    first_s = float(seen.frame_s[0])
    tracks = [
        TrackScores(track, first_s + ticks[0] / TICK_HZ, scores)
        for track, (ticks, scores) in sorted(seen.scores.items())
    ]
    of_track: dict[int | None, list[Turn]] = {}
    for turn in assign(speech.segments, tracks):
        of_track.setdefault(turn.track, []).append(turn)
        for over in turn.overlaps:  # who speaks into another's turn speaks, too
            own = replace(turn, start_s=over.start_s, stop_s=over.stop_s, track=over.track, share=1.0)
            of_track.setdefault(over.track, []).append(own)
    found = []
    for track, mine in of_track.items():
        mine.sort(key=lambda turn: turn.start_s)
        for start, stop in _chunks([(turn.start_s, turn.stop_s) for turn in mine], speech, config):
            if track is None:
                found.append(Proposal(start, stop, asked=True))
                continue
            inside = [turn for turn in mine if turn.start_s < stop and turn.stop_s > start]
            lengths = np.array([min(stop, one.stop_s) - max(start, one.start_s) for one in inside])
            margins = [one.margin for one in inside if one.margin is not None]
            low, high = seen.shot_of(track)
            found.append(
                Proposal(
                    max(start, low),
                    min(stop, high),
                    track,
                    asked=True,
                    speaking_share=float(np.average([one.share for one in inside], weights=lengths)),
                    margin=float(np.mean(margins)) if margins else None,
                )
            )
    told = [one for one in found if one.track is not None or one.stop_s - one.start_s >= TELL_S]
    return sorted(told, key=lambda one: (one.start_s, one.track is None, one.track or 0))
