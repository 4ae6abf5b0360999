"""Voice activity projection: what both speakers will do in the next two seconds, as one of 256 classes.

After ErikEkstedt/VoiceActivityProjection f39a78b (vap/objective.py, ProjectionWindow and Codebook). The label
of frame t is about the frames t+1 … t+100 at 50 Hz, in bins of 10, 20, 30 and 40 frames. A bin is 1 when at
least half of its frames are active. Bin b of speaker c is bit 4 c + b of the class, the first bin of the
first speaker being the lowest.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from synth.turns.parameters import TurnParameters
from synth.turns.times import frame_of


def bin_edges(parameters: TurnParameters) -> tuple[int, ...]:
    """Frames at which the bins begin, and the end of the last one, counted from the next frame."""
    widths = [frame_of(width, parameters.vap_frame_hz) for width in parameters.vap_bins_s]
    return tuple(accumulate(widths, initial=0))


def n_classes(parameters: TurnParameters) -> int:
    """256 with four bins."""
    return int(4 ** len(parameters.vap_bins_s))


def projection_bins(active: NDArray[np.bool_], parameters: TurnParameters) -> NDArray[np.bool_]:
    """(n, 2) activity at `vap_frame_hz` to (n - horizon, 2, bins); no row where the horizon is not whole.

    Raises ValueError for another shape.
    """
    if active.ndim != 2 or active.shape[1] != 2:
        raise ValueError(f"activity of two speakers has the shape (n, 2), not {active.shape}")
    edges = bin_edges(parameters)
    n_labels = max(0, len(active) - edges[-1])
    share = parameters.vap_bin_share
    count = np.concatenate([np.zeros((1, 2), np.int64), np.cumsum(active, axis=0)])
    bins = np.zeros((n_labels, 2, len(edges) - 1), bool)
    for number, (start, stop) in enumerate(pairwise(edges)):
        n_active = count[1 + stop : 1 + stop + n_labels] - count[1 + start : 1 + start + n_labels]
        bins[:, :, number] = n_active * share.denominator >= share.numerator * (stop - start)
    return bins


def encode(bins: NDArray[np.bool_]) -> NDArray[np.int64]:
    """(…, 2, bins) to the classes (…,)."""
    n_bins = bins.shape[-1]
    weights = 2 ** (np.arange(2)[:, None] * n_bins + np.arange(n_bins))
    classes: NDArray[np.int64] = (bins * weights).sum(axis=(-2, -1))
    return classes


def decode(classes: NDArray[np.integer], parameters: TurnParameters) -> NDArray[np.bool_]:
    """The classes (…,) back to (…, 2, bins)."""
    n_bins = len(parameters.vap_bins_s)
    bits = (classes[..., None] >> np.arange(2 * n_bins)) & 1
    return np.asarray(bits.reshape(*classes.shape, 2, n_bins), bool)


def projection_labels(active: NDArray[np.bool_], parameters: TurnParameters) -> NDArray[np.int64]:
    """(n, 2) activity at `vap_frame_hz` to the class of each frame but the last `horizon` ones."""
    return encode(projection_bins(active, parameters))
