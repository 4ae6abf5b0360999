"""Commands that make something of a finished corpus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipelines.cli_options import (
    BreakLock,
    EngineKind,
    OutFolder,
    Quiet,
    RayAddress,
    ReaderName,
    ReaderOptions,
    Retry,
    Settings,
    Sidecar,
    StageFolder,
    Workers,
)
from pipelines.cli_tools import CorpusUrl
from pipelines.exits import balance, fail, tell_left_out, user_errors

if TYPE_CHECKING:
    from pipelines.accounting import Account
    from pipelines.corpus import Corpus
    from pipelines.engine import Engine
    from pipelines.reporter import Reporter
    from pipelines.sections import EngineConfig

sets = typer.Typer()


def _engine(
    kind: str, corpus: Corpus, config: EngineConfig, workers: int | None, address: str | None
) -> Engine:
    from pipelines.engine import LocalEngine
    from pipelines.engine_ray import RayEngine

    if kind == "local":
        return LocalEngine()
    return RayEngine.of(config, corpus.steps.values(), workers=workers, address=address)


def _reporter(quiet: bool) -> Reporter:
    from pipelines.reporter import make_reporter

    return make_reporter(quiet=quiet)


def _statuses(retry: list[str] | None) -> list[str]:
    wrong = set(retry or ()) - {"failed", "quarantined"}
    if wrong:
        fail(f"--retry {', '.join(wrong)}: expected failed or quarantined", 2)
    return retry or []


def _finish(corpus: Corpus, books: Account, names: tuple[str, str], *, quiet: bool) -> None:
    """Print what came of it, and leave with 1 unless the sums balance."""
    from pipelines.summary import set_tables

    if not quiet:
        for table in set_tables(corpus, books, names):
            Console().print(table)
    balance(books.problems)


@sets.command()
def testset(
    corpus: CorpusUrl,
    out: OutFolder,
    config: Annotated[
        Path | None, typer.Option(help="The grid: YAML of conditions; see docs/testsets.md.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="Grid to start from: cav2vec, mohave, dualhyp, av-dialog, avlm.")
    ] = None,
    settings: Settings = None,
    materialize: Annotated[
        bool, typer.Option("--materialize", help="Self-contained shards, not only what changed.")
    ] = False,
    plans_only: Annotated[
        bool, typer.Option("--plans-only", help="Write plans that a trainer mixes on the fly, no sound.")
    ] = False,
    engine: EngineKind = "ray",
    workers: Workers = None,
    ray_address: RayAddress = None,
    retry: Retry = None,
    break_lock: BreakLock = False,
    quiet: Quiet = False,
) -> None:
    """Make noisy and occluded test sets of a finished corpus, every SNR measured on what is written.

    Resumes where an earlier run stopped. The set's README.md shows what came of it.
    """
    with user_errors():
        from pipelines.testsets.testset import load_grid, make_set, open_set

        if config is None and preset is None:
            fail("say what to make: --config grid.yaml or --preset NAME", 2)
        chosen = [*(settings or ())]
        chosen += ["materialize=true"] if materialize else []
        chosen += ["mix.plans_only=true"] if plans_only else []
        found = open_set(corpus, out, load_grid(preset=preset, path=config, overrides=chosen))
        run_engine = _engine(engine, found, found.grid.engine, workers, ray_address)
        made = make_set(
            found, engine=run_engine, reporter=_reporter(quiet), retry=_statuses(retry), break_lock=break_lock
        )
        if not quiet and not made.account.problems:
            typer.echo(f"The card: {out.rstrip('/')}/README.md")
        _finish(found, made.account, ("clips", "samples"), quiet=quiet)


@sets.command()
def export(
    corpus: CorpusUrl,
    out: Annotated[str, typer.Option(help="Output folder.")],
    layout: Annotated[str, typer.Option("--format", help="Whose layout; see docs/trainers.md.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="option=value of the format. Repeatable.")
    ] = None,
    list_options: Annotated[
        bool, typer.Option("--options", help="Show the format's options, and stop.")
    ] = False,
) -> None:
    """Write a corpus as a trainer's own loader reads it. Resumes where an earlier run stopped.

    Formats: avhubert, vsp-llm, auto-avsr, llama-avsr, moshi, vap, latentsync, dualhyp, energon, lhotse-shar,
    hf-datasets, full-duplex-bench.
    """
    with user_errors():
        from manifests.exports.run import run_export
        from pipelines.exporting import options_of, options_table, report_table

        if list_options:
            Console().print(options_table(layout))
            return
        report = run_export(corpus, layout, out, options_of(settings or ()))
        Console().print(report_table(report))
        for note in report.notes:
            typer.echo(note)


dialogue = typer.Typer(
    name="dialogue", help="Two-stream dialogues: made of scripts, or of recordings.", no_args_is_help=True
)
sets.add_typer(dialogue)


@dialogue.command("synth")
def dialogue_synth(
    scripts: Annotated[Path, typer.Argument(dir_okay=False, help="scripts.jsonl: a dialogue a line.")],
    out: OutFolder,
    preset: Annotated[
        str | None, typer.Option(help="Preset to start from: av-dialog, avlm-dialogue, face-turns, tavid.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML; see docs/dialogues.md.")] = None,
    settings: Settings = None,
    llm_base_url: Annotated[
        str | None, typer.Option(help="OpenAI-compatible server that rewrites turns; none: as scripted.")
    ] = None,
    llm_model: Annotated[str | None, typer.Option(help="Its model.")] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="ENGINE:NAME, e.g. hibari:heart. Repeatable.")
    ] = None,
    engine: EngineKind = "ray",
    workers: Workers = None,
    ray_address: RayAddress = None,
    retry: Retry = None,
    break_lock: BreakLock = False,
    quiet: Quiet = False,
) -> None:
    """Make dialogues of scripts: rewritten by an LLM, spoken, laid out in time, rendered, labelled, packed.

    Resumes where an earlier run stopped; what the LLM has answered is never asked again.
    """
    with user_errors():
        from pipelines.dialogues.dialogues import load_synth, make_dialogues, open_synth

        if (llm_base_url is None) != (llm_model is None):
            fail("--llm-base-url and --llm-model go together", 2)
        chosen = [*(settings or ())]
        if llm_base_url is not None:
            chosen += [f"rewrite.server.base_url={llm_base_url}", f"rewrite.model={llm_model}"]
        if voice:
            chosen.append(f"speak.voices=[{', '.join(voice)}]")
        found = open_synth(scripts, out, load_synth(preset=preset, path=config, overrides=chosen))
        run_engine = _engine(engine, found, found.config.engine, workers, ray_address)
        made = make_dialogues(
            found, engine=run_engine, reporter=_reporter(quiet), retry=_statuses(retry), break_lock=break_lock
        )
        _finish(found, made.account, ("dialogues", "utterances"), quiet=quiet)


@dialogue.command("real")
def dialogue_real(
    recordings: Annotated[str, typer.Argument(help="Folder of recordings of two people; or s3://…")],
    out: OutFolder,
    preset: Annotated[
        str | None, typer.Option(help="Preset to start from: av-dialog, face-turns, tavid.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML; see docs/dialogue-real.md.")] = None,
    settings: Settings = None,
    sidecar: Sidecar = None,
    reader: ReaderName = "dyads",
    reader_options: ReaderOptions = None,
    stage: StageFolder = None,
    engine: EngineKind = "ray",
    workers: Workers = None,
    ray_address: RayAddress = None,
    retry: Retry = None,
    break_lock: BreakLock = False,
    quiet: Quiet = False,
) -> None:
    """Make two-stream samples of recordings of two people: a channel, a file or a face each.

    Resumes where an earlier run stopped. What is no dyad ends with its reason in manifest.parquet.
    """
    with user_errors():
        from pipelines.dialogues.real.real import load_real, make_real, open_real
        from pipelines.listing import read_listing

        chosen = load_real(preset=preset, path=config, overrides=settings or ())
        listed = read_listing(
            recordings, out, reader=reader, options=reader_options or (), stage=stage, sidecar=sidecar
        )
        tell_left_out(listed.left_out)
        found = open_real(listed.listing, listed.root, out, chosen)
        run_engine = _engine(engine, found, chosen.engine, workers, ray_address)
        made = make_real(
            found,
            chosen,
            engine=run_engine,
            reporter=_reporter(quiet),
            retry=_statuses(retry),
            break_lock=break_lock,
        )
        _finish(found, made.account, ("recordings", "windows"), quiet=quiet)
