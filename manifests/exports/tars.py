"""Tars that an export writes beside each other, member by member; their bytes depend on nothing else."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from manifests.store import Store


class TarWriter:
    """Members with mtime 0, uid and gid 0, mode 0644 and no user names, as in the shards."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar: Any = tar

    def add(self, name: str, data: bytes) -> None:
        """Append one file."""
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o644
        self._tar.addfile(info, io.BytesIO(data))
        self._tar.members.clear()  # tarfile would keep every header


@contextmanager
def writing_tar(out: Store, name: str) -> Iterator[TarWriter]:
    """A tar that is there whole when the block ends, and not at all when it raises."""
    with (
        out.writing(name) as handle,
        tarfile.open(fileobj=handle, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        yield TarWriter(tar)
