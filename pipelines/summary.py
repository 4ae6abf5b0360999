"""The tables a command prints at its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from manifests.reasons import Reason, Status
from manifests.remedies import REMEDIES
from pipelines.accounting import Account
from pipelines.corpus import Corpus
from pipelines.journal import StepTime, step_times
from pipelines.steps.ingest import media_s


def summary_tables(corpus: Corpus, books: Account) -> list[Table]:
    """What came of the sources and clips, what is in the shards, and where the time went."""
    return [_ends(books), _shards(corpus), _times(corpus)]


def set_tables(corpus: Corpus, books: Account, names: tuple[str, str]) -> list[Table]:
    """What came of what a corpus of another kind is made of, called by these names, and its shards."""
    return [_ends(books, names), _shards(corpus)]


def _ends(books: Account, names: tuple[str, str] = ("sources", "clips")) -> Table:
    table = Table(title=f"{names[0].capitalize()} and {names[1]}", title_justify="left")
    for column in ("", *Status, "total"):
        table.add_column(column, justify="left" if not column else "right")
    for label, counts in zip(names, (books.sources, books.clips), strict=True):
        table.add_row(label, *_by_status(counts), str(counts.total()))
    for reason, count in books.reasons.most_common():
        table.add_row(f"  {reason}", "", "", "", "", str(count), style="dim")
    return table


def _by_status(counts: Counter[str]) -> list[str]:
    """A cell for each status."""
    return [str(counts[status]) for status in Status]


def _shards(corpus: Corpus) -> Table:
    table = Table(title="Shards", title_justify="left")
    for column in ("split", "shards", "samples", "hours", "MB"):
        table.add_column(column, justify="left" if column == "split" else "right")
    rows = [row for row in corpus.rows("pack") if row["status"] == "ok"]
    for split in sorted({row["split"] for row in rows}):
        mine = [row for row in rows if row["split"] == split]
        table.add_row(
            split,
            str(len(mine)),
            str(sum(row["n_samples"] for row in mine)),
            f"{sum(row['duration_s'] for row in mine) / 3600:.3f}",
            f"{sum(artifact['bytes'] for row in mine for artifact in row['artifacts']) / 1e6:.1f}",
        )
    return table


def _times(corpus: Corpus) -> Table:
    """Worker seconds a step, over all runs that made what is here, and how often faster than the media."""
    table = Table(title="Time", title_justify="left")
    for column in ("step", "units", "worker seconds", "× real time a worker"):
        table.add_column(column, justify="left" if column == "step" else "right")
    sources = [row for row in corpus.rows("ingest") if row["status"] == "ok"]
    length_s = sum(media_s(row) for row in sources)
    times = step_times(corpus.store, {name: corpus.key(name) for name in corpus.steps})
    for name in corpus.steps:
        time = times.get(name, StepTime())
        covered_s = length_s if name in ("ingest", "pack") else time.media_s
        speed = f"{covered_s / time.wall_s:.1f}" if time.wall_s else "-"
        table.add_row(name, str(time.units), f"{time.wall_s:.1f}", speed)
    return table


def status_table(corpus: Corpus) -> Table:
    """How many of each step's planned items have an answer, and which."""
    table = Table(title=corpus.store.url, title_justify="left")
    for column in ("step", "planned", "answered", *Status):
        table.add_column(column, justify="left" if column == "step" else "right")
    for name in corpus.steps:
        rows = corpus.rows(name)
        counts = Counter(str(row["status"]) for row in rows)
        answered = len({row["item"] for row in rows})
        table.add_row(name, str(len(corpus.items(name))), str(answered), *_by_status(counts))
    return table


def failures_tables(rows: Sequence[dict[str, Any]]) -> list[Table]:
    """One line an item that did not end `ok`, then what each reason means and what to do."""
    table = Table(title=f"{len(rows)} not ok", title_justify="left")
    for column in ("", "status", "reason", "what", "detail"):
        table.add_column(column, overflow="fold")
    for row in rows:
        name = row["path"] if row["kind"] != "clip" else f"{row['key']}\n{row['path']}"
        detail = (row["detail"] or "").strip().splitlines()[:1]
        cells = [row["kind"].removesuffix("_line"), row["status"], row["reason"] or ""]
        table.add_row(*cells, escape(name or row["key"]), escape("".join(detail)))
    advice = Table(title="What to do", title_justify="left", show_header=False)
    for reason in sorted({row["reason"] for row in rows if row["reason"]}):
        advice.add_row(reason, REMEDIES[Reason(reason)])
    return [table, advice] if rows else [table]
