"""The model store: which weight files Duologue knows, and where each is on this machine.

A file is accepted only with the SHA-256 of its registry entry, wherever it was found, so that the
digest in a step key always names the bytes that were run. Places, in order: the folder
`DUOLOGUE_MODELS`, the cache (`DUOLOGUE_CACHE`, by default `~/.cache/duologue`), an installed package
that carries the file and, only through `fetch`, the published URL.

Weights that nobody may pass on are brought by the user: their entry has no digest, any file of that name in
`DUOLOGUE_MODELS` is taken, for some also the one in the local cache of the Hugging Face hub, and its own
digest enters the step key.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from extractors.download import DownloadError, Progress, download
from extractors.weights_registry import REGISTRY, Weights
from manifests.errors import CommandError

MODELS_VARIABLE = "DUOLOGUE_MODELS"
CACHE_VARIABLE = "DUOLOGUE_CACHE"
HUB_REVISION_VARIABLE = "DUOLOGUE_HUB_REVISION"


class WeightsError(CommandError):
    """Weights are unknown, missing, damaged or could not be downloaded; the text says what to do."""


class MissingWeightsError(WeightsError):
    """The file is in none of the places; the text lists them all."""


@dataclass(frozen=True)
class Located:
    """A verified file."""

    path: Path
    found_in: str
    """`DUOLOGUE_MODELS`, `cache`, `package NAME VERSION`, `hub REPOSITORY@COMMIT` or `download`."""


def weights_sha256(name: str, *, registry: Mapping[str, Weights] = REGISTRY) -> str:
    """SHA-256 (64 hex digits) of the weights called `name`, for step keys.

    Only weights brought by the user are looked up on disk. Raises `WeightsError` for an unknown name, and
    `MissingWeightsError` for weights that the user was to bring.
    """
    entry = _entry(name, registry)
    if entry.sha256 is not None:
        return entry.sha256
    path = locate(name, registry=registry).path
    return file_digest(path)


def locate(name: str, *, registry: Mapping[str, Weights] = REGISTRY) -> Located:
    """The verified file of the weights called `name`, without any download.

    Raises `MissingWeightsError` when it is nowhere, and `WeightsError` for an unknown name, a
    `DUOLOGUE_MODELS` that is no folder or a file with another digest (a wrong file is never skipped).
    """
    entry = _entry(name, registry)
    places = _places(entry)
    found = _first_present(entry, places)
    if found is None:
        raise MissingWeightsError(_missing_text(entry, places))
    return found


def fetch(
    name: str,
    *,
    on_progress: Progress | None = None,
    allow_loopback_http: bool = False,
    registry: Mapping[str, Weights] = REGISTRY,
) -> Located:
    """Like `locate`; when nothing is found, downloads the published file into the cache.

    The file appears in the cache only once it is complete and its digest is right; see
    `extractors.download` for the options. Raises `WeightsError`.
    """
    entry = _entry(name, registry)
    if entry.url is None or entry.sha256 is None:
        return locate(name, registry=registry)
    found = _first_present(entry, _places(entry))
    if found is not None:
        return found
    target = _cache_path(entry)
    try:
        download(
            entry.url,
            target,
            size_bytes=entry.size_bytes,
            sha256=entry.sha256,
            on_progress=on_progress,
            allow_loopback_http=allow_loopback_http,
        )
    except DownloadError as error:
        raise WeightsError(
            f"{entry.name} could not be downloaded; nothing was kept: {error}. Try again, or put "
            f"{entry.file_name} into a folder and name that folder in {MODELS_VARIABLE}"
        ) from error
    return Located(target, "download")


@dataclass(frozen=True)
class _Place:
    """One place where a file may be; `path` is None where the place itself does not exist."""

    path: Path | None
    found_in: str
    note: str
    """For the message when nothing was found."""
    remedy: str
    """For the message when the file is there and wrong."""


def _entry(name: str, registry: Mapping[str, Weights]) -> Weights:
    if name not in registry:
        raise WeightsError(f"no weights are called {name!r}; known: {', '.join(sorted(registry))}")
    return registry[name]


def _places(entry: Weights) -> list[_Place]:
    """Every place without a network, in the order of the search."""
    if entry.sha256 is None:
        return [_models_folder(entry), *([_hub_cache(entry.hub, entry)] if entry.hub else [])]
    cached = _cache_path(entry)
    return [
        _models_folder(entry),
        _Place(cached, "cache", f"cache: no {cached}", "delete it, so that it can be fetched again"),
        *(_package(distribution, inside) for distribution, inside in entry.carried_by),
    ]


def _models_folder(entry: Weights) -> _Place:
    value = os.environ.get(MODELS_VARIABLE)
    remedy = f"replace the file, or name another folder in {MODELS_VARIABLE}"
    if not value:
        return _Place(None, MODELS_VARIABLE, f"{MODELS_VARIABLE}: not set", remedy)
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"{MODELS_VARIABLE}={value} is not a folder; correct it or unset it")
    path = folder / entry.file_name
    return _Place(path, MODELS_VARIABLE, f"{MODELS_VARIABLE}: no {path}", remedy)


def _cache_path(entry: Weights) -> Path:
    root = os.environ.get(CACHE_VARIABLE) or "~/.cache/duologue"
    return Path(root).expanduser() / "models" / str(entry.sha256) / entry.file_name


def _package(distribution: str, inside: str) -> _Place:
    """Where an installed package keeps the file; the package is not imported."""
    install = f"pip install {distribution}"
    try:
        installed = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return _Place(None, "", f"package {distribution}: not installed ({install})", "")
    label = f"package {distribution} {installed.version}"
    path = Path(str(installed.locate_file(inside)))
    return _Place(path, label, f"{label}: no {path}", f"{label} carries another file; see constraints.txt")


def _hub_cache(repository: str, entry: Weights) -> _Place:
    """Where `hf download REPOSITORY --revision …` left the file; the network is not asked.

    The revision is `DUOLOGUE_HUB_REVISION`, by default `main`; the label names the commit it stands for.
    """
    revision = os.environ.get(HUB_REVISION_VARIABLE) or "main"
    label = f"hub {repository}@{revision}"
    try:
        from huggingface_hub import try_to_load_from_cache
    except ModuleNotFoundError:
        return _Place(None, label, f"{label}: huggingface-hub is not installed", "")
    found = try_to_load_from_cache(repository, Path(entry.file_name).name, revision=revision)
    if not isinstance(found, str):  # not there, or known to be absent from the repository
        return _Place(None, label, f"{label}: not in the local cache", "")
    return _Place(Path(found), f"hub {repository}@{Path(found).parent.name}", label, "")


def _first_present(entry: Weights, places: list[_Place]) -> Located | None:
    for place in places:
        if place.path is not None and place.path.is_file():
            _verify(entry, place.path, remedy=place.remedy)
            return Located(place.path, place.found_in)
    return None


def _verify(entry: Weights, path: Path, *, remedy: str) -> None:
    if entry.sha256 is None:
        return
    found = file_digest(path)
    if found != entry.sha256:
        raise WeightsError(
            f"{entry.name}: {path} is not the expected file: SHA-256 expected {entry.sha256}, "
            f"found {found}; {remedy}"
        )


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read once a process for each size and time it has had."""
    status = path.stat()
    return _digest(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, size_bytes: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing_text(entry: Weights, places: list[_Place]) -> str:
    tried = [place.note for place in places]
    if entry.get_it:
        tried.append(f"brought by you: {entry.get_it}")
    if entry.url is not None:
        tried.append(
            f"published; `duologue build` and `duologue models --fetch {entry.name}` ask: {entry.url}"
        )
    lines = "".join(f"\n  - {line}" for line in tried)
    return (
        f"{entry.name} ({entry.file_name}, {entry.used_for}) was not found. Places tried:{lines}\n"
        f"Put the file into a folder and name that folder in {MODELS_VARIABLE}."
    )
