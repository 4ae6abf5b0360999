"""Who is who from frame to frame: boxes and embeddings joined to tracks, each of one person.

Boxes alone cannot tell that another person has come to stand where the first one stood. So a track is
looked at again and again; rows of a track are final only after the next look.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from extractors.embedding import FaceEmbedder, is_recognisable
from extractors.landmarks import Face
from extractors.tracks import Box, Track, iou, overlaps

_MAX_LOOKS = 3
_MAX_EMBEDDINGS = 64

Row = tuple[int, int, int]
"""Frame number, index of the face in that frame, track number."""


@dataclass(eq=False)
class _Seen:
    """One face of one frame."""

    frame: int
    box: Box
    quality: float
    chip: NDArray[np.uint8] | None
    """None where the face is too small or turned too far to tell who it is."""
    embedding: NDArray[np.float32] | None = None
    track: Track | None = None
    """None until it is settled."""


@dataclass(eq=False)
class _Followed:
    """A face that is followed now."""

    track: Track
    last: _Seen
    due: int
    """The frame from which on it is looked at."""
    settled_box: Box
    pending: list[_Seen] = field(default_factory=list)
    doubts: list[_Seen] = field(default_factory=list)
    """Looks since the last good one that showed somebody else."""

    def look_now(self, frame: int) -> None:
        """Bring the next look forward; a second look after a doubtful one keeps its distance."""
        self.due = self.due if self.doubts else frame


class Follower:
    """Follows the faces of one video. Rows come out in the order of frames, each face exactly once.

    A face joins the track whose box it overlaps by at least `iou`. Where that leaves a choice, and where a
    face has moved further but still touches its last box, the embedding decides. A track that is not seen
    for more than `gap_frames` frames ends; shorter gaps belong to it. Defaults as SyncNet and TalkNet track.

    A track is looked at every `check_every` frames, when it comes back from a gap, and where the choice was
    open. When its face is not that of the track for more than `gap_frames` frames (less is taken for a hand
    or a blur), it is split at the frame where that began, found by bisection. A swap that is undone within
    `check_every` frames may go unseen. Without an `embedder`, boxes alone decide.

    Rows of at most `check_every + 4 * (gap_frames + 1)` frames wait, with one chip a face.
    """

    def __init__(
        self,
        embedder: FaceEmbedder | None,
        *,
        iou: float = 0.5,
        gap_frames: int = 10,
        check_every: int = 25,
    ) -> None:
        self._embedder = embedder
        self._iou = iou
        self._gap = gap_frames
        self._check_every = check_every
        self._live: list[_Followed] = []
        self._frames: deque[tuple[int, list[_Seen]]] = deque()
        self._shot = 0
        self.tracks: list[Track] = []
        """All tracks that rows were given out for, by number; complete after `finish`."""
        self.n_embedded = 0
        """Faces embedded so far: what following costs."""

    def update(
        self, number: int, image: NDArray[np.uint8], faces: Sequence[Face], qualities: Sequence[float]
    ) -> list[Row]:
        """Rows that this frame has made final. Frame numbers must grow.

        `image` (H, W, 3) RGB; `qualities` are those of `extractors.portraits` for each face.
        """
        seen = [self._seen(number, image, *pair) for pair in zip(faces, qualities, strict=True)]
        self._frames.append((number, seen))
        for followed in [one for one in self._live if number - one.last.frame > self._gap + 1]:
            self._end(followed)
        joined = self._associate(seen)
        for index, face in enumerate(seen):
            followed = joined.get(index) or self._begin(face)
            followed.last = face
            followed.pending.append(face)
        for followed in list(self._live):
            if number >= followed.due and followed.pending:
                self._look(followed, number)
        return self._final()

    def cut(self) -> list[Row]:
        """A new shot begins with the next frame: every track ends. Returns the rows of the old one."""
        for followed in list(self._live):
            self._end(followed)
        self._shot += 1
        return self._final()

    def finish(self) -> list[Row]:
        """The rows that are left. No frame may follow."""
        return self.cut()

    def _seen(self, number: int, image: NDArray[np.uint8], face: Face, quality: float) -> _Seen:
        chip = None
        if self._embedder is not None and is_recognisable(face):
            chip = self._embedder.chip(image, face.landmarks)
        return _Seen(number, face.box, quality, chip)

    def _begin(self, face: _Seen) -> _Followed:
        followed = _Followed(Track(self._shot), face, face.frame, face.box)
        self._live.append(followed)
        return followed

    def _associate(self, seen: list[_Seen]) -> dict[int, _Followed]:
        """Index of a face -> what it continues. Faces that are missing there are new."""
        shared = overlaps([one.last.box for one in self._live], [face.box for face in seen])
        strong = shared >= self._iou
        clear = strong & (strong.sum(axis=0) == 1) & (strong.sum(axis=1, keepdims=True) == 1)
        joined: dict[int, _Followed] = {}
        for row, index in np.argwhere(clear).tolist():
            followed = joined[index] = self._live[row]
            if seen[index].frame > followed.last.frame + 1:
                followed.look_now(seen[index].frame)
        open_pairs = (shared > 0) & ~clear.any(axis=0) & ~clear.any(axis=1, keepdims=True)
        ranked = []
        for row, index in np.argwhere(open_pairs).tolist():
            away = self._distance(seen[index], self._live[row].track)
            if away is not None and self._embedder is not None and away < self._embedder.same_below:
                ranked.append((0, away, row, index))
            elif strong[row, index]:
                ranked.append((1, -float(shared[row, index]), row, index))
        for _, _, row, index in sorted(ranked):
            if index not in joined and self._live[row] not in joined.values():
                joined[index] = self._live[row]
                joined[index].look_now(seen[index].frame)
        return joined

    def _look(self, followed: _Followed, number: int) -> None:
        """Settle what is known to be one person; split the track once it is known not to be."""
        looked = next((face for face in reversed(followed.pending) if face.chip is not None), None)
        if looked is None:
            self._settle(followed, len(followed.pending))
            followed.due = number + 1
            return
        followed.due = looked.frame + self._check_every
        if looked in followed.doubts:
            self._settle(followed, len(followed.pending))
        elif self._is_same(looked, followed.track):
            self._accept(followed.track, looked)
            self._settle(followed, followed.pending.index(looked) + 1)
        elif self._is_swap(followed, looked):
            self._split(followed, self._first_departed(followed, looked))
            self._accept(followed.track, looked)
            self._settle(followed, followed.pending.index(looked) + 1)
        elif len(followed.doubts) == _MAX_LOOKS:
            self._settle(followed, len(followed.pending))
        else:
            followed.doubts.append(looked)
            followed.due = number + self._gap + 1

    def _is_swap(self, followed: _Followed, looked: _Seen) -> bool:
        """Whether an earlier look, more than a gap ago, saw the same other person."""
        assert self._embedder is not None
        return any(
            looked.frame - doubt.frame > self._gap
            and float(np.linalg.norm(self._embedded(looked) - self._embedded(doubt)))
            < self._embedder.same_below
            for doubt in followed.doubts
        )

    def _end(self, followed: _Followed) -> None:
        """Stop following. What departed within the last frames is split off if it is longer than a gap."""
        self._live.remove(followed)
        looked = next((face for face in reversed(followed.pending) if face.chip is not None), None)
        if looked is not None:
            if self._is_same(looked, followed.track):
                self._accept(followed.track, looked)
            else:
                first = self._first_departed(followed, looked)
                if looked.frame - followed.pending[first].frame > self._gap:
                    self._split(followed, first)
                    self._accept(followed.track, looked)
        self._settle(followed, len(followed.pending))

    def _first_departed(self, followed: _Followed, looked: _Seen) -> int:
        """Index of the first pending face that is another person's, as `looked` is.

        Faces between the last good and the first other one cannot be told: there the boxes say where.
        """
        pending = followed.pending
        known = [index for index, face in enumerate(pending) if face.chip is not None]
        known = known[: known.index(pending.index(looked)) + 1]
        place = bisect_left(
            known,
            True,
            hi=len(known) - 1,
            key=lambda index: not self._is_same(pending[index], followed.track),
        )
        first = known[place - 1] + 1 if place else 0
        boxes = [followed.settled_box, *(face.box for face in pending)]
        return min(range(first, known[place] + 1), key=lambda index: iou(boxes[index], boxes[index + 1]))

    def _split(self, followed: _Followed, first: int) -> None:
        """Give the pending faces before `first` to the old track and go on with a new one."""
        self._settle(followed, first)
        followed.track = Track(self._shot)

    def _settle(self, followed: _Followed, count: int) -> None:
        """The first `count` pending faces belong to the track."""
        for face in followed.pending[:count]:
            face.track, face.chip, face.embedding = followed.track, None, None
            followed.track.add(face.frame, face.quality)
            followed.settled_box = face.box
        followed.pending = followed.pending[count:]
        followed.doubts = []

    def _accept(self, track: Track, face: _Seen) -> None:
        track.embed(face.frame, self._embedded(face), keep=_MAX_EMBEDDINGS)

    def _is_same(self, face: _Seen, track: Track) -> bool:
        """Whether the face is that of the track, as far as the track is known."""
        away = self._distance(face, track)
        return away is None or self._embedder is None or away < self._embedder.same_below

    def _distance(self, face: _Seen, track: Track) -> float | None:
        """Root mean square distance to the track's embeddings; None where either has none."""
        if face.chip is None or not len(track.embeddings):
            return None
        return float(np.sqrt(((track.embeddings - self._embedded(face)) ** 2).sum(axis=1).mean()))

    def _embedded(self, face: _Seen) -> NDArray[np.float32]:
        assert self._embedder is not None and face.chip is not None
        if face.embedding is None:
            face.embedding = self._embedder.embed(face.chip)
            self.n_embedded += 1
        return face.embedding

    def _final(self) -> list[Row]:
        """Rows of the oldest frames, as long as all their faces are settled."""
        rows: list[Row] = []
        while self._frames and all(face.track is not None for face in self._frames[0][1]):
            number, seen = self._frames.popleft()
            for index, face in enumerate(seen):
                assert face.track is not None
                if face.track.number < 0:
                    face.track.number = len(self.tracks)
                    self.tracks.append(face.track)
                rows.append((number, index, face.track.number))
        return rows
