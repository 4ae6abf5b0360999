"""hypotheses: what a recogniser and a lip reader make of each clip, N-best with scores (DualHyp)."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from extractors.brought import brought, every
from extractors.weights import file_digest
from manifests.reasons import ItemError, Reason
from manifests.receipts import Row
from pipelines.clip_sections import HypothesesConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.clips import clip_items, read_member, read_sound

if TYPE_CHECKING:
    from extractors.words import Hypothesis
    from pipelines.corpus import Corpus

SOUND, LIPS = "flac", "lips.mp4"
LONGEST_S = 30.0
"""What Whisper hears at once."""


class Hypotheses(Step[HypothesesConfig]):
    """One item a clip that was cut."""

    name = "hypotheses"
    version = 1
    speed = 4.0
    per_clip = True
    libraries = ("av", "ctranslate2", "faster-whisper", "onnxruntime", "soundfile")
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema([pa.field("missing", pa.string())])
    maker: ClassVar[str | None] = None  # the step whose clips are read; by default the first over clips

    @property
    def wanted(self) -> bool:
        """Whether a recogniser or a lip reader is named."""
        return bool(self.config.asr_model or self.config.vsr)

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every clip that was cut, if hypotheses are wanted."""
        if self.wanted:
            yield from clip_items(corpus, (SOUND, LIPS), self.maker)

    def made_of(self) -> dict[str, Any]:
        """Whisper's weights, and whatever file the lip reader is."""
        looks: dict[str, Callable[[], Any]] = {}
        if self.config.asr_model:
            looks["whisper"] = lambda: self._whisper().sha256
        if self.config.vsr:
            source = self.config.vsr
            looks["vsr"] = lambda: [file_digest(path) for path in _vsr_files(source)]
        return super().made_of() | every(looks)

    def _whisper(self) -> Any:
        from extractors.whisper_weights import find_whisper

        return find_whisper(str(self.config.asr_model), revision=self.config.asr_revision)

    def open(self) -> None:
        """Load what was asked for."""
        from extractors.asr import Recogniser
        from extractors.vsr import open_vsr

        self._asr: Recogniser | None = None
        if self.config.asr_model:
            kind = self.config.asr_compute_type
            folder = str(self._whisper().folder)
            self._asr = Recogniser(folder, device=self.config.device, compute_type=kind)
        self._vsr = open_vsr(_found_vsr(self.config.vsr)) if self.config.vsr else None

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """N-best of both modalities. Raises ItemError where a source has nothing to say of the clip."""
        from extractors.vsr import VsrError

        made: dict[str, list[Hypothesis]] = {}
        missing: dict[str, str] = {}
        if self._asr is not None:
            sound = read_sound(workspace.store, item, SOUND)
            if sound is None:
                missing["hyps_asr"] = str(Reason.NO_AUDIO)
            elif item.media_s > LONGEST_S:  # more than Whisper hears at once
                missing["hyps_asr"] = str(Reason.NO_HYPOTHESES)
            else:
                made["hyps_asr"] = self._asr.n_best(
                    sound[0][0], n=self.config.n, language=self.config.language
                )
        if self._vsr is not None:
            lips = read_member(workspace.store, item, LIPS)
            if lips is None:
                missing["hyps_vsr"] = str(Reason.NO_FACE)
            else:
                try:
                    made["hyps_vsr"] = self._vsr(item.inputs["key"], _frames(lips), n=self.config.n)
                except VsrError as error:
                    raise ItemError(Reason.NO_HYPOTHESES, str(error)) from error
        artifacts = [
            workspace.put(f"{item.id}.{name}.json", json.dumps([asdict(one) for one in found]).encode())
            for name, found in made.items()
        ]
        return [item.row(artifacts=tuple(artifacts), measures={"missing": json.dumps(missing)})]


def _found_vsr(source: str) -> str:
    """`json:FILE` or `onnx:FILE` with the file where it is. Raises MissingWeightsError."""
    kind, _, name = source.partition(":")
    get_it = "Duologue brings no lip reader: docs/words.md says what one has to be"
    return f"{kind}:{brought(name, setting='hypotheses.vsr', get_it=get_it)}"


def _vsr_files(source: str) -> list[Path]:
    """The files behind a lip reader. Raises MissingWeightsError for one that is not there."""
    from extractors.weights import MissingWeightsError

    kind, _, name = _found_vsr(source).partition(":")
    path = Path(name)
    files = [path, path.with_suffix(".units.txt")] if kind == "onnx" else [path]
    missing = [str(one) for one in files if not one.is_file()]
    if missing:
        raise MissingWeightsError(f"hypotheses.vsr: no file {', '.join(missing)}; see docs/words.md")
    beside = path.with_name(f"{path.name}.data")  # where ONNX keeps large tensors
    return [*files, *([beside] if beside.is_file() else [])]


def _frames(video: bytes) -> NDArray[np.uint8]:
    """(T, 96, 96) grey."""
    import av

    with av.open(io.BytesIO(video), mode="r") as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])
