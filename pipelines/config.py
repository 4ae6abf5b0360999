"""Configuration: pydantic models in, YAML presets, errors a user can act on.

A step's section enters its key, so only what changes the step's output stands there. Thresholds stand
in `select` alone. How fast and where things run stands in `engine` and enters no key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PRESETS = Path(__file__).parent / "presets"


class ConfigError(ValueError):
    """A config that cannot be used; the message names the key, the value and what is allowed."""


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class IngestConfig(Section):
    """How sources are read. Nothing to choose yet."""


class WatchConfig(Section):
    """The one decode of the video: faces, landmarks, blendshapes, head pose, tracks."""

    backend: Literal["direct", "mediapipe"] = Field(
        "direct", description="direct: MediaPipe's networks run by OpenVINO; mediapipe: its Tasks API"
    )
    max_faces: int = Field(4, ge=1, le=16, description="faces followed at a time")
    detect_every: int = Field(5, ge=1, le=100, description="frames between two looks for further faces")
    track_iou: float = Field(0.5, gt=0, lt=1, description="overlap that joins a face to its track")
    track_gap_frames: int = Field(10, ge=0, le=250, description="frames a track may be missing")


class ListenConfig(Section):
    """The one decode of the audio: speech probability and level every 32 ms."""


class SelectConfig(Section):
    """Every threshold. Applied to stored measurements, so changing one costs seconds, not hours."""

    need_video: bool = Field(True, description="reject clips without exactly one face to follow")
    need_audio: bool = Field(True, description="reject clips without speech")
    speech_threshold: float = Field(0.5, gt=0, lt=1, description="speech probability of Silero VAD")
    min_speech_s: float = Field(0.25, ge=0, le=10, description="shorter speech is ignored, seconds")
    min_silence_s: float = Field(0.4, gt=0, le=10, description="silence that ends a chunk, seconds")
    max_audio_gap_share: float = Field(
        0.01, ge=0, le=1, description="share of the audio that was missing or could not be decoded"
    )
    max_pause_s: float = Field(1.0, ge=0, le=60, description="longest pause inside a chunk, seconds")
    pad_s: float = Field(0.2, ge=0, le=2, description="kept before and after speech, seconds")
    max_chunk_s: float = Field(15.0, ge=1, le=600, description="longest clip, seconds")
    min_chunk_s: float = Field(0.8, ge=0.08, le=600, description="shortest clip, seconds")
    silence_dbfs: float = Field(-60.0, ge=-120, le=0, description="a track never louder is silent, dBFS")
    max_mean_abs_yaw_deg: float = Field(30.0, gt=0, le=180, description="mean |head yaw|, degrees")
    min_face_px: float = Field(60.0, ge=0, le=4096, description="median face height, pixels of the source")
    min_face_coverage: float = Field(0.95, ge=0, le=1, description="share of frames with the face")
    no_face_coverage: float = Field(
        0.1, ge=0, le=1, description="with the face in less of its frames, a clip counts as faceless"
    )
    max_face_gap_s: float = Field(0.4, ge=0, le=60, description="longest stretch without the face, seconds")
    max_other_face_coverage: float = Field(
        0.2, ge=0, le=1, description="share of frames in which a second face may be seen"
    )
    min_sharpness: float = Field(0.0, ge=0, description="median variance of the Laplacian of the face")


class CutConfig(Section):
    """What is written of a kept clip."""

    lip_preset: Literal["avhubert"] = "avhubert"
    face_px: int = Field(224, ge=32, le=1024, multiple_of=2, description="side of the face crop, pixels")
    face_scale: float = Field(1.6, ge=1, le=4, description="crop side over the larger face side")
    members: tuple[Literal["lips", "face", "flac", "native", "arkit52", "face61"], ...] = Field(
        ("lips", "face", "flac", "native", "arkit52", "face61"), min_length=1
    )


class PackConfig(Section):
    """How samples are put into shards."""

    max_shard_mb: float = Field(512.0, gt=0, le=65536, description="size at which a new shard begins, MB")
    max_shard_samples: int = Field(1_000, ge=1, description="samples at which a new shard begins")
    shuffle: bool = Field(True, description="seeded shuffle of the samples over the shards")
    shuffle_seed: int = Field(0, ge=0, description="seed of the shuffle")
    split_seed: int = Field(0, ge=0, description="seed of the split")
    split_shares: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Annotated[float, Field(gt=0)]] = Field(
        {"train": 0.8, "valid": 0.1, "test": 0.1},
        min_length=1,
        description="shares of people (or sources, where no speaker is known) in each split",
    )


class StepResources(Section):
    """What one worker of a step may take; what is left out keeps the step's own figure."""

    cpus: float | None = Field(None, gt=0)
    gpus: float | None = Field(None, ge=0)
    memory_gb: float | None = Field(None, gt=0)


