"""Labels on a frame grid: who is active, where turns and backchannels start, when the floor is given up.

Frame k at rate r covers [k/r, (k+1)/r) seconds; an event lies in frame floor(t * r), computed exactly. The
grids of the field are 12.5 Hz (Mimi), 25 Hz (video, AV-Dialog) and 50 Hz (VAP); any other rational will do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from synth.turns.model import Annotation, NotADyadError, Turn, TurnKind
from synth.turns.times import Spans, frame_count, frame_of

RATES_HZ = {"mimi": Fraction(25, 2), "av_dialog": Fraction(25), "vap": Fraction(50)}


class TurnToken(IntEnum):
    """AV-Dialog's turn tokens (arXiv 2511.11124), in this project's numbering."""

    EMP = 0
    SOT = 1
    SOB = 2

    @property
    def text(self) -> str:
        """As the paper writes it."""
        return f"<{self.name}>"


def activity_frames(spans: Spans, n_frames: int, rate_hz: Fraction | int) -> NDArray[np.bool_]:
    """(n_frames,) whether each frame is active: those from the frame of the start to that of the stop.

    Both borders are rounded down, as VAP's own loader means to do (`vad_list_to_onehot`), so that spans keep
    their length on average. A span that begins and ends in one frame leaves no trace.
    """
    active = np.zeros(n_frames, bool)
    for start, stop in spans:
        active[frame_of(start, rate_hz) : frame_of(stop, rate_hz)] = True
    return active


def both_active(annotation: Annotation, rate_hz: Fraction | int) -> NDArray[np.bool_]:
    """(n_frames, 2) of a dyad's IPUs. Raises NotADyadError for others."""
    require_dyad(annotation)
    n_frames = frame_count(annotation.duration, rate_hz)
    return np.stack([activity_frames(own, n_frames, rate_hz) for own in annotation.ipus], axis=1)


def require_dyad(annotation: Annotation) -> None:
    """Raise NotADyadError unless there are exactly two speakers."""
    if len(annotation.speakers) != 2:
        raise NotADyadError(
            f"two streams are made of two speakers, and there are {len(annotation.speakers)}: "
            f"{', '.join(annotation.speakers)}; choose two of them, or leave the others out"
        )


@dataclass(frozen=True)
class TurnTokens:
    """Of one speaker: `tokens` (n_frames,) uint8 of `TurnToken`.

    `displaced`: numbers of the turns whose frame another start of the same speaker already holds.
    """

    tokens: NDArray[np.uint8]
    displaced: tuple[int, ...]


def turn_tokens(annotation: Annotation, speaker: int, rate_hz: Fraction | int) -> TurnTokens:
    """`<SOT>` in the frame where a turn starts, `<SOB>` where a backchannel does, `<EMP>` elsewhere.

    Turns within another's turn are turns here. Of two starts in one frame a turn goes before a backchannel,
    and of equals the earlier one.
    """
    tokens = np.zeros(frame_count(annotation.duration, rate_hz), np.uint8)
    displaced = []
    own = [(number, turn) for number, turn in enumerate(annotation.turns) if turn.speaker == speaker]
    for number, turn in sorted(own, key=lambda one: one[1].kind is TurnKind.BACKCHANNEL):
        at = frame_of(turn.start, rate_hz)
        if tokens[at]:
            displaced.append(number)
        else:
            tokens[at] = TurnToken.SOB if turn.kind is TurnKind.BACKCHANNEL else TurnToken.SOT
    return TurnTokens(tokens, tuple(displaced))


@dataclass(frozen=True)
class YieldLabels:
    """Whether who holds the floor at the end of each frame gives it up within the horizon.

    `label` (n,) bool; `valid` (n,) bool: false where nobody holds the floor, and where the recording ends
    before the answer is known; `holder` (n,) int8, number of the speaker, -1: nobody.
    """

    label: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    holder: NDArray[np.int8]


def yield_labels(annotation: Annotation, rate_hz: Fraction | int) -> YieldLabels:
    """Turn-yield labels with the horizon `yield_horizon_s` ("Making Spoken Dialogue Models See the Face").

    A turn holds the floor from its start to its stop, its pauses included; while two do, the earlier one
    does. It is given up when the turn stops and another speaker's is the next to take the floor. What is
    known at the end of frame k, (k+1) / rate, is what the label of frame k may be predicted from: it is true
    if the turn stops after that and no later than the horizon from there.
    """
    n_frames = frame_count(annotation.duration, rate_hz)
    labels = YieldLabels(np.zeros(n_frames, bool), np.zeros(n_frames, bool), np.full(n_frames, -1, np.int8))
    given_up = {one.before for one in annotation.transfers}
    floor = annotation.floor()
    free_from = 0
    for number in floor:
        turn = annotation.turns[number]
        # frames whose end lies in [start, stop)
        first = max(free_from, -(-turn.start * rate_hz // 1) - 1)
        stop = min(n_frames, -(-turn.stop * rate_hz // 1) - 1)
        free_from = max(free_from, stop)
        held = slice(first, stop)
        labels.holder[held] = turn.speaker
        near = max(first, _first_near(turn, annotation.parameters.yield_horizon_s, rate_hz))
        labels.valid[held] = True
        if number in given_up:
            labels.label[near:stop] = True
        elif number == floor[-1]:
            labels.valid[near:stop] = False  # it may be given up after the end
    return labels


def _first_near(turn: Turn, horizon_s: Fraction, rate_hz: Fraction | int) -> int:
    """First frame whose end is at most the horizon before the turn's stop."""
    return max(0, int(-(-(turn.stop - horizon_s) * rate_hz // 1)) - 1)
