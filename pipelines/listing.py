"""What a command is to read: a corpus' recordings, without those of people who were forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from manifests.sources import Listing
from manifests.sources.progress import Progress, watched
from manifests.sources.readers import read_corpus
from manifests.store import Store
from manifests.tombstones import living, read_tombstones
from pipelines.config import ConfigError
from pipelines.reporter import Reporter, make_reporter


@dataclass(frozen=True)
class Listed:
    """`root`: the folder that paths are below. `left_out`: recordings of people who were forgotten."""

    listing: Listing
    root: str
    left_out: int


def read_listing(
    where: str,
    out: str,
    *,
    reader: str = "folder",
    options: Sequence[str] = (),
    stage: Path | None = None,
    sidecar: Path | None = None,
    quiet: bool = False,
) -> Listed:
    """List `where` for the output folder `out`; `options`: NAME=VALUE for the reader.

    Tars are unpacked, and remote files copied, into `stage`, or else OUT.stage; how far that is, is shown
    unless `quiet`. Raises ConfigError, and as `read_corpus` does.
    """
    given = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals:
            raise ConfigError(f"--reader-option {option}: expected NAME=VALUE")
        given[name] = value
    if stage is None and "://" not in out:
        stage = Path(f"{out.rstrip('/')}.stage")
    with _shown(quiet=quiet):
        found, root = read_corpus(where, reader=reader, stage=stage, sidecar=sidecar, options=given)
    listing, left_out = living(found, read_tombstones(Store(out)))
    return Listed(listing, root, left_out)


@contextmanager
def _shown(*, quiet: bool) -> Iterator[None]:
    """Bars, or lines, from the moment there is something to tell."""
    with ExitStack() as stack:
        begun: list[Reporter] = []

        def tell(progress: Progress) -> None:
            if not begun:
                begun.append(stack.enter_context(make_reporter(quiet=quiet)))
            begun[0].staging(progress)

        stack.enter_context(watched(tell))
        yield