class EngineConfig(Section):
    """How the work is run. Enters no key: it cannot change a byte of the result."""

    deadline_floor_s: float = Field(120.0, gt=0, description="least time a unit has, seconds")
    deadline_factor: float = Field(20.0, gt=0, description="seconds a unit has for each second of media")
    unit_s: float = Field(
        5.0, ge=0, description="work bundled into a unit, seconds; 0: each item is a unit of its own"
    )
    pool_start_s: float = Field(
        3.0, ge=0, description="a step expected to take less is done without starting a pool; 0: never"
    )
    resources: dict[str, StepResources] = Field(default_factory=dict, description="by step name")


class BuildConfig(Section):
    """A whole `duologue build`."""

    name: str = Field("custom", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the preset")
    description: str = ""
    ingest: IngestConfig = IngestConfig()
    watch: WatchConfig = WatchConfig()
    listen: ListenConfig = ListenConfig()
    select: SelectConfig = SelectConfig()
    cut: CutConfig = CutConfig()
    pack: PackConfig = PackConfig()
    engine: EngineConfig = EngineConfig()


def preset_names() -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


def load_config(
    *, preset: str | None = None, path: Path | None = None, overrides: Iterable[str] = ()
) -> BuildConfig:
    """A preset, then a YAML file over it, then `section.key=value` overrides over both.

    Raises ConfigError.
    """
    data: dict[str, Any] = {}
    origin = "the defaults"
    if preset is not None:
        if preset not in preset_names():
            raise ConfigError(f"no preset {preset!r}; there are {', '.join(preset_names())}")
        data, origin = _read_yaml(PRESETS / f"{preset}.yaml"), f"preset {preset}"
    if path is not None:
        data, origin = _merge(data, _read_yaml(path)), str(path)
    for override in overrides:
        keys, equals, value = override.partition("=")
        if not equals or not keys:
            raise ConfigError(f"--set {override!r}: expected section.key=value")
        try:
            nested: Any = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {override}: {value!r} is not YAML: {error}") from error
        for key in reversed(keys.split(".")):
            nested = {key: nested}
        data, origin = _merge(data, nested), f"--set {override}"
    return parse_config(data, origin)


def parse_config(data: Mapping[str, Any], origin: str) -> BuildConfig:
    """Validate; raises ConfigError that lists every problem with its key, value and allowed range."""
    try:
        return BuildConfig.model_validate(data)
    except ValidationError as error:
        problems = [_explain(dict(problem)) for problem in error.errors()]
        raise ConfigError(f"{origin}:\n" + "\n".join(f"  {line}" for line in problems)) from None


def _explain(problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    field = _field(problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = list(_model(problem["loc"][:-1]).model_fields)
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    about = f" ({field.description})" if field is not None and field.description else ""
    return f"{where}: {problem['input']!r} is not allowed: {problem['msg']}{about}"


def _model(location: Iterable[Any]) -> type[BaseModel]:
    model: type[BaseModel] = BuildConfig
    for part in location:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model


def _field(location: tuple[Any, ...]) -> Any:
    return _model(location[:-1]).model_fields.get(str(location[-1])) if location else None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is not readable YAML: {error}") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: expected sections such as `select:`, got {type(data).__name__}")
    return data


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(inner, Mapping) and key != "split_shares"
        merged[key] = _merge(inner, value) if both else value  # type: ignore[arg-type]
    return merged


def dump_config(config: BuildConfig) -> str:
    """The config as YAML, every value spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
