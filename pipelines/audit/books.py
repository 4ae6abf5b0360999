"""What the audit knows of a corpus before it reads a row: its books, its files, what was planned.

The books are those of the command that made the corpus (`pipelines.accounting` for `build`), counted again
from the receipts. They hold what that command itself held; everything after them is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.reasons import Status
from manifests.store import Store
from pipelines.accounting import Account
from pipelines.audit.channel_voices import check_channels
from pipelines.audit.sketches import Example
from pipelines.audit.tables import INDEX, MANIFEST, step_folders
from pipelines.corpus import Corpus

_COMPARED = {
    "index_matches": ("key", "shard", "split", "source_id", "duration_s", "members", "bytes"),
    "manifest_matches": ("kind", "key", "status", "reason", "split", "shard"),
}


@dataclass
class Books:
    """Faults found in the books, and what workers need to know.

    `unmeasured`: check -> why it has no answer.
    """

    folders: dict[str, str] = field(default_factory=dict)
    planned: dict[str, frozenset[str]] = field(default_factory=dict)
    shards: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Bytes and SHA-256 of each shard, by its receipt."""
    hashes: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    base_url: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    faults: list[tuple[str, Example]] = field(default_factory=list)
    looked: dict[str, int] = field(default_factory=dict)
    unmeasured: dict[str, str] = field(default_factory=dict)

    def fault(self, check: str, key: str, detail: str) -> None:
        """Tell something wrong."""
        self.faults.append((check, Example(0.0, key, detail)))


def open_books(url: str, *, deep: bool) -> Books:
    """Count the books of a corpus again and look for its shards. Raises NoCorpusError, ConfigError."""
    store = Store(url)
    books = Books()
    corpus, account = _recalled(url, books)
    _count(corpus, account, store, books)
    books.folders = _folders(store, corpus, books)
    books.shards = _shard_receipts(store, books.folders)
    if deep and books.planned:
        assert corpus is not None
        books.hashes = _planned_hashes(corpus)
    _look_for_shards(store, books)
    looked, faults = check_channels(store, books.folders)
    books.looked |= {check: n for check, n in looked.items() if n}
    books.faults += faults
    return books


def _recalled(url: str, books: Books) -> tuple[Corpus | None, Callable[[Any], Account] | None]:
    """The corpus and how its command keeps books; None for a command that this version does not know."""
    from pipelines.config import ConfigError
    from pipelines.recalling import KNOWN, recall_any
    from pipelines.remembered import read_settings

    settings = read_settings(url)
    command = settings.get("command", "build")
    books.about = {"command": command, "name": (settings.get("config") or {}).get("name")}
    if command not in KNOWN:
        for check in ("run_finished", *_COMPARED):
            books.unmeasured[check] = (
                f"the folder was made by `duologue {command}`, whose books are not recounted"
            )
        return None, None
    if command == "testset":
        books.base_url = settings["corpus"]
    try:
        found = recall_any(url)
    except ConfigError as error:  # settings that this version does not know: what was published can be read
        told = "; ".join(line.strip() for line in str(error).splitlines()[1:3]) or str(error)
        why = f"the books cannot be recounted: duologue.yaml is of another version ({told[:160]})"
        books.unmeasured |= dict.fromkeys(("run_finished", *_COMPARED), why)
        return None, None
    return found.corpus, found.keep_books


def _count(
    corpus: Corpus | None, account: Callable[[Any], Account] | None, store: Store, books: Books
) -> None:
    """The command's own books; what is published alone where they cannot be counted here."""
    if corpus is not None and account is not None:
        why = _uncountable(corpus, store)
        if why is None:
            _recount(corpus, account, store, books)
            return
        for check in ("run_finished", *_COMPARED):
            books.unmeasured[check] = why
    _published(store, books)


