"""`duologue dialogue synth`: the steps from scripts to shards, then the books."""

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
from pipelines.asking import unpaid
from pipelines.build import Built, publish_books
from pipelines.config import load_as, parse_as
from pipelines.dialogues.arrange import Arrange
from pipelines.dialogues.borrowed import Borrow, lending
from pipelines.dialogues.corpus import ScriptCorpus
from pipelines.dialogues.label import Label
from pipelines.dialogues.render import Render, RenderConfig
from pipelines.dialogues.rewrite import Rewrite, RewriteStepConfig
from pipelines.dialogues.samples import PackDialogues, dialogue_ends
from pipelines.dialogues.sections import SynthConfig
from pipelines.dialogues.speak import Speak
from pipelines.engine import Engine
from pipelines.remembered import SETTINGS, read_settings, write_settings
from pipelines.reporter import Reporter
from pipelines.run import check_steps, run_steps
from pipelines.step import Step
from pipelines.steps.tokenize import Tokenize
from pipelines.steps.units import Units
from synth.llm.api_key import ApiKey

COMMAND = "dialogue synth"
PRESETS = Path(__file__).parent / "presets" / "synth"


def synth_steps(config: SynthConfig) -> dict[str, Step[Any]]:
    """In order. What is made of a clip's sound in a build is made of each side of a dialogue too."""
    return {
        "rewrite": Rewrite(RewriteStepConfig(rewrite=config.rewrite)),
        "speak": Speak(config.speak),
        "arrange": Arrange(config.arrange),
        "render": Render(RenderConfig()),
        "borrow": Borrow(config.faces),
        "tokenize": Tokenize(config.tokenize),
        "units": Units(config.units),
        "label": Label(config.labels),
        "pack": PackDialogues(config.pack),
    }


def load_synth(*, preset: str | None, path: Path | None, overrides: Sequence[str] = ()) -> SynthConfig:
    """A preset, a YAML file over it, `section.key=value` over both. Raises ConfigError."""
    return load_as(SynthConfig, PRESETS, preset=preset, path=path, overrides=overrides)


def open_synth(scripts: Path, out: str, config: SynthConfig) -> ScriptCorpus:
    """The dialogues in `out` that are made of a file of scripts."""
    steps = synth_steps(config)
    root = str(scripts.resolve())
    return ScriptCorpus(Store(out), root, Listing(()), steps, unit_s=config.engine.unit_s, config=config)


def make_dialogues(
    corpus: ScriptCorpus,
    *,
    engine: Engine,
    reporter: Reporter,
    retry: Sequence[str] = (),
    break_lock: bool = False,
) -> Built:
    """Run every step to completion, then publish index and manifest.

    Raises ScriptError for a line of the scripts that is wrong, ApiKeyError for a missing key, UnusableError
    for a voice that cannot speak or a corpus that cannot lend faces or voices, and as `build` does.
    """
    assert corpus.lent is not None  # scripts that are wrong, or a corpus that lends none, stop the run here
    check_steps(corpus, corpus.config.engine)
    if corpus.config.faces.corpus is not None:
        lending(corpus.config.faces)
    with corpus.store.locked(break_lock=break_lock):
        corpus.store.sweep()
        corpus.forget("rewrite", unpaid(corpus, "rewrite"))
        _check_key(corpus)
        config = corpus.config.model_dump(mode="json")
        write_settings(corpus.store, command=COMMAND, scripts=corpus.source_root, config=config)
        run_steps(corpus, corpus.config.engine, engine=engine, reporter=reporter, retry=retry)
        books = dialogue_books(corpus)
        publish_books(corpus, books)
        return Built(corpus, books)


def _check_key(corpus: ScriptCorpus) -> None:
    """Raises ApiKeyError where the LLM is to be asked and the environment holds no key for it."""
    config = corpus.config.rewrite
    if config is not None and corpus.todo("rewrite"):
        ApiKey.of_server(config.server)


def recall_synth(url: str) -> ScriptCorpus:
    """The dialogues that an earlier run left in a folder. Raises NoCorpusError."""
    settings = read_settings(url, COMMAND)
    config = parse_as(SynthConfig, settings["config"], f"{url}/{SETTINGS}")
    return open_synth(Path(settings["scripts"]), url, config)


def dialogue_books(corpus: ScriptCorpus) -> Account:
    """What became of every dialogue, and of every rewrite and utterance that did not end ok."""
    problems = [*unanswered(corpus), *whole_corpus_problems(corpus)]
    in_shards = list(packed(corpus))
    views = Counter(row["key"].rpartition("-")[0] for row in in_shards)
    shards = {row["key"].rpartition("-")[0]: row["shard"] for row in in_shards}
    dialogues = [_line(corpus, *end, shards) for end in dialogue_ends(corpus)]
    problems += without_end(dialogues)
    for row in dialogues:
        wanted = 2 if row["status"] == Status.OK else 0
        if views[row["key"]] != wanted:
            problems.append(f"dialogue {row['key']}: {views[row['key']]} views in shards, not {wanted}")
    parts = [
        manifest_line("clip", row["key"], step=name, source_id=row["source_id"], path=row["source_id"])
        | end_of(row)
        for name in ("rewrite", "speak")
        for row in corpus.rows(name)
        if row["status"] != Status.OK
    ]
    told = {(row["source_id"], row["reason"]) for row in parts}
    others = [row for row in dialogues if (row["key"], row["reason"]) not in told]  # not of a part's reason
    rows = sorted([*dialogues, *parts], key=lambda row: (row["kind"], row["key"]))
    return Account(
        rows=tuple(rows),
        problems=tuple(problems),
        sources=Counter(row["status"] for row in dialogues),
        clips=Counter(str(row["status"]) for row in corpus.rows("speak")),
        reasons=Counter(row["reason"] for row in [*parts, *others] if row["reason"]),
    )


def _line(
    corpus: ScriptCorpus, key: str, step: str, row: dict[str, Any] | None, shards: dict[str, str]
) -> dict[str, Any]:
    line = manifest_line("source", key, source_id=key, path=key)
    line |= {"step": step, "split": corpus.splits.get(key), "status": "open"}
    if step == "pack":
        return line | {"status": str(Status.OK), "shard": shards.get(key)}
    return line | (end_of(row) if row else {})
