"""Which emotions a turn may have, and a score of how a voice sounds from a model of the user's.

AVLM keeps four of IEMOCAP's labels: Frustrated counts as Angry, and then Happy, Sad, Angry and Neutral stay.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from manifests.errors import CommandError
from manifests.ids import digest

KEPT = ("Happy", "Sad", "Angry", "Neutral")
MERGED = {"Frustrated": "Angry"}
RATE_HZ = 16_000

Scorer = Callable[[NDArray[np.float32]], Mapping[str, float]]
"""(n,) samples at 16 kHz, full scale 1.0, to a probability for each label."""


class EmotionRule(BaseModel):
    """Labels are compared without case. A turn whose label is not kept is skipped with its reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: tuple[str, ...] = Field(KEPT, min_length=1)
    merge: dict[str, str] = Field(default_factory=lambda: dict(MERGED))
    required: bool = Field(False, description="a turn without a label is skipped too")
    agree: bool = Field(False, description="the turn answered must have the same emotion")

    def merged(self, label: str) -> str | None:
        """The kept label that `label` counts as, in the rule's own spelling; None when it is not kept."""
        names = {name.casefold(): name for name in self.keep}
        merges = {name.casefold(): target for name, target in self.merge.items()}
        asked = label.strip().casefold()
        return names.get(merges.get(asked, asked).casefold())

    def problem(self, emotion: str | None) -> str | None:
        """Why a turn of this emotion is not rewritten; None when it is."""
        if emotion is None:
            return "the turn has no emotion" if self.required else None
        kept = self.merged(emotion)
        if kept is None:
            return f"emotion {emotion!r} is none of {', '.join(self.keep)}"
        return None

    def disagreement(self, emotion: str | None, answered: str | None) -> str | None:
        """Why the emotions of a turn and of the turn it answers do not go together; None when they do."""
        if not self.agree:
            return None
        own = self.merged(emotion) if emotion else None
        other = self.merged(answered) if answered else None
        if own is not None and own == other:
            return None
        return f"the turn is {emotion or 'without emotion'}, the one it answers {answered or 'without one'}"


AVLM_EMOTIONS = EmotionRule(required=True, agree=True)
"""AVLM's rule: four emotions, and input and response agree."""


class EmotionModelError(CommandError, ValueError):
    """The speech-emotion model cannot be used; the message says why and what to give."""


def load_scorer(model: str, labels: tuple[str, ...] = ()) -> Scorer:
    """A scorer from `model`: a path to an ONNX file, or `package.module:function`.

    The ONNX network takes (1, n) float32 samples at 16 kHz and gives (1, len(labels)) logits, in the order
    of `labels`. The function takes (n,) float32 and gives a mapping from label to probability. No score is
    made up: raises EmotionModelError where there is no such model or it has another form.
    """
    if model.endswith(".onnx"):
        return _onnx(Path(model), labels)
    module_name, colon, name = model.partition(":")
    if not colon or not name:
        raise EmotionModelError(f"emotion model {model!r} is neither a .onnx file nor module:function")
    try:
        function = getattr(importlib.import_module(module_name), name)
    except (ImportError, AttributeError) as error:
        raise EmotionModelError(f"emotion model {model!r} cannot be imported: {error}") from error
    return lambda pcm: _checked(function(pcm), model)


def scorer_digest(model: str) -> str:
    """Of the network's file, or of the function's module and its name: what decides the scores as far as one
    file does. Raises EmotionModelError where there is none."""
    if model.endswith(".onnx"):
        path, name = Path(model), ""
    else:
        module_name, _, name = model.partition(":")
        try:
            found = importlib.util.find_spec(module_name)
        except (ImportError, ValueError) as error:
            raise EmotionModelError(f"emotion model {model!r} cannot be imported: {error}") from error
        path = Path(found.origin) if found is not None and found.origin else Path(module_name)
    if not path.is_file():
        raise EmotionModelError(f"there is no emotion model {path}; no score is given without one")
    return digest("emotion model", name, hashlib.sha256(path.read_bytes()).hexdigest())


def score_of(scores: Mapping[str, float], emotion: str) -> float | None:
    """The probability of an emotion: of its own label, else of the one that it counts as (AVLM's rule).

    None where the model has neither; labels are compared without case.
    """
    by_label = {label.casefold(): value for label, value in scores.items()}
    own = emotion.strip().casefold()
    return by_label.get(own, by_label.get((EmotionRule().merged(emotion) or own).casefold()))


def _onnx(path: Path, labels: tuple[str, ...]) -> Scorer:
    if not path.is_file():
        raise EmotionModelError(f"there is no emotion model {path}; no score is given without one")
    if len(labels) < 2:
        raise EmotionModelError(f"emotion model {path} needs its labels, in the order of its outputs")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise EmotionModelError(
            f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; one each is read"
        )
    shape = inputs[0].shape
    if (
        len(shape) != 2
        or (shape[0] not in (1, None) and not isinstance(shape[0], str))
        or isinstance(shape[1], int)
    ):
        raise EmotionModelError(f"{path} takes {shape}; sound of any length is given, (1, n) samples")

    def score(pcm: NDArray[np.float32]) -> Mapping[str, float]:
        samples = np.ascontiguousarray(pcm, dtype=np.float32)[None, :]
        logits = np.asarray(session.run(None, {inputs[0].name: samples})[0], dtype=np.float64)
        if logits.shape != (1, len(labels)):
            raise EmotionModelError(f"{path} gave {logits.shape} for {len(labels)} labels")
        powers = np.exp(logits[0] - logits[0].max())
        return _checked(dict(zip(labels, (powers / powers.sum()).tolist(), strict=True)), str(path))

    return score


def _checked(scores: Any, model: str) -> dict[str, float]:
    if not isinstance(scores, Mapping) or not scores:
        raise EmotionModelError(f"emotion model {model} gave {type(scores).__name__}, not label: probability")
    found = {str(label): float(value) for label, value in scores.items()}
    total = sum(found.values())
    if not (abs(total - 1) < 1e-3 and min(found.values()) >= 0):
        raise EmotionModelError(f"emotion model {model} gave no probabilities (sum {total:g})")
    return found
