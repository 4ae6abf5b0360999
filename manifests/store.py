"""The output folder: every byte Duologue keeps goes through here, whole or not at all.

A write lands under its final name only when it is complete: temp file, fsync, `os.replace` on a local
disk; one PUT on an object store (fsspec: `s3://`, `gs://`, `memory://`). Readers therefore never meet
half a file, and a zombie attempt can only rewrite the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from manifests.errors import CommandError

TEMP = ".tmp"
LOCK = "run.lock"


class StoreError(CommandError, ValueError):
    """The output folder cannot be used at all."""


class StoreLockedError(CommandError, RuntimeError):
    """Another run holds the output folder."""


@dataclass(frozen=True)
class Artifact:
    """A committed payload: its name below the store's root, size and SHA-256."""

    name: str
    bytes: int
    sha256: str


class Store:
    """A folder on a local disk or an object store. Names are relative, with `/`, and stay inside."""

    def __init__(self, url: str | Path) -> None:
        from fsspec.core import url_to_fs

        try:
            self.fs, root = url_to_fs(str(url))
        except (ValueError, ImportError) as error:
            raise StoreError(f"output {url}: {error}") from error
        self.root: str = root.rstrip("/")
        self.is_local: bool = "file" in (self.fs.protocol if isinstance(self.fs.protocol, tuple) else ())
        self.url = self.root if self.is_local else self.fs.unstrip_protocol(self.root)

    def path(self, name: str) -> str:
        """Full path of `name` for the file system. Raises ValueError for a name that leaves the folder."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts:
            raise ValueError(f"{name!r} is not a name inside the output folder {self.url}")
        return f"{self.root}/{pure}"

    def exists(self, name: str) -> bool:
        """Whether a committed file of that name is there."""
        return bool(self.fs.isfile(self.path(name)))

    def read(self, name: str) -> bytes:
        """The bytes of a committed file. Raises FileNotFoundError."""
        data: bytes = self.fs.cat_file(self.path(name))
        return data

    def open(self, name: str) -> IO[bytes]:
        """A committed file opened for reading."""
        handle: IO[bytes] = self.fs.open(self.path(name), "rb")
        return handle

    def list(self, folder: str) -> list[str]:
        """Sorted names of the files directly in `folder` (empty when it does not exist)."""
        where = self.path(folder)
        self.fs.invalidate_cache(where)
        if not self.fs.isdir(where):
            return []
        found = self.fs.ls(where, detail=True)
        return sorted(PurePosixPath(entry["name"]).name for entry in found if entry["type"] == "file")

    def write(self, name: str, data: bytes) -> Artifact:
        """Write `data` under `name`, atomically."""
        with self.writing(name) as handle:
            handle.write(data)
        return Artifact(name, len(data), hashlib.sha256(data).hexdigest())

    @contextmanager
    def writing(self, name: str) -> Iterator[IO[bytes]]:
        """A file that becomes `name` when the block ends without an exception, and vanishes otherwise."""
        final = self.path(name)
        if not self.is_local:
            with tempfile.NamedTemporaryFile() as spool:
                yield spool
                spool.flush()
                self.fs.put_file(spool.name, final)  # one PUT: there whole, or not at all
            return
        temp = Path(self.root, TEMP, f"{os.getpid()}-{uuid.uuid4().hex}")
        temp.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temp.open("w+b") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            Path(final).parent.mkdir(parents=True, exist_ok=True)
            temp.replace(final)
        finally:
            temp.unlink(missing_ok=True)

    def artifact(self, name: str) -> Artifact:
        """Size and SHA-256 of a committed file, read back from the store."""
        sha, size = hashlib.sha256(), 0
        with self.open(name) as handle:
            while block := handle.read(1 << 20):
                sha.update(block)
                size += len(block)
        return Artifact(name, size, sha.hexdigest())

    def delete(self, name: str) -> None:
        """Remove a file; it is no error when it is gone already."""
        try:
            self.fs.rm_file(self.path(name))
        except FileNotFoundError:
            return

    def sweep(self) -> None:
        """Remove what killed writers left behind. Only the holder of the lock may call it."""
        if self.is_local:
            for leftover in Path(self.root, TEMP).glob("*"):
                leftover.unlink(missing_ok=True)

    @contextmanager
    def locked(self, *, break_lock: bool = False) -> Iterator[None]:
        """Hold the folder for one run. Raises StoreLockedError naming the holder's pid and host.

        A local lock dies with its process. On an object store nothing notices a killed run: its lock
        stays, and the error says to pass `--break-lock` once the other run is known to be gone.
        """
        me = {"pid": os.getpid(), "host": socket.gethostname()}
        if not self.is_local:
            if self.exists(LOCK) and not break_lock:
                raise StoreLockedError(self._held(json.loads(self.read(LOCK)), remote=True))
            self.write(LOCK, json.dumps(me).encode())
            try:
                yield
            finally:
                self.delete(LOCK)
            return
        import fcntl

        try:
            Path(self.root).mkdir(parents=True, exist_ok=True)
            lock = Path(self.root, LOCK).open("a+")  # noqa: SIM115 - closed by the `with` below
        except OSError as error:
            raise StoreError(f"output {self.url} is not a folder that can be written to: {error}") from error
        with lock as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                handle.seek(0)
                text = handle.read()
                raise StoreLockedError(self._held(json.loads(text) if text else {}, remote=False)) from None
            handle.truncate(0)
            handle.write(json.dumps(me))
            handle.flush()
            yield

    def _held(self, holder: dict[str, Any], *, remote: bool) -> str:
        who = f"pid {holder.get('pid', '?')} on {holder.get('host', '?')}"
        hint = " If that run is gone, pass --break-lock." if remote else " Wait for it or stop it."
        return f"{self.url} is in use by another run ({who}).{hint}"
