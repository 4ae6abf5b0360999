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
    chosen_engine,
)
from pipelines.cli_tools import CorpusUrl
from pipelines.exits import balance, fail, tell_left_out, user_errors

if TYPE_CHECKING:
    from pipelines.accounting import Account
    from pipelines.corpus import Corpus

sets = typer.Typer()


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
        from pipelines.reporter import make_reporter
        from pipelines.testsets.testset import load_grid, make_set, open_set

        if config is None and preset is None:
            fail("say what to make: --config grid.yaml or --preset NAME", 2)
        chosen = [*(settings or ())]
        chosen += ["materialize=true"] if materialize else []
        chosen += ["mix.plans_only=true"] if plans_only else []
        found = open_set(corpus, out, load_grid(preset=preset, path=config, overrides=chosen))
        run_engine = chosen_engine(engine, workers, ray_address, found, found.grid.engine)
        made = make_set(
            found,
            engine=run_engine,
            reporter=make_reporter(quiet=quiet),
            retry=retry or (),
            break_lock=break_lock,
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
    hf-datasets, full-duplex-bench, avlm.
    """
    with user_errors():
        from manifests.exports.run import run_export
        from pipelines.exporting import layout_class, options_of, options_table, report_table

        if list_options:
            Console().print(options_table(layout))
            return
        report = run_export(corpus, layout_class(layout), out, options_of(settings or ()))
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
        from pipelines.reporter import make_reporter

        if (llm_base_url is None) != (llm_model is None):
            fail("--llm-base-url and --llm-model go together", 2)
        chosen = [*(settings or ())]
        if llm_base_url is not None:
            chosen += [f"rewrite.server.base_url={llm_base_url}", f"rewrite.model={llm_model}"]
        if voice:
            chosen.append(f"speak.voices=[{', '.join(voice)}]")
        found = open_synth(scripts, out, load_synth(preset=preset, path=config, overrides=chosen))
        run_engine = chosen_engine(engine, workers, ray_address, found, found.config.engine)
        made = make_dialogues(
            found,
            engine=run_engine,
            reporter=make_reporter(quiet=quiet),
            retry=retry or (),
            break_lock=break_lock,
        )
        _finish(found, made.account, ("dialogues", "utterances"), quiet=quiet)


@dialogue.command("scripts")
def dialogue_scripts(
    corpus: CorpusUrl,
    out: Annotated[Path, typer.Option(dir_okay=False, help="scripts.jsonl: a dialogue a line.")],
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="splits, order, max_gap_s, max_turns, history: option=value. See docs/rewriting.md."
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace other scripts.")] = False,
    quiet: Quiet = False,
) -> None:
    """Make scripts for `dialogue synth` of a finished corpus: clips that name their conversation, or
    dialogues.

    What cannot become one is told with its reason; the table beside the scripts has a row for each sample.
    """
    with user_errors():
        from manifests.corpus_reader import CorpusReader
        from pipelines.config import PRESETS, load_as
        from pipelines.dialogues.script_turns import ScriptsConfig
        from pipelines.dialogues.scripting import make_scripts, scripts_table, write_scripts

        made = make_scripts(CorpusReader(corpus), load_as(ScriptsConfig, PRESETS, overrides=settings or ()))
        written = write_scripts(made, out, overwrite=overwrite)
        if not quiet:
            Console().print(scripts_table(made))
            typer.echo(f"{out}: {'written' if written else 'as it was'}")


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
        from pipelines.reporter import make_reporter

        chosen = load_real(preset=preset, path=config, overrides=settings or ())
        listed = read_listing(
            recordings,
            out,
            reader=reader,
            options=reader_options or (),
            stage=stage,
            sidecar=sidecar,
            quiet=quiet,
        )
        tell_left_out(listed.left_out)
        found = open_real(listed.listing, listed.root, out, chosen)
        run_engine = chosen_engine(engine, workers, ray_address, found, chosen.engine)
        made = make_real(
            found,
            chosen,
            engine=run_engine,
            reporter=make_reporter(quiet=quiet),
            retry=retry or (),
            break_lock=break_lock,
        )
        _finish(found, made.account, ("recordings", "windows"), quiet=quiet)
