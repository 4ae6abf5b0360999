"""Tars, unpacked safely into the stage: no member leaves its folder, none is a link."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, cast

from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources.folder import fingerprint
from manifests.sources.stage import Stage, writing

ARCHIVE_SUFFIXES = (".tar", ".tgz", ".gz")
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, OSError)


def unpack(archive: Path, stage: Stage, complaints: list[Complaint]) -> str | None:
    """Unpack a tar (also gzipped) and give its folder below the stage: `STEM.SHA256`, of its bytes.

    Done before, nothing is read. A killed run goes on after the last whole member. Links, devices and names
    that leave the folder are told and left out; a damaged archive is told and None.
    """
    key = ("unpack", str(archive.resolve()), fingerprint(archive))
    told = stage.receipt(*key)
    if told is None or not (stage.root / told["folder"]).is_dir():
        partial = stage.partial(*key)
        try:
            sha256, refused = _extract(archive, partial)
        except _DAMAGE as error:
            shutil.rmtree(partial)
            detail = f"the archive cannot be read to its end ({error}); copy it again"
            complaints.append(Complaint(str(archive), Reason.CORPUS_MALFORMED, detail))
            return None
        folder = f"{archive.name.partition('.')[0]}.{sha256[:12]}"
        if (stage.root / folder).is_dir():
            shutil.rmtree(partial)  # the same bytes under another name or date
        else:
            partial.rename(stage.root / folder)
        told = {"folder": folder, "refused": refused}
        stage.finish(told, *key)
    for member, why in told["refused"]:
        complaints.append(Complaint(f"{archive.name}: {member}", Reason.UNSAFE_ARCHIVE, why))
    return str(told["folder"])


def _extract(archive: Path, folder: Path) -> tuple[str, list[tuple[str, str]]]:
    """SHA-256 of the archive, and the members that were refused and why."""
    refused: list[tuple[str, str]] = []
    seen: set[str] = set()
    with archive.open("rb") as handle:
        reader = _Hashing(handle)
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

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(size)
        self.sha256.update(data)
        return data


def unpack_all(root: Path, stage: Stage, complaints: list[Complaint], names: list[str]) -> dict[str, str]:
    """Folder below the stage of each archive below `root`; damaged ones are told and left out."""
    folders = {name: unpack(root / name, stage, complaints) for name in names}
    return {name: folder for name, folder in folders.items() if folder is not None}
