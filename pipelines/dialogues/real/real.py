"""`duologue dialogue real`: the steps from recordings of two people to shards, then the books."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from manifests.reasons import Status
from manifests.sources import Listing
from manifests.store import Store
from pipelines.accounting import (
    Account,
    complaints,
    end_of,
    manifest_line,
    packed,
    shown,
    unanswered,
    whole_corpus_problems,
    without_end,
)
from pipelines.build import Built, publish_books
from pipelines.config import load_as, parse_as
from pipelines.corpus import Corpus
from pipelines.dialogues.real.channel_words import ChannelWords
from pipelines.dialogues.real.conversations import conversations
from pipelines.dialogues.real.dyads import Dyads
from pipelines.dialogues.real.label import LabelRecorded
from pipelines.dialogues.real.samples import PackRecorded, window_ends
from pipelines.dialogues.real.sections import RealConfig
from pipelines.dialogues.real.sides import Sides
from pipelines.engine import Engine
from pipelines.remembered import SETTINGS, keep_listing, kept_listing, read_settings, write_settings
from pipelines.reporter import Reporter
from pipelines.run import check_steps, run_steps
from pipelines.step import Step
from pipelines.steps.ingest import Ingest
from pipelines.steps.listen import Listen
from pipelines.steps.people import People
from pipelines.steps.split import Split
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.units import Units
from pipelines.steps.voices import Voices
from pipelines.steps.watch import Watch
from pipelines.steps.who import Who

COMMAND = "dialogue real"
PRESETS = Path(__file__).parent.parent / "presets" / "real"
Line = dict[str, Any]


def real_steps(config: RealConfig) -> dict[str, Step[Any]]:
    """In order. Those before `dyads` are a build's, with its keys, but for words that are recognised."""
    return {
        "ingest": Ingest(config.ingest),
        "watch": Watch(config.watch),
        "listen": Listen(config.listen),
        "who": Who(config.who),
        "people": People(config.people),
        "split": Split(config.pack),
        "voices": Voices(config.voices),
        "words": ChannelWords(config.words),
        "dyads": Dyads(config.dyads),
        "sides": Sides(config.cut),
        "tokenize": Tokenize(config.tokenize),
        "units": Units(config.units),
        "label": LabelRecorded(config.labels),
        "pack": PackRecorded(config.pack),
    }


def load_real(
    *, preset: str | None = None, path: Path | None = None, overrides: Sequence[str] = ()
) -> RealConfig:
    """A preset, a YAML file over it, `section.key=value` over both. Raises ConfigError."""
    return load_as(RealConfig, PRESETS, preset=preset, path=path, overrides=overrides)


def open_real(listing: Listing, root: str, out: str, config: RealConfig) -> Corpus:
    """The dialogues in `out` that are made of recordings below `root`."""
    return Corpus(Store(out), root, listing, real_steps(config), unit_s=config.engine.unit_s)


def make_real(
    corpus: Corpus,
    config: RealConfig,
    *,
    engine: Engine,
    reporter: Reporter,
    retry: Sequence[str] = (),
    break_lock: bool = False,
) -> Built:
    """Run every step to completion, then publish index and manifest. Raises as `build` does."""
    check_steps(corpus, config.engine)
    with corpus.store.locked(break_lock=break_lock):
        corpus.store.sweep()
        told = config.model_dump(mode="json")
        write_settings(corpus.store, command=COMMAND, source_root=corpus.source_root, config=told)
        keep_listing(corpus.store, corpus.listing)
        run_steps(corpus, config.engine, engine=engine, reporter=reporter, retry=retry)
        books = real_books(corpus)
        publish_books(corpus, books)
        return Built(corpus, books)


def recall_real(url: str) -> tuple[Corpus, RealConfig]:
    """The dialogues that an earlier run left in a folder. Raises NoCorpusError."""
    settings = read_settings(url, COMMAND)
    config = parse_as(RealConfig, settings["config"], f"{url}/{SETTINGS}")
    return open_real(kept_listing(Store(url)), settings["source_root"], url, config), config


def real_books(corpus: Corpus) -> Account:
    """What became of every recording, every window of a dialogue and every complaint of the reader.

    A problem is an item without a row, a recording or window without an end, a window of which not both
    views are in shards, or a step over the whole that did not end well.
    """
    problems = [*unanswered(corpus), *whole_corpus_problems(corpus)]
    windows = list(_windows(corpus))
    sources = list(_sources(corpus, windows))
    told = [line for _, line in windows if line is not None]
    problems += without_end([*sources, *told])
    views = Counter(row["key"].rpartition("-")[0] for row in packed(corpus))
    for row in told:
        wanted = 2 if row["status"] == Status.OK else 0
        if views.pop(row["key"], 0) != wanted:
            problems.append(f"window {row['key']}: not {wanted} views of it are in shards")
    problems += [f"window {key}: in shards but not kept" for key in views]
    rows = [*sources, *told, *complaints(corpus)]
    return Account(
        rows=tuple(sorted(rows, key=lambda row: (row["kind"], row["key"]))),
        problems=tuple(problems),
        sources=Counter(row["status"] for row in sources),
        clips=Counter(row["status"] for row in told),
        reasons=Counter(row["reason"] for row in rows if row["reason"]),
    )


def _windows(corpus: Corpus) -> Iterator[tuple[Line, Line | None]]:
    """Row of `dyads` and the manifest's line about the window; None where a dialogue has no window at all."""
    shards = {row["key"].rpartition("-")[0]: row for row in packed(corpus)}
    paths = {source.id: shown(source.path) for source in corpus.listing.sources}
    for row, step, end in window_ends(corpus):
        if row["window"] is None:
            yield row, None
            continue
        about, shard = json.loads(row["window"]), shards.get(row["key"], {})
        line = manifest_line(
            "clip", row["key"], source_id=row["source_id"], path=paths.get(row["source_id"]), step=step
        )
        line |= {"start_s": float(Fraction(about["start"])), "stop_s": float(Fraction(about["stop"]))}
        line |= {"split": shard.get("split"), "shard": shard.get("shard")}
        yield row, line | ({"status": "open"} if end is None else end_of(end))


def _sources(corpus: Corpus, windows: list[tuple[Line, Line | None]]) -> Iterator[Line]:
    """A recording is ok with a window of its dialogue in a shard, else ends as the dialogue did."""
    ends: dict[str, list[Line]] = {}
    for row, line in windows:
        ends.setdefault(row["item"], []).append(line or {"step": "dyads", **end_of(row)})
    of_dialogue = {item.inputs["id"]: ends.get(item.id, []) for item in corpus.items("dyads").values()}
    splits = {row["source_id"]: row.get("split") for row in corpus.rows("split")}
    for one in conversations(corpus.listing):
        told = of_dialogue.get(one.id, [])
        best = min(told, key=lambda end: (end["status"] != Status.OK, end["status"]), default=None)
        for source in one.sources:
            line = manifest_line(
                "source", source.id, source_id=source.id, path=shown(source.path), status="open"
            )
            line |= {"split": splits.get(source.id)}
            yield line | (
                {name: best[name] for name in ("step", "status", "reason", "detail")} if best else {}
            )
