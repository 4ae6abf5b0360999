"""Configuration: pydantic models in, YAML presets, errors a user can act on.

A step's section enters its key, so only what changes the step's output stands there. Thresholds stand
in `select` alone. How fast and where things run stands in `engine` and enters no key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from manifests.errors import CommandError
from pipelines.sections import BuildConfig

PRESETS = Path(__file__).parent / "presets"
Model = TypeVar("Model", bound=BaseModel)


class ConfigError(CommandError, ValueError):
    """A config that cannot be used; the message names the key, the value and what is allowed."""


def preset_names(presets: Path = PRESETS) -> list[str]:
    """Names of the presets that come with the package."""
    return sorted(path.stem for path in presets.glob("*.yaml"))


def load_config(
    *, preset: str | None = None, path: Path | None = None, overrides: Iterable[str] = ()
) -> BuildConfig:
    """A preset, then a YAML file over it, then `section.key=value` overrides over both.

    Raises ConfigError.
    """
    return load_as(BuildConfig, PRESETS, preset=preset, path=path, overrides=overrides)


def load_as(
    model: type[Model],
    presets: Path,
    *,
    preset: str | None = None,
    path: Path | None = None,
    overrides: Iterable[str] = (),
) -> Model:
    """`load_config` for the config of another command, with its own folder of presets."""
    data: dict[str, Any] = {}
    origin = "the defaults"
    if preset is not None:
        names = preset_names(presets)
        if preset not in names:
            raise ConfigError(f"no preset {preset!r}; there are {', '.join(names)}")
        data, origin = _read_yaml(presets / f"{preset}.yaml"), f"preset {preset}"
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
        data, origin = _merge(data, nested), f"--set {keys}"  # its value may be a secret
    return parse_as(model, data, origin)


def parse_config(data: Mapping[str, Any], origin: str) -> BuildConfig:
    """Validate; raises ConfigError that lists every problem with its key, value and allowed range."""
    return parse_as(BuildConfig, data, origin)


def parse_as(model: type[Model], data: Mapping[str, Any], origin: str) -> Model:
    """`parse_config` for another model."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = [_explain(model, dict(problem)) for problem in error.errors()]
        raise ConfigError(f"{origin}:\n" + "\n".join(f"  {line}" for line in problems)) from None


def _explain(root: type[BaseModel], problem: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])
    field = _field(root, problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = list(_model(root, problem["loc"][:-1]).model_fields)
        close = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known keys: {', '.join(known)}"
        return f"{where}: unknown key; {hint}"
    about = f" ({field.description})" if field is not None and field.description else ""
    given = problem["input"]
    secret = _model(root, problem["loc"][:-1]).model_config.get("hide_input_in_errors", False)
    told = "" if secret or isinstance(given, Mapping) else f"{given!r} is not allowed: "
    return f"{where + ': ' if where else ''}{told}{problem['msg']}{about}"


def _model(root: type[BaseModel], location: Iterable[Any]) -> type[BaseModel]:
    model = root
    for part in location:
        if isinstance(part, int):  # an entry of a list
            continue
        field = model.model_fields.get(str(part))
        inner = next(iter(_models(field.annotation)), None) if field else None
        if inner is None:
            break
        model = inner
    return model


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation, also inside `tuple[...]` and `X | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _field(root: type[BaseModel], location: tuple[Any, ...]) -> Any:
    return _model(root, location[:-1]).model_fields.get(str(location[-1])) if location else None


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


def dump_config(config: BaseModel) -> str:
    """The config as YAML, every value spelled out."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
