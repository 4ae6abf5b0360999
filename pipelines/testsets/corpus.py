"""A test set as a corpus: steps over the clips of another corpus, under one grid."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.corpus import Corpus
from pipelines.testsets.grid import GridConfig


@dataclass
class SetCorpus(Corpus):
    """`source_root` is the clean corpus' folder: its shards are what is read."""

    grid: GridConfig = field(kw_only=True)


def grid_of(corpus: Corpus) -> GridConfig:
    """The grid of a corpus that is a test set."""
    assert isinstance(corpus, SetCorpus)
    return corpus.grid