def _uncountable(corpus: Corpus, store: Store) -> str | None:
    """Why the receipts cannot be followed from step to step on this machine; None where they can."""
    from extractors.weights import WeightsError

    there = step_folders(store, None)
    for name in corpus.steps:
        try:
            folder = corpus.folder(name)
        except WeightsError as error:
            return f"the books cannot be recounted without the weights: {error}"
        if name in there and there[name] != folder:
            return (
                f"the receipts of `{name}` are of another version of Duologue or its libraries "
                f"({there[name]}, here {folder}); audit with the version that built it to recount its books"
            )
    return None


def _recount(corpus: Corpus, account: Callable[[Any], Account], store: Store, books: Books) -> None:
    try:
        for name in corpus.steps:
            items = corpus.items(name)
            books.planned[name] = frozenset(items)
            missing = len(items.keys() - {row["item"] for row in corpus.rows(name)})
            if missing:
                told = f"{missing} of {len(items)} planned items have no row"
                if not store.fs.isdir(store.path(corpus.folder(name))) and store.exists(INDEX):
                    told += ", nor any receipt: they were deleted, or a version without this step built this"
                books.fault("run_finished", name, told)
        books.looked["run_finished"] = len(corpus.steps)
        counted = account(corpus)
    except (ValueError, LookupError) as error:  # a receipt that cannot be read, or receipts that contradict
        is_told = isinstance(error, ValueError)
        told = str(error) if is_told else f"receipts name {error}, of which others have no row"
        why = f"the books cannot be counted: {told.replace(f'{store.root}/', '')}"
        books.fault("books_balance", "", why)
        books.unmeasured |= dict.fromkeys(_COMPARED, why)
        return
    books.looked["books_balance"] = len(counted.rows)
    books.about |= {"sources": dict(counted.sources), "clips": dict(counted.clips)}
    for problem in counted.problems:
        books.fault("books_balance", problem.partition(":")[0], problem)
    _compare(store, MANIFEST, "manifest_matches", counted.rows, books)
    if counted.problems:
        books.unmeasured["index_matches"] = (
            "the books do not balance, so nobody knows what the index should hold"
        )
    else:
        _compare(store, INDEX, "index_matches", _index_rows(corpus), books)


def _published(store: Store, books: Books) -> None:
    """Manifest against index: every kept clip is packed once, and nothing else is."""
    if not (store.exists(MANIFEST) and store.exists(INDEX)):
        missing = [name for name in (MANIFEST, INDEX) if not store.exists(name)]
        books.fault("run_finished", missing[0], "it is not there: the run did not come to its end")
        return
    try:
        with store.open(MANIFEST) as handle:
            rows = pq.read_table(handle, columns=["kind", "key", "status"]).to_pylist()
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        books.fault("books_balance", MANIFEST, f"{MANIFEST} cannot be read: {error}")
        return
    clips = [row for row in rows if row["kind"] in ("clip", "sample")]
    if books.about["command"] not in ("build", "testset"):
        books.unmeasured["books_balance"] = books.unmeasured["run_finished"]  # whose keys mean other things
        return
    kept = {row["key"] for row in clips if row["status"] == Status.OK}
    packed = {row["key"] for row in index_rows(store, ["key"])}
    books.looked["books_balance"] = len(clips)
    for key in sorted(kept - packed):
        books.fault("books_balance", key, "kept by the manifest, in no shard")
    for key in sorted(packed - kept):
        books.fault("books_balance", key, "in a shard, not kept by the manifest")


def _index_rows(corpus: Corpus) -> list[dict[str, Any]]:
    from pipelines.accounting import index_table

    rows: list[dict[str, Any]] = index_table(corpus).to_pylist()
    return rows


