"""The plainest corpus: a folder of recordings, with an optional sidecar of labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from manifests.ids import digest
from manifests.reasons import Reason
from manifests.sidecar import Complaint, Sidecar, SidecarError, read_sidecar
from manifests.sources import CorpusError, Listing, SourceFile
from manifests.transcripts import Beside

__all__ = ["MEDIA_SUFFIXES", "CorpusError", "fingerprint", "is_text", "list_folder", "names_below"]

VIDEO_SUFFIXES = (
    *(".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf", ".ogv"),
    *(".ts", ".vob", ".webm", ".wmv", ".3gp"),
)
AUDIO_SUFFIXES = (".aac", ".flac", ".m4a", ".mka", ".mp3", ".oga", ".ogg", ".opus", ".sph", ".wav", ".wma")
MEDIA_SUFFIXES = (*VIDEO_SUFFIXES, *AUDIO_SUFFIXES)
TEXT_SUFFIXES = (".txt",)
"""Of documents. Beside a recording the same suffix is a transcript: a document is what was named as one."""

TEXT_TASK = "text_continuation"
"""What a sidecar says of a text that is a source of its own."""

BUILD_MARK = "duologue.yaml"
"""What `build` leaves in its output folder."""

STAGE_MARK = "duologue-stage"
"""What a reader leaves in the folder where it unpacks archives and puts sound and picture together."""

SIDECAR_NAMES = ("sidecar.csv", "sidecar.tsv", "sidecar.jsonl", "sidecar.parquet")


def is_text(path: str) -> bool:
    """Whether a source is a document, by its suffix."""
    return path.lower().endswith(TEXT_SUFFIXES)


def fingerprint(path: Path) -> str:
    """Size and modification time, which change when a file is written to."""
    status = path.stat()
    return digest(status.st_size, status.st_mtime_ns)


def list_folder(root: Path, *, sidecar: Path | None = None, pattern: str | None = None) -> Listing:
    """Every file below `root` with a media suffix (or the one file that `root` is), sorted by path; and the
    texts of which the sidecar says that they are for text continuation.

    Hidden files and folders are left out, and with a `pattern` (`**/front_*.mp4`) what does not match it. A
    `sidecar.{csv,tsv,jsonl,parquet}` at the root is used when no other sidecar is given. Raises CorpusError
    and SidecarError.
    """
    if not root.exists():
        raise CorpusError(f"{root}: no such file or folder")
    complaints: list[Complaint] = []
    if root.is_file() and is_text(root.name):
        raise CorpusError(f"{root}: a text is no recording; build it with --reader text")
    base = root.parent if root.is_file() else root
    told = sidecar_of(base, sidecar)
    names = [root.name] if root.is_file() else sorted(names_below(root, MEDIA_SUFFIXES, complaints))
    if told is not None and root.is_dir():
        names = sorted([*names, *_documents(root, told)])
    if pattern is not None:
        matched = _matching(root, pattern)
        names = [name for name in names if name in matched]
    if not names:
        among = "" if pattern is None else f" among those that match {pattern!r}"
        raise CorpusError(f"{root}: no file with a media suffix ({' '.join(MEDIA_SUFFIXES)}){among}")
    labels = read_sidecar(told, names) if told is not None else Sidecar()
    beside = Beside(base)
    return Listing(
        tuple(_source(base, name, labels.labels.get(name, {}), beside) for name in names),
        (*complaints, *labels.complaints),
    )


def _matching(root: Path, pattern: str) -> set[str]:
    parts = PurePosixPath(pattern).parts
    if not parts or PurePosixPath(pattern).is_absolute() or ".." in parts:
        raise CorpusError(f"pattern {pattern!r} must be relative to {root} and stay inside it")
    return {path.relative_to(root).as_posix() for path in root.glob(pattern)}


def names_below(root: Path, suffixes: tuple[str, ...], complaints: list[Complaint]) -> Iterator[str]:
    """Names below `root` with one of the suffixes, hidden ones left out. Links to folders are not followed (a
    loop would never end), and that is told, like whatever cannot be read. A folder that a build or a reader
    wrote is no input, even inside the corpus."""

    def complain(path: Path, detail: str) -> None:
        complaints.append(Complaint(str(path), Reason.UNREADABLE_PATH, detail))

    def unreadable(error: OSError) -> None:
        complain(Path(error.filename), error.strerror or str(error))

    def wanted(folder: Path) -> bool:
        ours = any((folder / mark).exists() for mark in (BUILD_MARK, STAGE_MARK))
        return not folder.name.startswith(".") and not ours

    for folder, folders, files in os.walk(root, onerror=unreadable):
        folders[:] = sorted(name for name in folders if wanted(Path(folder, name)))
        for name in folders:
            if Path(folder, name).is_symlink():
                complain(Path(folder, name).relative_to(root), "links to folders are not followed")
        for name in files:
            path = Path(folder, name)
            if path.suffix.lower() not in suffixes or name.startswith("."):
                continue
            if path.is_file():
                yield path.relative_to(root).as_posix()
            else:
                complain(path.relative_to(root), "the link leads nowhere" if path.is_symlink() else "no file")


def _source(base: Path, name: str, labels: dict[str, str], beside: Beside) -> SourceFile:
    path = base / name
    transcript = None if is_text(name) else beside.of(name, labels.get("transcript"))
    return SourceFile(name, path.stat().st_size, fingerprint(path), labels, transcript)


def _documents(root: Path, sidecar: Path) -> list[str]:
    """The texts of which the sidecar says that they are documents."""
    texts = list(names_below(root, TEXT_SUFFIXES, []))
    told = read_sidecar(sidecar, texts).labels if texts else {}
    return [name for name, labels in told.items() if labels.get("task") == TEXT_TASK]


def sidecar_of(base: Path, given: Path | None) -> Path | None:
    """The sidecar that was given, else that of the folder. Raises SidecarError for one that is not there."""
    if given is not None and not given.is_file():
        raise SidecarError(f"sidecar {given}: no such file")
    return given or next((base / name for name in SIDECAR_NAMES if (base / name).is_file()), None)
