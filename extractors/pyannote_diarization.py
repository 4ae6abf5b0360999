"""Who speaks when by a pyannote.audio pipeline, where the user brings its weights. It tells two at once.

The pipeline is a folder as the hub gives it: `config.yaml` and the checkpoints that it names. Nothing is read
from elsewhere, nothing is asked of a network, and the package's own reports of use are switched off.
"""

from __future__ import annotations

import glob
import hashlib
import importlib
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.diarization import Activity, Diarization, PossibleOverlap, voice_of
from extractors.voice_embedding import RATE_HZ, VoiceEmbedder
from extractors.weights import MissingWeightsError, WeightsError, file_digest

LIBRARIES = (
    "lightning",
    "pyannote.audio",
    "pyannote.core",
    "pyannote.pipeline",
    "scikit-learn",
    "torchaudio",
)
"""What can change a result, beside what `extractors.diarization` needs."""

_PIPELINES = (
    "pyannote.audio.pipelines.SpeakerDiarization",
    "pyannote.audio.pipelines.speaker_diarization.SpeakerDiarization",
)
_FILES = {
    "segmentation": ("pytorch_model.bin",),
    "embedding": ("pytorch_model.bin",),
    "plda": ("plda.npz", "xvec_transform.npz"),
}
_ALONE_S = 0.8  # shorter stretches tell little of a voice


class PyannoteDiarizer:
    """The pipeline `SpeakerDiarization` of pyannote.audio 4 (MIT), one thread.

    `folder` holds `config.yaml` and its checkpoints, such as a copy of
    `pyannote/speaker-diarization-community-1`; paths in it are relative to the folder or begin with
    `$model/`. One of pyannote 3.1, whose networks are other repositories of the hub, needs copies of them in
    the folder and their paths in `config.yaml`. Raises WeightsError when the package, a checkpoint or a
    path is not as it must be.

    pyannote loads checkpoints as pickles, which may run code. Here torch is told to load weights only, and
    what else pyannote keeps in a checkpoint is named one by one; a file with more in it is refused.
    """

    def __init__(self, folder: str, *, device: str = "cpu") -> None:
        config = _config(Path(folder))
        _check_package()
        import torch

        torch.set_num_threads(1)  # sums, and so the last bits, depend on the number of threads
        self._pipeline = _load(config)
        self._pipeline.to(torch.device(device))
        self._torch = torch

    def __call__(
        self, pcm: NDArray[np.float32], embedder: VoiceEmbedder, *, n_speakers: int | None = None
    ) -> Diarization:
        """Who speaks when in `pcm` (n,), 16 kHz mono, full scale ±1.

        Other than those of `diarize`, activities of two speakers may overlap (`overlaps` names each such
        span and pair; it was heard, not guessed from a mixed voice), have no margin, and follow what the
        pipeline takes for speech. `voices` are by `embedder`, from where each speaks alone for 0.8 s, or
        else from all that is theirs: they compare with voices of other recordings however those were
        diarized. Fewer than `n_speakers` come out of sound that is too short for so many. Raises ValueError
        for sound that is not mono.
        """
        if pcm.ndim != 1:
            raise ValueError(f"pcm must be mono, (n,), not {pcm.shape}")
        if not len(pcm):
            return Diarization((), (), np.zeros((0, embedder.dims), np.float32))
        core = importlib.import_module("pyannote.core")
        sound = {"waveform": self._torch.tensor(pcm)[None], "sample_rate": RATE_HZ}
        told = self._pipeline(sound, num_speakers=n_speakers).speaker_diarization
        told = told.crop(core.Segment(0, len(pcm) / RATE_HZ))  # the last window reaches beyond the end
        overlap = told.get_overlap()
        numbers: dict[str, int] = {}
        activities = []
        for turn, _, label in sorted(told.itertracks(yield_label=True)):
            speaker = numbers.setdefault(label, len(numbers))
            activities.append(Activity(speaker, float(turn.start), float(turn.end), None))
        voices = np.zeros((len(numbers), embedder.dims), np.float32)
        for label, speaker in numbers.items():
            own = told.label_timeline(label)
            alone = [one for one in own.extrude(overlap) if one.duration >= _ALONE_S]
            spans = [(one.start, one.end) for one in alone or own]
            voices[speaker] = voice_of(pcm, spans, embedder)
        return Diarization(tuple(activities), tuple(_both(activities)), voices)


