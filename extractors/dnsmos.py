"""DNSMOS P.835: what listeners would say of the speech, the background and the whole, from 1 to 5."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
WINDOW = 144_160
"""Samples the network hears at a time: 9.01 s."""
COLUMNS = ("start_s", "ovrl", "sig", "bak")
SILENT_DBFS = -60.0
"""Windows below this are not judged: the network gives digital silence an overall 1.9."""

_CURVES: Mapping[str, tuple[float, float, float]] = {
    "ovrl": (-0.06766283, 1.11546468, 0.04602535),
    "sig": (-0.08397278, 1.22083953, 0.0052439),
    "bak": (-0.13166888, 1.60915514, -0.39604546),
}
"""From the network's scale to that of the listeners: polynomials of `dnsmos_local.py` of
microsoft/DNS-Challenge, also in the package speechmos."""
_NETWORK_ORDER = ("sig", "bak", "ovrl")


class Dnsmos:
    """Scores windows of 9.01 s of 16 kHz mono every `hop_s`; streaming, memory holds one window.

    `onnx_path` is `dnsmos_models/sig_bak_ovr.onnx` of the package speechmos 0.0.1.1 (MIT; Reddy et al.,
    "DNSMOS P.835", ICASSP 2022), whose numbers these are; the package itself, which brings librosa and
    pandas, is not imported. One thread; how the input is cut changes nothing.

    After the last whole window one more is judged, the last 9.01 s, if at least a second had been left over.
    Shorter recordings are repeated until they fill a window, as the package does. A window costs 0.33 s of
    CPU. Raises ValueError for a hop outside of 0.1 .. 9.01 s and for another network.
    """

    def __init__(self, onnx_path: str, *, hop_s: float = WINDOW / RATE_HZ) -> None:
        import onnxruntime

        if not 0.1 <= hop_s <= WINDOW / RATE_HZ:
            raise ValueError(f"hop_s={hop_s} must be in 0.1..{WINDOW / RATE_HZ}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
        if [one.shape for one in self._session.get_inputs()] != [["N", WINDOW]]:
            raise ValueError(f"{onnx_path} is not DNSMOS P.835: its input is not (N, {WINDOW})")
        self._hop = round(hop_s * RATE_HZ)
        self.reset()

    def reset(self) -> None:
        """Forget everything heard; call before each recording."""
        self._held = np.zeros(0, np.float32)
        self._held_from = 0  # number of the first sample held
        self._next = 0  # where the next window starts
        self._judged_to = 0

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) samples, full scale ±1, in; a row of `COLUMNS` for each window completed, NaN where silent."""
        self._held = np.concatenate([self._held, samples], dtype=np.float32)
        rows = []
        while self._held_from + len(self._held) >= self._next + WINDOW:
            rows.append(self._judge(self._next))
            self._next += self._hop
        keep_from = max(self._held_from, min(self._next, self._held_from + len(self._held) - WINDOW))
        self._held = self._held[keep_from - self._held_from :]
        self._held_from = keep_from
        return _stack(rows)

    def flush(self) -> NDArray[np.float32]:
        """The row of what was left over, if any; the object wants a `reset` then."""
        stop = self._held_from + len(self._held)
        if not stop:
            return _stack([])
        if stop < WINDOW:
            self._held = np.resize(self._held, WINDOW)
            return _stack([self._judge(0)])
        return _stack([self._judge(stop - WINDOW)] if stop - self._judged_to >= RATE_HZ else [])

    def _judge(self, start: int) -> list[float]:
        window = self._held[start - self._held_from :][:WINDOW]
        self._judged_to = start + WINDOW
        if np.mean(np.square(window, dtype=np.float64)) < 10 ** (SILENT_DBFS / 10):
            return [start / RATE_HZ, np.nan, np.nan, np.nan]
        (raw,) = self._session.run(None, {"input_1": window[None]})[0]
        found = dict(zip(_NETWORK_ORDER, map(float, raw), strict=True))
        return [start / RATE_HZ, *(float(np.polyval(_CURVES[name], found[name])) for name in COLUMNS[1:])]


def opinion_over(rows: NDArray[np.float32], start_s: float, stop_s: float) -> dict[str, float] | None:
    """`ovrl`, `sig` and `bak` of a span of a recording, from the (K, 4) rows of the whole of it.

    The mean of the windows, weighted by how much of the span each covers; None where none was judged.
    """
    begin_s = rows[:, 0].astype(np.float64)
    inside_s = np.minimum(begin_s + WINDOW / RATE_HZ, stop_s) - np.maximum(begin_s, start_s)
    weights = np.where(np.isnan(rows[:, 1]), 0.0, inside_s.clip(min=0))
    if not weights.sum():
        return None
    means = weights @ np.nan_to_num(rows[:, 1:].astype(np.float64)) / weights.sum()
    return dict(zip(COLUMNS[1:], map(float, means), strict=True))


def _stack(rows: list[list[float]]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, len(COLUMNS))
