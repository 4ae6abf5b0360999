"""`duologue testset`: the steps of a set in order, then its books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from manifests.reasons import Status
from manifests.sources import Listing
from manifests.store import Store
from pipelines.accounting import (
    Account,
    end_of,
    manifest_line,
    packed,
    unanswered,
    whole_corpus_problems,
    without_end,
)
from pipelines.build import Built, publish_books
from pipelines.config import load_as, parse_as
from pipelines.engine import Engine
from pipelines.remembered import SETTINGS, read_settings, write_settings
from pipelines.reporter import Reporter
from pipelines.run import check_steps, run_steps
from pipelines.sections import PackConfig
from pipelines.step import Step
from pipelines.steps.hypotheses import Hypotheses
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.units import Units
from pipelines.testsets.clips import Clips
from pipelines.testsets.corpus import SetCorpus
from pipelines.testsets.corrupt import Corrupt
from pipelines.testsets.grid import GridConfig
from pipelines.testsets.mix import Mix
from pipelines.testsets.opinion import Opinion, OpinionConfig
from pipelines.testsets.pack_set import PackSet
from pipelines.testsets.pause import Pause, PauseStepConfig
from pipelines.testsets.samples import set_samples

COMMAND = "testset"


class LipReading(Hypotheses):
    """What the lip reader makes of corrupted lips."""

    name = "lipreading"
    maker = "corrupt"


class PausedTokens(Tokenize):
    """Codec tokens of clips with pauses in them."""

    name = "paused_tokens"
    maker = "pause"


GRIDS = Path(__file__).parent / "presets"


def set_steps(grid: GridConfig) -> dict[str, Step[Any]]:
    """The steps of a test set, in order. What is made of a clip's sound in a build is made of mixes too."""
    return {
        "clips": Clips(grid.activity),
        "mix": Mix(grid.mix),
        "tokenize": Tokenize(grid.tokenize),
        "units": Units(grid.units),
        "hypotheses": Hypotheses(grid.hypotheses.model_copy(update={"vsr": None})),
        "opinion": Opinion(OpinionConfig()),
        "corrupt": Corrupt(grid.corrupt),
        "pause": Pause(PauseStepConfig()),
        "paused_tokens": PausedTokens(grid.tokenize),
        "lipreading": LipReading(grid.hypotheses.model_copy(update={"asr_model": None})),
        "pack": PackSet(PackConfig(shuffle=False)),
    }


def load_grid(*, preset: str | None, path: Path | None, overrides: Sequence[str] = ()) -> GridConfig:
    """A preset grid, a YAML file over it, `section.key=value` over both. Raises ConfigError."""
    return load_as(GridConfig, GRIDS, preset=preset, path=path, overrides=overrides)


def open_set(corpus_url: str, out: str, grid: GridConfig) -> SetCorpus:
    """The test set in `out` of a finished corpus."""
    root = corpus_url if "://" in corpus_url else str(Path(corpus_url).resolve())
    steps = set_steps(grid)
    return SetCorpus(Store(out), root, Listing(()), steps, unit_s=grid.engine.unit_s, grid=grid)


def make_set(
    corpus: SetCorpus,
    *,
    engine: Engine,
    reporter: Reporter,
    retry: Sequence[str] = (),
    break_lock: bool = False,
) -> Built:
    """Run every step to completion, then publish index, manifest and card.

    Raises as `build` does, and NotPackedError for a corpus without shards of the split.
    """
    from pipelines.testsets.card import write_card

    check_steps(corpus, corpus.grid.engine)
    with corpus.store.locked(break_lock=break_lock):
        corpus.store.sweep()
        corpus.items("clips")  # a corpus that is not finished stops the run here
        config = corpus.grid.model_dump(mode="json")
        write_settings(corpus.store, command=COMMAND, corpus=corpus.source_root, config=config)
        run_steps(corpus, corpus.grid.engine, engine=engine, reporter=reporter, retry=retry)
        books = set_books(corpus)
        publish_books(corpus, books)
        if not books.problems:
            write_card(corpus)
        return Built(corpus, books)


def recall_set(url: str) -> SetCorpus:
    """The test set that an earlier run left in a folder. Raises NoCorpusError."""
    settings = read_settings(url, COMMAND)
    return open_set(settings["corpus"], url, parse_as(GridConfig, settings["config"], f"{url}/{SETTINGS}"))


def set_books(corpus: SetCorpus) -> Account:
    """What became of every clip in every condition; a problem is an item without a row, or without an end."""
    problems = [*unanswered(corpus), *whole_corpus_problems(corpus)]
    in_shards = {row["key"]: row for row in packed(corpus)}
    samples = [_sample_line(sample, in_shards) for sample in set_samples(corpus)]
    unread = [_clip_line(row) for row in corpus.rows("clips") if row["status"] != Status.OK]
    problems += without_end(samples)
    kept = {row["key"] for row in samples if row["status"] == Status.OK}
    problems += [f"sample {key}: in a shard but not kept" for key in sorted(in_shards.keys() - kept)]
    problems += [f"sample {key}: in no shard" for key in sorted(kept - in_shards.keys())]
    rows = sorted([*samples, *unread], key=lambda row: (row["kind"], row["key"]))
    return Account(
        rows=tuple(rows),
        problems=tuple(problems),
        sources=Counter(str(row["status"]) for row in corpus.rows("clips")),
        clips=Counter(row["status"] for row in samples),
        reasons=Counter(row["reason"] for row in rows if row["reason"]),
    )


def _sample_line(sample: Any, packed: dict[str, dict[str, Any]]) -> dict[str, Any]:
    clip = sample.clip
    line = manifest_line("clip", sample.key, source_id=clip["source"], path=clip["key"], split=clip["split"])
    if sample.ended is None:
        shard = packed.get(sample.key, {}).get("shard")
        return line | {"step": "pack", "status": str(Status.OK), "shard": shard}
    step, row = sample.ended
    return line | {"step": step, **end_of(row)}


def _clip_line(row: dict[str, Any]) -> dict[str, Any]:
    return manifest_line("source", row["key"], step="clips", **end_of(row))
