"""A corpus on an object store (`s3://`, `gs://`, whatever fsspec opens), copied into the stage."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sources import CorpusError
from manifests.sources.progress import Tally
from manifests.sources.stage import Stage, writing

_TOKENS = ("ETag", "etag", "md5Hash", "content_md5", "generation", "LastModified", "mtime", "created")
"""What a store tells of a file's content or date, by the names that fsspec's file systems give."""


def is_remote(where: str) -> bool:
    """Whether a corpus must be fetched before it can be read."""
    return "://" in where and not where.startswith("file://")


def fetch(url: str, stage: Stage) -> Path:
    """Copy everything below `url` (or the one file) and give the folder (or file) where it lies.

    A file is copied once, as long as size and ETag (or date) stay; its size is checked, and its MD5 where the
    store tells one. Hidden files are left out. Raises CorpusError when the store cannot be read, or a file
    changes meanwhile: the next run goes on from there.
    """
    from fsspec.core import url_to_fs

    try:
        fs, root = url_to_fs(url)
        single = fs.isfile(root)
        entries = {root: fs.info(root)} if single else fs.find(root, detail=True)
    except (OSError, ValueError, ImportError) as error:
        raise CorpusError(f"{_shown(url)} cannot be listed: {error}") from error
    if not entries:
        raise CorpusError(f"{_shown(url)}: no file there")
    base = root.rpartition("/")[0] if single else root.rstrip("/")
    home = stage.root / "fetched" / PurePosixPath(base or "all").name
    names = {path: path.removeprefix(base).lstrip("/") for path in sorted(entries)}
    # `..` is left out too: no name leaves the folder
    shown = {path: name for path, name in names.items() if not _is_hidden(name)}
    sizes = {path: entries[path].get("size") or 0 for path in shown}
    tally = Tally("fetch", sum(sizes.values()))
    for path, name in shown.items():
        _fetch_one(_Remote(fs, path, entries[path]), home / name, stage, partial(tally.within, name))
        tally.through(name, sizes[path])
    return home / PurePosixPath(root).name if single else home


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


@dataclass(frozen=True)
class _Remote:
    """A file on a store: its file system, its path there and what the store tells of it."""

    fs: Any
    path: str
    entry: dict[str, Any]


def _fetch_one(file: _Remote, target: Path, stage: Stage, on_read: Callable[[int], None]) -> None:
    path, entry = file.path, file.entry
    token = [entry.get("size"), *(str(entry[name]) for name in _TOKENS if entry.get(name))]
    key = ("fetch", path, str(target))
    told = stage.receipt(*key)
    if told and told["token"] == token and target.is_file() and target.stat().st_size == told["bytes"]:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    md5 = hashlib.md5(usedforsecurity=False)
    try:
        # no date of its own: a file that is the same is not fetched again, so its fingerprint stays
        with file.fs.open(path, "rb") as remote, writing(target) as handle:
            while block := remote.read(1 << 20):
                md5.update(block)
                handle.write(block)
                on_read(handle.tell())
            _check(path, entry, handle.tell(), md5.digest())
    except OSError as error:
        raise CorpusError(f"{path} cannot be fetched: {error}; run again to go on") from error
    stage.finish({"token": token, "bytes": target.stat().st_size}, *key)


class ContentError(CorpusError):
    """What came is not what the store lists."""


def _check(path: str, entry: dict[str, Any], size: int, md5: bytes) -> None:
    if entry.get("size") is not None and size != entry["size"]:
        raise ContentError(f"{path}: {size} bytes came of {entry['size']}; run again to fetch it anew")
    told = entry.get("md5Hash") or entry.get("content_md5")
    if isinstance(told, str):
        told = base64.b64decode(told)
    if told and bytes(told) != md5:
        raise ContentError(f"{path}: what came has another MD5 than the store tells; run again")


def _shown(url: str) -> str:
    """A URL without what may be secret in it: user, password, query."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
