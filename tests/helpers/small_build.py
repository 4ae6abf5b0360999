"""`duologue build` of a folder in this process, for tests that read what it wrote."""

from __future__ import annotations

from pathlib import Path

from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build, build_steps
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter
from pipelines.sections import BuildConfig


def run_build(clips: Path, out: Path, config: BuildConfig) -> dict[str, str]:
    """Build and return the key of the one clip of each source, by the source's name without its suffix."""
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    books = build(corpus, config, engine=LocalEngine(), reporter=QuietReporter()).account
    assert not books.problems
    kept = [row for row in books.rows if row["kind"] == "clip" and row["status"] == "ok"]
    keys = {Path(row["path"]).stem: row["key"] for row in kept}
    assert len(keys) == len(kept) == len(list_folder(clips).sources), [
        (row["path"], row["key"], row["status"], row["detail"]) for row in books.rows
    ]
    return keys
