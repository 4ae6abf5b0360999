"""What a probe is shown: dialogues as plain arrays, and a summary of each second of a face."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from extractors.coefficients import FACE61_NAMES, TRANSLATION
from extractors.groups import GROUPS, group_indices
from manifests.corpus_reader import CorpusReader
from synth.turns.record import read_turns
from synth.turns.streams import RATES_HZ, both_active, yield_labels

RATE_HZ = RATES_HZ["mimi"]
OTHER = 1
"""Number of the other speaker in `turns.json`, which has the main one first."""
MEMBERS = ("other.face61.npy", "other.face61_valid.npy", "turns.json")
"""What a sample of two streams must have."""

WINDOW_FRAMES = 12
"""Frames of 80 ms in a window: as many as are whole in 1 s."""
SUMMARIES = ("mean", "deviation", "change")
"""What is told of each channel of a window: its mean, its standard deviation, and the slope of the
least-squares line through it times the window's length."""


@dataclass(frozen=True)
class Dialogue:
    """A stretch of one conversation with one face, on Mimi's grid of 12.5 Hz.

    `face` (n, 61) as `face61`, of the person whose turn may end; `face_valid` (n,); `yields` (n,): that
    person gives up the floor within the horizon; `asked` (n,): frames in which that is a question at all.
    `without` (n, c): what is known without the face (voice activity of both, say), c may be 0. Both views of
    a dyad, and all clips of one conversation, have one `name`: they are never on both sides of the split.

    Raises ValueError for arrays that do not go together.
    """

    name: str
    face: NDArray[np.float32]
    face_valid: NDArray[np.bool_]
    yields: NDArray[np.bool_]
    asked: NDArray[np.bool_]
    without: NDArray[np.float32]

    def __post_init__(self) -> None:
        n_frames = len(self.face)
        if self.face.shape != (n_frames, len(FACE61_NAMES)):
            raise ValueError(f"dialogue {self.name}: face is {self.face.shape}, not (n, {len(FACE61_NAMES)})")
        for field in ("face_valid", "yields", "asked", "without"):
            array = getattr(self, field)
            if len(array) != n_frames:
                raise ValueError(f"dialogue {self.name}: {field} has {len(array)} frames, face {n_frames}")
        if self.without.ndim != 2:
            raise ValueError(f"dialogue {self.name}: `without` is {self.without.shape}, not (n, c)")


@dataclass(frozen=True)
class Frames:
    """Windows of all dialogues: `face` (m, 61 * 3), channel after channel of each summary in turn; `without`
    (m, c * 3); `yields` (m,); `dialogue` (m,), a number into `names`, which is sorted."""

    face: NDArray[np.float64]
    without: NDArray[np.float64]
    yields: NDArray[np.bool_]
    dialogue: NDArray[np.int64]
    names: tuple[str, ...]

    def only(self, keep: NDArray[np.bool_]) -> Frames:
        """Some of the windows; dialogues are numbered anew, those that have none left are dropped."""
        numbers, dialogue = np.unique(self.dialogue[keep], return_inverse=True)
        names = tuple(self.names[number] for number in numbers)
        return Frames(self.face[keep], self.without[keep], self.yields[keep], dialogue, names)


def face_columns(without_group: str | None = None, only_group: str | None = None) -> NDArray[np.int64]:
    """Columns of `Frames.face` of all channels, of all but a group's, or of a group's alone."""
    groups = group_indices("face61")
    chosen = sorted(
        channel
        for group in GROUPS
        for channel in groups[group]
        if group != without_group and only_group in (None, group)
    )
    return np.array([len(FACE61_NAMES) * part + one for part in range(len(SUMMARIES)) for one in chosen], int)


def make_frames(dialogues: Sequence[Dialogue], *, stride: int, zero_translation: bool) -> Frames:
    """Every `stride`-th frame that is asked about and ends a whole second of valid face.

    With `zero_translation` the head's place is 0 from the start: before the summaries, before any statistics,
    and alike in what a probe is fitted on and in what it is tested on.
    """
    names = tuple(sorted({one.name for one in dialogues}))
    number = {name: at for at, name in enumerate(names)}
    faces, withouts, labels, owners = [], [], [], []
    for one in dialogues:
        n_windows = len(one.face) - WINDOW_FRAMES + 1
        if n_windows <= 0:
            continue
        last = np.arange(WINDOW_FRAMES - 1, len(one.face))
        seen = sliding_window_view(one.face_valid, WINDOW_FRAMES).all(axis=1)
        keep = np.flatnonzero(seen & one.asked[last])[::stride]
        coefficients = one.face.astype(np.float64)
        if zero_translation:
            coefficients[:, TRANSLATION] = 0.0
        faces.append(summarise(coefficients, keep))
        withouts.append(summarise(one.without.astype(np.float64), keep))
        labels.append(one.yields[last[keep]])
        owners.append(np.full(len(keep), number[one.name], np.int64))
    if not faces:
        empty = np.zeros((0, len(FACE61_NAMES) * len(SUMMARIES)))
        return Frames(empty, empty[:, :0], np.zeros(0, bool), np.zeros(0, np.int64), ())
    face, without = np.concatenate(faces), np.concatenate(withouts)
    frames = Frames(face, without, np.concatenate(labels), np.concatenate(owners), names)
    return frames.only(np.ones(len(frames.yields), bool))


def summarise(values: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(len(starts), c * 3) of `values` (n, c): the `SUMMARIES` of the windows that begin at `starts`."""
    windows = sliding_window_view(values, WINDOW_FRAMES, axis=0)[starts]  # (m, c, window)
    mean = windows.mean(axis=2)
    time = np.arange(WINDOW_FRAMES) - (WINDOW_FRAMES - 1) / 2
    change = (windows - mean[..., None]) @ (time / (time**2).sum()) * WINDOW_FRAMES
    constant = windows.max(axis=2) == windows.min(axis=2)  # rounding must not make a still channel move
    deviation = np.where(constant, 0.0, windows.std(axis=2))
    change = np.where(constant, 0.0, change)
    mean = np.where(constant, windows[..., 0], mean)
    return np.concatenate([mean, deviation, change], axis=1)


def dialogues_of(corpus: CorpusReader) -> tuple[list[Dialogue], Counter[str]]:
    """Dialogues of a finished corpus of two streams, and how many samples lack which member.

    Asked of a sample is whether `other` gives up the floor, where `other` holds it: a dyad's two views ask
    that of both people, each with their own face. Known without the face is whether each of the two speaks.
    Raises RecordError for a `turns.json` that cannot be read.
    """
    found: list[Dialogue] = []
    without: Counter[str] = Counter()
    for shard in corpus.shards:
        for sample in corpus.samples(shard):
            lacking = next((member for member in MEMBERS if member not in sample), None)
            if lacking is not None:
                without[lacking] += 1
                continue
            face, valid, turns = (sample.read(member) for member in MEMBERS)
            annotation, _ = read_turns(turns)
            labels = yield_labels(annotation, RATE_HZ)
            name = sample.header.get("dialogue") or sample.header["source"]["id"]
            found.append(
                Dialogue(
                    name=str(name),
                    face=np.load(io.BytesIO(face), allow_pickle=False),
                    face_valid=np.load(io.BytesIO(valid), allow_pickle=False),
                    yields=labels.label,
                    asked=labels.valid & (labels.holder == OTHER),
                    without=both_active(annotation, RATE_HZ).astype(np.float32),
                )
            )
    return found, without
