"""`duologue build`: the steps in order, then the books."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources import Listing, SourceFile
from manifests.store import Store
from pipelines.accounting import Account, account, index_table
from pipelines.config import BuildConfig, parse_config
from pipelines.corpus import Corpus
from pipelines.driver import Driver
from pipelines.engine import Engine
from pipelines.journal import Journal
from pipelines.reporter import Reporter
from pipelines.step import Step
from pipelines.steps.cut import Cut
from pipelines.steps.ingest import Ingest
from pipelines.steps.listen import Listen
from pipelines.steps.pack import SHARDS, Pack, forget_missing
from pipelines.steps.select import Select
from pipelines.steps.watch import Watch

SETTINGS = "duologue.yaml"
LISTING = "listing.json"
MANIFEST = "manifest.parquet"
INDEX = f"{SHARDS}/index.parquet"


def build_steps(config: BuildConfig) -> dict[str, Step[Any]]:
    """The steps of a build, in order. A new step is one file and one line here."""
    return {
        "ingest": Ingest(config.ingest),
        "watch": Watch(config.watch),
        "listen": Listen(config.listen),
        "select": Select(config.select),
        "cut": Cut(config.cut),
        "pack": Pack(config.pack),
    }


@dataclass(frozen=True)
class Built:
    """A corpus after a run, with its books."""

    corpus: Corpus
    account: Account


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

    `retry` names statuses (`failed`, `quarantined`) whose receipts are dropped first. Raises
    StoreLockedError, FatalError, EngineError; what is committed stays, and the next run resumes.
    """
    store = corpus.store
    with store.locked(break_lock=break_lock):
        store.sweep()
        remember(corpus, config)
        journal = Journal(store)
        driver = Driver(corpus, engine, config.engine, reporter, journal)
        try:
            with reporter, engine:
                for name in corpus.steps:
                    if retry:
                        drop_rows(corpus, name, retry)
                    if name == "pack":
                        forget_missing(corpus)
                    driver.run_step(name)
        finally:
            journal.flush()
        return Built(corpus, publish(corpus))


def publish(corpus: Corpus) -> Account:
    """Write the index and the manifest, then remove shards that are no longer in the index."""
    books = account(corpus)
    index = index_table(corpus)
    _write_table(corpus.store, INDEX, index)
    _write_table(corpus.store, MANIFEST, books.table())
    wanted = {*index.column("shard").to_pylist(), Path(INDEX).name}
    for name in corpus.store.list(SHARDS):
        if name not in wanted:
            corpus.store.delete(f"{SHARDS}/{name}")
    return books


def drop_rows(corpus: Corpus, name: str, statuses: Sequence[str]) -> None:
    """Remove the receipts that hold a row with one of the statuses, and their attempt markers."""
    from pipelines.attempts import Attempts

    folder = corpus.folder(name)
    for row in corpus.rows(name):
        if row["status"] in statuses:
            for unit in (row["item"], *_bundles_with(corpus, name, row["item"])):
                corpus.store.delete(f"{folder}/receipts/{unit}.parquet")
                Attempts(corpus.store, f"{folder}/attempts").forget(unit)
    corpus.refresh(name)


def _bundles_with(corpus: Corpus, name: str, item: str) -> list[str]:
    from manifests.receipts import committed_units, read_receipts

    folder = f"{corpus.folder(name)}/receipts"
    bundles = [unit for unit in committed_units(corpus.store, folder) if unit.startswith("bundle-")]
    return [
        unit
        for unit in bundles
        if any(row["item"] == item for row in read_receipts(corpus.store, folder, [unit]))
    ]


def remember(corpus: Corpus, config: BuildConfig) -> None:
    """Keep the config and the listing beside the corpus, for `status`, `replay` and the like."""
    settings = {"source_root": corpus.source_root, "config": config.model_dump(mode="json")}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    corpus.store.write(SETTINGS, text.encode("utf-8"))
    corpus.store.write(LISTING, json.dumps(asdict(corpus.listing)).encode("utf-8", "surrogateescape"))


class NoCorpusError(ValueError):
    """The folder holds no corpus that `build` began."""


def recall(url: str) -> tuple[Corpus, BuildConfig]:
    """The corpus that an earlier build left in a folder. Raises NoCorpusError."""
    store = Store(url)
    try:
        settings = yaml.safe_load(store.read(SETTINGS))
        listed = json.loads(store.read(LISTING))
    except FileNotFoundError:
        raise NoCorpusError(f"{url}: no {SETTINGS} there; is it the --out folder of a build?") from None
    config = parse_config(settings["config"], f"{url}/{SETTINGS}")
    listing = Listing(
        tuple(SourceFile(**source) for source in listed["sources"]),
        tuple(Complaint(one["line"], Reason(one["reason"]), one["detail"]) for one in listed["complaints"]),
    )
    return Corpus(store, settings["source_root"], listing, build_steps(config)), config


def _write_table(store: Store, name: str, table: pa.Table) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    if not store.exists(name) or store.read(name) != data:
        store.write(name, data)
