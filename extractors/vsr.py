"""Lip reading (VSR): where hypotheses of what lips say come from. Always from the user, never made up.

No lip-reading model may be passed on with Duologue. A source is named by the user:

- `json:FILE`: hypotheses that another program wrote: `{"key": [{"text": "…", "score": -0.3}, …], …}`;
- `onnx:FILE`: a network with a CTC head, and its units beside it in `FILE` with the suffix `.units.txt`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from extractors.words import Hypothesis

CROP_PX = 88
MEAN, STD = 0.421, 0.165
"""Grey level of lips as AV-HuBERT and auto_avsr read them."""
_SPACE = "▁"


class VsrError(Exception):
    """No source, or one that cannot be read; the text says what to do."""


class VsrSource(Protocol):
    """Reads lips. Hypotheses come best first and differ in their text."""

    def __call__(self, key: str, lips: NDArray[np.uint8], *, n: int = 5) -> list[Hypothesis]:
        """At most `n` hypotheses for the sample `key` with `lips` (T, 96, 96) grey at 25 fps.

        Raises VsrError where the source has nothing to say about this sample.
        """


def open_vsr(source: str | None) -> VsrSource:
    """The source that a config names. Raises VsrError without one."""
    if not source:
        raise VsrError(
            "no VSR source is set: this preset needs lip-reading hypotheses, and Duologue brings no model. "
            "Name `json:FILE` (hypotheses that you have) or `onnx:FILE` (a network with a CTC head)"
        )
    kind, _, path = source.partition(":")
    if kind == "json" and path:
        return StoredHypotheses(path)
    if kind == "onnx" and path:
        return CtcLipReader(path, str(Path(path).with_suffix(".units.txt")))
    raise VsrError(f"VSR source {source!r} is neither json:FILE nor onnx:FILE")


class StoredHypotheses:
    """Hypotheses from a JSON file, by sample key."""

    def __init__(self, path: str) -> None:
        try:
            records = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise VsrError(f"{path}: not a readable JSON file: {error}") from error
        if not isinstance(records, dict):
            raise VsrError(f'{path}: expected {{"key": [{{"text": …, "score": …}}, …]}}')
        self._path = path
        self._found = {key: _hypotheses(path, key, found) for key, found in records.items()}

    def __call__(self, key: str, lips: NDArray[np.uint8], *, n: int = 5) -> list[Hypothesis]:
        """The best `n` of the file; `lips` are not looked at."""
        if key not in self._found:
            raise VsrError(f"{self._path} has no hypotheses for {key}; add them or leave the sample out")
        return self._found[key][:n]


def _hypotheses(path: str, key: str, found: Any) -> list[Hypothesis]:
    if not isinstance(found, list) or not all(_is_hypothesis(one) for one in found):
        raise VsrError(f'{path}: {key}: expected a list of {{"text": words, "score": a finite number}}')
    best: dict[str, Hypothesis] = {}
    for one in sorted(found, key=lambda one: -float(one["score"])):
        best.setdefault(one["text"], Hypothesis(one["text"], float(one["score"])))
    return list(best.values())


def _is_hypothesis(one: Any) -> bool:
    if not isinstance(one, Mapping) or set(one) != {"text", "score"} or not isinstance(one["text"], str):
        return False
    score = one["score"]
    return isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)


class CtcLipReader:
    """A network of the user's, run by ONNX Runtime on one thread, and a CTC beam search over its output.

    Input (1, T, 1, 88, 88) float32: the centre of the lips, `(grey / 255 - 0.421) / 0.165`. Output (1, T', V)
    logits or log probabilities. `units_path`: V lines, the unit of each output; the first is the blank, and
    "▁" begins a word (SentencePiece). Raises VsrError for files that do not fit.
    """

    def __init__(self, onnx_path: str, units_path: str, *, beam: int = 20) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        for path in (onnx_path, units_path):
            if not Path(path).is_file():
                raise VsrError(f"VSR: {path} is missing: a model needs both NAME.onnx and NAME.units.txt")
        self._session = onnxruntime.InferenceSession(onnx_path, options, providers=["CPUExecutionProvider"])
        self._units = Path(units_path).read_text(encoding="utf-8").splitlines()
        self._input = self._session.get_inputs()[0]
        self._beam = beam
        if len(self._session.get_inputs()) != 1 or len(self._input.shape) != 5:
            raise VsrError(f"{onnx_path}: expected one input (1, T, 1, {CROP_PX}, {CROP_PX})")

    def __call__(self, key: str, lips: NDArray[np.uint8], *, n: int = 5) -> list[Hypothesis]:
        """Read; `score` is the log probability of the units over their number. `key` is for messages."""
        if lips.ndim != 3 or lips.dtype != np.uint8 or min(lips.shape[1:], default=0) < CROP_PX:
            raise ValueError(f"lips must be (T, 96, 96) uint8, not {lips.shape} {lips.dtype}")
        top, left = ((side - CROP_PX) // 2 for side in lips.shape[1:])
        centre = lips[:, top : top + CROP_PX, left : left + CROP_PX].astype(np.float32)
        blob = ((centre / 255 - MEAN) / STD)[None, :, None]
        (logits, *_) = self._session.run(None, {self._input.name: blob.astype(np.float32)})
        if logits.ndim != 3 or logits.shape[2] != len(self._units):
            raise VsrError(
                f"{key}: the network's output {logits.shape} does not fit {len(self._units)} units"
            )
        best: dict[str, Hypothesis] = {}
        for labels, score in ctc_n_best(log_softmax(logits[0]), beam=max(self._beam, n)):
            text = "".join(self._units[label] for label in labels).replace(_SPACE, " ").strip()
            best.setdefault(text, Hypothesis(text, score / max(len(labels), 1)))
        return list(best.values())[:n]


def log_softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural log probabilities over the last axis; what is normalised already stays as it is."""
    shifted = logits - logits.max(axis=-1, keepdims=True).astype(np.float64)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def ctc_n_best(log_probs: NDArray[np.float64], *, beam: int) -> list[tuple[tuple[int, ...], float]]:
    """Label sequences and their total log probability, best first, by prefix beam search.

    `log_probs` (T, V), blank first. Each prefix holds the sum over its paths that end in a blank and over
    those that end in its last label; a beam as wide as there are prefixes is exact.
    """
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (0.0, -math.inf)}
    for frame in log_probs:
        labels = [int(one) for one in np.argsort(-frame, kind="stable")[: beam + 1] if one != 0]
        grown: dict[tuple[int, ...], list[float]] = {}
        for prefix, (blank, label) in beams.items():
            total = float(np.logaddexp(blank, label))
            _add(grown, prefix, 0, total + frame[0])
            if prefix:
                _add(grown, prefix, 1, label + frame[prefix[-1]])
            for one in labels:
                before = blank if prefix and one == prefix[-1] else total
                _add(grown, (*prefix, one), 1, before + frame[one])
        ranked = sorted(grown.items(), key=lambda item: (-np.logaddexp(item[1][0], item[1][1]), item[0]))
        beams = {prefix: (ends[0], ends[1]) for prefix, ends in ranked[:beam]}
    totals = [(prefix, float(np.logaddexp(*ends))) for prefix, ends in beams.items()]
    return [one for one in totals if one[1] > -math.inf]


def _add(grown: dict[tuple[int, ...], list[float]], prefix: tuple[int, ...], end: int, value: float) -> None:
    ends = grown.setdefault(prefix, [-math.inf, -math.inf])
    ends[end] = float(np.logaddexp(ends[end], value))
