"""Segmentation: words or stretches of speech, never cut, gathered into chunks of limited length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor

import numpy as np
from numpy.typing import NDArray

from extractors.words import Word

MAX_CHUNK_S = 15.0
MIN_SILENCE_S = 0.4
"""MuAViC and LRS3: a chunk longer than 15 s is split at silences of at least 0.4 s."""


@dataclass(frozen=True)
class Chunk:
    """Half-open [start_s, stop_s), holding the units [first, stop) of those that were given."""

    start_s: float
    stop_s: float
    first: int
    stop: int
    forced: bool = False
    """It ends at a pause shorter than asked for, since none was long enough within the limit."""


@dataclass(frozen=True)
class Chunks:
    """Chunks in order, and the units (by number) that are in none: longer than a chunk may be."""

    chunks: list[Chunk] = field(default_factory=list)
    too_long: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Atom:
    """Units [first, stop) that overlap, and so stay together: [start_s, stop_s) is what they cover."""

    start_s: float
    stop_s: float
    first: int
    stop: int


def chunk_units(
    units: Sequence[tuple[float, float]],
    *,
    max_chunk_s: float = MAX_CHUNK_S,
    min_silence_s: float = MIN_SILENCE_S,
    max_pause_s: float | None = None,
    pad_s: float = 0.0,
) -> Chunks:
    """Gather `units` (start_s, stop_s), sorted by start, into chunks of at most `max_chunk_s`.

    What is short enough stays whole. Longer runs are cut at pauses of at least `min_silence_s` into as few
    chunks as there can be; where there is no such pause within the limit, at the longest ones (`forced`);
    never inside a unit. A pause longer than `max_pause_s` always ends a chunk. Each chunk is widened by up
    to `pad_s` on either side, within the limit, above zero and half way to the neighbour's units at most.
    Raises ValueError for units that are unsorted or end before they start.
    """
    if not max_chunk_s > 0:
        raise ValueError(f"max_chunk_s must be above 0, not {max_chunk_s}")
    atoms = atoms_of(units)
    fitting: list[Atom] = []
    long: list[Atom] = []
    for one in atoms:
        (fitting if one.stop_s - one.start_s <= max_chunk_s else long).append(one)
    too_long = [number for one in long for number in range(one.first, one.stop)]
    chunks: list[Chunk] = []
    for run in _runs(fitting, max_pause_s):
        at = 0
        for stop in _cuts(run, max_chunk_s=max_chunk_s, min_silence_s=min_silence_s):
            low, high = run[at], run[stop - 1]
            forced = stop < len(run) and run[stop].start_s - high.stop_s < min_silence_s
            chunks.append(Chunk(low.start_s, high.stop_s, low.first, high.stop, forced))
            at = stop
    return Chunks(_padded(chunks, atoms, pad_s=pad_s, max_chunk_s=max_chunk_s), too_long)


def chunk_words(words: Sequence[Word], **limits: float) -> Chunks:
    """`chunk_units` of words; words that are spoken at once (two voices) stay together."""
    return chunk_units([(word.start_s, word.end_s) for word in words], **limits)


def chunk_speech(
    segments: Sequence[tuple[float, float]],
    speech: NDArray[np.float32],
    *,
    hop_s: float,
    max_chunk_s: float = MAX_CHUNK_S,
    **limits: float,
) -> Chunks:
    """`chunk_units` of stretches of speech, where no words are known.

    A stretch that is too long is cut where speech is least likely. Times and `speech` (one probability a hop
    of `hop_s`) share their zero; `first` and `stop` of the chunks count the stretches after that cutting.
    """
    units = [
        piece for one in segments for piece in split_long(one, speech, hop_s=hop_s, max_chunk_s=max_chunk_s)
    ]
    return chunk_units(units, max_chunk_s=max_chunk_s, **limits)


def split_long(
    stretch: tuple[float, float], speech: NDArray[np.float32], *, hop_s: float, max_chunk_s: float
) -> list[tuple[float, float]]:
    """Cut a stretch where speech is least likely in the second half of what may remain (latest of equals)."""
    start, stop = stretch
    pieces = []
    while stop - start > max_chunk_s:
        low, high = round((start + max_chunk_s / 2) / hop_s), floor((start + max_chunk_s) / hop_s)
        if low >= min(high, len(speech)):  # beyond what was heard
            pieces.append((start, start + max_chunk_s))
            start += max_chunk_s
            continue
        high = min(high, len(speech))
        cut = (high - 1 - int(np.argmin(speech[low:high][::-1]))) * hop_s
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, stop)]


def atoms_of(units: Sequence[tuple[float, float]]) -> list[Atom]:
    """Sorted units gathered where they overlap. Raises ValueError for others."""
    atoms: list[Atom] = []
    for number, (start, stop) in enumerate(units):
        if stop < start:
            raise ValueError(f"unit {number} ends at {stop} s before it starts at {start} s")
        if number and start < units[number - 1][0]:
            raise ValueError(f"unit {number} starts before the one in front of it: sort them")
        if atoms and start < atoms[-1].stop_s:
            last = atoms[-1]
            atoms[-1] = Atom(last.start_s, max(last.stop_s, stop), last.first, number + 1)
        else:
            atoms.append(Atom(start, stop, number, number + 1))
    return atoms


def _runs(atoms: list[Atom], max_pause_s: float | None) -> list[list[Atom]]:
    """Atoms that may share a chunk: nothing left out between them, no pause that always ends one."""
    runs: list[list[Atom]] = []
    for one in atoms:
        last = runs[-1][-1] if runs else None
        apart = last is None or last.stop != one.first
        if apart or (last and max_pause_s is not None and one.start_s - last.stop_s > max_pause_s):
            runs.append([one])
        else:
            runs[-1].append(one)
    return runs


def _cuts(run: list[Atom], *, max_chunk_s: float, min_silence_s: float) -> list[int]:
    """Where the chunks of a run stop, as numbers of atoms: the best path over all the places to cut.

    Costs, in this order and in whole milliseconds: what the pauses lack, how many chunks, the pauses' sum
    (more is better).
    """
    best: list[tuple[tuple[int, int, int], int]] = [((0, 0, 0), 0)]  # of the first n atoms: cost, last cut
    for stop in range(1, len(run) + 1):
        paths = []
        for cut in range(stop - 1, -1, -1):
            if run[stop - 1].stop_s - run[cut].start_s > max_chunk_s:
                break
            (lack, number, pauses), _ = best[cut]
            if cut:
                pause_s = run[cut].start_s - run[cut - 1].stop_s
                lack += max(0, round(1000 * (min_silence_s - pause_s)))
                pauses -= round(1000 * pause_s)
            paths.append(((lack, number + 1, pauses), cut))
        best.append(min(paths))
    stops = [len(run)]
    while best[stops[-1]][1]:
        stops.append(best[stops[-1]][1])
    return stops[::-1]


def _padded(chunks: list[Chunk], atoms: list[Atom], *, pad_s: float, max_chunk_s: float) -> list[Chunk]:
    """Widened chunks; what a chunk may not reach into are the units of its neighbours, kept or too long."""
    if not pad_s:
        return chunks
    starts = {one.first: one.start_s for one in atoms}
    stops = {one.stop: one.stop_s for one in atoms}
    found = []
    for one in chunks:
        room = (max_chunk_s - (one.stop_s - one.start_s)) / 2
        before = one.start_s if one.first not in stops else (one.start_s - stops[one.first]) / 2
        after = pad_s if one.stop not in starts else (starts[one.stop] - one.stop_s) / 2
        low, high = (max(0.0, min(pad_s, room, limit)) for limit in (before, after))
        found.append(Chunk(one.start_s - low, one.stop_s + high, one.first, one.stop, one.forced))
    return found