def _compare(store: Store, name: str, check: str, expected: Any, books: Books) -> None:
    """Rows that a published table lacks, has too many, or tells differently."""
    columns = _COMPARED[check]
    if not store.exists(name):
        books.fault("run_finished", name, "it is not there: the build did not come to its end")
        books.unmeasured[check] = f"there is no {name}"
        return
    try:
        with store.open(name) as handle:
            published = pq.read_table(handle, columns=list(columns)).to_pylist()
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        books.unmeasured[check] = f"{name} cannot be read: {error}"
        return
    wanted = {_named(row): {column: row[column] for column in columns} for row in expected}
    found = {_named(row): row for row in published}
    books.looked[check] = len(wanted)
    for key in sorted(wanted.keys() | found.keys()):
        if key not in found:
            books.fault(check, key, "the row is gone")
        elif key not in wanted:
            books.fault(check, key, "nothing in the receipts knows this row")
        elif wanted[key] != found[key]:
            differing = [one for one in columns if wanted[key][one] != found[key][one]]
            books.fault(check, key, f"the receipts give another {', '.join(differing)}")


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['kind']} {row['key']}" if "kind" in row else str(row["key"])


def _folders(store: Store, corpus: Corpus | None, books: Books) -> dict[str, str]:
    countable = corpus is not None and "run_finished" not in books.unmeasured
    return step_folders(store, corpus if countable else None)


def _shard_receipts(store: Store, folders: dict[str, str]) -> dict[str, tuple[int, str]]:
    """From the receipts of `pack`; one that cannot be read is told where the tables are read."""
    found: dict[str, tuple[int, str]] = {}
    folder = f"{folders['pack']}/receipts" if "pack" in folders else None
    for name in store.list(folder) if folder else ():
        try:
            with store.open(f"{folder}/{name}") as handle:
                rows = pq.read_table(handle, columns=["status", "artifacts"]).to_pylist()
        except (pa.ArrowInvalid, OSError):
            continue
        for row in rows:
            for one in row["artifacts"]:
                found[one["name"].rpartition("/")[2]] = (one["bytes"], one["sha256"])
    return found


def _planned_hashes(corpus: Corpus) -> dict[str, tuple[tuple[str, str], ...]]:
    """SHA-256 of each member of each sample, as planned; nothing where the plan cannot be made."""
    try:
        return {
            sample["key"]: tuple((one["extension"], one["sha256"]) for one in sample["members"])
            for item in corpus.items("pack").values()
            for sample in item.inputs["samples"]
        }
    except (ValueError, LookupError):
        return {}  # told where the books are counted


def index_rows(store: Store, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of the index, a batch at a time; none where there is no index that can be read."""
    if not store.exists(INDEX):
        return
    try:
        with store.open(INDEX) as handle, pq.ParquetFile(handle) as file:
            for batch in file.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError):
        return


def _look_for_shards(store: Store, books: Books) -> None:
    """Are the shards of the index there, and as large as their receipts say."""
    if not store.exists(INDEX):
        for check in ("shard_missing", "shard_size", "corpus_empty"):
            books.unmeasured[check] = f"there is no {INDEX}: the build did not come to its end"
        return
    counts: dict[str, int] = {}
    for row in index_rows(store, ["shard"]):
        counts[row["shard"]] = counts.get(row["shard"], 0) + 1
    books.looked["corpus_empty"] = 1
    if not counts:
        books.fault("corpus_empty", INDEX, "the index has no row: no clip was kept")
    where = store.path("shards")
    sizes = {one["name"].rsplit("/", 1)[-1]: one["size"] for one in store.fs.ls(where, detail=True)}
    for name, n_samples in sorted(counts.items()):
        if name not in sizes:
            books.fault("shard_missing", name, f"samples in it: {n_samples}")
        elif name in books.shards and sizes[name] != books.shards[name][0]:
            books.fault("shard_size", name, f"{sizes[name]} bytes, its receipt says {books.shards[name][0]}")
    books.looked |= {"shard_missing": len(counts), "shard_size": len(counts.keys() & books.shards.keys())}
    books.about |= {"shards": len(counts), "samples": sum(counts.values())}
