"""Near-duplicates: a hash of what a sample sounds like, one of what its face looks like, and pairs of them.

Sound: pairs of spectral peaks (Wang, "An Industrial-Strength Audio Search Algorithm", ISMIR 2003), their set
reduced to a min-hash signature (Broder 1997). Faces: signs of the low frequencies of the cosine transform
(pHash, Zauner 2010) of five frames. Bands of either bring together what may be alike, so that no pair of the
corpus is compared that has nothing in common.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

N_SIGNATURE = 64
BAND = 2
"""Signature values in a band: two sounds that share a fifth of their peaks meet with 92 %, a tenth: 27 %."""
SAME_SOUND = 0.25
"""Estimated share of common peak pairs from which two sounds are one."""
SAME_FACE = 0.92
"""Share of equal bits from which two series of faces are one."""
N_FRAMES = 5
MOST_COMPARED = 64
"""Of a band that more share, only so many are compared (the first by key): a crowd is told well enough."""
_HOP, _WINDOW, _RATE_HZ = 160, 1024, 16_000
_NEIGHBOURS = (15, 9)
"""Bins and frames in which a peak must be the largest."""
_REACH = 64
_FAN = 5
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, order=True)
class Print:
    """A sample's hash: `values` are a signature (duplicate_sound) or bits (duplicate_face)."""

    key: str
    shard: str
    split: str
    values: bytes

    @property
    def place(self) -> Place:
        """Where the sample is."""
        return self.key, self.shard, self.split


Band = tuple[str, int, int]
Place = tuple[str, str, str]
"""Key, shard and split of a sample."""
Pair = tuple[str, Place, Place]


def bands_of(check: str, one: Print) -> Iterator[tuple[Band, Print]]:
    """Where a print meets those that it may be like."""
    if check == "duplicate_sound":
        pairs = np.frombuffer(one.values, np.uint64)  # BAND values of 32 bits in each
        yield from (((check, at, int(pair)), one) for at, pair in enumerate(pairs))
    else:
        words = np.frombuffer(one.values, np.uint16)
        yield from (((check, at, int(word)), one) for at, word in enumerate(words))


def alike(prints: Iterable[Print]) -> Iterator[tuple[Pair, float]]:
    """Pairs of a band's prints that are one sound or one series of faces, with how alike they are."""
    chosen = sorted(set(prints))[:MOST_COMPARED]
    for one, other in combinations(chosen, 2):
        if one.key == other.key:
            continue
        if len(one.values) == N_SIGNATURE * 4:
            same = float((_words(one) == _words(other)).mean())
            if same >= SAME_SOUND:
                yield ("duplicate_sound", one.place, other.place), round(same, 6)
        elif len(one.values) == len(other.values):
            bits = np.unpackbits(np.frombuffer(one.values, np.uint8) ^ np.frombuffer(other.values, np.uint8))
            same = 1.0 - float(bits.mean())
            if same >= SAME_FACE:
                yield ("duplicate_face", one.place, other.place), round(same, 6)


def _words(one: Print) -> NDArray[np.uint32]:
    return np.frombuffer(one.values, np.uint32)


def sound_signature(samples: NDArray[np.float64]) -> bytes | None:
    """Min-hash of the peak pairs of (n,) samples at 16 kHz; None where there are too few peaks to tell."""
    pairs = _peak_pairs(samples)
    if len(pairs) < 2 * N_SIGNATURE // BAND:
        return None
    with np.errstate(over="ignore"):
        hashed = _mixed(
            pairs[None, :] ^ _mixed(np.arange(1, N_SIGNATURE + 1, dtype=np.uint64) * _MIX)[:, None]
        )
    signature: bytes = (hashed.min(axis=1) >> np.uint64(32)).astype(np.uint32).tobytes()
    return signature


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _peak_pairs(samples: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Pairs (bin, bin, frames between) of peaks near each other, each packed into one number, sorted."""
    import cv2

    if len(samples) < _WINDOW:
        return np.zeros(0, np.uint64)
    windows = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(_WINDOW), axis=1))[:, : _WINDOW // 4]
    loud = np.log(power + 1e-6)
    loud = loud.astype(np.float32)
    largest = cv2.dilate(loud, np.ones(_NEIGHBOURS[::-1], np.uint8))
    is_peak = (loud == largest) & (loud > np.percentile(loud, 75))
    frames, bins = np.nonzero(is_peak)
    packed = []
    for ahead in range(1, _FAN + 1):
        apart = frames[ahead:] - frames[:-ahead]
        near = apart < _REACH
        # pairs of frames are told to 40 ms and of bins to 31 Hz: a copy may begin between two hops
        packed.append(
            ((bins[:-ahead] // 2)[near] << 24) | ((bins[ahead:] // 2)[near] << 12) | (apart[near] // 4)
        )
    return np.unique(np.concatenate(packed)).astype(np.uint64)


def face_bits(frames: NDArray[np.uint8]) -> bytes | None:
    """Five times 63 bits (and one 0) of (T, H, W) grey frames; None where nothing is to be seen."""
    import cv2

    at = np.linspace(0, len(frames) - 1, N_FRAMES).round().astype(int)
    bits = []
    for frame in frames[at]:
        if frame.std() < 2.0:
            return None
        small = cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
        low = cv2.dct(small)[:8, :8].ravel()[1:]
        bits.append(np.append(low > np.median(low), False))
    packed: bytes = np.packbits(np.concatenate(bits)).tobytes()
    return packed
