"""`duologue build`: the steps in order, then the books."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.store import Store
from pipelines.accounting import Account, account, index_table
from pipelines.asking import unpaid
from pipelines.config import parse_config
from pipelines.corpus import Corpus
from pipelines.engine import Engine
from pipelines.needs import check_labels
from pipelines.remembered import (
    BUILD,
    LISTING,
    SETTINGS,
    keep_listing,
    kept_listing,
    read_settings,
    write_settings,
)
from pipelines.reporter import Reporter
from pipelines.run import check_steps, run_steps
from pipelines.sections import BuildConfig
from pipelines.step import Step
from pipelines.steps.caption import Caption, CaptionStepConfig, check_key
from pipelines.steps.cut import Cut
from pipelines.steps.hypotheses import Hypotheses
from pipelines.steps.ingest import Ingest
from pipelines.steps.listen import Listen
from pipelines.steps.pack import SHARDS, Pack
from pipelines.steps.people import People
from pipelines.steps.select import Select
from pipelines.steps.split import Split
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.units import Units
from pipelines.steps.voices import Voices
from pipelines.steps.watch import Watch
from pipelines.steps.who import Who
from pipelines.steps.words import Words

MANIFEST = "manifest.parquet"
INDEX = f"{SHARDS}/index.parquet"


def build_steps(config: BuildConfig) -> dict[str, Step[Any]]:
    """The steps of a build, in order. A new step is one file and one line here."""
    return {
        "ingest": Ingest(config.ingest),
        "watch": Watch(config.watch),
        "listen": Listen(config.listen),
        "who": Who(config.who),
        "people": People(config.people),
        "split": Split(config.pack),
        "words": Words(config.words),
        "voices": Voices(config.voices),
        "select": Select(config.select),
        "cut": Cut(config.cut),
        "tokenize": Tokenize(config.tokenize),
        "units": Units(config.units),
        "hypotheses": Hypotheses(config.hypotheses),
        "caption": Caption(CaptionStepConfig(caption=config.caption)),
        "pack": Pack(config.pack),
    }


@dataclass(frozen=True)
class Built:
    """A corpus after a run, with its books."""

    corpus: Corpus
    account: Account
    removed: tuple[str, ...] = ()  # sources of the last run that are no longer there


def build(
    corpus: Corpus,
    config: BuildConfig,
    *,
    engine: Engine,
    reporter: Reporter,
    retry: Sequence[str] = (),
    break_lock: bool = False,
) -> Built:
    """Run every step to completion, then publish the index and the manifest.

    `retry` names statuses (`failed`, `quarantined`) whose receipts are dropped first. Raises ConfigError,
    WeightsError, ApiKeyError, StoreLockedError, FatalError, EngineError; what is committed stays, and the
    next run resumes.
    """
    check_labels(corpus.listing, config)
    check_steps(corpus, config.engine)
    store = corpus.store
    with store.locked(break_lock=break_lock):
        store.sweep()
        corpus.forget("caption", unpaid(corpus, "caption"))
        check_key(corpus)
        removed = _removed_since_last_run(corpus)
        remember(corpus, config)
        run_steps(corpus, config.engine, engine=engine, reporter=reporter, retry=retry)
        return Built(corpus, publish(corpus), removed)


def publish(corpus: Corpus) -> Account:
    """Write the manifest and, when the sums balance, the index; then remove shards it has replaced."""
    books = account(corpus)
    publish_books(corpus, books)
    return books


def publish_books(corpus: Corpus, books: Account) -> None:
    """Write the manifest and the index, and remove the shards that an index named and this one does not.

    Where the sums do not balance, index and shards stay as the last good run left them.
    """
    store = corpus.store
    write_table(store, MANIFEST, books.table())
    if books.problems:
        return
    before: set[str] = set()
    if store.exists(INDEX):
        old = pq.ParquetFile(pa.BufferReader(store.read(INDEX))).read(["shard"])
        before = set(old.column("shard").to_pylist())
    index = index_table(corpus)
    write_table(store, INDEX, index)
    for name in sorted(before - set(index.column("shard").to_pylist())):
        store.delete(f"{SHARDS}/{name}")


def remember(corpus: Corpus, config: BuildConfig) -> None:
    """Keep the config and the listing beside the corpus, for `status`, `replay` and the like."""
    write_settings(corpus.store, source_root=corpus.source_root, config=config.model_dump(mode="json"))
    keep_listing(corpus.store, corpus.listing)


def _removed_since_last_run(corpus: Corpus) -> tuple[str, ...]:
    """Paths that the last run listed and this one does not: a deleted file, or a disk half mounted."""
    if not corpus.store.exists(LISTING):
        return ()
    before = {source.path for source in kept_listing(corpus.store).sources}
    return tuple(sorted(before - {source.path for source in corpus.listing.sources}))


def recall(url: str) -> tuple[Corpus, BuildConfig]:
    """The corpus that an earlier build left in a folder. Raises NoCorpusError."""
    settings, store = read_settings(url, BUILD), Store(url)
    config = parse_config(settings["config"], f"{url}/{SETTINGS}")
    return Corpus(store, settings["source_root"], kept_listing(store), build_steps(config)), config


def write_table(store: Store, name: str, table: pa.Table) -> None:
    """Write Parquet, unless these very bytes are there."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    if not store.exists(name) or store.read(name) != data:
        store.write(name, data)
