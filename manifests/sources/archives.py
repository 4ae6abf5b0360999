"""Tars, unpacked safely into the stage: no member leaves its folder, none is a link."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources.folder import fingerprint
from manifests.sources.progress import Tally
from manifests.sources.stage import Stage, writing

ARCHIVE_SUFFIXES = (".tar", ".tgz", ".gz")
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


def unpack(
    archive: Path,
    stage: Stage,
    complaints: list[Complaint],
    on_read: Callable[[int], None] = lambda n_bytes: None,
) -> str | None:
    """Unpack a tar (also gzipped) and give its folder below the stage: `STEM.SHA256`, of its bytes.

    `on_read` is told how many bytes of the archive are read.

    Done before, nothing is read. A killed run goes on after the last whole member. Links, devices and names
    that leave the folder are told and left out; a damaged archive is told and None.
    """
    key = ("unpack", str(archive.resolve()), fingerprint(archive))
    told = stage.receipt(*key)
    if told is None or not (stage.root / told["folder"]).is_dir():
        unfinished = stage.partial(*key)
        try:
            sha256, refused = _extract(archive, unfinished, on_read)
        except _DAMAGE as error:
            shutil.rmtree(unfinished)
            detail = f"the archive cannot be read to its end ({error}); copy it again"
            complaints.append(Complaint(str(archive), Reason.CORPUS_MALFORMED, detail))
            return None
        folder = f"{archive.name.partition('.')[0]}.{sha256[:12]}"
        if (stage.root / folder).is_dir():
            shutil.rmtree(unfinished)  # the same bytes under another name or date
        else:
            unfinished.rename(stage.root / folder)
        told = {"folder": folder, "refused": refused}
        stage.finish(told, *key)
    for member, why in told["refused"]:
        complaints.append(Complaint(f"{archive.name}: {member}", Reason.UNSAFE_ARCHIVE, why))
    return str(told["folder"])


def _extract(
    archive: Path, folder: Path, on_read: Callable[[int], None]
) -> tuple[str, list[tuple[str, str]]]:
    """SHA-256 of the archive, and the members that were refused and why."""
    refused: list[tuple[str, str]] = []
    seen: set[str] = set()
    with archive.open("rb") as handle:
        reader = _Hashing(handle, on_read)
        with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|*") as tar:
            for member in tar:
                if member.isdir():
                    continue
                name = str(PurePosixPath(member.name))
                why = "given twice; the first one counts" if name in seen else _unsafe(member)
                seen.add(name)
                if why is None:
                    content = tar.extractfile(member)
                    assert content is not None
                    why = _write(folder / name, content, member)
                if why is not None:
                    refused.append((member.name, why))
        while reader.read(1 << 20):
            pass  # what lies behind the end mark counts for the digest
    return reader.sha256.hexdigest(), refused


def _unsafe(member: tarfile.TarInfo) -> str | None:
    path = PurePosixPath(member.name)
    if not member.isreg():
        return "a link or a device, no file"
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in member.name:
        return "its name leaves the folder"
    return None


def _write(path: Path, content: IO[bytes], member: tarfile.TarInfo) -> str | None:
    if path.is_file() and path.stat().st_size == member.size:
        return None  # by an earlier run: only whole files have their name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return "a file lies where it needs a folder"
    if path.is_dir():
        return "a folder lies where it would be"
    with writing(path, mtime=member.mtime) as handle:
        shutil.copyfileobj(content, handle, 1 << 20)
        if handle.tell() != member.size:
            raise tarfile.ReadError(f"{member.name} is cut short")
    return None


class _Hashing:
    """A file that is hashed as it is read."""

    def __init__(self, handle: IO[bytes], on_read: Callable[[int], None]) -> None:
        self._handle, self._on_read, self._n_bytes = handle, on_read, 0
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(size)
        self.sha256.update(data)
        self._n_bytes += len(data)
        self._on_read(self._n_bytes)
        return data


def unpack_all(root: Path, stage: Stage, complaints: list[Complaint], names: list[str]) -> dict[str, str]:
    """Folder below the stage of each archive below `root`; damaged ones are told and left out. How far it is
    goes to whoever watches (`progress`)."""
    sizes = {name: (root / name).stat().st_size for name in names}
    tally = Tally("unpack", sum(sizes.values()))
    folders: dict[str, str] = {}
    for name, size in sizes.items():
        folder = unpack(root / name, stage, complaints, partial(tally.within, name))
        tally.through(name, size)
        if folder is not None:
            folders[name] = folder
    return folders
