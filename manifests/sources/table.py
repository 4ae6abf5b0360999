"""A table of recordings: CSV, JSON Lines or Parquet with a column `path` and any of the sidecar's labels."""

from __future__ import annotations

from pathlib import Path

from manifests.sidecar import read_sidecar
from manifests.sources import CorpusError, Listing
from manifests.sources.collect import Collector
from manifests.sources.folder import MEDIA_SUFFIXES
from manifests.transcripts import Beside


def list_table(root: Path, *, table: str) -> Listing:
    """The recordings that a table names, and no others; paths are below `root`.

    A row whose file is not there, a row that cannot be read and a second row for one file are told. Raises
    CorpusError when no row is left, SidecarError when the table as a whole cannot be read.
    """
    path = Path(table) if Path(table).is_file() else root / table
    if not path.is_file():
        raise CorpusError(f"table {table}: no such file, nor below {root}")
    found = Collector(root)
    told = read_sidecar(path, found.files(*MEDIA_SUFFIXES))
    beside = Beside(root)
    for name, labels in told.labels.items():
        found.add(name, labels, about=beside.of(name, labels.get("transcript")))
    found.complaints.extend(told.complaints)
    return found.listing(f"files named in the column `path` of {path.name}")
