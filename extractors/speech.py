"""Speech: how probable it is every 32 ms, and the segments that follow from that."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
HOP = 512
HOP_S = HOP / RATE_HZ
_CONTEXT = 64  # samples of the hop before that the network also sees
_STATE_SHAPE = (1, 1, 128)
_HOPS_A_RUN = 512  # 16 s: bounds memory; the result does not depend on it
_LEAVE_BELOW = 0.15
_LEAVE_FLOOR = 0.01


class SpeechDetector:
    """Silero VAD v6 (MIT, github.com/snakers4/silero-vad) on 16 kHz mono, one thread, streaming.

    `onnx_path` is `silero_vad_16k_sequence.onnx` of the package silero-vad: its outputs equal those of
    `silero_vad.onnx` bit for bit, and many hops in a call take half the time of one call each. How the
    input is cut into calls of `feed` does not change the probabilities. Raises ValueError for a file with
    other inputs.
    """

    def __init__(self, onnx_path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors; it warns of unused initializers in these files
        self._session = onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
        if [one.name for one in self._session.get_inputs()] != ["input", "h", "c"]:
            raise ValueError("not silero_vad_16k_sequence.onnx: the network's inputs are not input, h, c")
        self.reset()

    def reset(self) -> None:
        """Forget everything heard; call before each recording."""
        self._hidden = np.zeros(_STATE_SHAPE, np.float32)
        self._cell = np.zeros(_STATE_SHAPE, np.float32)
        self._pending = np.zeros(_CONTEXT, np.float32)

    def feed(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n,) samples, full scale ±1, in; one probability for each hop of 512 samples completed."""
        heard = np.concatenate([self._pending, samples], dtype=np.float32)
        n_hops = (len(heard) - _CONTEXT) // HOP
        windows = np.lib.stride_tricks.sliding_window_view(heard, _CONTEXT + HOP)[::HOP] if n_hops else None
        self._pending = heard[n_hops * HOP :]
        found = [np.zeros(0, np.float32)]
        for start in range(0, n_hops, _HOPS_A_RUN):
            assert windows is not None
            inputs = {
                "input": np.ascontiguousarray(windows[start : start + _HOPS_A_RUN]),
                "h": self._hidden,
                "c": self._cell,
            }
            probabilities, self._hidden, self._cell = self._session.run(["speech_probs", "hn", "cn"], inputs)
            found.append(probabilities)
        return np.concatenate(found)


def speech_segments(
    probs: Sequence[float] | NDArray[np.float32],
    *,
    threshold: float = 0.5,
    min_speech_s: float = 0.25,
    min_silence_s: float = 0.1,
    pad_s: float = 0.03,
    hop_s: float = HOP_S,
) -> list[tuple[float, float]]:
    """Segments (start_s, stop_s) of speech, sorted and disjoint, counted from the first hop.

    The rule and the defaults are those of Silero's get_speech_timestamps: speech begins at a hop of at
    least `threshold` and ends where the probability falls under `threshold` - 0.15 and does not come back
    to `threshold` within `min_silence_s`; segments of `min_speech_s` or less are dropped; each is padded
    by `pad_s`, two neighbours sharing a shorter silence half and half.
    """
    raw = _runs(probs, threshold=threshold, min_silence_hops=min_silence_s / hop_s)
    spans = [(a * hop_s, b * hop_s) for a, b in raw if (b - a) * hop_s > min_speech_s]
    total_s = len(probs) * hop_s
    padded = []
    for number, (start_s, stop_s) in enumerate(spans):
        before_s = start_s - spans[number - 1][1] if number else None
        after_s = spans[number + 1][0] - stop_s if number + 1 < len(spans) else None
        low_s = start_s - (pad_s if before_s is None else min(pad_s, before_s / 2))
        high_s = stop_s + (pad_s if after_s is None else min(pad_s, after_s / 2))
        padded.append((max(0.0, low_s), min(total_s, high_s)))
    return padded


def _runs(
    probs: Sequence[float] | NDArray[np.float32], *, threshold: float, min_silence_hops: float
) -> list[tuple[int, int]]:
    """Half-open runs of hops."""
    leave = max(threshold - _LEAVE_BELOW, _LEAVE_FLOOR)
    runs: list[tuple[int, int]] = []
    begun: int | None = None
    quiet: int | None = None  # where the silence within a run began
    for hop, prob in enumerate(probs):
        if prob >= threshold:
            begun, quiet = hop if begun is None else begun, None
        elif begun is not None and prob < leave:
            quiet = hop if quiet is None else quiet
            if hop - quiet >= min_silence_hops:
                runs.append((begun, quiet))
                begun = quiet = None
    if begun is not None:
        runs.append((begun, len(probs)))
    return runs
