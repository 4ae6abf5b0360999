"""`duologue build`: the steps in order, then the books."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from manifests.errors import CommandError
from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources import Listing, SourceFile
from manifests.sources.folder import BUILD_MARK
from manifests.store import Store
from pipelines.accounting import Account, account, index_table
from pipelines.config import parse_config
from pipelines.corpus import Corpus
from pipelines.engine import Engine
from pipelines.needs import check_labels
from pipelines.reporter import Reporter
from pipelines.run import check_steps, run_steps
from pipelines.sections import BuildConfig
from pipelines.step import Step
from pipelines.steps.caption import Caption, CaptionStepConfig, check_key, unpaid
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

SETTINGS = BUILD_MARK
LISTING = "listing.json"
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
        corpus.forget("caption", unpaid(corpus))
        check_key(corpus)
        removed = _removed_since_last_run(corpus)
        remember(corpus, config)
        run_steps(corpus, config.engine, engine=engine, reporter=reporter, retry=retry)
        return Built(corpus, publish(corpus), removed)


def publish(corpus: Corpus) -> Account:
    """Write the manifest and, when the sums balance, the index; then remove shards it has replaced."""
    books = account(corpus)
    publish_books(corpus.store, books, index_table(corpus) if not books.problems else None)
    return books


def publish_books(store: Store, books: Account, index: pa.Table | None) -> None:
    """Write the manifest and the index, and remove the shards that an index named and this one does not.

    Without an index, because the sums do not balance, index and shards stay as the last good run left them.
    """
    write_table(store, MANIFEST, books.table())
    if index is None:
        return
    before: set[str] = set()
    if store.exists(INDEX):
        old = pq.ParquetFile(pa.BufferReader(store.read(INDEX))).read(["shard"])
        before = set(old.column("shard").to_pylist())
    write_table(store, INDEX, index)
    for name in sorted(before - set(index.column("shard").to_pylist())):
        store.delete(f"{SHARDS}/{name}")


def remember(corpus: Corpus, config: BuildConfig) -> None:
    """Keep the config and the listing beside the corpus, for `status`, `replay` and the like."""
    settings = {"source_root": corpus.source_root, "config": config.model_dump(mode="json")}
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    corpus.store.write(SETTINGS, text.encode("utf-8"))
    corpus.store.write(LISTING, json.dumps(asdict(corpus.listing)).encode("utf-8", "surrogateescape"))


def _removed_since_last_run(corpus: Corpus) -> tuple[str, ...]:
    """Paths that the last run listed and this one does not: a deleted file, or a disk half mounted."""
    if not corpus.store.exists(LISTING):
        return ()
    before = {source["path"] for source in json.loads(corpus.store.read(LISTING))["sources"]}
    return tuple(sorted(before - {source.path for source in corpus.listing.sources}))


class NoCorpusError(CommandError, ValueError):
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
        tuple(Complaint(one["where"], Reason(one["reason"]), one["detail"]) for one in listed["complaints"]),
    )
    return Corpus(store, settings["source_root"], listing, build_steps(config)), config


def write_table(store: Store, name: str, table: pa.Table) -> None:
    """Write Parquet, unless these very bytes are there."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = sink.getvalue().to_pybytes()
    if not store.exists(name) or store.read(name) != data:
        store.write(name, data)
