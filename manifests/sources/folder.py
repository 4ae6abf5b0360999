"""The plainest corpus: a folder of recordings, with an optional sidecar of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from manifests.ids import digest
from manifests.reasons import Reason
from manifests.sidecar import Complaint, Sidecar, SidecarError, read_sidecar
from manifests.sources import Listing, SourceFile
from manifests.transcripts import Beside

MEDIA_SUFFIXES = (
    *(".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv"),
    *(".ts", ".vob", ".webm", ".wmv", ".3gp"),
    *(".aac", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".wav", ".wma"),
)
BUILD_MARK = "duologue.yaml"
"""What `build` leaves in its output folder."""

SIDECAR_NAMES = ("sidecar.csv", "sidecar.tsv", "sidecar.jsonl", "sidecar.parquet")


class CorpusError(ValueError):
    """The input is not a corpus: nothing there, or nothing usable."""


def fingerprint(path: Path) -> str:
    """Size and modification time, which change when a file is written to."""
    status = path.stat()
    return digest(status.st_size, status.st_mtime_ns)


def list_folder(root: Path, *, sidecar: Path | None = None) -> Listing:
    """Every file below `root` with a media suffix (or the one file that `root` is), sorted by path.

    Hidden files and folders are left out. A `sidecar.{csv,tsv,jsonl,parquet}` at the root is used
    when no other sidecar is given. Raises CorpusError and SidecarError.
    """
    if not root.exists():
        raise CorpusError(f"{root}: no such file or folder")
    complaints: list[Complaint] = []
    names = [root.name] if root.is_file() else sorted(_names(root, complaints))
    base = root.parent if root.is_file() else root
    if not names:
        raise CorpusError(f"{root}: no file with a media suffix ({' '.join(MEDIA_SUFFIXES)})")
    labels = _sidecar(base, sidecar, names)
    beside = Beside(base)
    return Listing(
        tuple(_source(base, name, labels.labels.get(name, {}), beside) for name in names),
        (*complaints, *labels.complaints),
    )


def _names(root: Path, complaints: list[Complaint]) -> Iterator[str]:
    """Relative names. Links to folders are not followed (a loop would never end), and that is told, like
    whatever cannot be read. A folder that a build wrote is no input, even inside the corpus."""

    def complain(path: Path, detail: str) -> None:
        complaints.append(Complaint(str(path), Reason.UNREADABLE_PATH, detail))

    def unreadable(error: OSError) -> None:
        complain(Path(error.filename), error.strerror or str(error))

    for folder, folders, files in os.walk(root, onerror=unreadable):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not Path(folder, name, BUILD_MARK).exists()
        )
        for name in folders:
            if Path(folder, name).is_symlink():
                complain(Path(folder, name).relative_to(root), "links to folders are not followed")
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() not in MEDIA_SUFFIXES or name.startswith("."):
                continue
            if path.is_file():
                yield path.relative_to(root).as_posix()
            else:
                complain(path.relative_to(root), "the link leads nowhere" if path.is_symlink() else "no file")


def _source(base: Path, name: str, labels: dict[str, str], beside: Beside) -> SourceFile:
    path = base / name
    transcript = beside.of(name, labels.get("transcript"))
    return SourceFile(name, path.stat().st_size, fingerprint(path), labels, transcript)


def _sidecar(base: Path, given: Path | None, names: list[str]) -> Sidecar:
    if given is not None and not given.is_file():
        raise SidecarError(f"sidecar {given}: no such file")
    found = given or next((base / name for name in SIDECAR_NAMES if (base / name).is_file()), None)
    return read_sidecar(found, names) if found else Sidecar()
