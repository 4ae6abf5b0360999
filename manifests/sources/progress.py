"""How far the work before a listing is, told to whoever watches: unpacking and fetching can take hours.

Readers are plain functions of a folder; who watches is known only to the command that calls them. So it is
named for the length of a block (`watched`), and a reader that nobody watches tells nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """`done_bytes` of `total_bytes` are read; `name` is the file at hand."""

    what: str  # unpack or fetch
    name: str
    done_bytes: int
    total_bytes: int


Watch = Callable[[Progress], None]
_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)


@contextmanager
def watched(watch: Watch) -> Iterator[None]:
    """What is told inside the block goes to `watch`."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


class Tally:
    """Counts the bytes of files that are worked through one after the other, and tells them.

    Nothing is told while all files were done before: a corpus that is listed again shows no bar.
    """

    def __init__(self, what: str, total_bytes: int) -> None:
        self._what, self._total_bytes = what, total_bytes
        self._through_bytes = 0  # of the files that are done
        self._is_told = False

    def within(self, name: str, done_bytes: int) -> None:
        """So much of the file at hand is read."""
        self._is_told = True
        self._tell(name, done_bytes)

    def through(self, name: str, n_bytes: int) -> None:
        """The file of `n_bytes` is done, or was before."""
        self._through_bytes += n_bytes
        if self._is_told:
            self._tell(name, 0)

    def _tell(self, name: str, more_bytes: int) -> None:
        watch = _watch.get()
        if watch is not None:
            watch(Progress(self._what, name, self._through_bytes + more_bytes, self._total_bytes))