def pipeline_digest(folder: str) -> str:
    """SHA-256 (hex) over names and contents of all files of a pipeline's folder, for step keys.

    Hidden files are left out: a download keeps its own notes in them. Raises WeightsError when the package
    is not installed or the folder is no pipeline.
    """
    _config(Path(folder))
    _check_package()
    digest = hashlib.sha256()
    # glob, since Path.rglob does not enter folders that are links
    for name in sorted(glob.glob("**", root_dir=folder, recursive=True)):  # noqa: PTH207
        if (path := Path(folder, name)).is_file():
            digest.update(f"{Path(name).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def _both(activities: Sequence[Activity]) -> Iterator[PossibleOverlap]:
    """Every span in which two speak, by pairs, from activities sorted by their start."""
    for first, one in enumerate(activities):
        for other in activities[first + 1 :]:
            if other.start_s >= one.stop_s:
                break
            if other.speaker != one.speaker:
                pair = min(one.speaker, other.speaker), max(one.speaker, other.speaker)
                yield PossibleOverlap(pair, other.start_s, min(one.stop_s, other.stop_s))


def _check_package() -> None:
    try:
        version = metadata.version("pyannote.audio")
    except metadata.PackageNotFoundError as error:
        raise WeightsError("pyannote.audio is not installed: pip install 'pyannote.audio>=4.0,<5'") from error
    if version.partition(".")[0] != "4":
        raise WeightsError(f"pyannote.audio {version} is installed; 4.x is needed")


def _config(folder: Path) -> dict[str, Any]:
    """`config.yaml` with paths of files that are there, and nothing in it that would run other code."""
    import yaml

    file = folder / "config.yaml"
    if not file.is_file():
        raise MissingWeightsError(f"{folder} is no pipeline of pyannote: it has no config.yaml")
    try:
        config: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        name, params = config["pipeline"]["name"], config["pipeline"]["params"]
        clustering = params.get("clustering", "VBxClustering")
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file} is no configuration of a pyannote pipeline: {error!r}") from error
    if name not in _PIPELINES:
        raise WeightsError(f"{file}: the pipeline is {name}; only {_PIPELINES[0]} is run")
    if "preprocessors" in config:
        raise WeightsError(f"{file}: preprocessors would run other code; take them out")
    for part, names in _FILES.items():
        if part in params or part != "plda" or clustering == "VBxClustering":
            params[part] = {"checkpoint": str(_inside(folder, part, params.get(part), names))}
    params["legacy"] = False
    return config


def _inside(folder: Path, part: str, named: object, names: Sequence[str]) -> Path:
    """The checkpoint that `config.yaml` names: a file, or a folder with the files `names`."""
    if not isinstance(named, str):
        raise MissingWeightsError(f"{folder}/config.yaml must name a path for {part}, not {named!r}")
    inside = Path(named.removeprefix("$model/"))
    if inside.is_absolute() or ".." in inside.parts:  # not resolved: a hub's cache is made of links
        raise WeightsError(f"{folder}/config.yaml: {part} is {named}, outside of the folder")
    path = folder / inside
    if (path.is_file() and len(names) == 1) or all((path / name).is_file() for name in names):
        return path
    raise MissingWeightsError(
        f"{folder}/config.yaml: {part} is {named}, which is not in the folder; put its {' and '.join(names)} "
        "there, and the path into config.yaml"
    )


def _load(config: dict[str, Any]) -> Any:
    import torch

    from extractors.torchaudio_import import import_torchaudio

    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # it would report each run to its makers
    import_torchaudio()
    audio, task = (importlib.import_module(f"pyannote.audio{name}") for name in ("", ".core.task"))
    params = config["pipeline"]["params"]
    if "plda" not in params:  # pyannote 4 would fetch one from the hub, and then not use it
        params["plda"] = object.__new__(importlib.import_module("pyannote.audio.core.plda").PLDA)
    version = torch.torch_version.TorchVersion  # type: ignore[no-untyped-call, unused-ignore]
    known = [version, task.Specifications, task.Problem, task.Resolution]
    try:
        with _weights_only(), torch.serialization.safe_globals(known):
            return audio.Pipeline.from_pretrained(config)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"a checkpoint of pyannote holds more than weights: {error}") from error


@contextmanager
def _weights_only() -> Iterator[None]:
    """Overrule `weights_only=False`, which pyannote.audio 4.0 passes to `torch.load`."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
