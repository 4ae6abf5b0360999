"""The events that voice activity projection models are judged by, on frames of `vap_frame_hz`.

After ErikEkstedt/VoiceActivityProjection (vap/events.py): the same regions, all of them. What a trainer
samples from them (as many holds as shifts, a piece of each negative region) is left to it. The overlaps are
those of russelsa/mm-vap, after Roddy & Harte. Both rule sets are presets of `TurnParameters`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from synth.turns.parameters import TurnParameters
from synth.turns.times import frame_of

_ONLY_FIRST, _NOBODY, _BOTH, _ONLY_SECOND = range(4)
_ONLY = (_ONLY_FIRST, _ONLY_SECOND)
Active = NDArray[np.bool_]
"""(n, 2)."""


@dataclass(frozen=True)
class Region:
    """Frames [start, stop); `speaker`: who speaks next, or who gives the backchannel."""

    start: int
    stop: int
    speaker: int


@dataclass
class VapEvents:
    """Regions of frames, each list by speaker and time.

    `shift`, `hold`: mutual silence; `shift_metric`, `hold_metric`: the window in it that is judged; `long`:
    onset after a shift; `pred_shift`, `pred_hold`: end of the activity before; `backchannel`,
    `pred_backchannel`: before it; `pred_backchannel_neg`: where none comes; `overlap_shift`,
    `overlap_hold`: both speak, and afterwards the other, or the same one.
    """

    shift: list[Region] = field(default_factory=list)
    hold: list[Region] = field(default_factory=list)
    shift_metric: list[Region] = field(default_factory=list)
    hold_metric: list[Region] = field(default_factory=list)
    long: list[Region] = field(default_factory=list)
    pred_shift: list[Region] = field(default_factory=list)
    pred_hold: list[Region] = field(default_factory=list)
    backchannel: list[Region] = field(default_factory=list)
    pred_backchannel: list[Region] = field(default_factory=list)
    pred_backchannel_neg: list[Region] = field(default_factory=list)
    overlap_shift: list[Region] = field(default_factory=list)
    overlap_hold: list[Region] = field(default_factory=list)


@dataclass(frozen=True)
class _Islands:
    """Runs of the same state: where they start, how many frames they last, what they are."""

    start: NDArray[np.int64]
    length: NDArray[np.int64]
    state: NDArray[np.int64]

    def triads(self, *states: int) -> Iterator[int]:
        """Numbers of the first of three neighbouring runs with these states."""
        matches = np.ones(max(0, len(self.state) - 2), bool)
        for place, state in enumerate(states):
            matches &= self.state[place : place + len(matches)] == state
        return (int(number) for number in np.flatnonzero(matches))


@dataclass(frozen=True)
class _Scene:
    """What all rules look at: activity, the same with pauses filled, its runs, and the parameters."""

    active: Active
    filled: Active
    islands: _Islands
    parameters: TurnParameters
    last: int

    def frames(self, time: Fraction) -> int:
        """Whole frames, rounded down."""
        return frame_of(time, self.parameters.vap_frame_hz)

    def in_reach(self, frame: int) -> bool:
        """Whether an event may begin there."""
        return self.frames(self.parameters.vap_context_s) <= frame < self.last


def vap_events(active: Active, parameters: TurnParameters, *, stop_frame: int | None = None) -> VapEvents:
    """Events of (n, 2) activity at `vap_frame_hz`. None begins at `stop_frame` or after it.

    VAP itself looks at windows of 20 s and 2 s of horizon (`stop_frame` 1000). Raises ValueError for another
    shape.
    """
    if active.ndim != 2 or active.shape[1] != 2:
        raise ValueError(f"activity of two speakers has the shape (n, 2), not {active.shape}")
    events = VapEvents()
    if not len(active):
        return events
    last = len(active) if stop_frame is None else stop_frame
    islands = _islands(_states(active))
    scene = _Scene(active, _filled(active, islands), islands, parameters, last)
    for speaker in (0, 1):
        _shifts_and_holds(events, scene, speaker)
        _backchannels(events, scene, speaker)
        _negatives(events, scene, speaker)
        _overlaps(events, scene, speaker)
    return events


def _states(active: Active) -> NDArray[np.int64]:
    return np.asarray(2 * active[:, 1].astype(np.int64) - active[:, 0] + 1, np.int64)


def _islands(states: NDArray[np.int64]) -> _Islands:
    edges = np.flatnonzero(np.diff(states)) + 1
    start = np.concatenate([[0], edges]).astype(np.int64)
    return _Islands(start, np.diff(np.append(start, len(states))), states[start])


def _filled(active: Active, islands: _Islands) -> Active:
    """With silences between activity of the same speaker counted as activity."""
    filled = active.copy()
    for speaker in (0, 1):
        for number in islands.triads(_ONLY[speaker], _NOBODY, _ONLY[speaker]):
            filled[islands.start[number + 1] : islands.start[number + 2], speaker] = True
    return filled


def _shifts_and_holds(events: VapEvents, scene: _Scene, speaker: int) -> None:
    """Silences after which `speaker` speaks."""
    parameters, frames = scene.parameters, scene.frames
    pad, metric = frames(parameters.vap_metric_pad_s), frames(parameters.vap_metric_s)
    for before in (0, 1):
        held = before == speaker
        found = (events.hold, events.hold_metric) if held else (events.shift, events.shift_metric)
        for number in scene.islands.triads(_ONLY[before], _NOBODY, _ONLY[speaker]):
            start, onset = int(scene.islands.start[number + 1]), int(scene.islands.start[number + 2])
            if not scene.in_reach(start):
                continue
            if not _silence_fits(scene, onset - start) or not _solo(scene, (start, onset), before, speaker):
                continue
            found[0].append(Region(start, onset, speaker))
            found[1].append(Region(start + pad, start + pad + metric, speaker))
            if not held and scene.islands.length[number + 2] >= frames(parameters.vap_onset_min_s):
                events.long.append(Region(onset, onset + frames(parameters.vap_onset_s), speaker))
            ahead = start - frames(parameters.vap_prediction_s)
            if scene.islands.start[number] <= ahead and ahead >= frames(parameters.vap_context_s):
                (events.pred_hold if held else events.pred_shift).append(Region(ahead, start, speaker))


def _silence_fits(scene: _Scene, n_frames: int) -> bool:
    parameters, frames = scene.parameters, scene.frames
    longest = parameters.vap_silence_max_s
    return n_frames >= frames(parameters.vap_silence_min_s) and (
        longest is None or n_frames <= frames(longest)
    )


def _solo(scene: _Scene, silence: tuple[int, int], before: int, after: int) -> bool:
    """Whether only the one speaks before the silence and only the other after it."""
    parameters, frames = scene.parameters, scene.frames
    pre, post = frames(parameters.vap_pre_s), frames(parameters.vap_post_s)
    ahead = scene.filled[max(0, silence[0] - pre) : silence[0]]
    behind = scene.filled[silence[1] : silence[1] + post]
    if not parameters.vap_solo_throughout:
        return not (ahead.any(axis=0).all() or behind.any(axis=0).all())
    return bool(
        ahead[:, before].sum() == pre
        and not ahead[:, 1 - before].any()
        and behind[:, after].sum() == post
        and not behind[:, 1 - after].any()
    )


def _backchannels(events: VapEvents, scene: _Scene, speaker: int) -> None:
    parameters, frames = scene.parameters, scene.frames
    runs = _islands(scene.filled[:, speaker].astype(np.int64))
    context = parameters.backchannel_context_s
    for number in runs.triads(0, 1, 0):
        start, stop = int(runs.start[number + 1]), int(runs.start[number + 2])
        if not scene.in_reach(start):
            continue
        if (
            stop - start > frames(parameters.backchannel_max_s)
            or runs.length[number] < frames(parameters.backchannel_before_s)
            or runs.length[number + 2] < frames(parameters.backchannel_after_s)
        ):
            continue
        other = scene.active[:, 1 - speaker]
        if context is not None and not other[max(0, start - frames(context)) : start].any():
            continue
        if (
            context is not None
            and parameters.backchannel_context_after
            and not other[stop : stop + frames(context)].any()
        ):
            continue
        events.backchannel.append(Region(start, stop, speaker))
        ahead = start - frames(parameters.vap_prediction_s)
        if ahead >= frames(parameters.vap_context_s):
            events.pred_backchannel.append(Region(ahead, start, speaker))


def _negatives(events: VapEvents, scene: _Scene, speaker: int) -> None:
    """Where `speaker` gives no backchannel soon: well inside activity of the other alone."""
    parameters, frames = scene.parameters, scene.frames
    before, after = frames(parameters.vap_negative_before_s), frames(parameters.vap_negative_after_s)
    islands = _islands(_states(scene.filled))
    for number in np.flatnonzero(islands.state == _ONLY[1 - speaker]):
        if islands.length[number] < before + after:
            continue
        start = max(int(islands.start[number]) + before, frames(parameters.vap_context_s))
        stop = min(int(islands.start[number] + islands.length[number]) - after, scene.last)
        if stop - start >= frames(parameters.vap_prediction_s):
            events.pred_backchannel_neg.append(Region(start, stop, speaker))


def _overlaps(events: VapEvents, scene: _Scene, speaker: int) -> None:
    """Overlaps after which `speaker` speaks alone."""
    parameters, frames = scene.parameters, scene.frames
    pre, post = frames(parameters.vap_overlap_pre_s), frames(parameters.vap_overlap_post_s)
    for before in (0, 1):
        for number in scene.islands.triads(_ONLY[before], _BOTH, _ONLY[speaker]):
            start, stop = int(scene.islands.start[number + 1]), int(scene.islands.start[number + 2])
            if not scene.in_reach(start):
                continue
            held = before == speaker
            if held and stop - start > frames(parameters.vap_overlap_max_s):
                continue
            if not held and stop - start < frames(parameters.vap_overlap_min_s):
                continue
            ahead = scene.active[max(0, start - pre) : start, before]
            behind = scene.active[stop : stop + post]
            if ahead.all() and not behind.any(axis=0).all():
                (events.overlap_hold if held else events.overlap_shift).append(Region(start, stop, speaker))
