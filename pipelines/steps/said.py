"""What `words` found, read back: spans for `select`, words for the samples of one source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from manifests.store import Store

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


def read_words(store: Store, row: dict[str, Any]) -> list[tuple[float, float]]:
    """Spans of the words of a row of this step, seconds from the first sample, sorted."""
    with store.open(row["artifacts"][0]["name"]) as handle:
        table = pq.read_table(handle, columns=["start_s", "stop_s"])
    return list(zip(table.column("start_s").to_pylist(), table.column("stop_s").to_pylist(), strict=True))


@dataclass(frozen=True)
class SourceWords:
    """What is said in a source: `words` [word, start_s, stop_s] from `origin` on, which is the time of its
    first sample; who found them, the language if the recogniser told it, and why and where words are missing.
    """

    words: list[list[Any]]
    origin: Fraction
    found_by: str | None
    language: str | None
    missing: str | None
    missing_s: list[tuple[float, float]]


def source_words(corpus: Corpus, row: dict[str, Any]) -> SourceWords:
    """Of one source, from its row of this step. Nothing of other sources is kept: a corpus may be large."""
    with corpus.store.open(row["artifacts"][0]["name"]) as handle:
        columns = pq.read_table(handle, columns=["word", "start_s", "stop_s"]).to_pydict()
    return SourceWords(
        [list(one) for one in zip(*columns.values(), strict=True)],
        Fraction(corpus.items("words")[row["item"]].inputs["listen"]["start"]),
        row["words_from"],
        row["heard_language"],
        row["words_missing"],
        json.loads(row["words_missing_s"] or "[]"),
    )
